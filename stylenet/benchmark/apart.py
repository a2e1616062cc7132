"""Cases that are measured in processes of their own."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from stylenet.benchmark.bench import Bench, Size
from stylenet.benchmark.rows import Measured, Row, make_row


def measure_apart(
    suite: str,
    bench: Bench,
    parts: Sequence[tuple[str, Size, int]],
    tasks: dict[str, Callable[..., Any]],
    measure: Callable[[Any], Measured],
    **extra: Any,
) -> list[Row]:
    """Run each case in a process of its own, and the reference's in another.

    Args:
        suite: Name of the suite, for the rows.
        bench: The parts and the conditions.
        parts: Name, size and batch of each case.
        tasks: What runs for a name; called with the bench, the case's conditions and whether it is
            the reference.
        measure: From what a task returns to what a row takes.
        **extra: Further values of each row.

    Returns:
        A row for each case.
    """
    conditions = bench.conditions
    rows = []
    for part, (width, height), batch in parts:
        case = replace(conditions, sizes=[(width, height)], batch=batch)
        sides = [
            measure(bench.apart(tasks[part], case, plain))
            for plain in ([False, True] if conditions.baseline else [False])
        ]
        rows.append(
            make_row(
                suite,
                f"{part}, {batch} x {width}x{height}",
                (batch, height, width),
                sides[0],
                sides[1] if conditions.baseline else None,
                part=part,
                **extra,
            )
        )
    return rows
