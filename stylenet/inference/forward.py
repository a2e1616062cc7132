"""Forward passes of a network in the fastest form for its device."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from stylenet.errors import first_line
from stylenet.networks import StyleNetwork, can_fuse, fuse, has_external_statistics

_log = logging.getLogger(__name__)

Forward = Callable[[Tensor], Tensor]

# Bytes of feature maps up to which CUDA graphs are recorded. A graph saves launching the kernels, a
# millisecond or two that larger images do not notice, and keeps its memory.
_MAX_GRAPH_BYTES = 2**31
# Number of image sizes whose graphs are kept; they share their memory.
_KEPT_GRAPHS = 4
# Cached kernels load in half of this. Compiling from scratch takes 6 s, during which images go
# through the plain network.
_WAIT_SECONDS = 1.0
# Shape of a batch that runs every kernel.
_PROBE_SHAPE = (1, 3, 32, 32)
# The kernels index the elements of a feature map in 32 bits.
_MAX_FEATURE_ELEMENTS = 2**31 - 2**24


def make_forward(
    network: StyleNetwork,
    converted: Forward,
    device: torch.device,
    dtype: torch.dtype,
    bytes_per_pixel: float,
) -> Forward:
    """Return the fastest forward pass for a network.

    Args:
        network: The network, in float32, on the device.
        converted: The same with convolutions in ``dtype``, for devices without a faster form.
        device: The device that the network runs on.
        dtype: The type of its convolutions.
        bytes_per_pixel: Peak memory of the network.

    Returns:
        A function from RGB in [0, 1], shape (N, 3, H, W), to the same; it is safe to call from
        several threads.
    """
    if device.type != "cuda" or has_external_statistics(network):
        return converted
    forward = converted
    if can_fuse(network, device):
        forward = _Fused(fuse(network, dtype), converted, device)
    return ReplayedForward(forward, int(_MAX_GRAPH_BYTES / bytes_per_pixel))


class _Fused:
    """Fused network that falls back to the plain one until its kernels are compiled.

    If the kernels cannot be compiled (Triton needs a C compiler), it logs a warning and stays with
    the plain network.
    """

    def __init__(self, fused: nn.Module, plain: Forward, device: torch.device) -> None:
        self._fused, self._plain, self._device = fused, plain, device
        self._channels = cast(int, fused.channels_per_pixel)
        self._works = self._has_waited = False
        self._compiling = threading.Thread(target=self._compile, name="kernels", daemon=True)
        self._compiling.start()

    def __call__(self, images: Tensor) -> Tensor:
        if not self._has_waited:
            self._compiling.join(_WAIT_SECONDS)
            self._has_waited = True
        pixels = images.shape[-2] * images.shape[-1]
        if self.is_ready and pixels * self._channels <= _MAX_FEATURE_ELEMENTS:
            # The kernels are compiled for tensors that are aligned to 16 bytes.
            return self._fused(images if images.data_ptr() % 16 == 0 else images.clone())
        return self._plain(images.contiguous(memory_format=torch.channels_last))

    @property
    def is_ready(self) -> bool:
        """Return whether the kernels are compiled."""
        return self._works and not self._compiling.is_alive()

    def prepare(self) -> None:
        """Wait until the kernels are compiled."""
        self._compiling.join()

    def _compile(self) -> None:
        try:
            stream = torch.cuda.Stream(self._device)
            with torch.inference_mode(), torch.cuda.stream(stream):
                self._fused(torch.rand(_PROBE_SHAPE, device=self._device))
                stream.synchronize()
            self._works = True
        # Triton raises many types when something is missing.
        except Exception as error:
            _log.warning("Stylizing without fused kernels: %s", first_line(error))


@dataclass(frozen=True)
class _Graph:
    """Recorded forward pass with its input and output."""

    graph: torch.cuda.CUDAGraph
    images: Tensor
    stylized: Tensor


class ReplayedForward:
    """Forward pass that replays a CUDA graph for each image size that repeats.

    The first batch of a size runs eagerly, so that a size that never repeats costs no recording.
    """

    def __init__(self, forward: Forward, max_pixels: int) -> None:
        """Wrap a network.

        Args:
            forward: The network on a CUDA device.
            max_pixels: Number of pixels of a batch up to which graphs are recorded.
        """
        self._max_pixels = max_pixels
        self._forward = forward
        # None for a size whose recording failed.
        self._graphs: OrderedDict[torch.Size, _Graph | None] = OrderedDict()
        self._seen: set[torch.Size] = set()
        self._lock = threading.Lock()
        # One pool for all graphs: results are copied before another graph runs.
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, images: Tensor) -> Tensor:
        """Stylize images.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), float32, on the device.

        Returns:
            The same shape and range.
        """
        shape = images.shape
        if images.numel() > 3 * self._max_pixels or not getattr(self._forward, "is_ready", True):
            return self._forward(images)
        with self._lock:
            if shape not in self._graphs:
                if shape not in self._seen:
                    self._seen.add(shape)
                    return self._forward(images)
                self._graphs[shape] = self._record(images)
                if len(self._graphs) > _KEPT_GRAPHS:
                    self._graphs.popitem(last=False)
            graph = self._graphs[shape]
            self._graphs.move_to_end(shape)
            if graph is None:
                return self._forward(images)
            graph.images.copy_(images, non_blocking=True)
            graph.graph.replay()
            return graph.stylized.clone()

    def prepare(self) -> None:
        """Wait until what is compiled in the background is ready."""
        getattr(self._forward, "prepare", lambda: None)()

    def _record(self, images: Tensor) -> _Graph | None:
        static = images.clone()
        graph = torch.cuda.CUDAGraph()
        try:
            # Other threads may decode and copy at the same time.
            with torch.cuda.graph(graph, self._pool, capture_error_mode="thread_local"):
                stylized = self._forward(static)
        except RuntimeError as error:
            _log.warning("Stylizing %s without a CUDA graph: %s", _size(images), first_line(error))
            return None
        return _Graph(graph, static, stylized)


def _size(images: Tensor) -> str:
    """Format the size of images for messages, width first."""
    return f"{images.shape[-1]}x{images.shape[-2]} pixels"
