"""Training in several processes from the command line."""

import os
import signal
import socket
import subprocess
import sys
import time
import unittest.mock

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from stylenet.training import RunFolder

from .conftest import ROOT, Result

TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]


@pytest.fixture
def ddp(tiny):
    # float32, whose sums are the same in every run of two processes.
    return [*tiny, "trainer=ddp", "trainer.precision=32-true"]


@pytest.fixture
def torchrun():
    """Start a script with torchrun; ``options`` are torchrun's."""
    started = []

    def start(*options, name="train", arguments=()):
        command = [*TORCHRUN, *options, ROOT / "scripts" / f"{name}.py", *arguments]
        process = subprocess.Popen(
            list(map(str, command)),
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            workers = workers_of(process)
            for number in (process.pid, *workers):  # each leads its own process group
                os.kill(number, signal.SIGKILL)
            process.communicate()


def finish(process):
    out, err = process.communicate(timeout=120)
    return Result(process.returncode, out, err)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.slow
def test_torchrun_scales_the_recipe_and_writes_every_file_once(torchrun, ddp, tmp_path):
    # The recipe has 9 steps and the user overrides none: two devices run 5.
    recipe = [word for word in ddp if not word.startswith("trainer.max_steps")]
    steps = ["experiment=quickstart", "encoder=vgg19", "data=folder", "trainer.log_every_n_steps=1"]
    more = ["callbacks.throughput.every_n_steps=2", "callbacks.checkpoints.every_n_steps=2"]
    process = torchrun(
        "--nproc-per-node=2",
        arguments=[*recipe, *steps, *more, "trainer.max_steps=5", "schedule.warmup_steps=2"],
    )
    result = finish(process)
    assert result.status == 0, result.err
    assert result.out.count("5 steps of 2 on each of 2 devices") == 1
    assert result.out.count("network: ") == 1
    config = yaml.safe_load((tmp_path / "run/config.yaml").read_text())
    # Overrides stay as they are; the learning rate is the recipe's.
    assert config["trainer"]["max_steps"] == 5
    assert config["schedule"]["warmup_steps"] == 2
    assert config["optimizer"]["lr"] == pytest.approx(1e-3 * 2**0.5)
    folder = RunFolder(tmp_path / "run")
    assert [path.name for path in folder.saved_checkpoints()] == [
        "step_0000004.ckpt",
        "step_0000005.ckpt",
    ]
    assert len(list(folder.tensorboard.glob("events*"))) == 1
    scalars = EventAccumulator(str(folder.tensorboard)).Reload()
    speeds = [
        scalars.Scalars(f"images_per_second{suffix}")[-1].value for suffix in ("", "_per_device")
    ]
    assert speeds[0] == pytest.approx(2 * speeds[1], rel=1e-5)


@pytest.mark.slow
def test_lightning_starts_the_processes_without_a_launcher(script, ddp, tmp_path):
    recipe = [word for word in ddp if not word.startswith("trainer.max_steps")]
    result = script(
        "train", *recipe, "trainer.devices=2", "experiment=few", f"hydra.searchpath=[{tmp_path}]"
    )
    assert "few" in result.err  # no such experiment: refused before any process starts
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/few.yaml").write_text(
        "# @package _global_\ntrainer: {max_steps: 5}\nschedule: {warmup_steps: 3}\n"
    )
    result = script(
        "train", *recipe, "trainer.devices=2", "experiment=few", f"hydra.searchpath=[{tmp_path}]"
    )
    assert result.status == 0, result.err
    # The recipe's 5 steps and 3 warm-up steps are for one device.
    assert result.out.count("3 steps of 2 on each of 2 devices") == 1
    config = yaml.safe_load((tmp_path / "run/config.yaml").read_text())
    assert (config["trainer"]["max_steps"], config["schedule"]["warmup_steps"]) == (3, 2)


@pytest.mark.slow
def test_torchrun_without_trainer_ddp_is_an_error(torchrun, tiny, tmp_path):
    result = finish(torchrun("--nproc-per-node=2", arguments=tiny))
    assert result.status != 0
    assert "error: torchrun started 2 processes" in result.err
    assert "error (process 1): torchrun started 2 processes" in result.err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_cannot_resume_on_another_number_of_devices(run, torchrun, ddp, tiny, tmp_path):
    assert run("train", *tiny).status == 0
    result = finish(
        torchrun("--nproc-per-node=2", arguments=[*ddp, "resume=true", "trainer.max_steps=6"])
    )
    assert result.status != 0
    assert "a run of world size 1, but this run has 2" in result.err
    assert "init=" in result.err


@pytest.mark.slow
def test_two_nodes_train_and_resume_after_one_is_killed(torchrun, ddp, tmp_path):
    """Let two launchers stand for two machines and kill one process during training."""
    uninterrupted = [
        *ddp,
        "trainer.max_steps=60",
        "resume=true",
        "callbacks.checkpoints.every_n_steps=5",
    ]
    result = finish(
        torchrun(
            "--nproc-per-node=2", arguments=[*uninterrupted, f"run_dir={tmp_path}/uninterrupted"]
        )
    )
    assert result.status == 0, result.err

    port = free_port()
    options = ["--nnodes=2", "--nproc-per-node=1", "--max-restarts=2", "--rdzv-backend=c10d"]
    options += [f"--rdzv-endpoint=127.0.0.1:{port}", "--rdzv-id=test"]
    parts = [*uninterrupted, f"run_dir={tmp_path}/parts"]
    nodes = [
        torchrun(*options, f"--local-addr=127.0.0.{number}", arguments=parts) for number in (1, 2)
    ]
    folder = RunFolder(tmp_path / "parts")
    deadline = time.monotonic() + 120
    while not folder.saved_checkpoints() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert folder.saved_checkpoints()
    os.kill(workers_of(nodes[1])[0], signal.SIGKILL)
    results = [finish(node) for node in nodes]
    assert [result.status for result in results] == [0, 0], results
    assert any("exitcode: -9" in result.err for result in results)
    assert "".join(result.out for result in results).count(", from ") == 1
    first, second = (
        load_file(tmp_path / name / "starry.safetensors") for name in ("uninterrupted", "parts")
    )
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_finished_training_leaves_its_process_group(run, ddp):
    """Else a thread of gloo may abort the process at its end, a failure in the eyes of torchrun."""
    threads = torch.get_num_threads()
    with unittest.mock.patch.dict(os.environ, OMP_NUM_THREADS="1"):  # Lightning sets variables
        result = run("train", *ddp, "trainer.devices=1", "trainer.max_steps=1")
    assert result.status == 0, result.err
    assert not torch.distributed.is_initialized()
    assert torch.get_num_threads() == threads


def workers_of(launcher):
    """Return the process ids of a launcher's workers."""
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(launcher.pid)], capture_output=True, text=True
    )
    return [int(number) for number in listed.stdout.split()]
