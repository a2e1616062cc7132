"""Storage for the feature map of a large image, in memory or in a temporary file."""

import tempfile

import torch
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.files import reason


class FeatureStore:
    """Feature map of shape (C, H, W) that is read and written in boxes.

    The file is not memory-mapped: mapped pages would count as the program's memory.
    """

    def __init__(
        self, size: tuple[int, int], channels: int, dtype: torch.dtype, in_file: bool
    ) -> None:
        """Allocate the storage.

        Args:
            size: Height and width of the feature map.
            channels: Number of channels.
            dtype: Type of the elements.
            in_file: Whether to use a temporary file, which is deleted on closing.

        Raises:
            StyleNetError: The temporary file cannot be created.
        """
        self._size, self._channels, self._dtype = size, channels, dtype
        self._cell_bytes = channels * torch.empty((), dtype=dtype).element_size()
        self._cells: Tensor | None = None
        if in_file:
            try:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115
            except OSError as error:
                raise self._disk_error(error) from error
        else:
            self._cells = torch.empty(*size, channels, dtype=dtype)

    def read(self, box: tuple[int, int, int, int]) -> Tensor:
        """Return a box of the feature map.

        Args:
            box: Top, left, bottom, right; bottom and right are excluded.

        Returns:
            Shape (1, C, h, w), channels last in memory.
        """
        top, left, bottom, right = box
        if self._cells is not None:
            cells = self._cells[top:bottom, left:right]
        else:
            cells = torch.empty(bottom - top, right - left, self._channels, dtype=self._dtype)
            for row, line in enumerate(cells):
                self._file.seek(((top + row) * self._size[1] + left) * self._cell_bytes)
                self._file.readinto(line.view(torch.uint8).numpy().reshape(-1))
        return cells.permute(2, 0, 1).unsqueeze(0)

    def write(self, corner: tuple[int, int], features: Tensor) -> None:
        """Write features at a position.

        Args:
            corner: Top and left of the position.
            features: Shape (1, C, h, w).

        Raises:
            StyleNetError: The disk of the temporary file is full.
        """
        top, left = corner
        cells = features[0].permute(1, 2, 0).cpu()  # (h, w, C)
        if self._cells is not None:
            self._cells[top : top + cells.shape[0], left : left + cells.shape[1]] = cells
            return
        try:
            for row, line in enumerate(cells.contiguous()):
                self._file.seek(((top + row) * self._size[1] + left) * self._cell_bytes)
                self._file.write(line.view(torch.uint8).numpy().tobytes())
        except OSError as error:
            raise self._disk_error(error) from error

    def close(self) -> None:
        """Free the memory or delete the temporary file."""
        if self._cells is None:
            self._file.close()
        self._cells = None

    def _disk_error(self, error: OSError) -> StyleNetError:
        gigabytes = self._size[0] * self._size[1] * self._cell_bytes / 1e9
        return StyleNetError(
            f"an image of this size needs two temporary files of {gigabytes:.1f} GB in "
            f"{tempfile.gettempdir()}: {reason(error)}; set TMPDIR to a folder with more free space"
        )
