"""Values that change over a video, by keyframes."""

import math
from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

from stylenet.errors import StyleNetError, check_number

# Values at times in seconds.
Keyframes = Mapping[float, float]


def check_keyframes(name: str, keyframes: Any) -> None:
    """Check keyframes of a dial.

    Args:
        name: Name of the option, for the message.
        keyframes: Values above 0 by time in seconds, in any order; at least one.

    Raises:
        StyleNetError: They are something else.
    """
    if not isinstance(keyframes, Mapping) or not keyframes:
        raise StyleNetError(
            f"{name}={keyframes} is neither a number nor keyframes. Give values by seconds, such "
            f"as {name}='{{0: 0.5, 3: 2}}'."
        )
    for time, value in keyframes.items():
        check_number(f"time of a keyframe of {name}", time, minimum=0)
        check_number(f"{name} at {time:g} s", value, above=0)


def value_at(keyframes: Keyframes, time: float) -> float:
    """Return the value at a time, between two keyframes in equal steps of its logarithm.

    Args:
        keyframes: Values by time in seconds, at least one.
        time: Seconds; before the first and after the last keyframe their values hold.
    """
    times = sorted(keyframes)
    after = bisect_right(times, time)
    if after in (0, len(times)):
        return keyframes[times[max(0, after - 1)]]
    before = times[after - 1]
    fraction = (time - before) / (times[after] - before)
    first, second = math.log(keyframes[before]), math.log(keyframes[times[after]])
    return math.exp(first + fraction * (second - first))
