"""A way into a dream: each image the one before, nearer, and dreamt on."""

import dataclasses
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from stylenet.dreaming.octaves import dream
from stylenet.dreaming.options import DreamOptions
from stylenet.errors import check_number
from stylenet.perceptual import DreamLoss


@dataclasses.dataclass(frozen=True)
class ZoomOptions:
    """How a video goes into a dream.

    Attributes:
        frames: How many images.
        zoom: By how much each is nearer than the one before.
        steps: Gradient steps on each octave of every image but the first, which has its own:
            what it takes to make up for the blur of a zoom, and for the dream to go on.
    """

    frames: int
    zoom: float = 1.02
    steps: int = 1

    def __post_init__(self) -> None:
        """Checks every value.

        Raises:
            StyleNetError: A value is impossible.
        """
        check_number("zoom_frames", self.frames, minimum=1, integer=True)
        check_number("zoom", self.zoom, minimum=1)
        check_number("zoom_steps", self.steps, minimum=1, integer=True)


def dream_video(
    image: Tensor,
    loss: DreamLoss,
    settings: DreamOptions,
    video: ZoomOptions,
    generator: torch.Generator,
    on_step: Callable[[], object] = lambda: None,
) -> Iterator[Tensor]:
    """Dreams on an image, and ever deeper into it.

    Args:
        image: See :func:`stylenet.dreaming.octaves.dream`.
        loss: What the encoder is asked.
        settings: How the first image is dreamt, and but for the steps all others.
        video: How many there are, and how they move.
        generator: Draws the jitter; on the CPU.
        on_step: Called after every gradient step.

    Yields:
        RGB in [0, 1], each in the shape of ``image``.

    Raises:
        StyleNetError: The image is too small.
    """
    later = dataclasses.replace(settings, steps=video.steps)
    first = image = dream(image, loss, settings, generator, on_step)
    yield image
    for _ in range(video.frames - 1):
        nearer = _in_tone(zoomed(image, video.zoom), first)
        image = dream(nearer, loss, later, generator, on_step)
        yield image


def zoomed(image: Tensor, zoom: float) -> Tensor:
    """Goes nearer to the middle.

    Args:
        image: RGB in [0, 1], shape (N, 3, H, W).
        zoom: By how much, 1 or more.

    Returns:
        The same shape and range.
    """
    if zoom == 1:
        return image
    matrix = image.new_tensor([[1 / zoom, 0, 0], [0, 1 / zoom, 0]]).expand(len(image), 2, 3)
    grid = F.affine_grid(matrix, list(image.shape), align_corners=False)
    # Bilinear would blur each frame a little more.
    nearer = F.grid_sample(
        image, grid, mode="bicubic", padding_mode="reflection", align_corners=False
    )
    return nearer.clamp(0, 1)


def _in_tone(image: Tensor, like: Tensor) -> Tensor:
    """Brings brightness and contrast of each color to another image's.

    Every frame adds to the contrast of the one before; after a second there would be nothing but
    black, white and pure colors.
    """
    deviation, mean = torch.std_mean(image, dim=(2, 3), keepdim=True)
    wanted, middle = torch.std_mean(like, dim=(2, 3), keepdim=True)
    return ((image - mean) * (wanted / deviation.clamp_min(1e-6)) + middle).clamp(0, 1)
