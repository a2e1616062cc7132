import pytest
from PIL import Image

from stylenet.inference.files import plan_folder
from stylenet.ranks import Launch, read_launch

VARIABLES = ["RANK", "WORLD_SIZE", "LOCAL_RANK", "GROUP_WORLD_SIZE"]
VARIABLES += ["SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_NUM_NODES"]
VARIABLES += ["SLURM_STEP_ID"]


def torchrun(rank, world_size, local_rank, num_nodes=1):
    values = (rank, world_size, local_rank, num_nodes)
    return dict(zip(VARIABLES[:4], map(str, values), strict=True))


def srun(rank, world_size, local_rank, num_nodes, step="0"):
    values = (rank, world_size, local_rank, num_nodes, step)
    return dict(zip(VARIABLES[4:], map(str, values), strict=True))


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Launch()),
        (torchrun(3, 8, 1, 2), Launch(3, 8, 1, 2, "torchrun")),
        (srun(5, 6, 2, 2), Launch(5, 6, 2, 2, "srun")),
        (srun(5, 6, 2, 2) | torchrun(0, 2, 0), Launch(0, 2, 0, 1, "torchrun")),
        # A batch script has some of the variables but is no job step; salloc's shell has a
        # reserved step.
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "6", "SLURM_LOCALID": "0"}, Launch()),
        (srun(0, 2, 0, 1, step=4294967290), Launch()),
        (torchrun("zero", 2, 0), Launch()),
    ],
)
def test_launcher_variables_set_rank_and_world_size(monkeypatch, environment, expected):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert read_launch() == expected


def test_ranks_split_a_folder_without_gaps_or_overlap(tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    target.mkdir()
    for i in range(11):
        Image.new("RGB", (2, 2)).save(source / f"{i}.png")

    def plan(rank):
        return plan_folder(source, target, lambda path: path.name, False, Launch(rank, 3))[0]

    first = plan(0)
    assert len(first) == 4
    for _, result in first:  # finished before the other ranks look
        result.write_bytes(b"done")
    taken = [photo for pairs in (first, plan(1), plan(2)) for photo, _ in pairs]
    assert sorted(taken) == sorted(source.iterdir())
    assert plan(0) == []
