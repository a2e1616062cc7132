"""Distillation: a trained network teaches a smaller one (Hinton et al. 2015)."""
