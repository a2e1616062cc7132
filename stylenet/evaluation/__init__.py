"""How good networks are: losses, likeness, flicker, and how much optimization one pass is worth."""

from stylenet.evaluation.defects import find_defects
from stylenet.evaluation.flicker import measure_flicker
from stylenet.evaluation.grid import GridMeter
from stylenet.evaluation.iterations import Curve, Study, average_curve, find_crossing, study
from stylenet.evaluation.measures import judge, load_square, similarity
from stylenet.evaluation.recipe import recorded_style
from stylenet.evaluation.report import Row, Summary, format_table, summarize, write_report

__all__ = [
    "Curve",
    "GridMeter",
    "Row",
    "Study",
    "Summary",
    "average_curve",
    "find_crossing",
    "find_defects",
    "format_table",
    "judge",
    "load_square",
    "measure_flicker",
    "recorded_style",
    "similarity",
    "study",
    "summarize",
    "write_report",
]
