"""Training methods, one folder each: loss, Lightning module, config checks, style selection."""
