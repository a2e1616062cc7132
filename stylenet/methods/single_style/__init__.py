"""One style per network (Johnson et al. 2016)."""
