"""What a network leaves on smooth areas: grids and halos, on test charts and on photos."""

import statistics
from collections.abc import Callable

import torch
from torch import Tensor

from stylenet.evaluation.charts import flat_areas, flat_chart, graded_area, graded_chart
from stylenet.evaluation.grid import GridMeter
from stylenet.evaluation.halo import halo_level


@torch.inference_mode()
def find_defects(
    stylize: Callable[[Tensor], Tensor], device: torch.device, photos: GridMeter
) -> dict[str, float | None]:
    """Measure the grids and halos of a network.

    Args:
        stylize: RGB in [0, 1], shape (1, 3, H, W), to the same shape and range.
        device: Where it takes its images.
        photos: What has seen the stylized photos.

    Returns:
        ``grid/flat`` and ``grid/graded``, of the stylized test charts, and ``grid/photos``,
        ``None`` if all are smaller than 64 pixels (see
        :meth:`stylenet.evaluation.grid.GridMeter.level`); ``grid``, the root mean square of these;
        and ``halo`` (see :func:`stylenet.evaluation.halo.halo_level`).
    """
    flat, graded = (stylize(chart.to(device)) for chart in (flat_chart(), graded_chart()))
    meters = {"grid/flat": GridMeter(), "grid/graded": GridMeter(), "grid/photos": photos}
    meters["grid/flat"].add(flat_areas(flat))
    meters["grid/graded"].add(graded_area(graded))
    levels = {name: meter.level() for name, meter in meters.items()}
    known = [level**2 for level in levels.values() if level is not None]
    return {"grid": statistics.fmean(known) ** 0.5, **levels, "halo": halo_level(flat)}
