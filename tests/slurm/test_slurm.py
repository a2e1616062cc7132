"""Jobs in a real Slurm: training in two tasks, requeuing, resuming, sweeps, stylizing."""

import re

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from stylenet.training import RunFolder

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.xdist_group("slurm"),  # all tests use one cluster
]

TRAIN = "scripts/slurm/train.sbatch"
TWO_TASKS = ["--ntasks-per-node=2", "--cpus-per-task=1"]


def image(path, seed, width=40, height=32):
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (5, 5, 3), dtype=np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    small.resize((width, height), Image.Resampling.BICUBIC).save(path)
    return path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Overrides for a run that two tasks finish in seconds, a step every few milliseconds."""
    folder = tmp_path_factory.mktemp("given")
    for seed in range(4):
        image(folder / "photos" / f"{seed}.png", seed)
    return [
        f"style.image={image(folder / 'painting.png', 9)}",
        "style.size=32",
        "encoder=vgg19",
        "encoder.weights=random",
        "encoder.allow_random=true",
        "loss.content.layers=[relu1_2]",
        "loss.style.layers=[relu1_1,relu1_2]",
        "network.width=2",
        "network.blocks=1",
        "data=folder",
        f"data.root={folder / 'photos'}",
        "data.crop_size=16",
        "data.min_size=8",
        "data.batch_size=2",
        "data.workers=1",
        "callbacks.previews.size=24",
        "callbacks.checkpoints.every_n_steps=50",
        "trainer.accelerator=cpu",
        "trainer.precision=32-true",
        "trainer.max_steps=600",
    ]


@pytest.fixture(scope="module")
def uninterrupted(slurm, tiny, tmp_path_factory):
    """Weights of an uninterrupted run in two tasks."""
    run = tmp_path_factory.mktemp("runs") / "uninterrupted"
    job = slurm.submit(*TWO_TASKS, TRAIN, *tiny, f"run_dir={run}")
    slurm.wait(job)
    assert "600 steps of 2 on each of 2 devices" in slurm.printed(job)
    return load_file(run / "starry.safetensors")


@pytest.mark.parametrize("way", ["scontrol requeue", "the signal before the time limit"])
def test_a_requeued_job_ends_with_the_weights_of_an_uninterrupted_one(
    slurm, tiny, uninterrupted, tmp_path, way
):
    run = tmp_path / "parts"
    job = slurm.submit(*TWO_TASKS, TRAIN, *tiny, f"run_dir={run}")
    folder = RunFolder(run)
    slurm.wait(job, until=folder.saved_checkpoints)
    if way == "scontrol requeue":
        slurm("scontrol", "requeue", job)
    else:  # as --signal=USR1@120 does before the time limit: to the tasks, not to the batch script
        slurm("scancel", "--signal=USR1", job)
    slurm.wait(job)
    printed = slurm.printed(job)
    assert "submit the same command again" not in printed
    assert printed.count("\nstopped and saved at step ") == 1
    step = int(re.search(r"step (\d+) after", printed)[1])
    assert 0 < step < 600
    assert f", from {folder.checkpoint(step)}" in printed
    parts = load_file(run / "starry.safetensors")
    assert all(torch.equal(parts[key], value) for key, value in uninterrupted.items())


def test_a_canceled_job_saves_and_stays_canceled(slurm, tiny, tmp_path):
    run = tmp_path / "canceled"
    job = slurm.submit(TRAIN, *tiny, "trainer.max_steps=1000000", f"run_dir={run}")
    slurm.wait(job, until=RunFolder(run).saved_checkpoints)
    slurm("scancel", job)
    slurm.wait(job, until=lambda: "stopped and saved" in slurm.printed(job))
    slurm.wait(job, until=lambda: not slurm("squeue", "--noheader", f"--jobs={job}"))
    assert "requeued" not in slurm.printed(job)


def test_an_array_trains_each_seed_in_its_own_run_directory(slurm, tiny, tmp_path):
    slurm.environment["STYLENET_RUNS"] = str(tmp_path / "runs")
    few = [*tiny, "trainer.max_steps=2", "style=starry"]
    job = slurm.submit("--array=0-1", "scripts/slurm/sweep.sbatch", "seed=3,4", *few)
    slurm.wait(job)
    networks = [load_file(tmp_path / f"runs/seed_{n}/starry.safetensors") for n in (3, 4)]
    assert any(not torch.equal(networks[0][key], networks[1][key]) for key in networks[0])


def test_an_array_task_beyond_the_values_is_an_error(slurm, tiny):
    job = slurm.submit("--array=2", "scripts/slurm/sweep.sbatch", "seed=3,4", *tiny)
    log = slurm.folder / f"job-{job}.out"
    slurm.wait(job, until=lambda: log.exists() and "--array=0-1" in log.read_text())


def test_tasks_divide_a_folder_of_photos(slurm, tmp_path):
    for seed in range(5):
        image(tmp_path / "photos" / f"{seed}.png", seed)
    command = f"srun --ntasks=2 {slurm.environment['STYLENET_PYTHON']} scripts/infer.py"
    words = f"input={tmp_path}/photos style=starry output={tmp_path}/painted"
    job = slurm.submit(*TWO_TASKS, f"--wrap={command} {words}")
    slurm.wait(job)
    assert sorted(path.name for path in (tmp_path / "painted").iterdir()) == [
        f"{seed}.png" for seed in range(5)
    ]
