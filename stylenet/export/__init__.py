"""Export to other runtimes; each file is compared with PyTorch before it is written."""

import stylenet.export.formats  # noqa: F401 (registers the formats)
from stylenet.export.check import Report
from stylenet.export.folding import fold_constants
from stylenet.export.network import export_network
from stylenet.export.options import PRECISIONS, ExportOptions
from stylenet.export.page import PageInput, PageNetwork, PageReport, dial_inputs, export_page
from stylenet.export.registry import ExportFormat, available_formats, register_format
from stylenet.export.runtime import find_runtime, runtime_version

__all__ = [
    "PRECISIONS",
    "ExportFormat",
    "ExportOptions",
    "PageInput",
    "PageNetwork",
    "PageReport",
    "Report",
    "available_formats",
    "dial_inputs",
    "export_network",
    "export_page",
    "find_runtime",
    "fold_constants",
    "register_format",
    "runtime_version",
]
