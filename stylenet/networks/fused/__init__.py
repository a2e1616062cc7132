"""Networks as a GPU runs them fastest: the same weights, fused kernels, no layout copies.

``kernels`` needs Triton, which comes with PyTorch for CUDA; nothing imports it before a network is
to be fused.
"""

from stylenet.networks.fused.build import can_fuse, fuse

__all__ = ["can_fuse", "fuse"]
