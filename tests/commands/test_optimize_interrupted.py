import os
import signal

import numpy as np
import pytest
import torch
from PIL import Image

from stylenet.cli import optimize as command
from stylenet.cli.stopping import Stopping

from .conftest import blotches


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), float)


class StopAfter(Stopping):
    """Stopping that reports a signal after some steps."""

    steps, number = 2, signal.SIGTERM

    def __enter__(self):
        self._left = self.steps
        return self

    @property
    def received(self):
        self._left -= 1
        return self.number if self._left < 0 else None

    @received.setter
    def received(self, number):
        pass


@pytest.fixture
def stop_after(monkeypatch):
    def stop_after(steps):
        class Chosen(StopAfter):
            pass

        Chosen.steps = steps
        monkeypatch.setattr(command, "Stopping", Chosen)

    return stop_after


@pytest.mark.parametrize("option", ["", "method=adam", "start=noise scales=2 size=48"])
@pytest.mark.parametrize("after", [0, 3])
def test_a_resumed_run_equals_an_uninterrupted_one(
    optimize, small_folder, stop_after, monkeypatch, option, after
):
    more = ["steps=5", *option.split()]
    assert optimize(*more, "output=uninterrupted.png").status == 0
    with monkeypatch.context():
        stop_after(after)
        result = optimize(*more)
    assert result.status == 128 + signal.SIGTERM
    assert "resume=true" in result.out
    assert "out.png" not in names(small_folder)
    assert "out.png.interrupted" in names(small_folder)
    refused = optimize(*more)
    assert "resume=true" in refused.error
    monkeypatch.setattr(command, "Stopping", Stopping)
    result = optimize(*more, "resume=true", "preview_every=5")
    assert result.status == 0, result.err
    assert np.array_equal(pixels("uninterrupted.png"), pixels("out.png"))
    assert "out.png.interrupted" not in names(small_folder)


def test_only_the_same_optimization_resumes(optimize, small_folder, stop_after, monkeypatch):
    stop_after(1)
    optimize()
    monkeypatch.setattr(command, "Stopping", Stopping)
    assert (
        "with another method, loss."
        in optimize("resume=true", "method=adam", "loss.style.weight=3").error
    )
    blotches(small_folder / "photo.jpg", 48, 36, seed=5)
    assert "with another the images" in optimize("resume=true").error
    (small_folder / "out.png.interrupted").write_bytes(b"damaged")
    assert "out.png.interrupted is damaged" in optimize("resume=true").error


def test_resume_starts_from_the_beginning_without_a_saved_state(optimize, small_folder):
    assert optimize("resume=true").status == 0
    assert (small_folder / "out.png").is_file()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_state_and_ends_the_run(optimize, small_folder, monkeypatch, number):
    def show(progress, step):
        if step.number == 2:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(command.OptimizeProgress, "show", show)
    result = optimize("steps=1000")
    assert result.status == 128 + number, result.err
    assert "stopped and saved" in result.out
    assert names(small_folder) == ["out.png.interrupted", "painting.png", "photo.jpg"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_signals_are_recorded_and_their_handlers_restored():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Stopping() as stopping:
        assert stopping.received is None
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
            assert stopping.received == number
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def test_the_random_state_is_restored(optimize, small_folder, stop_after, monkeypatch):
    torch.manual_seed(5)
    stop_after(1)
    optimize()
    expected = torch.rand(3)
    torch.manual_seed(6)
    monkeypatch.setattr(command, "Stopping", Stopping)
    optimize("resume=true")
    assert torch.equal(torch.rand(3), expected)
