import pytest
from PIL import Image

from stylenet.inference.files import plan_folder
from stylenet.inference.share import Share, find_share

VARIABLES = ["RANK", "WORLD_SIZE", "LOCAL_RANK"]
VARIABLES += ["SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_STEP_ID"]


@pytest.mark.parametrize(
    ("environment", "share"),
    [
        ({}, Share()),
        ({"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}, Share(3, 8, 1)),
        (
            {
                "SLURM_PROCID": "5",
                "SLURM_NTASKS": "6",
                "SLURM_LOCALID": "2",
                "SLURM_STEP_ID": "0",
            },
            Share(5, 6, 2),
        ),
        # The batch script itself: it has the job's variables, but is no task of a step.
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "6", "SLURM_LOCALID": "0"}, Share()),
        ({"RANK": "zero", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}, Share()),
    ],
)
def test_the_launcher_says_which_share(monkeypatch, environment, share):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert find_share() == share


def test_shares_are_complete_and_disjoint_whatever_is_done_meanwhile(tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    target.mkdir()
    for i in range(11):
        Image.new("RGB", (2, 2)).save(source / f"{i}.png")

    def plan(rank):
        return plan_folder(source, target, lambda path: path.name, False, Share(rank, 3))[0]

    first = plan(0)
    assert len(first) == 4
    for _, result in first:  # done before the others even look
        result.write_bytes(b"done")
    taken = [photo for pairs in (first, plan(1), plan(2)) for photo, _ in pairs]
    assert sorted(taken) == sorted(source.iterdir())
    assert plan(0) == []
