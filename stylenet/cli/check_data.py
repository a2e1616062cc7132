"""The command that finds photos that training would skip."""

from omegaconf import DictConfig
from tqdm import tqdm

from stylenet.cli.app import build, run
from stylenet.data.check import check_photos
from stylenet.errors import StyleNetError


def main() -> None:
    """Run ``stylenet data check``."""
    run(check_data, "check_data")


def check_data(config: DictConfig) -> None:
    """Decode every photo and report those that training would skip.

    Args:
        config: configs/check_data.yaml, composed.

    Raises:
        StyleNetError: The photos are missing, or most of them are unusable.
    """
    data = build(config.data)
    data.setup()
    total = len(data.dataset.photos)
    checks = tqdm(
        check_photos(data.dataset, data.decoders()), total=total, unit="photo", dynamic_ncols=True
    )
    problems = [problem for problem in checks if problem is not None]
    for problem in problems:
        print(" ".join(problem.split()))
    usable = total - len(problems)
    print(f"{usable:,} of {total:,} {data.unit} usable, {len(problems):,} would be skipped")
    if len(problems) > usable:
        raise StyleNetError(
            f"data.root={data.root}: most files are unusable, so training would stop. Choose "
            f"another folder or replace these files."
        )
