"""What judges an image: a frozen encoder, Gram matrices, content and style losses."""

from stylenet.perceptual.adversarial import OBJECTIVES, AdversarialOptions, told_apart
from stylenet.perceptual.discriminator import PatchDiscriminator
from stylenet.perceptual.distilled_vgg import DistilledVGGEncoder
from stylenet.perceptual.dream import DreamLoss, dream_loss, feature_strength
from stylenet.perceptual.encoder import Encoder, VGGEncoder
from stylenet.perceptual.lite import LiteEncoder
from stylenet.perceptual.losses import content_loss, gram_matrix, style_loss, total_variation
from stylenet.perceptual.perceptual_loss import LossOptions, PerceptualLoss

__all__ = [
    "OBJECTIVES",
    "AdversarialOptions",
    "DistilledVGGEncoder",
    "DreamLoss",
    "Encoder",
    "LiteEncoder",
    "LossOptions",
    "PatchDiscriminator",
    "PerceptualLoss",
    "VGGEncoder",
    "content_loss",
    "dream_loss",
    "feature_strength",
    "gram_matrix",
    "style_loss",
    "told_apart",
    "total_variation",
]
