"""Grids and halos that a network leaves on smooth areas, on test charts and on photos."""

import statistics
from collections.abc import Callable

import torch
from torch import Tensor

from stylenet.evaluation.charts import flat_areas, flat_chart, graded_area, graded_chart
from stylenet.evaluation.grid import GridMeter
from stylenet.evaluation.halo import halo_level


@torch.inference_mode()
def measure_defects(
    stylize: Callable[[Tensor], Tensor], device: torch.device, photos: GridMeter
) -> dict[str, float | None]:
    """Measure the grids and halos of a network.

    Args:
        stylize: Maps RGB in [0, 1], shape (1, 3, H, W), to the same shape and range.
        device: Device of the images that ``stylize`` gets.
        photos: Meter that holds the stylized photos.

    Returns:
        ``grid/flat`` and ``grid/graded`` for the stylized test charts, and ``grid/photos``, which
        is ``None`` if all photos are smaller than 64 pixels (see
        :meth:`stylenet.evaluation.grid.GridMeter.level`); ``grid``, the root mean square of these;
        and ``halo`` (see :func:`stylenet.evaluation.halo.halo_level`).
    """
    flat, graded = (stylize(chart.to(device)) for chart in (flat_chart(), graded_chart()))
    meters = {"grid/flat": GridMeter(), "grid/graded": GridMeter(), "grid/photos": photos}
    meters["grid/flat"].add(flat_areas(flat))
    meters["grid/graded"].add(graded_area(graded))
    levels = {name: meter.level() for name, meter in meters.items()}
    squares = [level**2 for level in levels.values() if level is not None]
    return {"grid": statistics.fmean(squares) ** 0.5, **levels, "halo": halo_level(flat)}
