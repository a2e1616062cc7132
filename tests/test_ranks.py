import pytest
from PIL import Image

from stylenet.inference.files import plan_folder
from stylenet.ranks import Rank, find_rank

VARIABLES = ["RANK", "WORLD_SIZE", "LOCAL_RANK", "GROUP_WORLD_SIZE"]
VARIABLES += ["SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_NUM_NODES"]
VARIABLES += ["SLURM_STEP_ID"]


def torchrun(rank, world, local_rank, machines=1):
    values = (rank, world, local_rank, machines)
    return dict(zip(VARIABLES[:4], map(str, values), strict=True))


def srun(rank, world, local_rank, machines, step="0"):
    values = (rank, world, local_rank, machines, step)
    return dict(zip(VARIABLES[4:], map(str, values), strict=True))


@pytest.mark.parametrize(
    ("environment", "share"),
    [
        ({}, Rank()),
        (torchrun(3, 8, 1, 2), Rank(3, 8, 1, 2, "torchrun")),
        (srun(5, 6, 2, 2), Rank(5, 6, 2, 2, "srun")),
        (srun(5, 6, 2, 2) | torchrun(0, 2, 0), Rank(0, 2, 0, 1, "torchrun")),
        # The batch script itself has some of the variables, but is no task of a step; the shell
        # that salloc gives is one of a kind.
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "6", "SLURM_LOCALID": "0"}, Rank()),
        (srun(0, 2, 0, 1, step=4294967290), Rank()),
        (torchrun("zero", 2, 0), Rank()),
    ],
)
def test_the_launcher_says_which_share(monkeypatch, environment, share):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert find_rank() == share


def test_shares_are_complete_and_disjoint_whatever_is_done_meanwhile(tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    target.mkdir()
    for i in range(11):
        Image.new("RGB", (2, 2)).save(source / f"{i}.png")

    def plan(rank):
        return plan_folder(source, target, lambda path: path.name, False, Rank(rank, 3))[0]

    first = plan(0)
    assert len(first) == 4
    for _, result in first:  # done before the others even look
        result.write_bytes(b"done")
    taken = [photo for pairs in (first, plan(1), plan(2)) for photo, _ in pairs]
    assert sorted(taken) == sorted(source.iterdir())
    assert plan(0) == []
