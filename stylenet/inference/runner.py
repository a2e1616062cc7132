"""Run a network on buffers of any size: in batches, or in tiles where memory is short."""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor

from stylenet.errors import StyleNetError, is_out_of_memory
from stylenet.inference.buffers import ImageBuffer
from stylenet.inference.forward import Forward, make_forward
from stylenet.inference.int8 import Int8Forward, check_int8
from stylenet.inference.memory import choose_tile, features_need_file, free_memory, peak_bytes
from stylenet.inference.passes import Progress
from stylenet.inference.precision import with_convolutions_in
from stylenet.inference.tiles import can_be_tiled, stylize_tiled
from stylenet.networks import StagedNetwork, StyleNetwork

# Images of one size form a batch of up to this many pixels; larger batches take more memory and
# save no time.
_BATCH_PIXELS = 2**20


def to_device(network: StyleNetwork, device: torch.device) -> StyleNetwork:
    """Move a network to a device, in evaluation mode."""
    # Convolutions are up to six times as fast in this layout.
    return network.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


class Runner:
    """Network on a device, in one precision. Safe to use from several threads.

    Attributes:
        network: The network in float32, on the device.
        forward: The fastest form of its forward pass, see :mod:`stylenet.inference.forward`.
    """

    def __init__(
        self,
        network: StyleNetwork,
        device: torch.device,
        dtype: torch.dtype,
        is_int8: bool = False,
    ) -> None:
        """Prepare a network.

        Args:
            network: The network, with float32 weights; it is moved to the device.
            device: The device to run on.
            dtype: Type of the convolutions.
            is_int8: Whether convolutions compute in int8 instead, but in ``dtype`` in tiles, whose
                statistics come from all tiles.

        Raises:
            StyleNetError: The network cannot run in int8 here.
        """
        self.network = to_device(network, device)
        self._device, self._dtype = device, dtype
        self._converted = with_convolutions_in(self.network, dtype)
        # OpenVINO took 340 bytes per pixel (johnson) and 97 (compact) at 1024 x 1024: within what
        # float32 takes, or close to it.
        self._bytes_per_pixel = peak_bytes(self._converted, torch.float32 if is_int8 else dtype)
        self.forward: Forward
        if is_int8:
            check_int8(self.network, device)
            self.forward = Int8Forward(self.network, dtype)
        else:
            self.forward = make_forward(
                self.network, self._converted, device, dtype, self._bytes_per_pixel
            )

    def prepare(self) -> None:
        """Wait until what is compiled in the background is ready."""
        getattr(self.forward, "prepare", lambda: None)()

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        """Stylize a batch.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), any device.

        Returns:
            The same shape and range, float32, on the network's device.

        Raises:
            StyleNetError: Memory is short.
        """
        images = images.to(self._device, torch.float32)
        if self._device.type != "cuda":  # the fused kernels accept any layout
            images = images.contiguous(memory_format=torch.channels_last)
        try:
            return self.forward(images)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise self._too_large(images.shape[-2], images.shape[-1]) from error

    def run(
        self,
        inputs: Sequence[ImageBuffer],
        stylize: Callable[[Tensor], Tensor],
        tile_size: int | None,
        progress: Progress | None = None,
    ) -> list[ImageBuffer]:
        """Stylize buffers, those of one size in batches.

        Args:
            inputs: The content images, of any sizes.
            stylize: Stylizes a batch, as a call of the runner does.
            tile_size: Tile size in pixels; 0 for never, ``None`` if memory decides.
            progress: For a tiled image, called after each step with the number of steps done and
                the total.

        Returns:
            New buffers of the same types and sizes, in the same order.

        Raises:
            StyleNetError: Memory is short, or the network cannot be tiled.
        """
        results: list[ImageBuffer] = [buffer.blank() for buffer in inputs]
        for indices in self._batches(inputs, tile_size):
            first = inputs[indices[0]]
            tile = self._choose_tile(first.size, tile_size) if len(indices) == 1 else 0
            if tile:
                self._run_tiled(first, results[indices[0]], tile, progress)
                continue
            box = (0, 0, *first.size)
            images = [inputs[index].read(box, self._device) for index in indices]
            stylized = stylize(images[0] if len(images) == 1 else torch.cat(images))
            for index, image in zip(indices, stylized.split(1), strict=True):
                results[index].write(box, image)
        return results

    def _batches(self, inputs: Sequence[ImageBuffer], tile_size: int | None) -> list[list[int]]:
        """Return the indices of each batch: small images of one size run together."""
        groups: dict[tuple[int, int], list[int]] = {}
        for index, buffer in enumerate(inputs):
            groups.setdefault(buffer.size, []).append(index)
        batches = []
        for (height, width), indices in groups.items():
            tiled = len(indices) > 1 and self._choose_tile((height, width), tile_size)
            count = 1 if tiled else max(1, _BATCH_PIXELS // (height * width))
            batches += [indices[i : i + count] for i in range(0, len(indices), count)]
        return batches

    def _choose_tile(self, size: tuple[int, int], requested: int | None) -> int:
        """Return the tile size for an image of a size, 0 if it is not tiled."""
        if not can_be_tiled(self._converted):
            if requested:
                raise StyleNetError(
                    f"a {self._converted.name} network cannot be tiled; use tile=none"
                )
            return 0
        return choose_tile(
            requested, size, self._bytes_per_pixel, lambda: free_memory(self._device)
        )

    def _run_tiled(
        self, content: ImageBuffer, result: ImageBuffer, tile: int, progress: Progress | None
    ) -> None:
        """Stylize a buffer in tiles, into another one."""
        staged = cast(StagedNetwork, self._converted)
        in_file = features_need_file(staged, content.size, self._dtype)
        try:
            stylize_tiled(self._converted, content, result, tile, self._device, progress, in_file)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise self._too_large(*content.size) from error

    def _too_large(self, height: int, width: int) -> StyleNetError:
        return StyleNetError(
            f"{width}x{height} pixels need more memory than {self._device} has; "
            f"use tile=512, a smaller size, or device=cpu"
        )
