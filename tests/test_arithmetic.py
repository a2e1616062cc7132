import pytest
import torch

from stylenet.arithmetic import bfloat16_is_faster
from stylenet.checkpoint import CheckpointInfo
from stylenet.files import cache_folder
from stylenet.inference import Stylizer
from stylenet.networks import build_network
from stylenet.training.hardware import choose_precision

CPU = torch.device("cpu")


class Clock:
    """Fake ``time``, because real readings depend on the load of the machine."""

    now = 0.0

    def perf_counter(self):
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(Clock, "now", 0.0)
    monkeypatch.setattr("stylenet.arithmetic.time", Clock())


class Work:
    """Fake workload that takes a fixed time for each dtype and counts its calls."""

    def __init__(self, float32, bfloat16):
        self.seconds = {torch.float32: float32, torch.bfloat16: bfloat16}
        self.runs = 0

    def __call__(self, dtype):
        self.runs += 1
        Clock.now += self.seconds[dtype]


@pytest.mark.parametrize(("float32", "bfloat16"), [(0.02, 0.01), (0.01, 0.02), (0.02, 0.02)])
def test_the_faster_dtype_is_chosen_and_float32_if_both_are_equal(float32, bfloat16):
    assert bfloat16_is_faster(CPU, "work", Work(float32, bfloat16)) is (bfloat16 < float32)


def test_the_measurement_is_cached():
    assert bfloat16_is_faster(CPU, "work", Work(0.01, 0.001))
    again = Work(0.001, 0.01)
    assert bfloat16_is_faster(CPU, "work", again)
    assert again.runs == 0
    assert not bfloat16_is_faster(CPU, "other work", again)


@pytest.mark.parametrize("change", ["processor", "torch", "threads", "instructions"])
def test_another_machine_is_measured_again(change, monkeypatch):
    assert bfloat16_is_faster(CPU, "work", Work(0.01, 0.001))
    if change == "processor":
        monkeypatch.setattr("stylenet.arithmetic.processor_name", lambda: "another")
    elif change == "torch":
        monkeypatch.setattr(torch, "__version__", "99.0")
    elif change == "threads":
        monkeypatch.setattr(torch, "get_num_threads", lambda: 99)
    else:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert not bfloat16_is_faster(CPU, "work", Work(0.001, 0.01))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"seconds": {"float32": 1}}'])
def test_a_damaged_cache_is_measured_again(content):
    assert bfloat16_is_faster(CPU, "work", Work(0.01, 0.001))
    (file,) = (cache_folder() / "arithmetic").iterdir()
    file.write_text(content)
    assert not bfloat16_is_faster(CPU, "work", Work(0.001, 0.01))


def test_an_unwritable_cache_is_ignored(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("STYLENET_CACHE", str(tmp_path / "file"))
    assert bfloat16_is_faster(CPU, "work", Work(0.01, 0.001))


def test_a_failed_measurement_is_not_cached():
    def fail(dtype):
        raise RuntimeError("no memory")

    assert not bfloat16_is_faster(CPU, "work", fail)
    assert bfloat16_is_faster(CPU, "work", Work(0.01, 0.001))


@pytest.mark.parametrize("faster", [True, False])
def test_auto_uses_the_measured_dtype(faster, monkeypatch):
    requested = []

    def measured(device, work, run):
        requested.append(work)
        run(torch.float32)
        run(torch.bfloat16)
        return faster

    monkeypatch.setattr("stylenet.inference.precision.bfloat16_is_faster", measured)
    monkeypatch.setattr("stylenet.training.hardware.bfloat16_is_faster", measured)
    network = build_network("johnson", width=2, blocks=1)
    stylizer = Stylizer(network, CheckpointInfo("none", 0), "cpu")
    assert stylizer.dtype == (torch.bfloat16 if faster else torch.float32)
    before = torch.random.get_rng_state()
    assert choose_precision("auto", "cpu") == ("bf16-mixed" if faster else "32-true")
    # A seeded run gets the same random numbers whether it measures or reads the cache.
    assert torch.equal(torch.random.get_rng_state(), before)
    inference, training = requested
    assert "InstanceNorm" in inference
    assert training.startswith("training")
    assert choose_precision("32-true", "cpu") == "32-true"
    assert len(requested) == 2
