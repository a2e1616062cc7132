"""Repainting films: the same size, times and sound, and steady if so wished."""

import copy
import dataclasses
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from stylenet.errors import StyleNetError, check_number
from stylenet.files import atomic_path, refuse_input
from stylenet.inference.film_frames import FilmFrame
from stylenet.inference.film_reader import FilmReader
from stylenet.inference.film_writer import FilmWriter
from stylenet.inference.finish import check_mask
from stylenet.inference.flicker import FlickerMeter, FlickerReport
from stylenet.inference.relay import WriteBehind, read_ahead
from stylenet.inference.settings import RepaintSettings
from stylenet.inference.steady import CutFinder, ShortTermBlend, SteadyStatistics
from stylenet.inference.stylizer import Stylizer
from stylenet.networks.statistics import with_statistics

# Frames that wait between reading and the network, and between it and writing: enough for an
# uneven pace, and at 25 MB for a frame in 4K not too much memory.
_AHEAD = 8
# Pairs of frames for the warping error, spread over the film: two flows and two more passes of the
# network each.
_FLICKER_PAIRS = 24


@dataclass(frozen=True)
class FilmSettings:
    """How films are repainted.

    Attributes:
        codec: FFmpeg's name of a video encoder; ``None`` for H.264 (libx264) where the format
            holds it, else what the format is for.
        quality: The encoder's constant rate factor: 0 is the best, about 50 the worst. 18 is what
            FFmpeg's guide to H.264 calls visually lossless or nearly so; strokes are fine texture,
            which a higher one smears first. Encoders without such a factor get the fixed quantiser
            that corresponds to it.
        steady: Share in [0, 1) of the frames before in the statistics that the network normalises
            by; 0 repaints each frame by its own. Measured on two networks and four films (photos
            that pan, fade, or are crossed by another one; 20 frames), 0.95 changed the warping
            error by -6 to +14 %: what flickers there are strokes, not statistics. Hence off.
        blend: Share in [0, 1) of the result before, where the film stands still. On the same films
            0.8 took 7 to 14 % off the warping error, and 76 to 80 % where only noise moved; 0.5
            took 5 to 10 and 56 %. Neither left ghosts. Of four other photos that pan by 1, 2
            or 4 of 320 pixels a frame with noise of 2 of 255 steps, 0.8 took 11 to 31 % off; of a
            pan of 4 pixels without any noise, as in a drawn film, it was 12 % less to 21 % more.
        flicker: Whether to measure the warping error on a sample of frames, which takes time.
        deinterlace: ``auto`` makes whole frames of those that are marked as interlaced, ``True`` of
            all, ``False`` of none: the network then takes the comb of two moments for texture.
    """

    codec: str | None = None
    quality: float = 18
    steady: float = 0.0
    blend: float = 0.8
    flicker: bool = False
    deinterlace: str | bool = "auto"

    def __post_init__(self) -> None:
        if not isinstance(self.deinterlace, bool) and self.deinterlace != "auto":
            raise StyleNetError(
                f"deinterlace={self.deinterlace} is unknown; choose one of auto, true, false"
            )
        if self.codec is not None and not isinstance(self.codec, str):
            raise StyleNetError(f"codec={self.codec} is no name of an encoder such as libx264")
        check_number("quality", self.quality, minimum=0)
        for name in ("steady", "blend"):
            value = getattr(self, name)
            check_number(name, value, minimum=0)
            if value >= 1:
                raise StyleNetError(f"{name}={value} is not a number from 0 to below 1")


@dataclass(frozen=True)
class FilmReport:
    """What became of a film.

    Attributes:
        frames: How many were repainted.
        seconds: How long that took.
        codec: The encoder that was used.
        left_out: What the result lacks, in words: subtitles that its format cannot hold, cover
            pictures, timecodes, the sound of what becomes a GIF, transparency, damaged packets.
        changes: What was done to the frames before the network, in words.
        flicker: The warping errors, if asked for and if there were two frames of one scene.
    """

    frames: int
    seconds: float
    codec: str
    left_out: tuple[str, ...]
    changes: tuple[str, ...]
    flicker: FlickerReport | None

    @property
    def fps(self) -> float:
        """Frames per second of the run."""
        return self.frames / max(self.seconds, 1e-9)


