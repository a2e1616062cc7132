"""The queue with a process in the place of the training, and one real training."""

import json
import sys
import textwrap
import time

import pytest
from PIL import Image

from stylenet.app import training as training_module
from stylenet.app import training_queue as module
from stylenet.app.limits import Limits
from stylenet.app.run_report import read_run
from stylenet.app.training import State, slug
from stylenet.app.training_queue import TrainingQueue
from stylenet.errors import StyleNetError
from stylenet.inference import Stylizer

# A training that "trains" until its folder has a file "enough", and saves when it is stopped.
PROCESS = """
import json, pathlib, signal, sys, time
options = json.loads(sys.argv[1])
folder = pathlib.Path(options["run_dir"])
(folder / "checkpoints").mkdir(exist_ok=True)
def stop(*_):
    (folder / "checkpoints/step_0000001.safetensors").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
(folder / "started").touch()
while not (folder / "enough").exists():
    time.sleep(0.02)
text = (folder / "enough").read_text()
if text:
    print("a first line", text, sep="\\n", file=sys.stderr)
    sys.exit(2)
(folder / "final.safetensors").touch()
"""


def wait(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@pytest.fixture
def painting(tmp_path):
    path = tmp_path / "painting.jpg"
    Image.linear_gradient("L").convert("RGB").save(path)
    return path


@pytest.fixture
def process(tmp_path, monkeypatch):
    """Put a small program in the place of ``python -m stylenet.app.train_run``."""
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(PROCESS))
    real = module.subprocess.Popen

    def start(command, **options):
        return real([sys.executable, str(script), command[-1]], **options)

    monkeypatch.setattr(module.subprocess, "Popen", start)


@pytest.fixture
def queue(tmp_path, process):
    queue = TrainingQueue(tmp_path / "runs", Limits(waiting=2))
    yield queue
    queue.close()


def finish(training, text=""):
    (training.folder / "enough").write_text(text)


def test_trainings_run_one_after_the_other(queue, painting):
    first = queue.submit(painting, "First", 10, "me")
    second = queue.submit(painting, "Second", 10, "me")
    wait(lambda: (first.folder / "started").exists())
    assert (first.state, second.state) == (State.RUNNING, State.WAITING)
    assert queue.position(second) == 1
    finish(first)
    wait(lambda: second.state is State.RUNNING)
    assert first.state is State.DONE
    assert queue.position(second) == 0
    finish(second)
    wait(lambda: second.state is State.DONE)
    assert [t.title for t in queue.of("me")] == ["Second", "First"]


def test_a_training_stops_saved_and_goes_on(queue, painting):
    training = queue.submit(painting, "Mine", 10, "me")
    wait(lambda: (training.folder / "started").exists())
    queue.stop(training)
    wait(lambda: training.state is State.STOPPED)
    assert training.report().has_checkpoint
    finish(training)
    queue.go_on(training)
    wait(lambda: training.state is State.DONE)


def test_a_waiting_training_stops_at_once(queue, painting):
    first = queue.submit(painting, "First", 10, "me")
    second = queue.submit(painting, "Second", 10, "me")
    queue.stop(second)
    assert second.state is State.STOPPED
    finish(first)
    wait(lambda: first.state is State.DONE)
    assert not (second.folder / "started").exists()


def test_a_failure_is_told_without_the_folders_of_the_server(queue, painting):
    training = queue.submit(painting, "Mine", 10, "me")
    finish(training, f"error: {training.folder}/mine.png is too small. Choose another.")
    wait(lambda: training.state is State.FAILED)
    assert training.message == "mine.png is too small. Choose another."
    (training.folder / "enough").write_text("")
    queue.go_on(training)
    wait(lambda: training.state is State.DONE)
    assert training.message == ""


def test_a_training_out_of_time_stops_and_may_go_on(tmp_path, process, painting):
    queue = TrainingQueue(tmp_path / "runs", Limits(training=0.02))
    training = queue.submit(painting, "Mine", 10, "me")
    wait(lambda: training.state is State.STOPPED)
    assert "may take 0.02 minutes" in training.message
    queue.close()


def test_visitors_see_their_own_trainings(queue, painting):
    training = queue.submit(painting, "Mine", 10, "me")
    assert queue.of("you") == []
    assert queue.find(training.key, "you") is None
    assert queue.find(training.key, "me") is training
    finish(training)


def test_too_many_waiting_trainings_are_refused(queue, painting):
    trainings = [queue.submit(painting, f"Style {i}", 10, "me") for i in range(3)]
    with pytest.raises(StyleNetError, match="2 trainings are waiting already"):
        queue.submit(painting, "One more", 10, "me")
    for training in trainings:
        finish(training)
    wait(lambda: all(t.state is State.DONE for t in trainings))


