"""Between files, Pillow images and tensors: orientation, color, transparency, atomic saving."""

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
from stylenet.image.loaded import (
    LoadedImage,
    at_longer_side,
    at_shorter_side,
    flatten,
    resized,
    shorter_side_scale,
    upright_image,
)
from stylenet.image.pages import Pages, find_pages, save_pages
from stylenet.image.reading import load_image, open_image
from stylenet.image.saving import (
    check_background,
    check_quality,
    loses_transparency,
    save_image,
)
from stylenet.image.tensors import to_image, to_tensor

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
    "at_longer_side",
    "at_shorter_side",
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
    "resized",
    "save_animation",
    "save_image",
    "save_pages",
    "shorter_side_scale",
    "to_image",
    "to_tensor",
    "upright_image",
]
