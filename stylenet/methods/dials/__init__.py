"""Stroke size and style weight as dials that are turned after training."""
