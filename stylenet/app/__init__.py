"""A local page for photos, videos, the camera, and the training of styles (``stylenet app``)."""

from stylenet.app.limits import Limits
from stylenet.app.server import Server

__all__ = ["Limits", "Server"]
