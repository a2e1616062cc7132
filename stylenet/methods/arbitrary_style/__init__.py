"""AdaIN: arbitrary styles in one network (Huang & Belongie 2017)."""
