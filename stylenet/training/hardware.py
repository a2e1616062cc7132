"""Which arithmetic suits the machine."""

import torch

from stylenet.errors import check_choice

PRECISION_AUTO = "auto"

# Weights stay in float32: Lightning's others turn the encoder and the network that previews and
# checkpoints take into another type.
_PRECISIONS = (PRECISION_AUTO, "32-true", "bf16-mixed", "16-mixed")
_SHORT = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def choose_precision(precision: str | int, accelerator: str) -> str:
    """Replaces ``auto`` by what is fast and safe on this machine.

    Args:
        precision: One of Lightning's names that leave weights in float32, short or not, or
            ``auto``.
        accelerator: Lightning's name; ``auto`` takes a GPU if there is one.

    Returns:
        ``bf16-mixed`` where the processor multiplies bfloat16 itself, else ``32-true``. Half
        precision (``16-mixed``) is never chosen: bfloat16 has float32's range.

    Raises:
        StyleNetError: It is none of these.
    """
    precision = _SHORT.get(str(precision), str(precision))
    check_choice("trainer.precision", precision, _PRECISIONS)
    if precision != PRECISION_AUTO:
        return precision
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    elif accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        native = False
    else:
        # Without avx512_bf16 or amx_bf16, oneDNN emulates, slower than float32.
        read = getattr(torch.cpu, "get_capabilities", None)  # not in older PyTorch
        found = read() if read is not None else {}
        native = bool(found.get("avx512_bf16") or found.get("amx_bf16"))
    return "bf16-mixed" if native else "32-true"
