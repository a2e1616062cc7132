"""Which of the processes that a launcher started this one is, and so which part it does."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Rank:
    """One process of several that share the work.

    Attributes:
        rank: Which one it is, from 0.
        world: How many there are.
        local_rank: Which one it is on its machine.
        machines: How many machines they are on, equally many on each.
        launcher: ``torchrun``, ``srun``, or empty where there is none.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    machines: int = 1
    launcher: str = ""


# One process does it all.
SINGLE = Rank()

# As torchrun and as Slurm's srun tell a process; torchrun first, which may run inside a Slurm job.
_LAUNCHERS = {
    "torchrun": ("RANK", "WORLD_SIZE", "LOCAL_RANK", "GROUP_WORLD_SIZE"),
    "srun": ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_NUM_NODES"),
}
# From here on, Slurm's numbers of steps are of what is no srun of the user's, such as the shell of
# an interactive job (SLURM_MAX_NORMAL_STEP_ID in its slurm.h).
_NO_STEP = 0xFFFFFFF0


def find_rank() -> Rank:
    """Reads the launcher's variables.

    Returns:
        The share; all of the work where no launcher is.
    """
    for launcher, names in _LAUNCHERS.items():
        # Other launchers that set torchrun's variables leave the last one out.
        values = [os.environ.get(name, "1" if name == "GROUP_WORLD_SIZE" else "") for name in names]
        if not all(value.isdigit() for value in values):
            continue
        if launcher == "srun" and not _is_step(os.environ.get("SLURM_STEP_ID", "")):
            continue
        rank, world, local_rank, machines = map(int, values)
        return Rank(rank, world, local_rank, machines, launcher)
    return SINGLE


def _is_step(number: str) -> bool:
    """Whether srun started this; a shell inside a Slurm job has most of the variables too."""
    return number.isdigit() and int(number) < _NO_STEP
