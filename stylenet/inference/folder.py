"""Stylizing many images: reading and saving go on while the network works."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path

from stylenet.errors import StyleNetError
from stylenet.files import find_inputs
from stylenet.image import (
    UNREAD_SUFFIXES,
    LoadedImage,
    find_pages,
    is_animated,
    load_image,
    name_needed_package,
)

# Decoding a photo takes about a twentieth of the time that the network takes for it on a CPU, and
# about as long as on a fast GPU: a few threads keep either busy.
_THREADS = 4
# Read ahead, and waiting to be saved: bounds the memory, 36 MB for a 12-megapixel photo each.
_AHEAD = 8
# Pixels that go through the network together: small images alone leave a GPU idle.
_BATCH_PIXELS = 1024 * 1024

Pair = tuple[Path, Path]
Paint = Callable[[Sequence[LoadedImage]], Sequence[LoadedImage]]
# Both return what the source holds and the result does not, a name for each.
Save = Callable[[LoadedImage, Path], Sequence[str] | None]
PaintMoving = Callable[[Path, Path], Sequence[str] | None]
# What became of an image: being saved, saved without the things named, or failed.
_Saved = Future[Sequence[str] | None] | Sequence[str] | StyleNetError | None


@dataclass
class FolderReport:
    """What became of a folder.

    Attributes:
        done: Images that were stylized and saved.
        failures: A line for each that was not, in the order of the folder.
        left_out: What the results do not hold, each with the files that held it.
    """

    done: int = 0
    failures: list[str] = field(default_factory=list)
    left_out: dict[str, list[Path]] = field(default_factory=dict)


def stylize_all(
    pairs: Sequence[Pair],
    paint: Paint,
    save: Save,
    paint_moving: PaintMoving,
    advance: Callable[[], object],
) -> FolderReport:
    """Stylizes images; one that fails does not keep the others from being done.

    Args:
        pairs: Files, each with the file for its result.
        paint: Stylizes images of one size, in their order. Called in this thread.
        save: Writes a result whole or not at all. Called in other threads.
        paint_moving: Stylizes an animation or pages, from file to file. Called in this thread.
        advance: Called after each image, done or failed.

    Returns:
        What was done and what failed.
    """
    failures: dict[Path, str] = {}
    left_out: dict[str, list[Path]] = {}
    readers = ThreadPoolExecutor(_THREADS, "reader")
    savers = ThreadPoolExecutor(_THREADS, "saver")

    def settle(source: Path, saved: _Saved) -> None:
        try:
            if isinstance(saved, StyleNetError):
                raise saved
            lost = saved.result() if isinstance(saved, Future) else saved
            for name in lost or ():
                left_out.setdefault(name, []).append(source)
        except StyleNetError as error:
            message = " ".join(str(error).split())
            failures[source] = message if str(source) in message else f"{source}: {message}"
        advance()

    try:
        saving: deque[tuple[Path, Future[Sequence[str] | None]]] = deque()
        for group in _groups(pairs, readers, paint_moving, settle):
            for (source, target), result in _stylize_group(group, paint):
                if isinstance(result, StyleNetError):
                    settle(source, result)
                    continue
                saving.append((source, savers.submit(save, result, target)))
                while len(saving) > _AHEAD:
                    settle(*saving.popleft())
        while saving:
            settle(*saving.popleft())
    finally:
        # After an interruption what waits is not begun; what is being written is finished.
        readers.shutdown(cancel_futures=True)
        savers.shutdown(cancel_futures=True)
    ordered = [failures[source] for source, _ in pairs if source in failures]
    named = {name: sorted(paths) for name, paths in sorted(left_out.items())}
    return FolderReport(len(pairs) - len(ordered), ordered, named)


def _groups(
    pairs: Sequence[Pair],
    readers: ThreadPoolExecutor,
    paint_moving: PaintMoving,
    settle: Callable[[Path, _Saved], None],
) -> Iterator[list[tuple[Pair, LoadedImage]]]:
    """Reads ahead, and puts neighbors of one size together as far as they fit a batch."""
    loaded = _read_ahead(pairs, readers, paint_moving, settle)
    while window := list(islice(loaded, _AHEAD)):
        window.sort(key=lambda entry: entry[1].rgb.size)
        for (width, height), same in groupby(window, key=lambda entry: entry[1].rgb.size):
            most = max(1, _BATCH_PIXELS // (width * height))
            while batch := list(islice(same, most)):
                yield batch


def _read_ahead(
    pairs: Iterable[Pair],
    readers: ThreadPoolExecutor,
    paint_moving: PaintMoving,
    settle: Callable[[Path, _Saved], None],
) -> Iterator[tuple[Pair, LoadedImage]]:
    """Reads images in other threads, in their order.

    Those that cannot be read are settled, and so are those of several frames or pages: of these
    one at a time is read, by who stylizes them.
    """
    rest = iter(pairs)
    waiting: deque[tuple[Pair, Future[LoadedImage | None]]] = deque()
    while True:
        for pair in islice(rest, 2 * _AHEAD - len(waiting)):
            waiting.append((pair, readers.submit(_load_still, pair[0])))
        if not waiting:
            return
        pair, reading = waiting.popleft()
        try:
            picture = reading.result()
            if picture is not None:
                yield pair, picture
                continue
            settle(pair[0], paint_moving(*pair))
        except StyleNetError as error:
            settle(pair[0], error)


def _load_still(path: Path) -> LoadedImage | None:
    return None if is_animated(path) or len(find_pages(path)) > 1 else load_image(path)


def _stylize_group(
    group: Sequence[tuple[Pair, LoadedImage]], paint: Paint
) -> Iterator[tuple[Pair, LoadedImage | StyleNetError]]:
    """Stylizes together; where that fails, one by one, to tell which it was."""
    pairs, images = [pair for pair, _ in group], [picture for _, picture in group]
    try:
        yield from zip(pairs, paint(images), strict=True)
    except StyleNetError as error:
        if len(group) == 1:
            yield pairs[0], error
            return
        for entry in group:
            yield from _stylize_group([entry], paint)


def describe_unread(source: Path, target: Path) -> str | None:
    """Name and count the images of a folder that are of no kind that can be read.

    Args:
        source: The folder.
        target: The folder for the results, which may lie inside ``source``.

    Returns:
        A line, ``None`` if there are none.

    Raises:
        OSError: The folder is unreadable.
    """
    names = find_inputs(source, target, UNREAD_SUFFIXES)
    if not names:
        return None
    some = f"{len(names)} images were" if len(names) > 1 else "1 image was"
    needed = {name_needed_package(name.suffix.lower()) for name in names} - {None}
    install = "".join(f"; some need pip install {package}" for package in sorted(map(str, needed)))
    return (
        f"{some} left out ({names[0]}{', …' * (len(names) > 1)}): "
        f"{', '.join(sorted({name.suffix.lower() for name in names}))} cannot be read{install}"
    )
