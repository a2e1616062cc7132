"""Previews in each logger that supports images."""

from types import SimpleNamespace

import torch
from pytorch_lightning.loggers import CSVLogger, MLFlowLogger

from stylenet.training.callbacks.image_logging import log_image

IMAGE = torch.rand(3, 4, 5)


def test_a_logger_with_log_image_gets_the_image():
    logged = []

    class Logger:
        def log_image(self, key, images, step):
            logged.append((key, images[0].size, step))

    log_image(Logger(), "preview", IMAGE, 7)
    assert logged == [("preview", (5, 4), 7)]


def test_mlflow_gets_the_image_as_a_file(monkeypatch):
    logged = []

    class Logger(MLFlowLogger):
        run_id = "run"
        experiment = SimpleNamespace(log_image=lambda *arguments: logged.append(arguments))

        def __init__(self):
            pass  # the original needs the mlflow package

    log_image(Logger(), "preview", IMAGE, 7)
    ((run, image, file),) = logged
    assert (run, image.shape, file) == ("run", (4, 5, 3), "preview/step_0000007.png")


def test_a_logger_without_image_support_gets_no_image(tmp_path):
    log_image(CSVLogger(tmp_path), "preview", IMAGE, 7)
    assert not list(tmp_path.iterdir())
