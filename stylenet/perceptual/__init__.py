"""Perceptual losses: frozen encoders, loss terms and their weighted sum."""

from stylenet.perceptual.changing_style_loss import ChangingStyleLoss
from stylenet.perceptual.distilled_vgg import DistilledVGGEncoder
from stylenet.perceptual.dream import DreamLoss, check_channels, dream_loss, feature_strength
from stylenet.perceptual.encoder import Encoder, VGGEncoder
from stylenet.perceptual.lite import LiteEncoder
from stylenet.perceptual.loss_term import Layers, LossInputs, LossTerm, read_layers
from stylenet.perceptual.losses import content_loss, gram_matrix, style_loss, total_variation
from stylenet.perceptual.perceptual_loss import PerceptualLoss, with_style_layers
from stylenet.perceptual.terms import ContentLoss, StyleLoss, TotalVariationLoss

__all__ = [
    "ChangingStyleLoss",
    "ContentLoss",
    "DistilledVGGEncoder",
    "DreamLoss",
    "Encoder",
    "Layers",
    "LiteEncoder",
    "LossInputs",
    "LossTerm",
    "PerceptualLoss",
    "StyleLoss",
    "TotalVariationLoss",
    "VGGEncoder",
    "check_channels",
    "content_loss",
    "dream_loss",
    "feature_strength",
    "gram_matrix",
    "read_layers",
    "style_loss",
    "total_variation",
    "with_style_layers",
]
