import json
import os
import subprocess
import sys

import pytest

from stylenet.contention import ProcessorTime, other_programs_fraction, should_sleep

# The processor time, in seconds, that 20 operations with pauses between them take: threads that
# spin at their barriers do so after each of them.
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

found = {"before": seconds()}
sleeping = SleepAtBarriers()
found["sleeping"] = seconds()
sleeping.end()
found["after"] = seconds()
os.environ["GOMP_SPINCOUNT"] = "300000"
SleepAtBarriers()
found["chosen by the user"] = seconds()
print(json.dumps(found))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="GNU OpenMP is Linux's")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one processor: threads never spin")
def test_threads_sleep_at_barriers_while_asked_to_and_spin_again_afterwards():
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run(
        [sys.executable, "-c", SPINNING], env=env, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    for state in ("before", "after", "chosen by the user"):
        assert found[state] > 3 * found["sleeping"], found


@pytest.mark.parametrize(
    ("busy", "own", "share"),
    [
        (4.0, 4.0, 0.0),  # all of it is ours
        (4.0, 2.0, 0.5),  # a busy program on each of two processors
        (2.0, 0.0, 0.5),
        (1.99, 2.0, 0.0),  # the clocks differ by a tick
    ],
)
def test_the_share_of_other_programs(busy, own, share):
    before, after = ProcessorTime(10.0, 100.0, 7.0), ProcessorTime(12.0, 100.0 + busy, 7.0 + own)
    assert other_programs_fraction(before, after, processors=2) == pytest.approx(share)


def test_the_times_of_the_processors_grow_with_our_own_work():
    before = ProcessorTime.read()
    while (after := ProcessorTime.read()).own < before.own + 0.1:
        pass
    assert after.now > before.now
    assert after.busy - before.busy > 0.05


def test_what_changes_little_changes_nothing():
    assert [should_sleep(False, share) for share in (0.05, 0.1, 0.2)] == [False, False, True]
    assert [should_sleep(True, share) for share in (0.05, 0.1, 0.2)] == [False, True, True]
