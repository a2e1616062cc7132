"""Export to other runtimes; each file is compared with PyTorch before it is written."""

from stylenet.export.check import Report
from stylenet.export.folding import fold_constants
from stylenet.export.formats import PRECISIONS, ExportOptions, export_network
from stylenet.export.registry import ExportFormat, available_formats, register_format

__all__ = [
    "PRECISIONS",
    "ExportFormat",
    "ExportOptions",
    "Report",
    "available_formats",
    "export_network",
    "fold_constants",
    "register_format",
]
