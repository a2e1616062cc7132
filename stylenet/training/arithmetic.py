"""Record of the arithmetic of a run, and its changes since a resume checkpoint."""

from collections.abc import Mapping

import numpy as np
import PIL
import torch


def describe_arithmetic(precision: str, device: torch.device) -> dict[str, str]:
    """Describe the hardware and software that the result of a run depends on.

    Options, photos and seed are not included. If all of this is equal, two runs on a CPU are equal
    bit for bit. With another number of threads oneDNN adds up the gradients of convolutions in
    another order: weights of a run with one thread instead of two differed by 0.002 after 3 steps
    and by 0.006 after 12 (quickstart, float32, crops of 96 pixels). Both runs are equally good.

    Args:
        precision: Lightning's name, such as ``32-true``.
        device: Device of the training.

    Returns:
        Short descriptions by name.
    """
    on_gpu = device.type == "cuda"
    return {
        "precision": precision,
        "device": torch.cuda.get_device_name(device) if on_gpu else device.type,
        "threads": "any" if on_gpu else str(torch.get_num_threads()),
        "instruction set": torch.backends.cpu.get_cpu_capability(),
        "torch": str(torch.__version__),  # not a plain str
        # These decode and crop the photos.
        "pillow": PIL.__version__,
        "numpy": np.__version__,
    }


def describe_changes(saved: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    """Describe in one line how the arithmetic has changed.

    Args:
        saved: Result of :func:`describe_arithmetic` when the checkpoint was saved.
        now: Result of :func:`describe_arithmetic` for the resumed run.

    Returns:
        The line, or ``None`` if all entries that both have are equal.
    """
    changes = [
        f"{name}: {now[name]} (was {saved[name]})"
        for name in now
        if saved.get(name, now[name]) != now[name]
    ]
    if not changes:
        return None
    return (
        f"the run resumes with other arithmetic ({', '.join(changes)}), so its weights will not "
        f"equal those of an uninterrupted run bit for bit; they are just as good"
    )
