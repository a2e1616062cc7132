"""The files that the documented commands use, small enough for a run of seconds."""

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from stylenet.checkpoint import CheckpointInfo, save_checkpoint
from stylenet.networks import build_network
from stylenet.perceptual import LiteEncoder
from stylenet.pretrained import pretrained_style

from ..commands.conftest import blotches
from ..video.videos import make_video

PHOTO = (96, 72)
# Output channels by the index of the convolution in torchvision's features.
VGG19_TO_RELU3_4 = {0: 64, 2: 64, 5: 128, 7: 128, 10: 256, 12: 256, 14: 256, 16: 256}
STYLE_IMAGES = (
    *("painting", "wave", "night", "cat", "starry_night", "kandinsky"),
    *("first", "second"),
)

# Names that the examples of docs/extending.md import.
PLUGIN = '''
import pytorch_lightning as pl
from stylenet.perceptual import LossTerm

class SharpnessLoss(LossTerm):
    """Negative variation of the stylized images."""
    def forward(self, inputs):
        return -inputs.stylized.diff(dim=-1).square().flatten(1).mean(1)

class MyCallback(pl.Callback):
    """Callback that does nothing."""
'''

CONFIGS = {
    "style/wave.yaml": "defaults: [custom]\nname: wave\nimage: wave.jpg\n",
    "loss/sharp.yaml": (
        "defaults: [relative]\nsharp:\n  _target_: mypackage.SharpnessLoss\n  weight: 0.1\n"
    ),
}


def fill(folder, make_state):
    """Write photos, style images, a video, checkpoints and weights to a folder."""
    torch.manual_seed(0)
    blotches(folder / "photo.jpg", *PHOTO)
    for index in range(6):
        blotches(folder / "photos" / f"{index}.jpg", *PHOTO, seed=index)
        blotches(folder / "paintings" / f"{index}.jpg", *PHOTO, seed=20 + index)
    for index, name in enumerate(STYLE_IMAGES):
        blotches(folder / f"{name}.jpg", *PHOTO, seed=40 + index)
    for name in ("panorama", "print"):
        blotches(folder / f"{name}.tif", 200, 60)
    write_masks(folder)
    for name in ("video", "dance", "dancer"):
        make_video(folder / f"{name}.mp4", size=(64, 48))
    (folder / "clips").mkdir()
    for name in ("first", "second"):
        make_video(folder / "clips" / f"{name}.mp4", size=(96, 72))
    torch.save(make_state(), folder / "candy.model")
    (folder / "mypackage.py").write_text(PLUGIN)
    for name, content in CONFIGS.items():
        (folder / "myconfigs" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "myconfigs" / name).write_text(content)
    save_file(random_vgg(), folder / "vgg19.safetensors")
    write_checkpoints(folder)


def write_masks(folder):
    """Write masks, a mask for each photo, and an image of labels."""
    width, height = PHOTO
    mask = np.zeros((height, width), np.uint8)
    mask[: height // 2] = 255
    for name in ("mask", "sky", "face"):
        Image.fromarray(mask).save(folder / f"{name}.png")
    (folder / "masks").mkdir()
    for photo in (folder / "photos").iterdir():
        Image.fromarray(mask).save(folder / "masks" / photo.name)
    labels = np.full((height, width, 3), 255, np.uint8)
    labels[: height // 3], labels[height // 3 : height // 2] = (255, 208, 64), (224, 64, 64)
    Image.fromarray(labels).save(folder / "labels.png")


def random_vgg():
    """Return random weights of VGG-19 to relu3_4, under torchvision's names."""
    state, channels = {}, 3
    for index, width in VGG19_TO_RELU3_4.items():
        scale = (2 / (9 * channels)) ** 0.5  # He et al. 2015, arXiv:1502.01852
        state[f"features.{index}.weight"] = scale * torch.randn(width, channels, 3, 3)
        state[f"features.{index}.bias"] = torch.zeros(width)
        channels = width
    return state


def write_checkpoints(folder):
    """Write the run directories that a page takes from another page."""
    for name in ("mine", "starry", "starry_compact"):
        target = folder / "runs" / name / f"{name}.safetensors"
        target.parent.mkdir(parents=True)
        target.write_bytes(pretrained_style("great_wave_compact").read_bytes())
    LiteEncoder().save(folder / "runs" / "lite" / "lite.safetensors", {})
    styles = {"johnson_multi": {"styles": ["starry", "mosaic"]}, "adain": {}}
    names = {"johnson_multi": "multi", "adain": "adain", "compact_dials": "dials"}
    for name, folder_name in names.items():
        network = build_network(name, **styles.get(name, {}))
        info = CheckpointInfo(folder_name, 1)
        save_checkpoint(folder / "runs" / folder_name / f"{folder_name}.safetensors", network, info)
