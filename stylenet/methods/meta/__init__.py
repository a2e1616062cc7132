"""Meta-learning of a base network, from which any style is learned in few steps (Reptile)."""
