"""A small network in the place of the pretrained ones, photos, and a studio to work with."""

import numpy as np
import pytest
import torch
from PIL import Image

from stylenet.app.limits import Limits
from stylenet.app.stylizing import Upload
from stylenet.checkpoint import CheckpointInfo, save_checkpoint
from stylenet.networks import build_network


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """Two trained networks, as they come with the package."""
    folder = tmp_path_factory.mktemp("networks")
    for seed, name in enumerate(("dots", "great_stripes_compact")):
        torch.manual_seed(seed)
        network = build_network("compact", width=4, deep_width=4, deep_blocks=1)
        save_checkpoint(folder / f"{name}.safetensors", network, CheckpointInfo(name, 7))
    return {path.stem: path for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def server(checkpoints, folder):
    """The running page."""
    from .page import running  # needs Gradio

    with running(checkpoints, folder) as server:
        yield server


@pytest.fixture
def pretrained(checkpoints, monkeypatch):
    monkeypatch.setattr("stylenet.app.styles.pretrained_styles", lambda: checkpoints)
    return checkpoints


@pytest.fixture
def photo(tmp_path):
    """A phone's photo, which is to be turned: upright it has 88 x 100 pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).resize((100, 88), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "uploads" / "upload.jpg"
    path.parent.mkdir()
    image.save(path, exif=exif, quality=95)
    return Upload(path, "My photo.jpg")


@pytest.fixture
def limits():
    return Limits()
