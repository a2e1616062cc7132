"""What judges a picture: a frozen encoder, Gram matrices, content and style losses."""

from stylenet.perceptual.encoder import VGGEncoder
from stylenet.perceptual.losses import content_loss, gram_matrix, style_loss, total_variation
from stylenet.perceptual.perceptual_loss import LossSettings, PerceptualLoss

__all__ = [
    "LossSettings",
    "PerceptualLoss",
    "VGGEncoder",
    "content_loss",
    "gram_matrix",
    "style_loss",
    "total_variation",
]
