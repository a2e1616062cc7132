"""Networks for other runtimes, each shown to give the same pictures."""

from stylenet.export.check import Report
from stylenet.export.formats import FORMATS, PRECISIONS, ExportSettings, export_network

__all__ = ["FORMATS", "PRECISIONS", "ExportSettings", "Report", "export_network"]
