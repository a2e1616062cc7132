import re

import pytest

from stylenet.errors import StyleNetError
from stylenet.ranks import SINGLE_PROCESS, Launch
from stylenet.training.cluster import choose_environment, count_devices, requeue

FOUR = Launch(rank=1, world_size=8, local_rank=1, num_nodes=2, launcher="srun")
PAIR = Launch(world_size=2, launcher="torchrun")


def options(devices="auto", ddp=True, **more):
    several = {"num_nodes": "auto", "strategy": "ddp"} if ddp else {}
    return {"accelerator": "cpu", "devices": devices, **several, **more}


@pytest.mark.parametrize(
    ("launch", "trainer_options", "expected"),
    [
        (SINGLE_PROCESS, options(1, ddp=False), (1, 1)),
        (SINGLE_PROCESS, options(), (1, 1)),
        (SINGLE_PROCESS, options(3), (3, 1)),
        (SINGLE_PROCESS, options([0, 2]), (2, 1)),
        (SINGLE_PROCESS, options(2, ddp=False, strategy="ddp"), (2, 1)),
        (FOUR, options(), (4, 2)),
        (FOUR, options(4, num_nodes=2), (4, 2)),
        (PAIR, options(), (2, 1)),
        (Launch(launcher="srun"), options(1, ddp=False), (1, 1)),
    ],
)
def test_the_launcher_determines_the_number_of_devices_or_else_the_options(
    launch, trainer_options, expected
):
    assert count_devices(launch, **trainer_options) == expected


@pytest.mark.parametrize(
    ("launch", "trainer_options", "message"),
    [
        (PAIR, options(1, ddp=False), "torchrun started 2 processes.*trainer=ddp"),
        (FOUR, options(2), "trainer.devices=2, but srun started 4"),
        (FOUR, options(num_nodes=3), "trainer.num_nodes=3, but .* on 2 machines"),
        (SINGLE_PROCESS, options(num_nodes=2), "trainer.num_nodes=2 needs a launcher"),
        (SINGLE_PROCESS, options(0), "trainer.devices=0"),
        (SINGLE_PROCESS, options("many"), "trainer.devices=many"),
    ],
)
def test_contradictions_are_refused(launch, trainer_options, message):
    with pytest.raises(StyleNetError, match=message):
        count_devices(launch, **trainer_options)


def test_a_job_step_with_fewer_processes_than_its_job_starts(monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "1")
    monkeypatch.setenv("SLURM_NNODES", "1")
    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "2")  # the job's value
    choose_environment(Launch(launcher="srun")).validate_settings(num_devices=1, num_nodes=1)


@pytest.fixture
def scontrol(tmp_path, monkeypatch):
    """Fake scontrol that reports a given state and records its arguments."""

    def install(state, refusal=""):
        program = tmp_path / "scontrol"
        program.write_text(
            f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n'
            f'[ "$1" = show ] && echo "{state}" && exit\n'
            + (f'echo "{refusal}" >&2; exit 1\n' if refusal else "exit 0\n")
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        return lambda: (tmp_path / "calls").read_text().splitlines()

    for name in ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_RESTART_COUNT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    return install


def test_nothing_is_requeued_outside_of_a_job(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert requeue() == ""


@pytest.mark.parametrize(
    "state", ["JobState=RUNNING Reason=None", "JobState=COMPLETING Reason=TimeLimit"]
)
def test_a_job_is_requeued(scontrol, state):
    calls = scontrol(f"JobId=12 {state} Restarts=0")
    assert requeue() == "job 12 is requeued and resumes from here"
    assert calls()[-1] == "requeue 12"


def test_only_the_own_task_of_an_array_is_requeued(scontrol, monkeypatch):
    calls = scontrol("JobState=RUNNING")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert "12_3 is requeued" in requeue()
    assert calls()[-1] == "requeue 12_3"


def test_a_canceled_job_stays_canceled(scontrol, monkeypatch):
    calls = scontrol("JobState=COMPLETING Reason=None Restarts=1")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert requeue() == ""
    assert len(calls()) == 1


def test_a_job_that_was_already_requeued_is_left_alone(scontrol):
    calls = scontrol("JobState=COMPLETING Reason=None Restarts=1")
    assert "requeued already" in requeue()
    assert len(calls()) == 1


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        ("Requested operation is presently disabled", "did not requeue job 12 .*disabled"),
        ("Job is pending execution for job 12", "requeued already"),
    ],
)
def test_a_refusal_is_reported(scontrol, refusal, message):
    scontrol("JobState=RUNNING", refusal)
    assert re.search(message, requeue())
