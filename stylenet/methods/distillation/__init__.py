"""Distillation of a smaller network from a trained one (Hinton et al. 2015)."""
