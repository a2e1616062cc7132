import contextlib
import multiprocessing
import os
import time

import pytest

from stylenet.errors import StyleNetError
from stylenet.files import atomic_path
from stylenet.training import RunFolder, run_lock
from stylenet.training.run_lock import RunLock


def hold(run_dir, ready):
    """Hold a run directory, as a training of Slurm job 4711 does."""
    os.environ["SLURM_JOB_ID"] = "4711"
    with RunLock(RunFolder(run_dir)):
        ready.set()
        time.sleep(600)


@pytest.fixture
def locked_by_another(tmp_path):
    fork = multiprocessing.get_context("fork")  # without seconds of imports
    ready = fork.Event()
    process = fork.Process(target=hold, args=(tmp_path / "run", ready), daemon=True)
    process.start()
    assert ready.wait(60)
    yield process
    process.kill()
    process.join()


def leave_partial_files(path):
    """Return the partial files of a process that was killed while it wrote ``path``."""
    with contextlib.suppress(KeyboardInterrupt), atomic_path(path) as half:
        raise KeyboardInterrupt
    half.write_bytes(b"half")
    return half


def test_a_second_job_names_who_holds_the_run_directory_and_later_clears_partial_files(
    locked_by_another, tmp_path, monkeypatch
):
    folder = RunFolder(tmp_path / "run")
    expected = rf"in use by Slurm job 4711, process {locked_by_another.pid} on .*; wait"
    with monkeypatch.context() as impatient:
        impatient.setattr(run_lock, "_PATIENCE", 0.1)
        with pytest.raises(StyleNetError, match=expected), RunLock(folder):
            pass

    network = folder.checkpoint(4).with_suffix(".safetensors")
    ours = (
        folder.config,
        folder.final_checkpoint("a-b"),
        folder.checkpoint(4),
        network,
        folder.preview(4),
    )
    halves = [leave_partial_files(path) for path in ours]
    complete = folder.checkpoint(3)
    complete.write_bytes(b"complete")
    locked_by_another.kill()
    locked_by_another.join()
    with RunLock(folder):
        assert str(os.getpid()) in (folder.path / ".holder").read_text()
    assert not [half for half in halves if half.exists()]
    assert complete.exists()
    assert not (folder.path / ".holder").exists()


def test_the_users_own_hidden_files_stay(tmp_path):
    names = (".pre-commit-config.yaml", ".my-options.yaml", ".screen-shot_one.png", ".a-b.ckpt")
    for name in names:
        (tmp_path / name).touch()
    with RunLock(RunFolder(tmp_path)):
        pass
    assert {path.name for path in tmp_path.iterdir()} >= set(names)


def test_a_run_directory_that_cannot_be_created_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(StyleNetError, match=r"run_dir=.*file/run cannot be written"),
        RunLock(RunFolder(tmp_path / "file/run")),
    ):
        pass
