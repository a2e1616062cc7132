"""Conditional instance normalization: many styles in one network (Dumoulin et al. 2017)."""
