"""Training methods, a folder each: loss, Lightning module, config checks, style selection.

The rest of the package asks a method through two interfaces: :class:`.method.Method` for training
and :class:`.base.StyleSelection` for a loaded checkpoint, which needs no training code.
"""
