"""Rank and world size of this process, as set by torchrun or srun."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Launch:
    """Position of this process among all that a launcher started.

    Attributes:
        rank: Index of this process, from 0 to ``world_size - 1``.
        world_size: Number of processes on all nodes.
        local_rank: Index of this process on its node.
        num_nodes: Number of nodes; each runs the same number of processes.
        launcher: ``torchrun`` or ``srun``; empty without a launcher.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    num_nodes: int = 1
    launcher: str = ""


SINGLE_PROCESS = Launch()

# Variables that hold the rank, world size, local rank and number of nodes. torchrun comes first: it
# may itself run inside a Slurm job.
_LAUNCHERS = {
    "torchrun": ("RANK", "WORLD_SIZE", "LOCAL_RANK", "GROUP_WORLD_SIZE"),
    "srun": ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_NUM_NODES"),
}
# Slurm reserves step numbers from here on for steps that srun did not start, such as the shell of
# an interactive job (SLURM_MAX_NORMAL_STEP_ID in slurm.h).
_FIRST_RESERVED_STEP = 0xFFFFFFF0


def read_launch() -> Launch:
    """Read the launcher's environment variables.

    Returns:
        :data:`SINGLE_PROCESS` without a launcher.
    """
    for launcher, names in _LAUNCHERS.items():
        # Other launchers that set torchrun's variables leave GROUP_WORLD_SIZE out.
        values = [os.environ.get(name, "1" if name == "GROUP_WORLD_SIZE" else "") for name in names]
        if not all(value.isdigit() for value in values):
            continue
        if launcher == "srun" and not _is_srun_step(os.environ.get("SLURM_STEP_ID", "")):
            continue
        rank, world_size, local_rank, num_nodes = map(int, values)
        return Launch(rank, world_size, local_rank, num_nodes, launcher)
    return SINGLE_PROCESS


def _is_srun_step(step: str) -> bool:
    """Return whether a step is srun's; a shell inside a Slurm job has most variables, too."""
    return step.isdigit() and int(step) < _FIRST_RESERVED_STEP
