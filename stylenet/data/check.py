"""Check of every photo before a long run."""

from collections.abc import Iterator

from torch.utils.data import DataLoader, Dataset

from stylenet.data.photos import PhotoDataset


def check_photos(photos: PhotoDataset, workers: int) -> Iterator[str | None]:
    """Decode every photo as training would.

    Args:
        photos: Training dataset.
        workers: Number of decoding processes.

    Yields:
        For each photo in order, the reason why training would skip it, or ``None``.
    """
    # DataLoader provides processes, order and error handling.
    yield from DataLoader(_Checks(photos), batch_size=None, num_workers=workers)


class _Checks(Dataset[str | None]):
    """Results of the check by the index of the photo."""

    def __init__(self, photos: PhotoDataset) -> None:
        self._photos = photos

    def __len__(self) -> int:
        return len(self._photos.photos)

    def __getitem__(self, index: int) -> str | None:
        return self._photos.check(index)
