"""Images larger than memory: exactly what the network makes of the whole, piece by piece.

Instance normalization needs the statistics of the whole image at each of its layers, and each
layer's depend on those before. Estimates are no way out. Against the whole image, a trained
network (painted in the style of a starry night, a photo of 1000x748) was off by 15 of 255 steps
on average with the statistics of a thumbnail of 1/4 (Chen et al. 2022) and by 32 with 1/8; with
those of full-size patches by 6 to 21 where they covered a third of the image, by 15 to 36 where
a twelfth; and to take the statistics again from the tiles so stylized made it worse (44, 137).

So the image goes through the network stage by stage. The features between the stages, at a
quarter of the image's side, are kept whole; within a stage, each normalization in its turn gets
its statistics from one pass over all tiles. This costs 2.5 times the convolutions of the whole
and, as tiles stay in the cache, 1.5 to 2.0 times its processor time (2048x2048, tiles of 512 and
1024, one core), and leaves no seams: up to rounding, the result is that of the whole image.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from stylenet.inference.canvas import Canvas
from stylenet.inference.features import Features
from stylenet.networks import (
    StagedNetwork,
    StyleNetwork,
    moments,
    pool_moments,
    with_statistics,
)

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Tile:
    """A piece of the feature maps, in cells, with the margins that its neighbors give it."""

    top: int
    left: int
    bottom: int
    right: int
    above: int
    before: int
    below: int
    after: int

    @property
    def wide(self) -> tuple[int, int, int, int]:
        """Top, left, bottom, right with the margins."""
        return (
            self.top - self.above,
            self.left - self.before,
            self.bottom + self.below,
            self.right + self.after,
        )

    def inner(self, features: Tensor) -> Tensor:
        """Cuts the margins off features of the tile, at whatever multiple of the cells."""
        times = features.shape[-1] // (self.right - self.left + self.before + self.after)
        height, width = features.shape[-2:]
        return features[
            ...,
            self.above * times : height - self.below * times,
            self.before * times : width - self.after * times,
        ]


@torch.inference_mode()
def stylize_tiled(
    network: StyleNetwork,
    photo: Canvas,
    result: Canvas,
    tile: int,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
    in_file: bool = False,
) -> None:
    """Stylizes an image tile by tile, in memory that depends on the tile.

    Beside the tile, the features between two stages are kept twice: 8 numbers a pixel each with
    the default network.

    Args:
        network: One of those that :func:`can_be_tiled` accepts, in evaluation mode.
        photo: The image.
        result: Where the stylized one goes, of the same size, another canvas.
        tile: The side of the tiles, in pixels; rounded up to the network's stride.
        device: Where the network is.
        progress: Called after each tile of each pass with the number done and that of all.
        in_file: Whether to keep the features in a temporary file instead of memory.

    Raises:
        StyleNetError: The temporary file cannot be written.
    """
    net = cast(StagedNetwork, network)
    height, width = photo.size
    stride = net.stride
    cells = net.enter(torch.empty(1, 1, height, width, device="meta")).shape[-2:]
    size = (cells[0] // stride, cells[1] // stride)
    tiles = list(_cut(size, -(-tile // stride), net.reach))
    stages = net.stages()
    norms = [_norms(stage) for stage in stages]
    total = sum(len(names) + 1 for names in norms) * len(tiles)
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    def read(piece: Tile) -> Tensor:
        if features is not None:
            return features.read(piece.wide).to(device)
        top, left, bottom, right = (side * stride for side in piece.wide)
        pixels = photo.read((top, left, min(bottom, height), min(right, width)))
        return net.enter(pixels.to(device, memory_format=torch.channels_last))

    features: Features | None = None
    for stage, names in zip(stages, norms, strict=True):
        statistics = _Statistics()
        # It copies any module, a whole network or a stage of one.
        run = with_statistics(stage, statistics.take) if names else stage  # type: ignore[arg-type]
        for name in names:
            statistics.wanted = name
            for statistics.tile in tiles:
                try:
                    run(read(statistics.tile))
                except _Enough:
                    step()
            statistics.finish()
        following: Features | None = None
        for piece in tiles:
            made = piece.inner(run(read(piece)))
            if stage is stages[-1]:
                top, left = piece.top * stride, piece.left * stride
                made = made[..., : height - top, : width - left]
                box = (top, left, top + made.shape[-2], left + made.shape[-1])
                made = made if made.dtype == torch.float64 else made.float()
                result.write(box, net.leave(made).cpu())
            else:
                following = following or Features(size, made.shape[1], made.dtype, in_file)
                following.write((piece.top, piece.left), made)
            step()
        if features is not None:
            features.close()
        features = following


def can_be_tiled(network: StyleNetwork) -> bool:
    """Says whether a network tells its stages.

    Args:
        network: Any.

    Returns:
        Whether :func:`stylize_tiled` takes it.
    """
    return isinstance(network, StagedNetwork)


def _norms(stage: nn.Module) -> list[str]:
    return [name for name, m in stage.named_modules() if isinstance(m, nn.InstanceNorm2d)]


def _cut(size: tuple[int, int], side: int, reach: int) -> Iterator[Tile]:
    """Cuts feature maps into tiles of equal sides, as far as they go."""
    height, width = size
    for top in range(0, height, side):
        for left in range(0, width, side):
            bottom, right = min(height, top + side), min(width, left + side)
            yield Tile(
                top,
                left,
                bottom,
                right,
                above=min(reach, top),
                before=min(reach, left),
                below=min(reach, height - bottom),
                after=min(reach, width - right),
            )


class _Enough(Exception):  # noqa: N818 (no error)
    """Stops a pass behind the layer whose statistics it is for."""


class _Statistics:
    """Gathers mean and variance of one layer after the other over all tiles.

    Attributes:
        wanted: The layer whose turn it is.
        tile: The tile that runs.
    """

    def __init__(self) -> None:
        self.wanted = ""
        self.tile: Tile | None = None
        self._known: dict[str, tuple[Tensor, Tensor]] = {}
        # Of the wanted layer, for each tile: pixels, mean, variance.
        self._parts: list[tuple[int, Tensor, Tensor]] = []

    def take(self, name: str, features: Tensor) -> tuple[Tensor, Tensor]:
        """What the layer normalizes by; see :func:`stylenet.networks.with_statistics`."""
        if name in self._known:
            return self._known[name]
        assert self.tile is not None, name
        inner = self.tile.inner(features)
        self._parts.append((inner.shape[-2] * inner.shape[-1], *moments(inner)))
        raise _Enough

    def finish(self) -> None:
        """Keeps what was gathered for the wanted layer."""
        counts, means, variances = zip(*self._parts, strict=True)
        self._known[self.wanted] = pool_moments(counts, means, variances)
        self._parts.clear()
