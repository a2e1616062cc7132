"""How strong a grid is that stands at the same pixels everywhere, as upsampling leaves it."""

import math

import torch
from torch import Tensor

# Networks work on cells of 2, 4 and 8 pixels, and what they repeat has these periods.
PERIODS = (2, 4, 8)

# Side in pixels of the windows whose spectra are averaged (Welch 1967): 7 frequencies between two
# of a grid, and small enough for a grid that is there in a part of the image alone.
_WINDOW = 64
# Distances of the neighbors in frequencies of the window. Hann's window spreads a grid to 1.
_NEIGHBORS = (-3, -2, 2, 3)
# Levels squared, far below what rounding to 8 bits leaves.
_TINY = 1e-9


class GridMeter:
    """Measures the energy at periods of 2, 4 and 8 pixels that its neighbors in the spectrum lack.

    Textures of a style or a photo have a smooth spectrum; a grid locked to the network's cells has
    lines at multiples of 1/8 per pixel, horizontally and vertically. Each such line is compared
    with the geometric mean of its neighbors, all of them times the squared frequency, which makes
    the spectrum of natural images flat (Field 1987).

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
        """Take images into account.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W); the first pixel begins a cell of the network.
                Images smaller than 64 pixels do not count.
        """
        if min(images.shape[-2:]) < _WINDOW:
            return
        window = torch.hann_window(_WINDOW, dtype=torch.float64)
        window = window[:, None] * window  # (64, 64)
        levels = images.detach().to("cpu", torch.float64) * 255
        for image in levels:
            tiles = image.unfold(1, _WINDOW, _WINDOW // 2).unfold(2, _WINDOW, _WINDOW // 2)
            tiles = tiles.flatten(0, 2)  # (3 windows, 64, 64)
            mean = (tiles * window).sum((1, 2), keepdim=True) / window.sum()
            spectra = torch.fft.fft2((tiles - mean) * window) / window.sum()
            self._power += spectra.abs().square().sum(0)
            self._count += len(tiles)

    def energies(self) -> dict[int, float] | None:
        """Return the energy of the grid by its period.

        Returns:
            Variances in levels of 255, squared, at each period (not at its half or quarter), 0
            where nothing stands out; ``None`` without images.
        """
        if not self._count:
            return None
        power = self._power / self._count
        place = torch.fft.fftfreq(_WINDOW, dtype=torch.float64)
        steepness = place[:, None].square() + place.square()
        flat = (power * steepness).clamp_min(_TINY).log()
        found = dict.fromkeys(PERIODS, 0.0)
        step = _WINDOW // max(PERIODS)
        for i in range(0, _WINDOW, step):
            for j in range(0, _WINDOW, step):
                if i == j == 0:
                    continue
                # Along the axes of frequency zero the neighbors are of another kind: what is
                # upright or level, of which photos have more.
                near = [flat[(i + d) % _WINDOW, j] for d in _NEIGHBORS if i]
                near += [flat[i, (j + d) % _WINDOW] for d in _NEIGHBORS if j]
                expected = torch.stack(near).mean().exp() / steepness[i, j]
                period = _WINDOW // math.gcd(i, j, _WINDOW)
                found[period] += float(power[i, j] - expected)
        return {period: max(0.0, energy) for period, energy in found.items()}

    def level(self) -> float | None:
        """Return the strength of the grid.

        Returns:
            Standard deviation in levels of 255 over all periods; ``None`` without images.
        """
        energies = self.energies()
        return None if energies is None else math.sqrt(sum(energies.values()))
