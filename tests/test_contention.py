import json
import os
import subprocess
import sys

import pytest

from stylenet.contention import ProcessorTime, other_programs_fraction, should_sleep

# Processor time in seconds of 20 operations with pauses between them: spinning threads
# spin after each of them.
SPINNING = """
import json, os, time, torch
from stylenet.contention import SleepAtBarriers

torch.set_num_threads(2)
features = torch.zeros(2**17)

def seconds():
    torch.add(features, 1)
    start = time.process_time()
    for _ in range(20):
        torch.add(features, 1)
        time.sleep(0.01)
    return time.process_time() - start

times = {"before": seconds()}
sleeping = SleepAtBarriers()
times["sleeping"] = seconds()
sleeping.end()
times["after"] = seconds()
os.environ["GOMP_SPINCOUNT"] = "300000"
SleepAtBarriers()
times["chosen by the user"] = seconds()
print(json.dumps(times))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="GNU OpenMP is Linux's")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one processor: threads never spin")
@pytest.mark.slow
def test_threads_sleep_at_barriers_on_request_and_spin_again_afterwards():
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run(
        [sys.executable, "-c", SPINNING], env=env, capture_output=True, text=True, check=True
    )
    times = json.loads(done.stdout)
    for state in ("before", "after", "chosen by the user"):
        assert times[state] > 3 * times["sleeping"], times


@pytest.mark.parametrize(
    ("busy", "own", "fraction"),
    [
        (4.0, 4.0, 0.0),  # all of it is this process's
        (4.0, 2.0, 0.5),  # a busy program on each of two processors
        (2.0, 0.0, 0.5),
        (1.99, 2.0, 0.0),  # the clocks differ by a tick
    ],
)
def test_the_fraction_of_other_programs_is_measured(busy, own, fraction):
    before, after = ProcessorTime(10.0, 100.0, 7.0), ProcessorTime(12.0, 100.0 + busy, 7.0 + own)
    assert other_programs_fraction(before, after, processors=2) == pytest.approx(fraction)


def test_processor_times_grow_with_this_processs_work():
    before = ProcessorTime.read()
    while (after := ProcessorTime.read()).own < before.own + 0.1:
        pass
    assert after.now > before.now
    assert after.busy - before.busy > 0.05


def test_a_small_change_of_contention_changes_nothing():
    assert [should_sleep(False, fraction) for fraction in (0.05, 0.1, 0.2)] == [False, False, True]
    assert [should_sleep(True, fraction) for fraction in (0.05, 0.1, 0.2)] == [False, True, True]
