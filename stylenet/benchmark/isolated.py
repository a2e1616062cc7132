"""Measure each case in a process of its own."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from stylenet.benchmark.bench import Bench, Size
from stylenet.benchmark.rows import Measured, Row, make_row


def measure_isolated(
    suite: str,
    bench: Bench,
    parts: Sequence[tuple[str, Size, int]],
    tasks: dict[str, Callable[..., Any]],
    measure: Callable[[Any], Measured],
    **extra: Any,
) -> list[Row]:
    """Run each case in a process of its own, and the reference in another.

    Args:
        suite: Name of the suite.
        bench: Parts and conditions.
        parts: Name, size and batch size of each case.
        tasks: The task to run, by name of the part; called with the bench, the conditions of the
            case and whether to run the reference.
        measure: Converts the result of a task to the measurements of a row.
        **extra: Further values of each row.

    Returns:
        A row for each case.
    """
    conditions = bench.conditions
    rows = []
    for part, (width, height), batch in parts:
        case = replace(conditions, sizes=[(width, height)], batch=batch)
        measured = [
            measure(bench.run_in_process(tasks[part], case, reference))
            for reference in ([False, True] if conditions.baseline else [False])
        ]
        rows.append(
            make_row(
                suite,
                f"{part}, {batch} x {width}x{height}",
                (batch, height, width),
                measured[0],
                measured[1] if conditions.baseline else None,
                part=part,
                **extra,
            )
        )
    return rows
