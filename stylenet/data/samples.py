"""Photos from the installed package scikit-image, for a first run without a download."""

from importlib.util import find_spec
from pathlib import Path

from stylenet.data.module import PhotoData
from stylenet.errors import StyleNetError
from stylenet.program import command

# Photos of everyday scenes among the images of scikit-image; each is in the public domain or CC0
# (see the docstrings of skimage.data).
_PHOTOS = (
    "astronaut.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "motorcycle_left.png",
    "rocket.jpg",
)


class SamplePhotos(PhotoData):
    """Crops of six photos of scikit-image, for a first try.

    A large ``max_scale`` varies the scales of the crops, to make up for the small number of photos.
    """

    @property
    def _check_command(self) -> str:
        return f"{command('data check')} data=samples data.min_size={self.dataset.min_size}"

    def photo_folder(self) -> Path:
        """Return the image folder of the installed package.

        Raises:
            StyleNetError: The package is not installed.
        """
        package = find_spec("skimage")
        if package is None or package.origin is None:
            raise StyleNetError(
                "data=samples needs the images of scikit-image: pip install scikit-image"
            )
        return Path(package.origin).parent / "data"

    def list_photos(self) -> list[str]:
        """Return the file names of the photos.

        Raises:
            StyleNetError: The installed package lacks some of them.
        """
        missing = [name for name in _PHOTOS if not (self.photo_folder() / name).is_file()]
        if missing:
            raise StyleNetError(
                f"data=samples: this scikit-image lacks {', '.join(missing)}; "
                f"pip install --force-reinstall scikit-image"
            )
        return list(_PHOTOS)
