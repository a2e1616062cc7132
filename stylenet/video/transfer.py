"""Transfer frames to a device and back, on a GPU without waiting for its computation."""

import numpy as np
import torch
from torch import Tensor


def pin(pixels: np.ndarray, device: torch.device) -> np.ndarray:
    """Copy a frame into pinned memory if the device is a GPU; else return it unchanged."""
    if device.type != "cuda" or pixels.dtype != np.uint8:
        return pixels
    return torch.from_numpy(pixels).pin_memory().numpy()


def upload(pixels: np.ndarray, device: torch.device) -> Tensor:
    """Copy a frame to a device. From pinned memory (:func:`pin`) this does not wait for a GPU.

    Args:
        pixels: Must not change before the results computed from it are complete.
        device: The target device.

    Returns:
        The tensor; on the CPU it shares the memory of ``pixels``, except for uint16, which becomes
        int32: few of PyTorch's functions take uint16.
    """
    if pixels.dtype == np.uint16:
        pixels = pixels.astype(np.int32)
    return torch.from_numpy(pixels).to(device, non_blocking=device.type == "cuda")


class Download:
    """Asynchronous copy of a tensor to the CPU."""

    def __init__(self, tensor: Tensor) -> None:
        """Start the copy.

        Args:
            tensor: Must not change before the copy is complete.
        """
        self._event: torch.cuda.Event | None = None
        self._host = tensor
        if tensor.device.type == "cuda":
            self._host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            self._host.copy_(tensor, non_blocking=True)
            self._event = torch.cuda.Event(blocking=True)  # waits without busy looping
            self._event.record(torch.cuda.current_stream(tensor.device))

    def result(self) -> np.ndarray:
        """Wait for the copy and return the tensor as an array. Callable from any thread."""
        if self._event is not None:
            self._event.synchronize()
        return self._host.cpu().numpy()
