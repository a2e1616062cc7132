"""Training in several processes that are stopped and killed: resumed runs stay exact."""

import json
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from stylenet.data import PhotoData
from stylenet.training import RunFolder
from stylenet.training.callbacks import SafeCheckpointIO

from .worker import make_module

pytestmark = pytest.mark.xdist_group("processes")  # all tests use one worker.py

WORKER = Path(__file__).with_name("worker.py")


@pytest.fixture(scope="module")
def worker(photos, tmp_path_factory):
    errors = tmp_path_factory.mktemp("worker") / "stderr"
    with (
        errors.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, WORKER, photos],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        yield process, errors


@pytest.fixture
def do(worker):
    """Run jobs, see worker.py, and return what the processes wrote to stderr."""
    process, errors = worker

    def do(*jobs):
        before = len(errors.read_text())
        deadline = threading.Timer(300, process.kill)
        deadline.start()
        jobs = [{**job, "folder": str(job["folder"])} for job in jobs]
        print(json.dumps(jobs), file=process.stdin, flush=True)
        answer = next((line for line in process.stdout if line in ("done\n", "failed\n")), None)
        deadline.cancel()
        stderr = errors.read_text()[before:]
        assert answer == "done\n", stderr
        return stderr

    return do


def final(folder):
    """Return the last resume checkpoint without versions: weights, optimizer, schedule, step."""
    checkpoint = SafeCheckpointIO().load_checkpoint(RunFolder(folder).saved_checkpoints()[-1])
    states = [optimizer["state"] for optimizer in checkpoint["optimizer_states"]]
    moments = {
        f"{number}.{i}.{key}": value
        for number, optimizer in enumerate(states)
        for i, state in optimizer.items()
        for key, value in state.items()
    }
    return {
        "step": torch.tensor(checkpoint["global_step"]),
        **checkpoint["state_dict"],
        **moments,
    }


def assert_equal(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


@pytest.mark.parametrize(
    ("method", "more"),
    [
        pytest.param(None, {}, marks=pytest.mark.slow),
        (None, {"temporal": 30.0}),
        pytest.param("dials", {"temporal": 30.0}, marks=pytest.mark.slow),
        pytest.param("adain", {}, marks=pytest.mark.slow),
        pytest.param("any_style", {}, marks=pytest.mark.slow),
        ("adversarial", {"temporal": 30.0}),
    ],
)
def test_two_processes_with_half_the_batch_equal_one_with_the_full_batch(
    do, tmp_path, method, more
):
    one, two = tmp_path / "one", tmp_path / "two"
    do(
        {"folder": one, "batch": 4, "steps": 3, "method": method, **more},
        {"folder": two, "batch": 2, "steps": 3, "method": method, "world": 2, **more},
    )
    gradients = [torch.load(folder / "gradients.pt") for folder in (one, two)]
    if method == "adversarial":
        assert {name.split(".")[0] for name in gradients[0]} == {"network", "discriminator"}
        # Both networks and the vectors of the spectral norm are equal in both processes.
        assert_equal(*(torch.load(two / f"weights_{rank}.pt") for rank in (0, 1)))
    assert gradients[0].keys() == gradients[1].keys()
    assert {g.dtype for g in gradients[0].values()} == {torch.float64}
    # Relative to all: biases that a normalization cancels have gradients of rounding only.
    scale = max(float(gradient.abs().max()) for gradient in gradients[0].values())
    for name, gradient in gradients[0].items():
        assert torch.allclose(gradient, gradients[1][name], rtol=1e-9, atol=1e-12 * scale), name
    # The photos of the later steps are the same too, as are the resulting weights.
    for name, value in final(one).items():
        assert torch.allclose(value, final(two)[name], rtol=1e-5, atol=1e-8), name


def test_two_processes_learn_another_style_each_and_go_toward_the_mean(do, tmp_path, photos):
    do({"folder": tmp_path, "batch": 4, "steps": 1, "method": "meta", "world": 2})
    assert_equal(*(torch.load(tmp_path / f"weights_{rank}.pt") for rank in (0, 1)))
    module = make_module(0, "meta", 1)
    data = PhotoData(*(str(photos), 16, 4), min_size=8, workers=0, seed=3, styles=str(photos))
    data.setup()
    differences = []
    for rank in (0, 1):
        images = [data.dataset[n].image.double() for n in range(rank, 8, 2)]
        style = data.style_data.dataset[rank].image[None].double()
        module._adapt(torch.stack(images), module.criterion.targets(style))
        learned = dict(module.learner.named_parameters())
        own = module.network.named_parameters()
        differences.append({f"network.{k}": v - learned[k] for k, v in own})
    saved = torch.load(tmp_path / "gradients.pt")
    assert saved.keys() == differences[0].keys()
    for name, gradient in saved.items():
        first, second = (difference[name] for difference in differences)
        assert torch.allclose(gradient, (first + second) / 2, rtol=1e-9, atol=1e-12), name
    assert any(not torch.allclose(differences[0][k], differences[1][k]) for k in saved)


@pytest.mark.parametrize(
    ("number", "method", "accumulate", "more"),
    [
        (signal.SIGTERM, None, 1, {}),
        (signal.SIGTERM, None, 3, {"temporal": 30.0}),
        pytest.param(signal.SIGUSR1, None, 1, {}, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, "adversarial", 1, {}, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, "meta", 1, {}, marks=pytest.mark.slow),
    ],
)
def test_a_signal_to_one_process_stops_all_at_one_step_and_resuming_is_exact(
    do, tmp_path, number, method, accumulate, more
):
    uninterrupted, parts = tmp_path / "uninterrupted", tmp_path / "parts"
    common = {"steps": 9, "world": 2, "workers": 1, "every": 9, "method": method}
    common |= {"accumulate": accumulate, **more}
    do(
        {"folder": uninterrupted, **common},
        {"folder": parts, **common, "signal": [1, 4, number]},
        {"folder": parts, **common, "resume": True, "seed": 5},
    )
    # The step of the signal, or the next if the others learn of it only then.
    stopped = 6 if accumulate == 1 else 5
    assert RunFolder(parts).checkpoint(stopped).is_file()
    assert (parts / "gradients.pt").is_file()
    assert (parts / "last_step").read_text() == "9"
    assert_equal(final(uninterrupted), final(parts))


@pytest.mark.parametrize("times", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_run_killed_at_any_moment_resumes_from_its_last_checkpoint(do, tmp_path, times):
    """Save at every step, so that many kills interrupt the writing of a file."""
    uninterrupted, killed = tmp_path / "uninterrupted", tmp_path / "killed"
    blows = random.Random(0)
    steps = 20 * times
    jobs = [
        {"folder": killed, "steps": steps, "every": 1, "resume": True}
        | {"kill": blows.uniform(0.1, 1.0)}
        for _ in range(times)
    ]
    end = {"folder": killed, "steps": steps, "every": 1, "resume": True}
    stderr = do({"folder": uninterrupted, "steps": steps, "every": 100}, *jobs, end)
    assert "Error" not in stderr
    assert_equal(final(uninterrupted), final(killed))
    assert not RunFolder(killed).leftovers()