@pytest.mark.parametrize("title", ["", "  ", "***", "../.."])
def test_a_style_needs_a_name(queue, painting, title):
    with pytest.raises(StyleNetError, match="no name"):
        queue.submit(painting, title, 10, "me")


def test_a_broken_painting_starts_nothing(queue, tmp_path):
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"no image")
    with pytest.raises(StyleNetError):
        queue.submit(path, "Broken", 10, "me")
    assert queue.of("me") == []


def test_styles_of_the_same_name_get_folders_of_their_own(queue, painting):
    trainings = [queue.submit(painting, "Große Welle!", 10, "me") for _ in range(2)]
    assert [t.folder.name for t in trainings] == ["gro_e_welle", "gro_e_welle_2"]
    for training in trainings:
        finish(training)


def test_a_deleted_training_is_gone(queue, painting):
    training = queue.submit(painting, "Mine", 10, "me")
    queue.remove(training)
    assert queue.of("me") == [training]  # it runs or waits
    finish(training)
    wait(lambda: training.state is State.DONE)
    queue.remove(training)
    assert queue.of("me") == []
    assert not training.folder.exists()


def test_trainings_that_were_left_are_deleted_with_the_next(queue, painting, monkeypatch):
    first = queue.submit(painting, "First", 10, "me")
    finish(first)
    wait(lambda: first.state is State.DONE)
    second = queue.submit(painting, "Second", 10, "me")
    assert queue.of("me") == [second, first]
    monkeypatch.setattr(training_module, "_KEPT_SECONDS", -1.0)
    third = queue.submit(painting, "Third", 10, "me")
    assert queue.of("me") == [third, second]
    assert not first.folder.exists()
    for training in (second, third):
        finish(training)


def test_the_next_start_finds_kept_trainings(tmp_path, process, painting):
    runs = tmp_path / "runs"
    queue = TrainingQueue(runs, Limits(), shared=True)
    done, stopped = (queue.submit(painting, name, 10, "me") for name in ("Done", "Stopped"))
    finish(done)
    wait(lambda: stopped.state is State.RUNNING and (stopped.folder / "started").exists())
    queue.close()  # as with Ctrl-C
    (runs / "foreign").mkdir()
    (runs / "foreign" / "app.json").write_text("{}")
    again = TrainingQueue(runs, Limits(), shared=True)
    assert {t.title: t.state for t in again.of("anyone")} == {
        "Done": State.DONE,
        "Stopped": State.STOPPED,
    }
    finish(stopped)
    (training,) = (t for t in again.of("anyone") if t.title == "Stopped")
    again.go_on(training)
    wait(lambda: training.state is State.DONE)
    again.close()


def test_progress_is_read_while_it_is_written(tmp_path):
    header = "epoch,loss/content,loss/style,lr,step\n"
    for version, rows in ((0, "0,2.0,8.0,,4\n,,,1e-3,4\n0,1.5,4.0,,9\n"), (1, "0,1.4,3.5,,9\n0,1")):
        table = tmp_path / f"csv/version_{version}/metrics.csv"
        table.parent.mkdir(parents=True)
        table.write_text(header + rows)
    (tmp_path / "previews").mkdir()
    for step in (5, 10):
        (tmp_path / f"previews/step_{step:07d}.png").touch()
    (tmp_path / "previews/.step_0000015-x.png").touch()  # being written
    report = read_run(tmp_path)
    assert report.losses == {"style": [(5, 8.0), (10, 3.5)], "content": [(5, 2.0), (10, 1.4)]}
    assert report.step == 10
    assert report.preview.name == "step_0000010.png"
    assert not report.has_checkpoint
    assert read_run(tmp_path / "missing").step == 0


def test_file_names_are_plain():
    assert slug("The Great Wave, 1831") == "the_great_wave_1831"


@pytest.mark.slow
def test_a_real_training_stops_goes_on_and_gives_a_network(tmp_path, painting):
    queue = TrainingQueue(tmp_path / "the runs", Limits(), shared=True)
    training = queue.submit(painting, "Grays", 40, "me")
    wait(lambda: training.report().step >= 10, 240)
    queue.stop(training)
    wait(lambda: training.state is State.STOPPED, 60)
    stopped_at = training.report().step
    assert stopped_at < 40
    assert training.report().has_checkpoint
    queue.go_on(training)
    wait(lambda: training.state in (State.DONE, State.FAILED), 240)
    assert training.state is State.DONE, training.message
    report = training.report()
    assert report.step == 40
    # A stopped training logs its last step, too.
    assert {step for step, _ in report.losses["style"]} == {*range(5, 41, 5), stopped_at}
    assert report.preview.name == "step_0000040.png"
    assert json.loads((training.folder / "app.json").read_text()) == {"title": "Grays", "steps": 40}
    stylizer = Stylizer.load(training.folder)
    assert stylizer.info.step == 40
    assert stylizer(Image.new("RGB", (40, 32))).size == (40, 32)
    queue.close()
