"""How much work a piece of code is: arithmetic, and bytes that its operators read and write."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


@dataclass
class Work:
    """What was counted.

    Attributes:
        flops: Floating-point operations of convolutions and matrix products, two for each
            multiply-add.
        bytes: What all operators read and wrote, each as if nothing stayed in a cache.
    """

    flops: int = 0
    bytes: int = 0


@contextmanager
def counting() -> Iterator[Work]:
    """Counts the work of what runs inside, the backward pass too.

    Yields:
        The counts, complete after the block.
    """
    work = Work()
    # PyTorch's own count of a product fails where the type of the result is given.
    products = {torch.ops.aten.bmm: _product_flops}
    arithmetic = FlopCounterMode(display=False, custom_mapping=products)
    with arithmetic, _Traffic() as traffic:
        yield work
    work.flops, work.bytes = arithmetic.get_total_flops(), traffic.bytes


def _product_flops(first: Any, second: Any, *_: Any, **__: Any) -> int:
    """Operations of a batch of matrix products, by shapes (N, A, B) and (N, B, C)."""
    count, rows, inner = first
    return 2 * count * rows * inner * second[-1]


class _Traffic(TorchDispatchMode):
    """Adds up the sizes of the tensors that go into operators and come out of them."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        # Under inference mode operators arrive whole that elsewhere arrive in parts.
        with self:
            parts = func.decompose(*args, **kwargs)
        if parts is not NotImplemented:
            return parts
        result = func(*args, **kwargs)
        # Views move nothing, and memory that is merely reserved is not touched.
        returns = func._schema.returns
        view = any(r.alias_info is not None and not r.alias_info.is_write for r in returns)
        if not view and "empty" not in func._schema.name:
            tensors = [t for t in tree_leaves((args, kwargs, result)) if torch.is_tensor(t)]
            self.bytes += sum(t.numel() * t.element_size() for t in tensors)
        return result
