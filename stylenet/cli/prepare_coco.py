"""The command that downloads and unpacks COCO."""

from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from omegaconf import DictConfig
from tqdm import tqdm

from stylenet.cli.app import run
from stylenet.data.coco import check_space, count_photos, unpack_photos
from stylenet.download import DownloadError, download
from stylenet.errors import StyleNetError, check_number
from stylenet.files import user_path
from stylenet.program import command


def main() -> None:
    """Run ``stylenet data coco``."""
    run(prepare_coco, "prepare_coco")


def prepare_coco(config: DictConfig) -> None:
    """Download and unpack the photos, and skip what an earlier run has done.

    Args:
        config: configs/prepare_coco.yaml, composed.

    Raises:
        StyleNetError: The zip file cannot be downloaded or is damaged, or the disk is too full.
    """
    url, images = str(config.url), config.images
    if images is not None:
        check_number("images", images, minimum=1, integer=True)
    if not isinstance(config.keep_zip, bool):
        raise StyleNetError(f"keep_zip={config.keep_zip} is neither true nor false. Give one.")
    name = PurePosixPath(urlsplit(url).path)
    if name.suffix != ".zip":
        raise StyleNetError(f"url={url} does not name a zip file. Give the address of one.")
    output = user_path(config.output)
    archive, folder = output / name.name, output / name.stem

    if not archive.is_file():
        if images is not None and count_photos(folder) == images:
            print(f"{folder} holds all {images:,} photos already")
            return
        _download(url, archive)
    with tqdm(
        unpack_photos(archive, folder), total=images, unit="photo", dynamic_ncols=True
    ) as bar:
        for _ in bar:
            pass
    count = count_photos(folder)
    if images is not None and count != images:
        raise StyleNetError(
            f"{folder} holds {count:,} photos, expected {images:,}. Check that {archive} is the "
            f"right file, or accept any number with images=null."
        )
    if not config.keep_zip:
        archive.unlink()
    print(f"{count:,} photos in {folder}")
    print(f"train: {command('train')} style=starry data=coco data.root={output}")


def _download(url: str, archive: Path) -> None:
    """Download the zip file if the disk has room for it and for its photos."""
    try:
        with tqdm(unit="B", unit_scale=True, desc=archive.name, dynamic_ncols=True) as bar:
            for progress in download(url, archive):
                if bar.total is None and progress.total is not None:
                    bar.reset(progress.total)
                    # JPEG files hardly compress: unpacked they take the same space again.
                    needed = 2 * progress.total - progress.done
                    check_space(archive.parent, needed, f"downloading and unpacking {archive.name}")
                bar.update(progress.done - bar.n)
    except DownloadError as error:
        raise StyleNetError(
            f"{error}. Run the same command again to continue. On a machine that is offline, copy "
            f"{archive.name} to {archive.parent} first, or train on your own photos: "
            f"data=folder data.root=PATH"
        ) from error
