"""Quality of networks: losses, similarity, defects, flicker, comparison with image optimization."""

from stylenet.evaluation.defects import measure_defects
from stylenet.evaluation.flicker import measure_flicker
from stylenet.evaluation.grid import GridMeter
from stylenet.evaluation.iterations import (
    Curve,
    Study,
    average_curve,
    compare_with_optimization,
    find_crossing,
)
from stylenet.evaluation.measures import load_square, measure_losses, measure_similarity
from stylenet.evaluation.recipe import recorded_style
from stylenet.evaluation.report import (
    Row,
    Summary,
    compare_with,
    format_table,
    summarize,
    write_report,
)
from stylenet.evaluation.strokes import StrokeMeter

__all__ = [
    "Curve",
    "GridMeter",
    "Row",
    "StrokeMeter",
    "Study",
    "Summary",
    "average_curve",
    "compare_with",
    "compare_with_optimization",
    "find_crossing",
    "format_table",
    "load_square",
    "measure_defects",
    "measure_flicker",
    "measure_losses",
    "measure_similarity",
    "recorded_style",
    "summarize",
    "write_report",
]
