"""The forward pass of a network as the device runs it fastest."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from stylenet.errors import first_line
from stylenet.networks import StyleNetwork, asks_for_statistics, can_fuse, fuse

_log = logging.getLogger(__name__)

Forward = Callable[[Tensor], Tensor]

# Bytes of feature maps up to which graphs are recorded. A graph spares the launch of kernels, a
# millisecond or two, which larger images do not notice, and holds its memory.
_LARGEST_GRAPH = 2**31
# Sizes whose graphs are kept; they share their memory.
_KEPT_GRAPHS = 4
# Cached kernels are there in half of this; compiling all anew takes 6 s, in which images go
# through the plain network.
_WAIT_SECONDS = 1.0
# Runs through every kernel.
_PROBE = (1, 3, 32, 32)
# Kernels count the numbers of a feature map in 32 bits.
_LARGEST_MAP = 2**31 - 2**24


def make_forward(
    network: StyleNetwork,
    converted: Forward,
    device: torch.device,
    dtype: torch.dtype,
    bytes_per_pixel: float,
) -> Forward:
    """Choose how a network runs.

    Args:
        network: The network, in float32, on the device.
        converted: The same with convolutions in ``dtype``, for devices without a faster form.
        device: Where it runs.
        dtype: In what its convolutions compute.
        bytes_per_pixel: What the network takes at its peak.

    Returns:
        From RGB in [0, 1], shape (N, 3, H, W), to the same; threads may share it.
    """
    if device.type != "cuda" or asks_for_statistics(network):
        return converted
    forward = converted
    if can_fuse(network, device):
        forward = _Fused(fuse(network, dtype), converted, device)
    return ReplayedForward(forward, int(_LARGEST_GRAPH / bytes_per_pixel))


class _Fused:
    """Runs the fused network once its kernels are compiled, the plain one until then.

    Where they cannot be compiled, for Triton builds its launcher with the machine's C compiler, it
    says so once and stays with the plain network.
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
        if self.is_ready and pixels * self._channels <= _LARGEST_MAP:
            return self._fused(images if images.data_ptr() % 16 == 0 else images.clone())
        return self._plain(images.contiguous(memory_format=torch.channels_last))

    @property
    def is_ready(self) -> bool:
        """Whether the kernels are compiled."""
        return self._works and not self._compiling.is_alive()

    def prepare(self) -> None:
        """Wait until the kernels are compiled."""
        self._compiling.join()

    def _compile(self) -> None:
        try:
            stream = torch.cuda.Stream(self._device)
            with torch.inference_mode(), torch.cuda.stream(stream):
                self._fused(torch.rand(_PROBE, device=self._device))
                stream.synchronize()
            self._works = True
        # Triton has many ways to say that something is missing.
        except Exception as error:
            _log.warning("Images go without fused kernels: %s", first_line(error))


@dataclass(frozen=True)
class _Graph:
    """A recorded forward pass and its memory."""

    graph: torch.cuda.CUDAGraph
    images: Tensor
    stylized: Tensor


class ReplayedForward:
    """Records a CUDA graph for each size that comes again, and replays it.

    The first image of a size runs eagerly, so that nobody waits for a recording that is of no use.
    """

    def __init__(self, forward: Forward, largest: int) -> None:
        """Wrap a network.

        Args:
            forward: The network on a CUDA device.
            largest: Pixels of a batch up to which it is recorded.
        """
        self._largest = largest
        self._forward = forward
        # None for a size that could not be recorded.
        self._graphs: OrderedDict[torch.Size, _Graph | None] = OrderedDict()
        self._seen: set[torch.Size] = set()
        self._lock = threading.Lock()
        # One for all: results are copied before another graph runs.
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, images: Tensor) -> Tensor:
        """Stylize images.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), float32, on the device.

        Returns:
            The same shape and range.
        """
        shape = images.shape
        if images.numel() > 3 * self._largest or not getattr(self._forward, "is_ready", True):
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
            # Other threads may decode and copy meanwhile.
            with torch.cuda.graph(graph, self._pool, capture_error_mode="thread_local"):
                stylized = self._forward(static)
        except RuntimeError as error:
            _log.warning(
                "Images of %s run without a CUDA graph: %s", _size(images), first_line(error)
            )
            return None
        return _Graph(graph, static, stylized)


def _size(images: Tensor) -> str:
    """Name the size of images for messages, width first."""
    return f"{images.shape[-1]}x{images.shape[-2]} pixels"
