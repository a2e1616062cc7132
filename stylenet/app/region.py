"""The region of a photo that a visitor painted with the brush."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

# Width of the soft border of a painted region, as a fraction of its short side: a hard edge would
# look cut out.
_SOFTNESS = 0.006
# Long side, in pixels, of the photo in the editor. Browsers without a GPU paint on a larger one too
# slowly to follow the hand.
_CANVAS = 768


def canvas(preview: Path) -> Path:
    """Return a small copy of a photo to paint on, beside its preview."""
    path = preview.with_name("canvas.webp")
    with Image.open(preview) as image:
        image.thumbnail((_CANVAS, _CANVAS), Image.Resampling.LANCZOS)
        image.save(path, "WEBP", quality=85)
    return path


def painted_mask(editor: dict[str, Any] | None) -> Image.Image | None:
    """Return the mask of what was painted in the editor.

    Args:
        editor: Value of Gradio's image editor: ``layers`` with RGBA images or arrays (H, W, 4) of
            equal size.

    Returns:
        Mode L, of the layers' size: white where anything was painted, with soft borders. ``None``
        if nothing was painted.
    """
    alphas = [
        np.asarray(layer)[..., 3] for layer in (editor or {}).get("layers", []) if layer is not None
    ]
    if not alphas or not any(alpha.any() for alpha in alphas):
        return None
    # Strokes are translucent, so that the photo shows below them; a stroke counts fully.
    painted = np.where(np.max(alphas, axis=0) > 0, 255, 0).astype(np.uint8)
    radius = _SOFTNESS * min(painted.shape)
    return Image.fromarray(painted).filter(ImageFilter.GaussianBlur(radius))
