"""Size of the strokes that a network draws, from the power that it adds to the spectrum."""

import torch
from torch import Tensor

from stylenet.image.color import luminance

# Shortest wavelength in pixels, and the shortest waves that count for it: below lies the mesh of 4
# pixels of some networks, which is not a stroke.
_SHORTEST, _CUT = 5.0, 4.5
# Periods of the longest wavelength in an image.
_FEWEST_PERIODS = 4.0
# Wavelengths per octave, and the width of each one's band in octaves (standard deviation of a
# Gaussian). The bands overlap, so that strokes of one size make one peak.
_PER_OCTAVE, _BAND = 8, 1 / 8


class StrokeMeter:
    """Meter for the wavelength at which a network adds the most power to photos.

    Strokes add power where their widths and distances repeat. So the largest difference between the
    spectrum of the stylized images and that of the photos tells the size of the strokes. Power is
    counted per octave, as the power of natural images is about the same in each (Field 1987).

    Example:
        >>> photo = torch.full((1, 3, 128, 128), 0.5)
        >>> waves = 0.1 * torch.sin(torch.arange(128) * 2 * torch.pi / 16)
        >>> meter = StrokeMeter()
        >>> meter.add(photo + waves, photo)
        >>> round(meter.wavelength())
        16
    """

    def __init__(self) -> None:
        """Start without any image."""
        self._added: Tensor | None = None
        self._side = 0

    def add(self, stylized: Tensor, photos: Tensor) -> None:
        """Add stylized images and the photos that they come from.

        Args:
            stylized: RGB in [0, 1], shape (N, 3, S, S), with the same S in each call. Images below
                40 pixels do not count.
            photos: The same shape and range.
        """
        side = photos.shape[-1]
        if side < 2 * _SHORTEST * _FEWEST_PERIODS:
            return
        added = _power_per_octave(stylized) - _power_per_octave(photos)
        self._added = added if self._added is None else self._added + added
        self._side = side

    def wavelength(self) -> float | None:
        """Return the wavelength of the largest added power.

        Returns:
            Pixels, from 5 to a quarter of the images' side; ``None`` without images, or if the
            network adds no power anywhere.
        """
        if self._added is None or self._added.max() <= 0:
            return None
        return float(self._side / _frequencies(self._side)[self._added.argmax()])


def _frequencies(side: int) -> Tensor:
    """Return the frequencies that are measured, in periods per image."""
    octaves = torch.tensor(side / _SHORTEST / _FEWEST_PERIODS).log2()
    steps = torch.arange(int(octaves * _PER_OCTAVE) + 1, dtype=torch.float64)
    return side / _SHORTEST * 2 ** (-steps / _PER_OCTAVE)


def _power_per_octave(images: Tensor) -> Tensor:
    """Return the power of the luminance per octave at each frequency, summed over the images."""
    gray = luminance(images.detach().to("cpu", torch.float64))[:, 0]  # (N, S, S)
    side = gray.shape[-1]
    window = torch.hann_window(side, dtype=torch.float64)
    window = window[:, None] * window
    mean = (gray * window).sum((1, 2), keepdim=True) / window.sum()
    power = torch.fft.fft2((gray - mean) * window).abs().square().sum(0) / window.square().sum()
    axis = torch.fft.fftfreq(side, 1 / side, dtype=torch.float64)
    radius = torch.hypot(axis[:, None], axis).clamp_min(0.5).flatten()  # periods per image
    distances = (radius.log2() - _frequencies(side).log2()[:, None]) / _BAND  # (bands, S * S)
    weights = torch.exp(-distances.square() / 2) * (radius < side / _CUT)
    # A mean over the ring, times its squared radius: the power in a fixed fraction of an octave.
    return weights @ (power.flatten() * radius.square()) / weights.sum(1)
