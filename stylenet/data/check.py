"""Looking at every photo before a long run does."""

from collections.abc import Iterator

from torch.utils.data import DataLoader, Dataset

from stylenet.data.photos import PhotoDataset


def check_photos(photos: PhotoDataset, workers: int) -> Iterator[str | None]:
    """Decodes every photo as training would.

    Args:
        photos: What training draws from.
        workers: Decoding processes.

    Yields:
        For each photo in order, why it would be skipped, or ``None``.
    """
    # The loader brings its processes, order and error handling along.
    yield from DataLoader(_Checks(photos), batch_size=None, num_workers=workers)


class _Checks(Dataset[str | None]):
    """The verdict on each photo."""

    def __init__(self, photos: PhotoDataset) -> None:
        """Takes the photos."""
        self._photos = photos

    def __len__(self) -> int:
        return len(self._photos.photos)

    def __getitem__(self, index: int) -> str | None:
        return self._photos.check(index)