def repaint_film(
    stylizer: Stylizer,
    source: str | Path,
    target: str | Path,
    settings: RepaintSettings | None = None,
    film: FilmSettings | None = None,
    progress: bool = True,
    mask: Image.Image | None = None,
) -> FilmReport:
    """Stylize a video; the result appears whole or not at all.

    It has the size of the source, each frame's own time, and the sound as it was, not encoded
    again. A video that its player turns, as phones record them, is written upright. HDR and wide
    colors become BT.709.

    What was done before an error (a source that is cut off, say) is kept beside the target, as
    ``NAME.partial.SUFFIX``.

    Args:
        stylizer: What repaints.
        source: Any file with moving pictures that FFmpeg reads.
        target: Where the result goes; its suffix chooses the format.
        settings: How each frame is repainted; ``None`` for the defaults.
        film: How the film is; ``None`` for the defaults.
        progress: Whether to show a bar with frames per second and the time left, on stderr.
        mask: Of the upright frames; see :meth:`stylenet.inference.Stylizer.repaint`.

    Returns:
        What was done.

    Raises:
        StyleNetError: The film is unreadable, damaged or cut off, the target unwritable or unable
            to hold the sound, both are the same file, the mask does not fit, or memory is short.
    """
    source, target = Path(source), Path(target)
    film = film or FilmSettings()
    refuse_input(target, source)
    if target.is_dir():
        raise StyleNetError(f"output={target} is a folder, expected a file")
    with FilmReader(source, film.deinterlace) as reader, atomic_path(target) as temporary:
        if mask is not None:
            check_mask(mask, reader.frames.width, reader.frames.height)
        every = max(1, (reader.expected or 0) // _FLICKER_PAIRS)
        painter = FilmPainter(stylizer, settings, film, every, mask)
        writer = FilmWriter(temporary, target, reader, film.codec, film.quality)
        bar = tqdm(total=reader.expected, unit="frame", dynamic_ncols=True, disable=not progress)
        began = time.perf_counter()
        frames = 0
        try:
            with (
                bar,
                WriteBehind(writer.write, _AHEAD) as behind,
                closing(read_ahead(reader, _AHEAD)) as items,
            ):
                for item in items:
                    if isinstance(item, FilmFrame):
                        item = dataclasses.replace(item, pixels=painter.paint(item.pixels))
                        frames += 1
                        bar.update()
                    behind.put(item)
            writer.close()
        except StyleNetError as error:
            kept = _keep(writer, temporary, target)
            raise StyleNetError(f"{error}{kept}") from error
        except BaseException:
            writer.close(complete=False)
            raise
    seconds = time.perf_counter() - began
    left_out = (*writer.left_out, *reader.lost, *writer.lost)
    changes, flicker = tuple(reader.changes), painter.meter.report()
    return FilmReport(frames, seconds, writer.codec, left_out, changes, flicker)


def _keep(writer: FilmWriter, temporary: Path, target: Path) -> str:
    """Close what is there of a video as a playable file beside its target; say where it is."""
    try:
        writer.close()
        if not writer.frames:
            return ""
        partial = target.with_name(f"{target.stem}.partial{target.suffix}")
        with atomic_path(partial) as path:
            temporary.replace(path)
    except StyleNetError:  # nothing can be written, as on a full disk
        return ""
    return f"; the {writer.frames} frames until then, {writer.end:.1f} s, are kept in {partial}"


class FilmPainter:
    """Repaints the frames of one film in their order.

    Attributes:
        meter: The warping errors so far.
    """

    def __init__(
        self,
        stylizer: Stylizer,
        settings: RepaintSettings | None = None,
        film: FilmSettings | None = None,
        flicker_every: int = 1,
        mask: Image.Image | None = None,
    ) -> None:
        """Begins a film.

        Args:
            stylizer: What repaints; stays as it is.
            settings: See :func:`repaint_film`.
            film: See :func:`repaint_film`.
            flicker_every: If the warping error is asked for: after how many frames to measure it.
                It is that of what is repainted, before the mask.
            mask: Mode L, of the frames' size: white where they are repainted, black where not.

        Raises:
            StyleNetError: Smoothed statistics are asked for in tiles.
        """
        settings, film = settings or RepaintSettings(), film or FilmSettings()
        self._film = film
        self._plain = self._steady = stylizer
        self._statistics = SteadyStatistics(film.steady)
        if film.steady:
            if settings.tile_side:  # tiles take statistics of their own
                raise StyleNetError(
                    f"tile={settings.tile} and steady={film.steady} exclude each "
                    f"other; use steady=0 or tile=none"
                )
            settings = dataclasses.replace(settings, tile="none")
            try:
                twin = with_statistics(stylizer.network, self._statistics.take)
            except ValueError:  # without instance normalisation a network is as steady as can be
                pass
            else:
                self._steady = copy.copy(stylizer)
                self._steady.network = twin
        self._settings = {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings)}
        self._mask: Tensor | None = None
        if mask is not None:
            share = torch.from_numpy(np.array(mask, dtype=np.float32) / 255)  # (H, W)
            self._mask = share.to(stylizer.device)
        self._blend = ShortTermBlend(film.blend)
        self._is_cut = CutFinder()
        self._every = flicker_every if film.flicker else 0
        self._before: tuple[Tensor, Tensor] | None = None
        self._count = 0
        self.meter = FlickerMeter()

    @torch.inference_mode()
    def paint(self, pixels: np.ndarray) -> np.ndarray:
        """Repaints the next frame.

        Args:
            pixels: RGB, uint8, shape (H, W, 3).

        Returns:
            The same shape and type.

        Raises:
            StyleNetError: Memory is short.
        """
        photo = torch.from_numpy(pixels).to(self._plain.device).permute(2, 0, 1)[None].float() / 255
        if self._is_cut(photo):
            self._statistics.forget()
            self._blend.forget()
            self._before = None
        painted = self._steady(photo, **self._settings)
        if self._blend.share:
            painted = self._blend(photo, painted)
        self._measure(photo, painted)
        if self._mask is not None:
            painted = photo + (painted - photo) * self._mask
        result = (painted[0] * 255).round().to(torch.uint8).permute(1, 2, 0)  # (H, W, 3)
        return result.contiguous().cpu().numpy()

    def _measure(self, photo: Tensor, painted: Tensor) -> None:
        """Adds this frame and the one before to the warping error, every so often."""
        if not self._every:
            return
        self._count += 1
        if self._before is not None and self._count % self._every == 0:
            photo_before, painted_before = self._before
            plain = (painted_before, painted)
            if self._film.steady or self._film.blend:
                both = self._plain([photo_before, photo], **self._settings)
                plain = (both[0], both[1])
            self.meter.add((photo_before, photo), plain, (painted_before, painted))
        self._before = (photo, painted)
