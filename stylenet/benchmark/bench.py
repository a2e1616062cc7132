"""What every suite is handed: how to measure, and the parts to measure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pytorch_lightning as pl
import torch
from torch import Tensor

from stylenet.data import PhotoData
from stylenet.errors import StyleNetError, check_number
from stylenet.networks import StyleNetwork
from stylenet.perceptual import PerceptualLoss
from stylenet.training import StyleTransferModule

# Width and height.
Size = tuple[int, int]

# The network halves twice and its first kernel reflects four pixels.
_SMALLEST = 16


@dataclass(frozen=True)
class Conditions:
    """How is measured.

    Attributes:
        sizes: Width and height of the images, one case each.
        batch: Images at a time.
        repeats: Timed runs of each case.
        warmup: Runs before them that are not timed.
        baseline: Whether the reference runs too.
        device: Where everything runs.
        precision: What StyleNet's convolutions compute in, as users give it; ``auto`` chooses.
    """

    sizes: Sequence[Size]
    batch: int
    repeats: int
    warmup: int
    baseline: bool
    device: torch.device
    precision: str

    def __post_init__(self) -> None:
        """Checks every value.

        Raises:
            StyleNetError: A value is impossible.
        """
        check_number("batch", self.batch, minimum=1, integer=True)
        check_number("repeats", self.repeats, minimum=1, integer=True)
        check_number("warmup", self.warmup, minimum=0, integer=True)
        if not isinstance(self.baseline, bool):
            raise StyleNetError(f"baseline={self.baseline} is neither true nor false")

    def images(self, size: Size) -> Tensor:
        """Draws a batch of images, always the same.

        Args:
            size: Width and height.

        Returns:
            RGB in [0, 1], shape (batch, 3, H, W), on the device, in PyTorch's default layout.
        """
        width, height = size
        generator = torch.Generator().manual_seed(0)
        return torch.rand(self.batch, 3, height, width, generator=generator).to(self.device)


class Bench(Protocol):
    """Builds the parts as the options say, each time anew; pickles into another process."""

    conditions: Conditions

    def network(self, seed: int = 0) -> StyleNetwork:
        """Builds the network with fresh weights, the same every time for a seed."""

    def criterion(self) -> tuple[PerceptualLoss, Tensor]:
        """Builds the perceptual loss; gives the (first) image of the style with it."""

    def module(self, criterion: PerceptualLoss, seed: int = 0) -> StyleTransferModule:
        """Builds what ``scripts/train.py`` trains, with the weights of :meth:`network`."""

    def trainer(self, steps: int, callback: pl.Callback) -> pl.Trainer:
        """Builds the trainer of ``scripts/train.py`` for some steps, without its callbacks."""

    def data(self, size: int) -> PhotoData:
        """Finds the photos, to be cropped to a size."""

    def apart(self, task: Callable[..., Any], *arguments: Any) -> Any:
        """Runs ``task(bench, *arguments)`` in a process of its own and gives what it returns."""


def parse_sizes(value: Any) -> list[Size]:
    """Reads ``512``, ``3840x2160`` or a list of such.

    Args:
        value: What a user gave for ``size``.

    Returns:
        Width and height of each, in the order given.

    Raises:
        StyleNetError: It is something else, or too small.
    """
    sizes = []
    for item in value if isinstance(value, list) else [value]:
        match = re.fullmatch(r"(\d+)(?:x(\d+))?", str(item))
        if match is None or isinstance(item, bool):
            raise StyleNetError(
                f"size={item} is no size; give pixels as 512 or 3840x2160, or several as "
                f"'[256,512,1024]'"
            )
        width, height = int(match[1]), int(match[2] or match[1])
        if min(width, height) < _SMALLEST:
            raise StyleNetError(f"size={item} is too small; give {_SMALLEST} pixels at least")
        sizes.append((width, height))
    if not sizes:
        raise StyleNetError("size=[] is empty; give pixels as 512 or 3840x2160")
    if len(set(sizes)) < len(sizes):
        raise StyleNetError(f"size={value} holds a size twice")
    return sizes
