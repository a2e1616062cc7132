"""The command that downloads and unpacks COCO."""

from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from omegaconf import DictConfig
from tqdm import tqdm

from stylenet.cli.app import run
from stylenet.data.coco import check_space, count_photos, unpack_photos
from stylenet.data.download import DownloadError, download
from stylenet.errors import StyleNetError, check_number
from stylenet.files import user_path
from stylenet.program import command


def main() -> None:
    """Run ``stylenet data coco``."""
    run(prepare_coco, "prepare_coco")


def prepare_coco(config: DictConfig) -> None:
    """Brings the photos to where training finds them, doing only what is not done yet.

    Args:
        config: configs/prepare_coco.yaml, composed.

    Raises:
        StyleNetError: The zip file cannot be downloaded or is damaged, or there is no room for it.
    """
    url, images = str(config.url), config.images
    if images is not None:
        check_number("images", images, minimum=1, integer=True)
    if not isinstance(config.keep_zip, bool):
        raise StyleNetError(f"keep_zip={config.keep_zip} is neither true nor false")
    name = PurePosixPath(urlsplit(url).path)
    if name.suffix != ".zip":
        raise StyleNetError(f"url={url} names no zip file")
    output = user_path(config.output)
    archive, folder = output / name.name, output / name.stem

    if not archive.is_file():
        if images is not None and count_photos(folder) == images:
            print(f"{folder} holds all {images:,} photos already")
            return
        _download(url, archive)
    with tqdm(unpack_photos(archive, folder), total=images, unit="photo", dynamic_ncols=True) as to:
        for _ in to:
            pass
    found = count_photos(folder)
    if images is not None and found != images:
        raise StyleNetError(
            f"{folder} holds {found:,} photos, expected {images:,}; is {archive} the right file? "
            f"(images=null takes any number)"
        )
    if not config.keep_zip:
        archive.unlink()
    print(f"{found:,} photos in {folder}")
    print(f"train: {command('train')} style=starry data=coco data.root={output}")


def _download(url: str, archive: Path) -> None:
    """Downloads the zip file if there is room for it and for what is in it."""
    try:
        with tqdm(unit="B", unit_scale=True, desc=archive.name, dynamic_ncols=True) as bar:
            for progress in download(url, archive):
                if bar.total is None and progress.total is not None:
                    bar.reset(progress.total)
                    # Photos are compressed already: unpacked they take as much again.
                    needed = 2 * progress.total - progress.done
                    check_space(archive.parent, needed, f"downloading and unpacking {archive.name}")
                bar.update(progress.done - bar.n)
    except DownloadError as error:
        raise StyleNetError(
            f"{error}. Run the same command again to go on; or, if this machine is offline, copy "
            f"{archive.name} to {archive.parent} by other means and run it again; or train on "
            f"photos of your own: data=folder data.root=PATH"
        ) from error
