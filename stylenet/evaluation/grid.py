"""Strength of a grid that lies at fixed pixels everywhere, as upsampling leaves it."""

import math

import torch
from torch import Tensor

# Networks work on cells of 2, 4 and 8 pixels, so their grids have these periods in pixels.
PERIODS = (2, 4, 8)

# Height and width in pixels of the windows whose spectra are averaged (Welch 1967): 7 frequencies
# lie between two of a grid, and a grid in a part of the image still fills a window.
_WINDOW = 64
# Offsets of neighboring frequencies in the window. Hann's window spreads a grid to offset 1.
_NEIGHBORS = (-3, -2, 2, 3)
# Squared levels, far below what rounding to 8 bits leaves.
_TINY = 1e-9


class GridMeter:
    """Meter for the energy at periods of 2, 4 and 8 pixels beyond that of neighboring frequencies.

    Textures of a style or a photo have a smooth spectrum. A grid locked to the network's cells has
    lines at multiples of 1/8 per pixel, horizontally and vertically. Each such line is compared
    with the geometric mean of its neighbors. All of them are first multiplied by the squared
    frequency, which makes the spectrum of natural images flat (Field 1987).

    Example:
        >>> stripes = torch.arange(64).remainder(4).div(4).expand(1, 3, 64, 64)
        >>> meter = GridMeter()
        >>> meter.add(stripes)
        >>> round(meter.level(), 1)
        71.3
    """

    def __init__(self) -> None:
        """Start without any image."""
        self._power = torch.zeros(_WINDOW, _WINDOW, dtype=torch.float64)
        self._count = 0

    def add(self, images: Tensor) -> None:
        """Add images to the average spectrum.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W); the first pixel starts a cell of the network.
                Images smaller than 64 pixels do not count.
        """
        if min(images.shape[-2:]) < _WINDOW:
            return
        window = torch.hann_window(_WINDOW, dtype=torch.float64)
        window = window[:, None] * window  # (64, 64)
        levels = images.detach().to("cpu", torch.float64) * 255
        for image in levels:
            tiles = image.unfold(1, _WINDOW, _WINDOW // 2).unfold(2, _WINDOW, _WINDOW // 2)
            tiles = tiles.flatten(0, 2)  # (3 * windows, 64, 64)
            mean = (tiles * window).sum((1, 2), keepdim=True) / window.sum()
            spectra = torch.fft.fft2((tiles - mean) * window) / window.sum()
            self._power += spectra.abs().square().sum(0)
            self._count += len(tiles)

    def energies(self) -> dict[int, float] | None:
        """Return the energy of the grid by its period.

        Returns:
            Variance in squared levels of 255 at each period (without its half and quarter), 0 where
            nothing stands out; ``None`` without images.
        """
        if not self._count:
            return None
        power = self._power / self._count
        frequency = torch.fft.fftfreq(_WINDOW, dtype=torch.float64)
        squared_frequency = frequency[:, None].square() + frequency.square()  # (64, 64)
        flattened = (power * squared_frequency).clamp_min(_TINY).log()
        energies = dict.fromkeys(PERIODS, 0.0)
        step = _WINDOW // max(PERIODS)
        for i in range(0, _WINDOW, step):
            for j in range(0, _WINDOW, step):
                if i == j == 0:
                    continue
                # At frequency zero of an axis only neighbors along the other axis compare: photos
                # have more energy in exactly horizontal and vertical lines.
                neighbors = [flattened[(i + d) % _WINDOW, j] for d in _NEIGHBORS if i]
                neighbors += [flattened[i, (j + d) % _WINDOW] for d in _NEIGHBORS if j]
                expected = torch.stack(neighbors).mean().exp() / squared_frequency[i, j]
                period = _WINDOW // math.gcd(i, j, _WINDOW)
                energies[period] += float(power[i, j] - expected)
        return {period: max(0.0, energy) for period, energy in energies.items()}

    def level(self) -> float | None:
        """Return the strength of the grid.

        Returns:
            Standard deviation in levels of 255 over all periods; ``None`` without images.
        """
        energies = self.energies()
        return None if energies is None else math.sqrt(sum(energies.values()))
