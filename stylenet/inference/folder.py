"""Stylize many images: reading and saving overlap with the network's work."""

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

# Decoding a photo takes about a twentieth of the network's time on a CPU, and about as long as the
# network on a fast GPU: a few threads keep either busy.
_THREADS = 4
# Images read ahead, and images waiting to be saved: bounds the memory, 36 MB for a 12-megapixel
# photo each.
_AHEAD = 8
# Pixels per batch: small images one by one would leave a GPU idle.
_BATCH_PIXELS = 1024 * 1024

Pair = tuple[Path, Path]
StylizeBatch = Callable[[Sequence[LoadedImage], Sequence[Path]], Sequence[LoadedImage]]
# Both return names of whatever the source contains and the result does not.
Save = Callable[[LoadedImage, Path], Sequence[str] | None]
StylizeSequence = Callable[[Path, Path], Sequence[str] | None]
# Outcome of an image: being saved, saved (with names of what was lost), or failed.
_Outcome = Future[Sequence[str] | None] | Sequence[str] | StyleNetError | None


@dataclass
class FolderReport:
    """Outcome of stylizing a folder.

    Attributes:
        done: Number of images that were stylized and saved.
        failures: A line for each image that failed, in the order of the folder.
        left_out: Names of whatever the results do not contain, each with the files affected.
    """

    done: int = 0
    failures: list[str] = field(default_factory=list)
    left_out: dict[str, list[Path]] = field(default_factory=dict)


def stylize_all(
    pairs: Sequence[Pair],
    stylize_batch: StylizeBatch,
    save: Save,
    stylize_sequence: StylizeSequence,
    advance: Callable[[], object],
) -> FolderReport:
    """Stylize images; a failed image does not stop the others.

    Args:
        pairs: Files, each with the file for its result.
        stylize_batch: Stylizes images of one size, in order; their files tell them apart. Called in
            this thread.
        save: Writes a result completely or not at all. Called in other threads.
        stylize_sequence: Stylizes an animation or pages, from file to file. Called in this
            thread.
        advance: Called after each image, done or failed.
    """
    failures: dict[Path, str] = {}
    left_out: dict[str, list[Path]] = {}
    readers = ThreadPoolExecutor(_THREADS, "reader")
    savers = ThreadPoolExecutor(_THREADS, "saver")

    def record(source: Path, outcome: _Outcome) -> None:
        try:
            if isinstance(outcome, StyleNetError):
                raise outcome
            lost = outcome.result() if isinstance(outcome, Future) else outcome
            for name in lost or ():
                left_out.setdefault(name, []).append(source)
        except StyleNetError as error:
            message = " ".join(str(error).split())
            failures[source] = message if str(source) in message else f"{source}: {message}"
        advance()

    try:
        saving: deque[tuple[Path, Future[Sequence[str] | None]]] = deque()
        for group in _groups(pairs, readers, stylize_sequence, record):
            for (source, target), result in _stylize_group(group, stylize_batch):
                if isinstance(result, StyleNetError):
                    record(source, result)
                    continue
                saving.append((source, savers.submit(save, result, target)))
                while len(saving) > _AHEAD:
                    record(*saving.popleft())
        while saving:
            record(*saving.popleft())
    finally:
        # After an interruption no waiting job starts; files being written are finished.
        readers.shutdown(cancel_futures=True)
        savers.shutdown(cancel_futures=True)
    ordered = [failures[source] for source, _ in pairs if source in failures]
    named = {name: sorted(paths) for name, paths in sorted(left_out.items())}
    return FolderReport(len(pairs) - len(ordered), ordered, named)


def _groups(
    pairs: Sequence[Pair],
    readers: ThreadPoolExecutor,
    stylize_sequence: StylizeSequence,
    record: Callable[[Path, _Outcome], None],
) -> Iterator[list[tuple[Pair, LoadedImage]]]:
    """Read ahead and batch neighbors of one size."""
    loaded = _read_ahead(pairs, readers, stylize_sequence, record)
    while window := list(islice(loaded, _AHEAD)):
        window.sort(key=lambda entry: entry[1].rgb.size)
        for (width, height), group in groupby(window, key=lambda entry: entry[1].rgb.size):
            count = max(1, _BATCH_PIXELS // (width * height))
            while batch := list(islice(group, count)):
                yield batch


def _read_ahead(
    pairs: Iterable[Pair],
    readers: ThreadPoolExecutor,
    stylize_sequence: StylizeSequence,
    record: Callable[[Path, _Outcome], None],
) -> Iterator[tuple[Pair, LoadedImage]]:
    """Read images in other threads and yield them in order.

    Images that cannot be read are recorded as failed. Animations and pages are stylized and
    recorded here, one file at a time.
    """
    remaining = iter(pairs)
    waiting: deque[tuple[Pair, Future[LoadedImage | None]]] = deque()
    while True:
        for pair in islice(remaining, 2 * _AHEAD - len(waiting)):
            waiting.append((pair, readers.submit(_load_still, pair[0])))
        if not waiting:
            return
        pair, reading = waiting.popleft()
        try:
            image = reading.result()
            if image is not None:
                yield pair, image
                continue
            record(pair[0], stylize_sequence(*pair))
        except StyleNetError as error:
            record(pair[0], error)


def _load_still(path: Path) -> LoadedImage | None:
    return None if is_animated(path) or len(find_pages(path)) > 1 else load_image(path)


def _stylize_group(
    group: Sequence[tuple[Pair, LoadedImage]], stylize_batch: StylizeBatch
) -> Iterator[tuple[Pair, LoadedImage | StyleNetError]]:
    """Stylize a batch; if that fails, one by one, to tell which image failed."""
    pairs, images = [pair for pair, _ in group], [image for _, image in group]
    try:
        sources = [source for source, _ in pairs]
        yield from zip(pairs, stylize_batch(images, sources), strict=True)
    except StyleNetError as error:
        if len(group) == 1:
            yield pairs[0], error
            return
        for entry in group:
            yield from _stylize_group([entry], stylize_batch)


def describe_unread(source: Path, target: Path) -> str | None:
    """Describe the images of a folder whose format cannot be read.

    Args:
        source: The folder.
        target: The folder for the results, which may lie inside ``source``.

    Returns:
        A sentence; ``None`` if there are none.

    Raises:
        OSError: The folder is unreadable.
    """
    names = find_inputs(source, target, UNREAD_SUFFIXES)
    if not names:
        return None
    count = f"{len(names)} images were" if len(names) > 1 else "1 image was"
    needed = {name_needed_package(name.suffix.lower()) for name in names} - {None}
    install = "".join(f"; some need pip install {package}" for package in sorted(map(str, needed)))
    return (
        f"{count} left out ({names[0]}{', …' * (len(names) > 1)}): "
        f"{', '.join(sorted({name.suffix.lower() for name in names}))} cannot be read{install}"
    )
