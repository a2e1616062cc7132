"""Adversarial training: perceptual losses and a discriminator (Goodfellow et al. 2014)."""
