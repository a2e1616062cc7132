"""The command that packs a folder of photos into shards."""

from omegaconf import DictConfig
from tqdm import tqdm

from stylenet.cli.app import build, run
from stylenet.data import SamplePhotos
from stylenet.data.manifest import Manifest, ShardOptions
from stylenet.data.module import cores
from stylenet.data.sharding import ShardMaker
from stylenet.errors import StyleNetError, check_number
from stylenet.files import user_path
from stylenet.program import command


def main() -> None:
    """Run ``stylenet data shards``."""
    run(make_shards, "make_shards")


def make_shards(config: DictConfig) -> None:
    """Write the shards that are missing and print a summary of all.

    Args:
        config: configs/make_shards.yaml, composed.

    Raises:
        StyleNetError: An option is impossible, the photos are missing, or the output folder holds
            other files or cannot be written.
    """
    options = ShardOptions(config.size, config.quality, config.per_shard)
    workers = cores() if config.workers is None else config.workers
    check_number("workers", workers, minimum=0, integer=True)
    output = user_path(config.output)
    data = build(config.data)
    if isinstance(data, SamplePhotos):
        raise StyleNetError(
            "data=samples has only six photos, which need no shards. Choose data=coco, or "
            "data=folder data.root=PATH."
        )
    maker = ShardMaker(data.photo_folder(), output, options)
    with tqdm(
        maker.make(workers),
        total=maker.total,
        initial=maker.total - maker.remaining,
        unit="photo",
        dynamic_ncols=True,
    ) as problems:
        for problem in problems:
            if problem is not None:
                problems.write(f"left out: {' '.join(problem.split())}")
    shards = Manifest.read(output).shards or []
    kept = sum(shard.count for shard in shards)
    print(
        f"{kept:,} of {maker.total:,} photos in {len(shards):,} shards "
        f"({sum(shard.bytes for shard in shards) / 1e9:.2f} GB), {maker.total - kept:,} left out"
    )
    print(f"train: {command('train')} style=starry data=shards data.root={output}")
