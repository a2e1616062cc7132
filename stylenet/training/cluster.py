"""Launchers, devices and Slurm's requeueing for runs of several ranks."""

import os
import subprocess
from collections.abc import Sequence
from typing import Any

import torch
from pytorch_lightning.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)

from stylenet.errors import StyleNetError, check_number
from stylenet.ranks import Launch

AUTO = "auto"

# Seconds to wait for an answer of Slurm's controller, which may be busy.
_PATIENCE = 60.0


def choose_environment(launch: Launch) -> ClusterEnvironment:
    """Return Lightning's cluster environment for the launcher.

    Lightning's own choice would take any program in a Slurm job for one of several that srun
    started, and wait for the others. On SIGUSR1 it would save in the middle of a step.

    Args:
        launch: Rank and world size, as set by the launcher.
    """
    if launch.launcher == "torchrun":
        return TorchElasticEnvironment()
    if launch.launcher == "srun":
        # Lightning reads this variable. Slurm sets it only for --ntasks-per-node, and a job step
        # that uses a part of its job inherits the value of the job.
        os.environ["SLURM_NTASKS_PER_NODE"] = str(launch.world_size // launch.num_nodes)
        return SLURMEnvironment(auto_requeue=False)
    return LightningEnvironment()


def count_devices(
    launch: Launch,
    accelerator: str = AUTO,
    devices: Any = AUTO,
    num_nodes: Any = AUTO,
    strategy: Any = None,
    **_: Any,
) -> tuple[int, int]:
    """Count the devices of a run before its trainer is built.

    Args:
        launch: Rank and world size, as set by the launcher.
        accelerator: Options of the trainer, whose other options are ignored.
        devices: Number, list of indices, or ``auto``.
        num_nodes: Number of machines, or ``auto``.
        strategy: Strategy of several processes; ``None`` for a trainer of one.

    Returns:
        Number of devices on each machine, and number of machines.

    Raises:
        StyleNetError: The options contradict the launcher.
    """
    distributed = strategy is not None
    per_machine, machines = launch.world_size // launch.num_nodes, launch.num_nodes
    if launch.launcher:
        if not distributed and launch.world_size > 1:
            raise StyleNetError(
                f"{launch.launcher} started {launch.world_size} processes, but trainer=default is "
                f"for one process; add trainer=ddp"
            )
        if devices not in (AUTO, -1, per_machine):
            raise StyleNetError(
                f"trainer.devices={devices}, but {launch.launcher} started {per_machine} "
                f"processes on each machine, one for each device; leave trainer.devices out"
            )
        if distributed and num_nodes not in (AUTO, machines):
            raise StyleNetError(
                f"trainer.num_nodes={num_nodes}, but {launch.launcher} started processes "
                f"on {machines} machines; leave trainer.num_nodes out"
            )
        return per_machine, machines
    machines = 1
    if distributed and num_nodes != AUTO:
        check_number("trainer.num_nodes", num_nodes, minimum=1, integer=True)
        machines = num_nodes
        if machines > 1:
            raise StyleNetError(
                f"trainer.num_nodes={machines} needs a launcher on each machine: srun, as in "
                f"scripts/slurm/train.sbatch, or torchrun --nnodes={machines}"
            )
    if devices in (AUTO, -1):
        gpu = accelerator in (AUTO, "gpu", "cuda")
        return max(1, torch.cuda.device_count() if gpu else 1), machines
    if isinstance(devices, Sequence) and not isinstance(devices, str):
        return len(devices), machines  # indices of GPUs
    check_number("trainer.devices", devices, minimum=1, integer=True)
    return devices, machines


def requeue() -> str:
    """Ask Slurm to run this job again, with the same command.

    Returns:
        A message about the result; empty outside of a Slurm job and in a canceled job.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return ""
    if "SLURM_ARRAY_TASK_ID" in os.environ:
        # The job id alone may stand for all tasks of the array.
        job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    try:
        words = _ask("scontrol", "show", "--oneliner", "job", job).split()
        state = dict(word.split("=", 1) for word in words if "=" in word)
        # A job that ends without a reason such as a time limit was either canceled by scancel,
        # which requeueing would undo, or is requeued already (seen with Slurm 22.05).
        if state.get("JobState") in ("COMPLETING", "CANCELLED") and state.get("Reason") == "None":
            runs_before = int(os.environ.get("SLURM_RESTART_COUNT", 0))
            again = int(state.get("Restarts", 0)) > runs_before
            return f"job {job} is requeued already and resumes from here" if again else ""
        _ask("scontrol", "requeue", job)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or str(error)
        if "pending" in reason:  # it was requeued between the two commands
            return f"job {job} is requeued already and resumes from here"
        return f"Slurm did not requeue job {job} ({reason.strip()}); submit the same command again"
    return f"job {job} is requeued and resumes from here"


def _ask(*command: str) -> str:
    """Run a Slurm command and return its output."""
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=_PATIENCE
    ).stdout
