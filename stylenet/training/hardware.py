"""Choice of the training precision for this machine."""

import torch
from torch import nn

from stylenet.arithmetic import bfloat16_is_faster
from stylenet.errors import check_choice
from stylenet.networks.layers import ConvNorm, ResidualBlock

PRECISION_AUTO = "auto"

# Weights stay in float32 in all of these. Lightning's other precisions convert the encoder and the
# network, which previews and checkpoints need in float32.
_PRECISIONS = (PRECISION_AUTO, "32-true", "bf16-mixed", "16-mixed")
_SHORT = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def choose_precision(precision: str | int, accelerator: str) -> str:
    """Replace ``auto`` by the fastest safe precision for this machine.

    Args:
        precision: ``auto``, or one of Lightning's names with weights in float32, also in short:
            ``bf16``.
        accelerator: Lightning's name; ``auto`` stands for a GPU if there is one.

    Returns:
        ``bf16-mixed`` if that is faster than ``32-true`` (measured on a CPU), otherwise
        ``32-true``. Half precision (``16-mixed``) is never chosen: bfloat16 has float32's range.

    Raises:
        StyleNetError: The precision is none of these.
    """
    precision = _SHORT.get(str(precision), str(precision))
    check_choice("trainer.precision", precision, _PRECISIONS)
    if precision != PRECISION_AUTO:
        return precision
    device = torch.device("cpu")
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        device = torch.device("cuda")
    elif accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        device = torch.device("mps")
    sample = _Sample()
    return "bf16-mixed" if bfloat16_is_faster(device, f"training {sample}", sample) else "32-true"


class _Sample:
    """Forward and backward pass of layers that networks and encoders consist of."""

    def __init__(self) -> None:
        with torch.random.fork_rng(devices=[]):  # keep the random state of the run
            self._layers = nn.Sequential(ConvNorm(64, 128, 3), ResidualBlock(128))
            self._features = torch.rand(2, 64, 32, 32)
        self._layers.to(memory_format=torch.channels_last)
        self._features = self._features.contiguous(memory_format=torch.channels_last)

    def __repr__(self) -> str:
        return repr(self._layers)

    def __call__(self, dtype: torch.dtype) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            features = self._layers(self._features)
        features.float().square().mean().backward()
