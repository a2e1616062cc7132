"""Which part of a folder is this process', where a launcher started several."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """One process of several that share the work.

    Attributes:
        rank: Which one it is, from 0.
        world: How many there are.
        local_rank: Which one it is on its machine.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0


# One process does it all.
ALONE = Share()

# As torchrun and as Slurm's srun tell a process; torchrun first, which may run inside a Slurm job.
_LAUNCHERS = (
    ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"),
)


def find_share() -> Share:
    """Reads the launcher's variables.

    Returns:
        The share; all of the work where no launcher is.
    """
    for names in _LAUNCHERS:
        values = [os.environ.get(name, "") for name in names]
        if all(value.isdigit() for value in values):
            # A shell inside a Slurm job has the job's variables too, and no step of its own.
            if names[0].startswith("SLURM") and "SLURM_STEP_ID" not in os.environ:
                continue
            rank, world, local_rank = map(int, values)
            return Share(rank, world, local_rank)
    return ALONE
