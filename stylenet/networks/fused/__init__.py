"""Networks with fused Triton kernels for CUDA GPUs: the same weights, no layout copies.

Triton comes with PyTorch for CUDA. It is imported only when a network is fused.
"""

from stylenet.networks.fused.build import can_fuse, fuse

__all__ = ["can_fuse", "fuse"]
