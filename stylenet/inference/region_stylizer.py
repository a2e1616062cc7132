"""Stylize the regions of an image in different styles."""

import copy
import dataclasses
from collections.abc import Sequence

import torch

from stylenet.errors import StyleNetError
from stylenet.inference.buffers import ImageBuffer
from stylenet.inference.options import StylizeOptions
from stylenet.inference.passes import Progress
from stylenet.inference.postprocess import strips
from stylenet.inference.region_map import RegionMap
from stylenet.inference.stylizer import Stylizer
from stylenet.networks import (
    StatisticsFunction,
    differ_only_in_norms,
    join_style_names,
    mix_styles,
    with_statistics,
)


class RegionStylizer(Stylizer):
    """Stylizer of several styles, each in its regions.

    Styles of one network (conditional instance normalization, AdaIN) are mixed inside it: at each
    pixel, its normalizations use the mixture of the styles' scales and shifts (Dumoulin, Shlens,
    Kudlur 2017). The results of different networks are blended. Every network sees the whole image,
    so that there are no seams.

    Each call needs ``mask``, a :class:`stylenet.inference.region_map.RegionMap`.

    Attributes:
        parts: The stylizer of each style. The attributes of the class itself, such as ``network``,
            are those of the first one.
        mixes: Whether the styles are mixed inside one network.

    Example:
        >>> stylizer = RegionStylizer([starry, wave])  # doctest: +SKIP
        >>> stylizer(photo, mask=RegionMap([sky], [0], rest=1))  # doctest: +SKIP
    """

    def __init__(self, parts: Sequence[Stylizer]) -> None:
        """Combine stylizers.

        Args:
            parts: One for each style of the regions, at least one, on one device.

        Raises:
            StyleNetError: There is none.
        """
        if not parts:
            raise StyleNetError("the regions have no style. Give at least one.")
        first = parts[0]
        info = dataclasses.replace(
            first.info, style=join_style_names(part.info.style for part in parts), description=""
        )
        super().__init__(first.network, info, str(first.device), first.precision)
        self.parts, self.dials = list(parts), first.dials
        self.mixes = differ_only_in_norms([part.network for part in parts])
        self._take: StatisticsFunction | None = None
        self._regions: RegionMap | None = None

    def with_statistics(self, take: StatisticsFunction) -> "RegionStylizer":
        """Return a copy whose instance normalizations use given statistics.

        Args:
            take: See :func:`stylenet.networks.with_statistics`. Layers of different networks have
                different names.
        """
        copied = copy.copy(self)
        copied._take = take
        return copied

    def turn(self, stroke: float | None = None, style_weight: float | None = None) -> None:
        """Turn the dials of every style; see :meth:`Stylizer.turn`."""
        for part in self.parts:
            part.turn(stroke, style_weight)
        self.dials = self.parts[0].dials

    def turned(self) -> "RegionStylizer":
        """Return a copy whose dials can be turned without a change to this stylizer."""
        return RegionStylizer([part.turned() for part in self.parts])

    def prepare(self) -> None:
        """See :class:`Stylizer`."""
        for part in self.parts:
            part.prepare()

    def _render(
        self,
        contents: Sequence[ImageBuffer],
        options: StylizeOptions,
        regions: RegionMap | None,
        progress: Progress | None,
    ) -> list[ImageBuffer]:
        """Render each style where it is used, and combine them."""
        if regions is None:
            raise StyleNetError("a RegionStylizer needs regions. Give mask=RegionMap(…).")
        if max(regions.used, default=0) >= len(self.parts):
            raise StyleNetError(
                f"the regions use {max(regions.used) + 1} styles, the stylizer has "
                f"{len(self.parts)}. Give a stylizer for each style."
            )
        used = regions.used or [0]
        if self.mixes and len(used) > 1:
            bound = copy.copy(self)
            bound._regions = regions
            return Stylizer._render(bound, contents, options, regions, progress)
        rendered: list[ImageBuffer] = []
        for index, style in enumerate(used):
            layers = self._part(style)._render(contents, options, None, progress)
            if index == 0:
                rendered = layers
                continue
            for below, above in zip(rendered, layers, strict=True):
                _lay_over(below, above, regions, index)
        return rendered

    def _part(self, style: int) -> Stylizer:
        """Return the stylizer of one style."""
        take, part = self._take, self.parts[style]
        if take is None:
            return part
        return part.with_statistics(lambda name, features: take(f"{style}.{name}", features))

    def _run(
        self, inputs: Sequence[ImageBuffer], tile_size: int | None, progress: Progress | None
    ) -> list[ImageBuffer]:
        """Run one network that mixes the styles at each pixel."""
        assert self._regions is not None
        size = inputs[0].size
        regions = self._regions.resized(*size)
        networks = [self.parts[style].network for style in regions.used]
        mixed = mix_styles(networks, regions.mixture, size)
        runner = copy.copy(self.parts[0])
        runner.network = mixed if self._take is None else with_statistics(mixed, self._take)
        return runner._run(inputs, tile_size, progress)


def _lay_over(below: ImageBuffer, above: ImageBuffer, regions: RegionMap, index: int) -> None:
    """Blend the next style's image into those of the styles before it.

    Args:
        below: The blend of the used styles before ``index``; changed in place.
        above: The image of the used style at ``index``.
        regions: The regions of the image.
        index: Index in ``regions.used``.
    """
    for box in strips(below):
        weights = regions.mixture(box)[: index + 1]  # (index + 1, h, w)
        # Weight among the styles so far: the last blend leaves each with its own weight.
        weight = weights[index] / weights.sum(0).clamp_min(1e-9)
        lower = below.read(box)  # (1, 3, h, w)
        upper = above.read(box).to(lower)
        below.write(box, torch.lerp(lower, upper, weight.to(lower).expand_as(lower)))
