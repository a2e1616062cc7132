"""Training methods, one folder each: loss, Lightning module, config checks and style selection.

The rest of the package uses a method through two interfaces: :class:`.method.Method` for training,
and :class:`.base.StyleSelection` for loaded checkpoints, which needs no training code.
"""
