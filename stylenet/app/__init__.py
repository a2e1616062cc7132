"""A local page for photos, videos, the camera, and the training of styles (``stylenet app``)."""
