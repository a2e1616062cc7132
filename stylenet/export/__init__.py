"""Export to other runtimes; each file is compared with PyTorch before it is written."""

from stylenet.export.check import Report
from stylenet.export.formats import FORMATS, PRECISIONS, ExportOptions, export_network

__all__ = ["FORMATS", "PRECISIONS", "ExportOptions", "Report", "export_network"]
