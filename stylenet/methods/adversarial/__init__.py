"""Adversarial training: a perceptual loss and a discriminator (Goodfellow et al. 2014)."""
