"""Conversion between Pillow images and tensors, in bands of rows to save memory."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

# Pixels per band: intermediate arrays take 36 MB, and smaller bands are no faster.
_BAND = 1024 * 1024


def to_tensor(image: Image.Image, device: torch.device | None = None) -> Tensor:
    """Convert an RGB image to a tensor.

    Args:
        image: Mode RGB.
        device: Device of the tensor; ``None`` for the CPU.

    Returns:
        float32 in [0, 1], shape (1, 3, H, W).
    """
    width, height = image.size
    if device is not None and device.type == "cuda":
        on_device = torch.from_numpy(np.array(image, dtype=np.uint8)).to(device)
        return (on_device.float() / 255).permute(2, 0, 1).unsqueeze(0)
    pixels = torch.empty(height, width, 3)  # (H, W, 3)
    rows = max(1, _BAND // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        band = image if rows >= height else image.crop((0, top, width, bottom))
        pixels[top:bottom] = torch.from_numpy(np.array(band, dtype=np.uint8))
        pixels[top:bottom] /= 255
    return pixels.permute(2, 0, 1).unsqueeze(0)  # (1, 3, H, W)


def to_image(tensor: Tensor) -> Image.Image:
    """Convert an image tensor to a Pillow image.

    Args:
        tensor: RGB in [0, 1] (other values are clamped), shape (1, 3, H, W) or (3, H, W), any
            floating-point type and device.

    Returns:
        Mode RGB.
    """
    tensor = tensor.detach().squeeze(0) if tensor.ndim == 4 else tensor.detach()
    _, height, width = tensor.shape
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    rows = max(1, _BAND // width)
    for top in range(0, height, rows):
        band = tensor[:, top : top + rows].float().clamp(0, 1).mul_(255).round_().to(torch.uint8)
        pixels[top : top + rows] = band.permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(pixels)
