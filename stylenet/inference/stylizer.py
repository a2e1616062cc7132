"""Stylize images with a trained network."""

import copy
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stylenet.checkpoint import (
    STYLE_SIZE,
    CheckpointInfo,
    find_style,
    load_checkpoint,
    select_style,
)
from stylenet.contention import watch
from stylenet.errors import StyleNetError
from stylenet.hub import download_checkpoint
from stylenet.image import LoadedImage
from stylenet.inference.arrays import unpack
from stylenet.inference.buffers import ImageBuffer, scale_short_side
from stylenet.inference.options import StylizeOptions
from stylenet.inference.passes import Progress, run_passes
from stylenet.inference.postprocess import postprocess
from stylenet.inference.precision import choose_device, choose_dtype
from stylenet.inference.region_map import Mask, RegionMap, as_regions, check_mask
from stylenet.inference.runner import Runner, to_device
from stylenet.networks import (
    Dials,
    DialsNetwork,
    StatisticsFunction,
    StyleNetwork,
    blend_networks,
    with_statistics,
)
from stylenet.pretrained import pretrained_styles


class Stylizer:
    """Trained network that stylizes images. Safe to use from several threads.

    Attributes:
        network: The network, in evaluation mode. May be replaced by one with the same weights.
        info: Metadata of its checkpoint.
        device: The device that the network runs on.
        precision: ``float32``, ``bfloat16``, ``float16`` or ``int8``.
        dtype: The type that its convolutions compute in; with int8 the type of everything else, and
            of the convolutions in tiles.
        dials: Values of the dials of a network with dials; ``None`` for any other network.

    Example:
        >>> stylizer = Stylizer.load("runs/starry")  # doctest: +SKIP
        >>> stylizer(Image.open("photo.jpg"), strength=0.6).save("out.png")  # doctest: +SKIP
    """

    def __init__(
        self,
        network: StyleNetwork,
        info: CheckpointInfo,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        """Move a network to its device and convert it to its precision.

        Args:
            network: The network, with float32 weights. One with dials starts with both at 1.
            info: Metadata of its checkpoint.
            device: ``auto`` (a GPU if there is one) or PyTorch's name of a device.
            precision: See :func:`stylenet.inference.precision.choose_dtype`. ``int8`` needs
                OpenVINO (``pip install 'stylenet[int8]'``), a CPU, and a johnson or compact network
                without dials.

        Raises:
            StyleNetError: The device or the precision is unknown, or this machine or this network
                does not have it.
        """
        watch()
        self._source = network if isinstance(network, DialsNetwork) else None
        self.dials = None if self._source is None else Dials()
        if self._source is not None:
            if precision == "int8":
                raise StyleNetError(
                    "precision=int8 does not work with dials, each turn of which would need a new "
                    "calibration. Give precision=auto."
                )
            network = self._source.select(Dials())
        self.device = choose_device(device)
        self.dtype = choose_dtype(precision, self.device, to_device(network, self.device))
        float_name = str(self.dtype).removeprefix("torch.")
        self.precision = precision if precision == "int8" else float_name
        self.info = info
        self.network = network

    @property
    def network(self) -> StyleNetwork:
        """Return the network in float32."""
        return self._runner.network

    @network.setter
    def network(self, network: StyleNetwork) -> None:
        self._runner = Runner(network, self.device, self.dtype, self.precision == "int8")

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        device: str = "auto",
        precision: str = "auto",
        style: str | None = None,
        style_size: int | None = STYLE_SIZE,
        encoder_weights: str | Path | None = None,
        stroke: float | None = None,
        style_weight: float | None = None,
    ) -> "Stylizer":
        """Load a checkpoint.

        Args:
            path: See :func:`stylenet.checkpoint.find_checkpoint`. ``None``: the bundled network
                that stylizes in ``style``, see :func:`stylenet.checkpoint.find_style`.
            device: See :class:`Stylizer`.
            precision: See :class:`Stylizer`.
            style: For a checkpoint with several styles: one of them, or a mixture such as
                ``starry:0.6,mosaic:0.4``; ``None`` for the first. For an arbitrary-style
                checkpoint: a style image, or several, such as ``first.jpg:0.6,second.jpg:0.4``.
            style_size: Short side, in pixels, that style images are scaled to; a larger size gives
                larger strokes. ``None`` keeps their own size.
            encoder_weights: See :func:`stylenet.checkpoint.load_checkpoint`.
            stroke: For a network with dials, see :meth:`turn`. (For any other network, ``stroke``
                is an option of each call.)
            style_weight: For a network with dials, see :meth:`turn`.

        Raises:
            StyleNetError: See :func:`stylenet.checkpoint.load_style` and the class.
        """
        if path is None:
            path, style = find_style(style)
        network, info = load_checkpoint(path, encoder_weights)
        # Also checks the values of the dials, with a message that names the checkpoint.
        selected, info = select_style(network, info, path, style, style_size, stroke, style_weight)
        if not isinstance(network, DialsNetwork):
            return cls(selected, info, device, precision)
        stylizer = cls(network, info, device, precision)
        stylizer.turn(stroke, style_weight)
        return stylizer

    @classmethod
    def from_pretrained(
        cls, repository: str, revision: str | None = None, **options: Any
    ) -> "Stylizer":
        """Load a checkpoint of the Hugging Face Hub, which is downloaded once.

        Args:
            repository: ``user/style``, as ``stylenet push`` wrote it. The name of a pretrained
                style that comes with the package works too, without a download.
            revision: A branch, tag or commit; default: the newest.
            **options: See :meth:`load`.

        Raises:
            StyleNetError: See :func:`stylenet.hub.download_checkpoint` and :meth:`load`.
        """
        if repository in pretrained_styles():
            return cls.load(repository, **options)
        return cls.load(download_checkpoint(repository, revision), **options)

    @classmethod
    def blend(cls, first: "Stylizer", second: "Stylizer", weight: float = 0.5) -> "Stylizer":
        """Return a stylizer between two, by the weighted mean of their networks' weights.

        The result looks good if one network was trained from the other (``init=...``); see
        :func:`stylenet.networks.blend_networks`.

        Args:
            first: Its device and precision are those of the result.
            second: Has a network of the same architecture.
            weight: Weight of the second, from 0 to 1.

        Returns:
            A stylizer whose style is named ``first+second``.

        Raises:
            StyleNetError: The architectures differ, or the weight is out of range.
        """
        network = blend_networks(first.network, second.network, weight)
        style = f"{first.info.style}+{second.info.style}"
        info = dataclasses.replace(first.info, style=style, description="")
        return cls(network, info, str(first.device), first.precision)

    def turn(self, stroke: float | None = None, style_weight: float | None = None) -> None:
        """Turn the dials of a network with dials.

        Only the scales and shifts of the normalizations change, in place: it took 0.5 to 0.7 ms on
        one core, and nothing is compiled again. Other threads must not stylize meanwhile.

        Args:
            stroke: Size of the strokes, as a multiple of the trained one, from 0.5 to 2 unless the
                network was trained for another range. ``None`` leaves the dial where it is.
            style_weight: Factor on the weight of the style loss in training, from 0.25 to 4 unless
                trained otherwise; larger is farther from the photo. ``None`` leaves the dial.

        Raises:
            StyleNetError: The network has no dials, or a value is out of range.
        """
        if self._source is None or self.dials is None:
            raise StyleNetError(
                f"{self.info.style} has no dials. Give a network trained with "
                f"network=johnson_dials or network=compact_dials."
            )
        dials = Dials(
            self.dials.stroke if stroke is None else stroke,
            self.dials.style_weight if style_weight is None else style_weight,
        )
        self._source.turn(self.network, dials)
        self.dials = dials

    def turned(self) -> "Stylizer":
        """Return a copy whose dials can be turned without a change to this stylizer."""
        if self._source is None or self.dials is None:
            return self
        copied = copy.copy(self)
        copied.network = self._source.select(self.dials)
        return copied

    def with_statistics(self, take: StatisticsFunction) -> "Stylizer":
        """Return a copy whose instance normalizations use given statistics.

        Args:
            take: See :func:`stylenet.networks.with_statistics`.

        Returns:
            The copy; the stylizer itself if its network has no instance normalization.
        """
        try:
            network = with_statistics(self.network, take)
        except ValueError:
            return self
        copied = copy.copy(self)
        copied.network = network
        return copied

    def __call__(
        self,
        images: Any,
        progress: Progress | None = None,
        mask: Mask | None = None,
        **options: Any,
    ) -> Any:
        """Stylize images; the result has the type of the argument.

        Args:
            images: A PIL image of any mode (its EXIF orientation and color profile are applied);
                a :class:`stylenet.image.LoadedImage`; a NumPy array (H, W), (H, W, 3), (H, W, 4) or
                (N, H, W, 3); a tensor (3, H, W) or (N, 3, H, W), on any device; arrays and tensors
                as uint8 or floats in [0, 1]; or a list or tuple of these, of any sizes.
            progress: See :meth:`stylize`.
            mask: See :meth:`stylize`; of the size of each image.
            **options: See :class:`stylenet.inference.options.StylizeOptions`.

        Returns:
            For a PIL image an upright sRGB image of mode RGB, or RGBA if it has transparency; for
            arrays and tensors the same shape, type and device; for a list or tuple a list in the
            same order.

        Raises:
            StyleNetError: An option is unknown or out of range, an image has another type, shape
                or range, or memory is short.
        """
        known = [field.name for field in dataclasses.fields(StylizeOptions)]
        unknown = sorted(set(options) - set(known))
        if unknown:
            raise StyleNetError(
                f"unknown option {', '.join(unknown)}; the options are {', '.join(known)}"
            )
        unpacked = unpack(images)
        results = self._stylize(unpacked.buffers, StylizeOptions(**options), mask, progress)
        return unpacked.pack(results)

    def stylize(
        self,
        image: LoadedImage,
        options: StylizeOptions | None = None,
        mask: Mask | None = None,
        progress: Progress | None = None,
    ) -> LoadedImage:
        """Stylize an image; its transparency and metadata are kept.

        Args:
            image: The content image.
            options: ``None`` for the defaults: full strength, at the image's own size.
            mask: Of the image's size. An image of mode L: white where the content image is
                stylized, black where it stays, gray for a mixture. Or regions, see
                :class:`stylenet.inference.region_stylizer.RegionStylizer`.
            progress: For a tiled image, called after each step with the number of steps done and
                the total.

        Returns:
            An image of the same size.

        Raises:
            StyleNetError: The mask has another mode or size, or memory is short.
        """
        unpacked = unpack(image)
        results = self._stylize(unpacked.buffers, options or StylizeOptions(), mask, progress)
        return unpacked.pack(results)

    def prepare(self) -> None:
        """Compile now what the first image would compile, for measurements.

        Without this, the first images on a GPU run through slower code while kernels compile.
        """
        self._runner.prepare()

    def stylize_tensor(self, images: Tensor) -> Tensor:
        """Run the network on a batch, without options.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), any device.

        Returns:
            The same shape and range, float32, on the stylizer's device.

        Raises:
            StyleNetError: Memory is short.
        """
        return self._runner(images)

    @torch.no_grad()  # a caller could not train with tensors made in inference mode
    def _stylize(
        self,
        contents: Sequence[ImageBuffer],
        options: StylizeOptions,
        mask: Mask | None,
        progress: Progress | None,
    ) -> list[ImageBuffer]:
        """Stylize buffers into new ones of the same types."""
        if self.dials is not None and options.stroke != 1:
            raise StyleNetError(
                f"{self.info.style} has a dial for strokes. Give stroke={options.stroke:g} to "
                f"load() or turn() instead."
            )
        for content in contents:
            if mask is not None:
                check_mask(mask, *content.size[::-1])
        regions = as_regions(mask)
        rendered = self._render(contents, options, regions, progress)
        kept = regions if regions is not None and regions.keeps_photo else None
        for content, stylized in zip(contents, rendered, strict=True):
            postprocess(content, stylized, options, kept)
        return rendered

    def _render(
        self,
        contents: Sequence[ImageBuffer],
        options: StylizeOptions,
        regions: RegionMap | None,
        progress: Progress | None,
    ) -> list[ImageBuffer]:
        """Run the network on buffers, at the sizes that the options ask for.

        Args:
            contents: The content images.
            options: Those of size and tiles are used.
            regions: Styles of the regions; a single network has one style and ignores them.
            progress: See :meth:`stylize`.

        Returns:
            New buffers of the same types and sizes.
        """
        if options.passes is not None:
            sides, tile = options.passes, options.tile_size

            def run(content: ImageBuffer, progress: Progress | None) -> ImageBuffer:
                return self._run([content], tile, progress)[0]

            return [run_passes(content, sides, run, progress) for content in contents]
        inputs = [scale_short_side(c, options.working_size(c.size)) for c in contents]
        outputs = self._run(inputs, options.tile_size, progress)
        return [
            stylized if stylized.size == content.size else stylized.resized(*content.size)
            for stylized, content in zip(outputs, contents, strict=True)
        ]

    def _run(
        self, inputs: Sequence[ImageBuffer], tile_size: int | None, progress: Progress | None
    ) -> list[ImageBuffer]:
        """Run the network on buffers at their own sizes."""
        return self._runner.run(inputs, self.stylize_tensor, tile_size, progress)
