"""Networks for other runtimes, each shown to give the same images."""

from stylenet.export.check import Report
from stylenet.export.formats import FORMATS, PRECISIONS, ExportOptions, export_network

__all__ = ["FORMATS", "PRECISIONS", "ExportOptions", "Report", "export_network"]
