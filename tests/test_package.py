import subprocess
import sys

import pytest

import stylenet
from stylenet.inference import Stylizer


def test_the_stylizer_is_exported_at_the_top():
    assert stylenet.Stylizer is Stylizer
    with pytest.raises(AttributeError, match="Stylist"):
        _ = stylenet.Stylist


def test_inference_imports_neither_trainer_nor_encoder_nor_configs():
    code = "import sys; from stylenet import Stylizer; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "stylenet.inference.stylizer" in loaded
    heavy = {"pytorch_lightning", "hydra", "omegaconf", "tensorboard", "torchvision"}
    heavy |= {f"stylenet.{room}" for room in ("perceptual", "training", "data", "cli")}
    assert not loaded & heavy
