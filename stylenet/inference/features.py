"""Feature maps of a whole image, in memory or in a temporary file."""

import tempfile

import torch
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.files import reason


class Features:
    """A map of shape (C, H, W) that is read and written by pieces.

    A plain file rather than a mapped one: the pages of a map count as the program's memory.
    """

    def __init__(
        self, size: tuple[int, int], channels: int, dtype: torch.dtype, in_file: bool
    ) -> None:
        """Makes room.

        Args:
            size: Height and width, in cells.
            channels: Numbers a cell.
            dtype: Of a number.
            in_file: Whether to use a temporary file, gone when closed.

        Raises:
            StyleNetError: There is no room for the file.
        """
        self._size, self._channels, self._dtype = size, channels, dtype
        self._cell = channels * torch.empty((), dtype=dtype).element_size()
        self._cells: Tensor | None = None
        if in_file:
            try:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115
            except OSError as error:
                raise self._no_room(error) from error
        else:
            self._cells = torch.empty(*size, channels, dtype=dtype)

    def read(self, box: tuple[int, int, int, int]) -> Tensor:
        """Gets a piece.

        Args:
            box: Top, left, bottom, right, in cells.

        Returns:
            Shape (1, C, h, w), channels last in memory.
        """
        top, left, bottom, right = box
        if self._cells is not None:
            piece = self._cells[top:bottom, left:right]
        else:
            piece = torch.empty(bottom - top, right - left, self._channels, dtype=self._dtype)
            for row, line in enumerate(piece):
                self._file.seek(((top + row) * self._size[1] + left) * self._cell)
                self._file.readinto(line.view(torch.uint8).numpy().reshape(-1))
        return piece.permute(2, 0, 1).unsqueeze(0)

    def write(self, corner: tuple[int, int], piece: Tensor) -> None:
        """Puts a piece in its place.

        Args:
            corner: Top and left, in cells.
            piece: Shape (1, C, h, w).

        Raises:
            StyleNetError: There is no room in the file.
        """
        top, left = corner
        cells = piece[0].permute(1, 2, 0).cpu()  # (h, w, C)
        if self._cells is not None:
            self._cells[top : top + cells.shape[0], left : left + cells.shape[1]] = cells
            return
        try:
            for row, line in enumerate(cells.contiguous()):
                self._file.seek(((top + row) * self._size[1] + left) * self._cell)
                self._file.write(line.view(torch.uint8).numpy().tobytes())
        except OSError as error:
            raise self._no_room(error) from error

    def close(self) -> None:
        """Gives the room back."""
        if self._cells is None:
            self._file.close()
        self._cells = None

    def _no_room(self, error: OSError) -> StyleNetError:
        gigabytes = self._size[0] * self._size[1] * self._cell / 1e9
        return StyleNetError(
            f"an image of this size needs two temporary files of {gigabytes:.1f} GB in "
            f"{tempfile.gettempdir()}: {reason(error)}; set TMPDIR to a folder with room"
        )
