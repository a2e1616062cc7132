"""A trained network, ready to stylize images."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor

from stylenet.checkpoint import STYLE_SIZE, CheckpointInfo, load_style
from stylenet.contention import watch
from stylenet.errors import StyleNetError
from stylenet.image import LoadedImage, shorter_side_scale
from stylenet.inference.arrays import unpack
from stylenet.inference.canvas import Canvas
from stylenet.inference.finish import check_mask, finish
from stylenet.inference.forward import make_forward
from stylenet.inference.memory import choose_tile, features_need_file, free_memory, peak_bytes
from stylenet.inference.options import StylizeOptions
from stylenet.inference.precision import choose_device, choose_dtype, with_convolutions_in
from stylenet.inference.tiles import can_be_tiled, stylize_tiled
from stylenet.networks import StagedNetwork, StyleNetwork, blend_networks

Progress = Callable[[int, int], None]

# Images of one size go through the network together until they have so many pixels; more take
# memory and save nothing.
_BATCH = 2**20


class Stylizer:
    """Stylizes images in the style of one network. Threads may share it.

    Attributes:
        network: The network, in evaluation mode. May be replaced by one with the same weights.
        info: What its checkpoint says of it.
        device: Where it runs.
        dtype: In what its convolutions compute.

    Example:
        >>> stylizer = Stylizer.load("runs/starry")  # doctest: +SKIP
        >>> stylizer(Image.open("photo.jpg"), strength=0.6).save("out.png")  # doctest: +SKIP
    """

    def __init__(
        self, network: StyleNetwork, info: CheckpointInfo, device: str = "auto", dtype: str = "auto"
    ) -> None:
        """Moves a network to where it is to run.

        Args:
            network: What stylizes.
            info: What it is.
            device: ``auto`` (a GPU if there is one) or PyTorch's name of a device.
            dtype: See :func:`stylenet.inference.precision.choose_dtype`.

        Raises:
            StyleNetError: The device is unknown or not there, or the type unknown.
        """
        watch()
        self.device = choose_device(device)
        self.dtype = choose_dtype(dtype, self.device, self._placed(network))
        self.info = info
        self.network = network

    @property
    def network(self) -> StyleNetwork:
        """The network as it was given, in float32."""
        return self._network

    @network.setter
    def network(self, network: StyleNetwork) -> None:
        self._network = self._placed(network)
        self._running = with_convolutions_in(self._network, self.dtype)
        self._forward = make_forward(
            self._network,
            self._running,
            self.device,
            self.dtype,
            peak_bytes(self._running, self.dtype),
        )

    def _placed(self, network: StyleNetwork) -> StyleNetwork:
        # Convolutions are up to six times as fast in this layout.
        return network.eval().to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @classmethod
    def load(
        cls,
        path: str | Path,
        device: str = "auto",
        dtype: str = "auto",
        style: str | None = None,
        style_size: int | None = STYLE_SIZE,
        encoder_weights: str | Path | None = None,
    ) -> "Stylizer":
        """Reads a checkpoint.

        Args:
            path: A ``.safetensors`` file or a run folder.
            device: See the class.
            dtype: See the class.
            style: Of a checkpoint that holds several: one of them, or a mixture such as
                ``starry:0.6,mosaic:0.4``; ``None`` for the first. Of one for any style: an image,
                or several, such as ``first.jpg:0.6,second.jpg:0.4``.
            style_size: The shorter side that these images are brought to, in pixels; larger makes
                larger strokes. ``None`` leaves them.
            encoder_weights: See :func:`stylenet.checkpoint.load_checkpoint`.

        Returns:
            The stylizer.

        Raises:
            StyleNetError: See :func:`stylenet.checkpoint.load_style` and the class.
        """
        return cls(*load_style(path, style, style_size, encoder_weights), device, dtype)

    @classmethod
    def blend(cls, first: "Stylizer", second: "Stylizer", share: float = 0.5) -> "Stylizer":
        """Makes a style between two, by a mean of the weights.

        It looks well where one network was trained from the other (``init=...``), see
        :func:`stylenet.networks.blend_networks`.

        Args:
            first: One style; its device and type are the result's.
            second: The other one, of the same architecture.
            share: How much of the second, from 0 to 1.

        Returns:
            The stylizer between them, whose style is named ``first+second``.

        Raises:
            StyleNetError: The architectures differ, or the share is none.
        """
        network = blend_networks(first.network, second.network, share)
        style = f"{first.info.style}+{second.info.style}"
        info = dataclasses.replace(first.info, style=style, description="")
        dtype = str(first.dtype).removeprefix("torch.")
        return cls(network, info, str(first.device), dtype)

    def __call__(self, images: Any, progress: Progress | None = None, **settings: Any) -> Any:
        """Stylizes images; what comes back is of the kind that was given.

        Args:
            images: A PIL image of any mode (its EXIF orientation and color profile are applied);
                a :class:`stylenet.image.LoadedImage`; a NumPy array (H, W), (H, W, 3), (H, W, 4) or
                (N, H, W, 3); a tensor (3, H, W) or (N, 3, H, W), on any device; arrays and tensors
                as uint8 or floats in [0, 1]; or a list or tuple of these, of any sizes.
            progress: See :meth:`stylize`.
            **settings: See :class:`stylenet.inference.options.StylizeOptions`.

        Returns:
            For a PIL image one that is upright and in sRGB, of mode RGB, or RGBA if it has
            transparency; for arrays and tensors the same shape, type and device; for a list or a
            tuple a list in the same order.

        Raises:
            StyleNetError: An option is unknown or impossible, an image is of another kind, shape
                or range, or memory is short.
        """
        known = [field.name for field in dataclasses.fields(StylizeOptions)]
        unknown = sorted(set(settings) - set(known))
        if unknown:
            raise StyleNetError(
                f"there is no option {', '.join(unknown)}; the options are {', '.join(known)}"
            )
        unpacked = unpack(images)
        results = self._stylize(unpacked.canvases, StylizeOptions(**settings), None, progress)
        return unpacked.pack(results)

    def stylize(
        self,
        picture: LoadedImage,
        settings: StylizeOptions | None = None,
        mask: Image.Image | None = None,
        progress: Progress | None = None,
    ) -> LoadedImage:
        """Stylizes an image; its transparency stays, and whatever else it carries.

        Args:
            picture: See :class:`stylenet.image.LoadedImage`.
            settings: How; by default wholly and at the image's own size.
            mask: Mode L, of the image's size: white where it is to be stylized, black where it
                is to stay, gray for between.
            progress: Where the image is tiled, called after each step with the number of steps
                done and of all.

        Returns:
            An image of the same size.

        Raises:
            StyleNetError: The mask has another mode or size, or memory is short.
        """
        if mask is not None:
            check_mask(mask, *picture.rgb.size)
        unpacked = unpack(picture)
        results = self._stylize(unpacked.canvases, settings or StylizeOptions(), mask, progress)
        return unpacked.pack(results)

    def prepare(self) -> None:
        """Wait until what is compiled in the background is ready, for measurements.

        The first image on a GPU that never ran StyleNet does not wait for it, and takes longer.
        """
        getattr(self._forward, "prepare", lambda: None)()

    @torch.inference_mode()
    def stylize_tensor(self, images: Tensor) -> Tensor:
        """Stylizes a batch by the network alone.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), any device.

        Returns:
            The same shape and range, float32, on the stylizer's device.

        Raises:
            StyleNetError: Memory is short.
        """
        images = images.to(self.device, torch.float32)
        if self.device.type != "cuda":  # whose kernels take any layout
            images = images.contiguous(memory_format=torch.channels_last)
        try:
            return self._forward(images)
        except RuntimeError as error:
            if not _is_shortage(error):
                raise
            raise self._too_large(images.shape[-2], images.shape[-1]) from error

    @torch.no_grad()  # what inference mode makes, a caller could not train with
    def _stylize(
        self,
        photos: Sequence[Canvas],
        settings: StylizeOptions,
        mask: Image.Image | None,
        progress: Progress | None,
    ) -> list[Canvas]:
        """Stylizes canvases into new ones of the same kinds."""
        works = [_at_size(photo, settings.size) for photo in photos]
        results: list[Canvas | None] = [None] * len(works)
        for batch in self._batches(works, settings.tile_side):
            for place, painted in zip(
                batch,
                self._paint([works[i] for i in batch], settings.tile_side, progress),
                strict=True,
            ):
                photo = photos[place]
                if painted.size != photo.size:
                    painted = painted.resized(*photo.size)
                finish(photo, painted, settings, mask)
                results[place] = painted
        return [result for result in results if result is not None]

    def _tile(self, size: tuple[int, int], side: int | None) -> int:
        """The side of the tiles for an image of a size, 0 for the whole."""
        if not can_be_tiled(self._running):
            if side:
                raise StyleNetError(
                    f"a {self._running.name} network cannot be tiled; use tile=none"
                )
            return 0
        need = peak_bytes(self._running, self.dtype)
        return choose_tile(side, size, need, lambda: free_memory(self.device))

    def _batches(self, works: Sequence[Canvas], side: int | None) -> list[list[int]]:
        """Groups canvases of one size, as far as they are small."""
        groups: dict[tuple[int, int], list[int]] = {}
        for place, work in enumerate(works):
            groups.setdefault(work.size, []).append(place)
        batches = []
        for (height, width), places in groups.items():
            tiled = len(places) > 1 and self._tile((height, width), side)
            count = 1 if tiled else max(1, _BATCH // (height * width))
            batches += [places[i : i + count] for i in range(0, len(places), count)]
        return batches

    def _paint(
        self, works: list[Canvas], side: int | None, progress: Progress | None
    ) -> list[Canvas]:
        """Lets the network stylize canvases of one size."""
        results = [work.blank() for work in works]
        height, width = size = works[0].size
        tile = self._tile(size, side) if len(works) == 1 else 0
        if tile:
            staged = cast(StagedNetwork, self._running)
            in_file = features_need_file(staged, size, self.dtype)
            try:
                stylize_tiled(
                    self._running, works[0], results[0], tile, self.device, progress, in_file
                )
            except RuntimeError as error:
                if not _is_shortage(error):
                    raise
                raise self._too_large(height, width) from error
            return results
        whole = (0, 0, height, width)
        read = [work.read(whole, self.device) for work in works]
        painted = self.stylize_tensor(read[0] if len(read) == 1 else torch.cat(read))
        for result, one in zip(results, painted.split(1), strict=True):
            result.write(whole, one)
        return results

    def _too_large(self, height: int, width: int) -> StyleNetError:
        return StyleNetError(
            f"{width}x{height} pixels need more memory than {self.device} has; "
            f"use tile=512, a smaller size, or device=cpu"
        )


def _is_shortage(error: RuntimeError) -> bool:
    # CUDA's has a class of its own, MPS' and the CPU's have not.
    return any(sign in str(error) for sign in ("out of memory", "DefaultCPUAllocator"))


def _at_size(photo: Canvas, size: int | None) -> Canvas:
    """Brings a canvas to the shorter side that the network is to work at."""
    if size is None or size == min(photo.size):
        return photo
    factor = shorter_side_scale(photo.size, size)
    return photo.resized(*(max(1, round(side * factor)) for side in photo.size))
