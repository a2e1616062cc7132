"""Conditions and parts that every suite receives."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pytorch_lightning as pl
import torch
from torch import Tensor

from stylenet.data import PhotoData
from stylenet.errors import StyleNetError, check_number
from stylenet.inference import Stylizer
from stylenet.networks import StyleNetwork
from stylenet.perceptual import PerceptualLoss
from stylenet.training import StyleTransferModule

# Width and height.
Size = tuple[int, int]

# Minimum size: the network halves twice, and its first kernel reflects four pixels.
_SMALLEST = 16


@dataclass(frozen=True)
class Conditions:
    """Conditions of a measurement.

    Attributes:
        sizes: Width and height of the images, a case for each.
        batch: Batch size.
        repeats: Timed runs of each case.
        warmup: Runs before them that are not timed.
        baseline: Whether to run the reference too.
        device: The device that everything runs on.
        precision: Precision of StyleNet's convolutions, as users set it; ``auto`` chooses.
    """

    sizes: Sequence[Size]
    batch: int
    repeats: int
    warmup: int
    baseline: bool
    device: torch.device
    precision: str

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            StyleNetError: A value is out of range.
        """
        check_number("batch", self.batch, minimum=1, integer=True)
        check_number("repeats", self.repeats, minimum=1, integer=True)
        check_number("warmup", self.warmup, minimum=0, integer=True)
        if not isinstance(self.baseline, bool):
            raise StyleNetError(f"baseline={self.baseline} is neither true nor false")

    def images(self, size: Size) -> Tensor:
        """Create a batch of random images, the same on every call.

        Args:
            size: Width and height.

        Returns:
            RGB in [0, 1], shape (batch, 3, H, W), on the device, in PyTorch's default layout.
        """
        width, height = size
        generator = torch.Generator().manual_seed(0)
        return torch.rand(self.batch, 3, height, width, generator=generator).to(self.device)


@dataclass(frozen=True)
class Trained:
    """Trained network and the loss of its style.

    Attributes:
        name: Name of the checkpoint.
        stylizer: The network.
        style: A text that is equal for equal styles.
        criterion: The loss, with real weights of the encoder.
    """

    name: str
    stylizer: Stylizer
    style: str
    criterion: PerceptualLoss


class Bench(Protocol):
    """Factory of the configured parts, new on each call; can be pickled into another process."""

    conditions: Conditions

    def network(self, seed: int = 0) -> StyleNetwork:
        """Build the network with random weights, the same for each seed."""

    def criterion(self) -> tuple[PerceptualLoss, Tensor]:
        """Build the perceptual loss; return it with the (first) style image."""

    def module(self, criterion: PerceptualLoss, seed: int = 0) -> StyleTransferModule:
        """Build the Lightning module of training, with the weights of :meth:`network`."""

    def trainer(self, steps: int, callback: pl.Callback) -> pl.Trainer:
        """Build the trainer of training for some steps, without its callbacks."""

    def data(self, size: int) -> PhotoData:
        """Build the data module, whose photos are cropped to a size."""

    def trained(self, checkpoints: Sequence[str], style_folder: str | None) -> list[Trained]:
        """Load trained networks, each with the loss of its style."""

    def run_in_process(self, task: Callable[..., Any], *arguments: Any) -> Any:
        """Return ``task(bench, *arguments)``, run in a process of its own."""


def parse_sizes(value: Any) -> list[Size]:
    """Parse ``512``, ``3840x2160`` or a list of these.

    Args:
        value: The option ``size``.

    Returns:
        Width and height of each, in order.

    Raises:
        StyleNetError: The value is something else, or too small.
    """
    sizes = []
    for item in value if isinstance(value, list) else [value]:
        match = re.fullmatch(r"(\d+)(?:x(\d+))?", str(item))
        if match is None or isinstance(item, bool):
            raise StyleNetError(
                f"size={item} is not a size; pass pixels as 512 or 3840x2160, or several as "
                f"'[256,512,1024]'"
            )
        width, height = int(match[1]), int(match[2] or match[1])
        if min(width, height) < _SMALLEST:
            raise StyleNetError(f"size={item} is too small; pass at least {_SMALLEST} pixels")
        sizes.append((width, height))
    if not sizes:
        raise StyleNetError("size=[] is empty; pass pixels as 512 or 3840x2160")
    if len(set(sizes)) < len(sizes):
        raise StyleNetError(f"size={value} contains a size twice; pass each size once")
    return sizes
