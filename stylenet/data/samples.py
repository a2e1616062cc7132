"""Real photographs that come with an installed package, for a start without any download."""

from importlib.util import find_spec
from pathlib import Path

from stylenet.data.module import PhotoData
from stylenet.errors import StyleNetError

# Of the images bundled with scikit-image those that are photos of things at everyday scales; each
# is in the public domain or CC0 (see the docstrings of skimage.data).
_PHOTOS = (
    "astronaut.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "motorcycle_left.png",
    "rocket.jpg",
)


class SamplePhotos(PhotoData):
    """Crops of scikit-image's bundled photographs.

    Few, so they serve a first try; the crops' many scales (``max_scale``) make the most of them.
    """

    @property
    def _check(self) -> str:
        return f"python scripts/check_data.py data=samples data.min_size={self.dataset.min_size}"

    def photo_folder(self) -> Path:
        """Says where the installed package keeps its images.

        Returns:
            The folder.

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
        """Says which of the images serve.

        Returns:
            Their file names.

        Raises:
            StyleNetError: This installation came without them.
        """
        missing = [name for name in _PHOTOS if not (self.photo_folder() / name).is_file()]
        if missing:
            raise StyleNetError(
                f"data=samples: this scikit-image lacks {', '.join(missing)}; "
                f"pip install --force-reinstall scikit-image"
            )
        return list(_PHOTOS)
