"""Reading and writing of image files, and conversion to tensors and back."""

from stylenet.image.animation import Animation, Frame, is_animated, read_animation
from stylenet.image.animation_saving import save_animation
from stylenet.image.formats import (
    ANIMATION_SUFFIXES,
    PAGE_SUFFIXES,
    READABLE_SUFFIXES,
    SUFFIXES,
    UNREAD_SUFFIXES,
    WRITABLE_SUFFIXES,
    check_writable_suffix,
    name_needed_package,
)
from stylenet.image.loaded_image import LoadedImage, flatten, resize_image, resize_long_side
from stylenet.image.pages import Pages, find_pages, save_pages
from stylenet.image.reading import load_image, open_image
from stylenet.image.resize import resize_short_side, short_side_scale
from stylenet.image.saving import (
    check_background,
    check_quality,
    loses_transparency,
    save_image,
)
from stylenet.image.tensors import to_image, to_tensor
from stylenet.image.upright import upright_image

__all__ = [
    "ANIMATION_SUFFIXES",
    "PAGE_SUFFIXES",
    "READABLE_SUFFIXES",
    "SUFFIXES",
    "UNREAD_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "Animation",
    "Frame",
    "LoadedImage",
    "Pages",
    "check_background",
    "check_quality",
    "check_writable_suffix",
    "find_pages",
    "flatten",
    "is_animated",
    "load_image",
    "loses_transparency",
    "name_needed_package",
    "open_image",
    "read_animation",
    "resize_image",
    "resize_long_side",
    "resize_short_side",
    "save_animation",
    "save_image",
    "save_pages",
    "short_side_scale",
    "to_image",
    "to_tensor",
    "upright_image",
]
