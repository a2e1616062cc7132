"""Between files, Pillow images and tensors: orientation, colour, transparency, atomic saving."""

from stylenet.image.animation import Animation, Frame, is_animated, read_animation
from stylenet.image.animation_saving import save_animation
from stylenet.image.formats import (
    ANIMATION_SUFFIXES,
    SUFFIXES,
    WRITABLE_SUFFIXES,
    check_writable_suffix,
)
from stylenet.image.picture import (
    Picture,
    at_longer_side,
    at_shorter_side,
    flatten,
    resized,
    upright_picture,
)
from stylenet.image.reading import load_picture, open_image
from stylenet.image.saving import check_quality, save_picture
from stylenet.image.tensors import to_image, to_tensor

__all__ = [
    "ANIMATION_SUFFIXES",
    "SUFFIXES",
    "WRITABLE_SUFFIXES",
    "Animation",
    "Frame",
    "Picture",
    "at_longer_side",
    "at_shorter_side",
    "check_quality",
    "check_writable_suffix",
    "flatten",
    "is_animated",
    "load_picture",
    "open_image",
    "read_animation",
    "resized",
    "save_animation",
    "save_picture",
    "to_image",
    "to_tensor",
    "upright_picture",
]
