"""The forward pass of a network as the device runs it fastest."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from stylenet.errors import first_line
from stylenet.networks import StyleNetwork, can_fuse, fuse

_log = logging.getLogger(__name__)

Forward = Callable[[Tensor], Tensor]

# A replayed graph spares the launch of kernels: 1.6 ms became 0.95 at 512 x 512 (H200), at
# 3840 x 2160 nothing changed.
_LARGEST_PIXELS = 2**22
# Sizes whose graphs are kept; each holds its feature maps, 300 bytes a pixel.
_KEPT_GRAPHS = 4
# Kernels count the numbers of a feature map in 32 bits.
_LARGEST_MAP = 2**31 - 2**24


def make_forward(
    network: StyleNetwork, converted: Forward, device: torch.device, dtype: torch.dtype
) -> Forward:
    """Choose how a network runs.

    Args:
        network: The network, in float32, on the device.
        converted: The same with convolutions in ``dtype``, for devices without a faster form.
        device: Where it runs.
        dtype: In what its convolutions compute.

    Returns:
        From RGB in [0, 1], shape (N, 3, H, W), to the same; threads may share it.
    """
    if device.type != "cuda":
        return converted
    forward = converted
    if can_fuse(network, device):
        forward = _Fused(fuse(network, dtype), converted)
    return ReplayedForward(forward)


class _Fused:
    """Runs the fused network, or the plain one where that is not possible."""

    def __init__(self, fused: Forward, plain: Forward) -> None:
        self._fused, self._plain = fused, plain
        self._works = True

    def __call__(self, images: Tensor) -> Tensor:
        pixels = images.shape[-2] * images.shape[-1]
        if self._works and pixels * self._fused.channels_per_pixel <= _LARGEST_MAP:  # type: ignore[attr-defined]
            try:
                return self._fused(images)
            except torch.cuda.OutOfMemoryError:
                raise
            except Exception as error:
                # Triton builds its launcher with the machine's C compiler, and says in many ways
                # that there is none.
                self._works = False
                _log.warning("Fused kernels are not available: %s", first_line(error))
        return self._plain(images.contiguous(memory_format=torch.channels_last))


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

    def __init__(self, forward: Forward) -> None:
        """Wrap a network.

        Args:
            forward: The network on a CUDA device.
        """
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
        if images.numel() > 3 * _LARGEST_PIXELS:
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
