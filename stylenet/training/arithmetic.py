"""What decides the last bits of a training step, and whether it has changed since a checkpoint."""

from collections.abc import Mapping

import numpy as np
import PIL
import torch


def describe_arithmetic(precision: str, device: torch.device) -> dict[str, str]:
    """List what a run's numbers depend on beside its options, its photos and its seed.

    With all of it unchanged, two runs on a CPU are equal bit for bit. With another number of
    threads oneDNN adds up the gradients of convolutions in another order: one thread in place of
    two made a difference of 0.002 in the weights after 3 steps and of 0.006 after 12 (quickstart,
    float32, crops of 96 pixels). No run is better than the other.

    Args:
        precision: Lightning's name, such as ``32-true``.
        device: What the run is trained on.

    Returns:
        A short text for each, by name.
    """
    on_gpu = device.type == "cuda"
    return {
        "precision": precision,
        "device": torch.cuda.get_device_name(device) if on_gpu else device.type,
        "threads": "any" if on_gpu else str(torch.get_num_threads()),
        "instruction set": torch.backends.cpu.get_cpu_capability(),
        "torch": str(torch.__version__),  # of a class of its own
        # Photos are decoded and cropped by these.
        "pillow": PIL.__version__,
        "numpy": np.__version__,
    }


def describe_changes(saved: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    """Say in one line what has changed.

    Args:
        saved: From :func:`describe_arithmetic`, of the run so far.
        now: The same of this start.

    Returns:
        The line; ``None`` where nothing has changed that both of them list.
    """
    changes = [
        f"{name}: {now[name]} (was {saved[name]})"
        for name in now
        if saved.get(name, now[name]) != now[name]
    ]
    if not changes:
        return None
    return (
        f"this run goes on with other arithmetic ({', '.join(changes)}), so it will not equal an "
        f"uninterrupted one bit for bit; it is just as good"
    )
