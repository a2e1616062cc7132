"""A package that extends StyleNet: a network, a loss term, a callback and an export format."""

from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from stylenet.export import ExportFormat, register_format
from stylenet.networks import StyleNetwork, register_network
from stylenet.perceptual import LossInputs, LossTerm


@register_network("pointwise")
class PointwiseNetwork(StyleNetwork):
    """Network of two 1x1 convolutions, which changes colors alone."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, width, 1), nn.ReLU(), nn.Conv2d(width, 3, 1))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images).sigmoid()  # (N, 3, H, W)


class ContrastLoss(LossTerm):
    """Squared distance between the contrast of stylized images and a target."""

    def __init__(self, weight: float = 1.0, contrast: float = 0.3) -> None:
        super().__init__(weight)
        self.contrast = contrast

    def forward(self, inputs: LossInputs) -> Tensor:
        return (inputs.stylized.flatten(1).std(1) - self.contrast).square()  # (N,)


class CountSteps(pl.Callback):
    """Callback that leaves the number of steps in a file."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.path.write_text(str(trainer.global_step))


def write_program(program: torch.export.ExportedProgram, path: Path, *_: object) -> None:
    torch.export.save(program, path)


def read_program(path: Path) -> nn.Module:
    return torch.export.load(path).module(check_guards=False)


register_format("program", ExportFormat(".program", write_program, read_program))
