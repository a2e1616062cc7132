"""Count floating-point operations, and the bytes that operators read and write."""

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
    """Counted operations and bytes.

    Attributes:
        flops: Floating-point operations of convolutions and matrix products, two for each
            multiply-add.
        bytes: Bytes that all operators read and wrote, as if nothing stayed in a cache.
    """

    flops: int = 0
    bytes: int = 0


@contextmanager
def counting() -> Iterator[Work]:
    """Count the work of the code inside, including the backward pass.

    Yields:
        The counts, complete after the block.
    """
    work = Work()
    # PyTorch's own count of a product fails if the type of the result is given.
    products = {torch.ops.aten.bmm: _product_flops}
    arithmetic = FlopCounterMode(display=False, custom_mapping=products)
    with arithmetic, _Traffic() as traffic:
        yield work
    work.flops, work.bytes = arithmetic.get_total_flops(), traffic.bytes


def _product_flops(first: Any, second: Any, *_: Any, **__: Any) -> int:
    """Count the operations of a batched matrix product of shapes (N, A, B) and (N, B, C)."""
    count, rows, inner = first
    return 2 * count * rows * inner * second[-1]


class _Traffic(TorchDispatchMode):
    """Counter of the bytes of all tensors that operators read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        # Inference mode dispatches composite operators that other modes dispatch in parts.
        with self:
            parts = func.decompose(*args, **kwargs)
        if parts is not NotImplemented:
            return parts
        result = func(*args, **kwargs)
        # Views move no data, and memory that is only allocated is not touched.
        returns = func._schema.returns
        view = any(r.alias_info is not None and not r.alias_info.is_write for r in returns)
        if not view and "empty" not in func._schema.name:
            tensors = [t for t in tree_leaves((args, kwargs, result)) if torch.is_tensor(t)]
            self.bytes += sum(t.numel() * t.element_size() for t in tensors)
        return result
