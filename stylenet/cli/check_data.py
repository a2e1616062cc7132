"""The command that looks at training photos before a long run."""

from omegaconf import DictConfig
from tqdm import tqdm

from stylenet.cli.app import build, run
from stylenet.data.check import check_photos
from stylenet.errors import StyleNetError


def main() -> None:
    """Run ``stylenet data check``."""
    run(check_data, "check_data")


def check_data(config: DictConfig) -> None:
    """Decodes every photo and reports those that training would skip.

    Args:
        config: configs/check_data.yaml, composed.

    Raises:
        StyleNetError: The data is not there, or so bad that training would stop.
    """
    data = build(config.data)
    data.setup()
    total = len(data.dataset.photos)
    verdicts = tqdm(
        check_photos(data.dataset, data.decoders()), total=total, unit="photo", dynamic_ncols=True
    )
    bad = [verdict for verdict in verdicts if verdict is not None]
    for verdict in bad:
        print(" ".join(verdict.split()))
    print(f"{total - len(bad):,} of {total:,} photos usable, {len(bad):,} would be skipped")
    if len(bad) > total - len(bad):
        raise StyleNetError(f"data.root={data.root}: most files are unusable, training would stop")
