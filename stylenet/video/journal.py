"""Encoded frames of an unfinished video, kept on disk so that an interrupted run goes on."""

import contextlib
import hashlib
import json
import os
import shutil
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

import filelock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

import stylenet
from stylenet.errors import StyleNetError
from stylenet.files import atomic_path, reason
from stylenet.inference.region_map import Mask, as_regions
from stylenet.video.mask_videos import MaskVideos

if TYPE_CHECKING:
    import av

    from stylenet.inference.options import StylizeOptions
    from stylenet.inference.stylizer import Stylizer
    from stylenet.video.options import VideoOptions

# Number of frames in a segment. An interrupted run repeats less than that; each segment begins with
# a keyframe, as streaming services ask for every 2 seconds.
SEGMENT = 50

# Before the bytes of each packet: pts, dts, duration, size, whether it is a keyframe.
_HEADER = struct.Struct("<qqqI?")
_PACKETS, _STATE = "packets.bin", "state.safetensors"


@dataclass(frozen=True)
class StoredPacket:
    """Encoded packet of the result.

    Attributes:
        pts: Presentation time, in units of the result's time base.
        dts: Decoding time.
        duration: Duration; 0 if unknown.
        is_keyframe: Whether decoding can start here.
        data: The bytes.
    """

    pts: int
    dts: int
    duration: int
    is_keyframe: bool
    data: bytes


class Journal:
    """Complete segments of a video that is being written, in a folder beside it.

    A context manager: leaving it removes the folder if it holds no complete segment, and after
    :meth:`discard`.

    Attributes:
        folder: The folder.
        frames: Number of frames in the complete segments.
        last_time: Time of the last of them, as the reader counts; ``None`` without any.
        layout: Size and colors of the frames, as text; empty without any.
        state: The state of the smoothing after the last of them.
    """

    def __init__(self, target: Path, key: str) -> None:
        """Open the journal of an output file; one of other options is removed.

        Args:
            target: The output file.
            key: Text that is equal for runs with an equal result, see :func:`describe_run`.

        Raises:
            StyleNetError: The folder cannot be written, or another run uses it.
        """
        self.folder, self._target, self._key = unfinished_folder(target), target, key
        self._file: BinaryIO | None = None
        self.frames, self.layout, self._size = 0, "", 0
        self.last_time: int | None = None
        self.state: dict[str, Tensor] = {}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = filelock.FileLock(self.folder / "lock", timeout=0)
            self._lock.acquire()
        except filelock.Timeout as error:
            raise StyleNetError(
                f"another run is writing {target}; wait for it or choose another name"
            ) from error
        except OSError as error:
            raise StyleNetError(f"cannot write {target}: {reason(error)}") from error
        self._load()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
        self._lock.release()
        if not self.frames:
            shutil.rmtree(self.folder, ignore_errors=True)

    def packets(self) -> Iterator[StoredPacket]:
        """Yield the packets of the complete segments in the order of decoding."""
        if not self.frames:
            return
        with (self.folder / _PACKETS).open("rb") as file:
            while file.tell() < self._size:
                pts, dts, duration, size, is_keyframe = _HEADER.unpack(file.read(_HEADER.size))
                yield StoredPacket(pts, dts, duration, is_keyframe, file.read(size))

    def add(self, packet: "av.Packet") -> None:
        """Store a packet of the present segment.

        Raises:
            OSError: The disk is full.
        """
        if self._file is None:
            self._file = (self.folder / _PACKETS).open("ab" if self.frames else "wb")
            self._file.truncate(self._size)
        data = bytes(packet)
        times = (packet.pts or 0, packet.dts or 0, packet.duration or 0)
        self._file.write(_HEADER.pack(*times, len(data), packet.is_keyframe) + data)

    def commit(self, frames: int, time: int, layout: str, state: dict[str, Tensor]) -> None:
        """Complete a segment.

        Args:
            frames: Number of frames in all segments.
            time: See :attr:`last_time`.
            layout: See :attr:`layout`.
            state: See :attr:`state`.

        Raises:
            StyleNetError: The disk is full.
        """
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._size = self._file.tell()
        self.frames, self.last_time, self.layout = frames, time, layout
        values = {"key": self._key, "frames": frames, "time": time, "size": self._size}
        with atomic_path(self.folder / _STATE) as path:
            # Cloned: safetensors refuses tensors that share memory.
            tensors = {name: tensor.cpu().contiguous().clone() for name, tensor in state.items()}
            save_file(tensors, path, {"journal": json.dumps({**values, "layout": layout})})

    def discard(self) -> None:
        """Forget all segments: the video is complete, or something else is to be made."""
        if self._file is not None:
            self._file.close()
            self._file = None
        (self.folder / _STATE).unlink(missing_ok=True)
        self.frames, self.layout, self._size = 0, "", 0
        self.last_time, self.state = None, {}

    def _load(self) -> None:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, SafetensorError):
            with safe_open(self.folder / _STATE, "pt") as file:
                values = json.loads((file.metadata() or {})["journal"])
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            is_whole = (self.folder / _PACKETS).stat().st_size >= values["size"]
            if values["key"] == self._key and is_whole:
                self.frames, self.last_time = values["frames"], values["time"]
                self._size, self.layout, self.state = values["size"], values["layout"], state


def unfinished_folder(target: Path) -> Path:
    """Return the folder in which an output file's journal is."""
    return target.with_name(f"{target.name}.unfinished")


def describe_run(
    stylizer: "Stylizer",
    source: Path,
    options: "StylizeOptions | None",
    video: "VideoOptions",
    mask: Mask | MaskVideos | None,
) -> str:
    """Return a hash of all that a stylized video depends on.

    Args:
        stylizer: Its weights, data type and device count.
        source: Its path, size and modification time count.
        options: Options of each frame.
        video: Options of the video.
        mask: The mask; of mask videos, path, size and modification time count.
    """
    stat = source.stat()
    parts: list[Any] = [stylenet.__version__, str(source.resolve()), stat.st_size, stat.st_mtime_ns]
    parts += [None if options is None else asdict(options), asdict(video), SEGMENT]
    parts += [
        stylizer.precision,
        str(stylizer.dtype),
        stylizer.device.type,
        type(stylizer.network).__name__,
    ]
    digest = hashlib.sha256(json.dumps(parts, default=str).encode())
    for part in getattr(stylizer, "parts", [stylizer]):  # one for each style of the regions
        network = part.network
        for name, tensor in (*network.named_parameters(), *network.named_buffers()):
            digest.update(name.encode())
            digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    if isinstance(mask, MaskVideos):
        digest.update(mask.describe().encode())
        return digest.hexdigest()
    regions = as_regions(mask)
    if regions is not None:
        box = (0, 0, regions.size[1], regions.size[0])
        digest.update(repr((regions.size, regions.used)).encode())
        digest.update(regions.opacity(box).numpy().tobytes())
        if regions.used:
            digest.update(regions.mixture(box).numpy().tobytes())
    return digest.hexdigest()
