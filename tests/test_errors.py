import math

import pytest
import torch

from stylenet.errors import (
    StyleNetError,
    check_choice,
    check_number,
    explain_out_of_memory,
    first_line,
    is_out_of_memory,
)


@pytest.mark.parametrize(
    ("value", "bounds"),
    [
        (0, {}),
        (-1.5, {}),
        (10**400, {"integer": True}),
        (1, {"minimum": 1, "integer": True}),
        (1.0, {"minimum": 1}),
        (1e-9, {"above": 0}),
    ],
)
def test_a_number_within_bounds_passes(value, bounds):
    check_number("data.size", value, **bounds)


@pytest.mark.parametrize("value", ["abc", "4", None, True, [1], 1j, math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_a_finite_number_is_refused(value):
    with pytest.raises(StyleNetError, match=r"^data\.size=.* is not a number$"):
        check_number("data.size", value)


@pytest.mark.parametrize(
    ("value", "bounds", "message"),
    [
        (0, {"minimum": 1}, "data.size=0 is not a number of at least 1"),
        (0, {"above": 0}, "data.size=0 is not a number above 0"),
        (1.0, {"integer": True}, "data.size=1.0 is not a whole number"),
        (-1, {"minimum": 0, "integer": True}, "data.size=-1 is not a whole number of at least 0"),
    ],
)
def test_a_number_out_of_bounds_is_refused_with_the_bound(value, bounds, message):
    with pytest.raises(StyleNetError) as error:
        check_number("data.size", value, **bounds)
    assert str(error.value) == message


def test_a_valid_word_passes():
    check_choice("network.name", "b", iter("abc"))


@pytest.mark.parametrize("value", ["d", "", None, 1, ["a"]])
def test_another_word_is_refused_and_the_valid_ones_are_listed(value):
    with pytest.raises(StyleNetError) as error:
        check_choice("network.name", value, iter("abc"))
    assert str(error.value) == f"network.name={value} is unknown; choose one of a, b, c"


@pytest.mark.parametrize(
    ("error", "line"),
    [(ValueError("one\ntwo"), "one"), (ValueError("one"), "one"), (MemoryError(), "MemoryError")],
)
def test_the_error_of_another_library_is_shortened_to_one_line(error, line):
    assert first_line(error) == line


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"), True),
        (RuntimeError("Exception from src/inference/cpp/infer_request.cpp: std::bad_alloc"), True),
        (RuntimeError("the size of tensor a must match"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_out_of_memory_errors_get_the_given_message(error, expected):
    with (
        pytest.raises(StyleNetError if expected else type(error)) as caught,
        explain_out_of_memory("use a smaller size"),
    ):
        raise error
    assert str(caught.value) == ("use a smaller size" if expected else str(error))
    assert is_out_of_memory(error) is expected
