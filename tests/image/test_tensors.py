import numpy as np
import pytest
import torch
from PIL import Image

from stylenet.image import (
    to_image,
    to_tensor,
)

from .images import assert_close


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("batched", [True, False])
def test_all_256_values_survive_the_round_trip(dtype, batched):
    pixels = np.stack([np.roll(np.arange(256, dtype=np.uint8), i) for i in range(3)], -1)
    image = Image.fromarray(pixels.reshape(8, 32, 3))
    tensor = to_tensor(image).to(dtype)
    back = to_image(tensor if batched else tensor[0])
    assert back.mode == "RGB"
    assert_close(back, image, 0)


def test_a_tensor_holds_rgb_floats_in_0_to_1_with_height_before_width():
    image = Image.new("RGB", (5, 3), (255, 0, 51))
    tensor = to_tensor(image)
    assert tensor.shape == (1, 3, 3, 5)
    assert tensor.dtype == torch.float32
    assert tensor[0, :, 0, 0].tolist() == pytest.approx([1, 0, 0.2])


def test_values_outside_0_to_1_are_clamped():
    tensor = torch.tensor([-9.0, 0.5, 9.0], requires_grad=True).view(1, 3, 1, 1)
    assert to_image(tensor).getpixel((0, 0)) == (0, 128, 255)
