"""Videos that zoom into a dream."""

import dataclasses
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from stylenet.dreaming.objective import DreamObjective
from stylenet.dreaming.octaves import dream
from stylenet.dreaming.options import DreamOptions
from stylenet.errors import check_number


@dataclasses.dataclass(frozen=True)
class ZoomOptions:
    """Options of a video that zooms into a dream.

    Attributes:
        frames: Number of frames.
        zoom: Zoom factor of each frame relative to the one before.
        steps: Gradient steps on each octave of every frame after the first, enough to make up for
            the blur of the zoom and to continue the dream.
    """

    frames: int
    zoom: float = 1.02
    steps: int = 1

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            StyleNetError: A value is impossible.
        """
        check_number("zoom_frames", self.frames, minimum=1, integer=True)
        check_number("zoom", self.zoom, minimum=1)
        check_number("zoom_steps", self.steps, minimum=1, integer=True)


def dream_video(
    image: Tensor,
    loss: DreamObjective,
    options: DreamOptions,
    video: ZoomOptions,
    generator: torch.Generator,
    on_step: Callable[[], object] = lambda: None,
) -> Iterator[Tensor]:
    """Run DeepDream on an image, then on ever closer views of the result.

    Args:
        image: See :func:`stylenet.dreaming.octaves.dream`.
        options: Options of the first frame and, except for the steps, of all others.
        video: Options of the other frames.
        generator: Random generator of the jitter, on the CPU.
        on_step: Called after every gradient step.

    Yields:
        RGB in [0, 1], each in the shape of ``image``.

    Raises:
        StyleNetError: The image is too small.
    """
    later = dataclasses.replace(options, steps=video.steps)
    first = image = dream(image, loss, options, generator, on_step)
    yield image
    for _ in range(video.frames - 1):
        nearer = _in_tone(zoomed(image, video.zoom), first)
        image = dream(nearer, loss, later, generator, on_step)
        yield image


def zoomed(image: Tensor, zoom: float) -> Tensor:
    """Zoom into the center of images.

    Args:
        image: RGB in [0, 1], shape (N, 3, H, W).
        zoom: Zoom factor, 1 or more.

    Returns:
        The same shape and range.
    """
    if zoom == 1:
        return image
    matrix = image.new_tensor([[1 / zoom, 0, 0], [0, 1 / zoom, 0]]).expand(len(image), 2, 3)
    grid = F.affine_grid(matrix, list(image.shape), align_corners=False)
    # Bilinear interpolation would blur each frame more than the one before.
    nearer = F.grid_sample(
        image, grid, mode="bicubic", padding_mode="reflection", align_corners=False
    )
    return nearer.clamp(0, 1)


def _in_tone(image: Tensor, like: Tensor) -> Tensor:
    """Match mean and standard deviation of each channel to those of another image.

    Every frame raises the contrast of the one before; after a second only black, white and pure
    colors would be left.
    """
    deviation, mean = torch.std_mean(image, dim=(2, 3), keepdim=True)
    wanted, middle = torch.std_mean(like, dim=(2, 3), keepdim=True)
    return ((image - mean) * (wanted / deviation.clamp_min(1e-6)) + middle).clamp(0, 1)
