import gc
import os
import pwd
from itertools import count
from pathlib import Path

import pytest
import torch

if not torch.cuda.is_available():
    # For tests/gpu; read when Triton is imported, which other tests do through the compiler.
    os.environ["TRITON_INTERPRET"] = "1"


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


_cache_numbers = count()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    # mktemp would list the folders of all earlier tests, and few tests cache anything.
    folder = tmp_path_factory.getbasetemp() / "caches" / str(next(_cache_numbers))
    monkeypatch.setenv("STYLENET_CACHE", str(folder))


@pytest.fixture
def homeless(monkeypatch):
    """A user without HOME and passwd entry, as with ``docker run --user``."""

    def unknown(_):
        raise KeyError("uid not found")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(pwd, "getpwnam", unknown)


@pytest.fixture(scope="session")
def shared():
    folder = Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("the data for development, shared/ beside the checkout, is absent")
    return folder


@pytest.fixture(scope="session")
def make_state():
    """Make state dicts of PyTorch's fast_neural_style example, in float64."""

    def make_state(width=4, blocks=2, stale=False):

        generator = torch.Generator().manual_seed(0)

        def rand(*shape):
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        state = {}
        convolutions = {
            "conv1": (width, 3, 9),
            "conv2": (2 * width, width, 3),
            "conv3": (4 * width, 2 * width, 3),
            "deconv1": (2 * width, 4 * width, 3),
            "deconv2": (width, 2 * width, 3),
            "deconv3": (3, width, 9),
        }
        norms = {"in1": 1, "in2": 2, "in3": 4, "in4": 2, "in5": 1}
        for block in range(1, blocks + 1):
            for number in (1, 2):
                convolutions[f"res{block}.conv{number}"] = (4 * width, 4 * width, 3)
                norms[f"res{block}.in{number}"] = 4
        for name, (outputs, inputs, kernel) in convolutions.items():
            state[f"{name}.conv2d.weight"] = rand(outputs, inputs, kernel, kernel) / inputs
            state[f"{name}.conv2d.bias"] = rand(outputs)
        state["deconv3.conv2d.weight"] *= 10
        state["deconv3.conv2d.bias"] = 128 + rand(3)
        for name, factor in norms.items():
            state[f"{name}.weight"], state[f"{name}.bias"] = (
                rand(factor * width) + 1,
                rand(factor * width),
            )
            if stale:
                state[f"{name}.running_mean"] = rand(factor * width)
                state[f"{name}.running_var"] = rand(factor * width)
        return state

    return make_state


# Fixtures that start processes, each of which imports PyTorch for seconds.
_STARTS_PROCESSES = {"script", "torchrun", "worker", "slurm", "browser"}


@pytest.hookimpl(tryfirst=True)  # before pytest removes deselected items
def pytest_collection_modifyitems(items):
    for item in items:
        if "browser" in item.fixturenames:
            item.add_marker(pytest.mark.browser)
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="there is no CUDA device"))
    if "PYTEST_XDIST_WORKER" in os.environ:
        # Long tests first: one at the end would leave the other workers idle.
        items.sort(key=lambda item: _STARTS_PROCESSES.isdisjoint(item.fixturenames))


def pytest_collection_finish():
    # Imported modules stay alive: with them a full garbage collection takes half a second,
    # without them a few milliseconds.
    gc.collect()
    gc.freeze()
