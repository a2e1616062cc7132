"""Video clips made from photos, whose motion is known."""

import io
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stylenet.benchmark.bench import Size
from stylenet.video.codecs import import_av
from stylenet.video.flow import warp

# Pixels a frame. A pan at this speed crosses a view of 320 pixels in 4 seconds of 25 frames; the
# fractions let the interpolation of the frames change from one to the next.
_PAN = (3.3, 0.4)
_OBJECT = (4.2, 1.1)
_DIAMETER = 0.45  # of the moving object, as a fraction of the height
# Standard deviations from frame to frame of a camera held by hand: shift in pixels, turn in
# radians, logarithm of the zoom.
_SHAKE = (1.5, math.radians(0.2), 0.003)
# Sensor noise in levels of 255: what video/motion.py and video/flow.py are designed for.
_NOISE = 4.0
_CRF = 23  # x264's default
_RATE = 25
# Pixels at the border of a view, or at the edge of an object, whose bicubic interpolation takes
# values from beyond.
_MARGIN = 2


@dataclass(frozen=True)
class Layer:
    """Photo that moves before the camera.

    Attributes:
        photo: RGB in [0, 1], shape (1, 3, h, w).
        transforms: Map from (x, y, 1) of a pixel of each frame to the photo, shape (T, 3, 3).
        radius: Radius of the disc around the photo's center that is seen, in pixels; ``None`` if
            the photo fills the view.
    """

    photo: Tensor
    transforms: np.ndarray
    radius: float | None = None

    def show(self, t: int, size: Size) -> Tensor:
        """Return the photo as frame ``t`` shows it, shape (1, 3, H, W)."""
        return warp(self.photo, _flow(self.transforms[t], size), "bicubic").clamp(0, 1)

    def inset(self, rows: Tensor, columns: Tensor, t: int) -> Tensor:
        """Return how far positions in frame ``t`` lie within the disc, in pixels, same shape."""
        assert self.radius is not None
        center = (torch.tensor(self.photo.shape[-2:]) - 1) / 2
        y, x = _apply(self.transforms[t], rows, columns)
        return self.radius - ((y - center[0]).square() + (x - center[1]).square()).sqrt()


@dataclass(frozen=True)
class Scene:
    """A background, and perhaps an object before it.

    Attributes:
        size: Width and height of the view.
        layers: The background, then the object if there is one.
    """

    size: Size
    layers: Sequence[Layer]

    def __len__(self) -> int:
        return len(self.layers[0].transforms)

    def frames(self) -> Iterator[np.ndarray]:
        """Yield the frames, RGB in [0, 255], float32, shape (H, W, 3)."""
        rows, columns = _grid(self.size)
        for t in range(len(self)):
            frame = self.layers[0].show(t, self.size)
            for layer in self.layers[1:]:
                opacity = (layer.inset(rows, columns, t) + 0.5).clamp(0, 1)
                frame = torch.lerp(frame, layer.show(t, self.size), opacity)
            yield frame[0].permute(1, 2, 0).numpy() * 255

    def motion(self, before: int, after: int) -> tuple[Tensor, Tensor]:
        """Return the true motion between two frames.

        Args:
            before: Index of the earlier frame.
            after: Index of the later frame.

        Returns:
            The offset, down and to the right, from each pixel of the later frame to its position in
            the earlier one, shape (1, 2, H, W); and 1 for each pixel that both frames show, 0 for
            others and for those next to an edge of the object, shape (1, 1, H, W).
        """
        rows, columns = _grid(self.size)
        width, height = self.size
        flow, visible = torch.zeros(1, 2, height, width), torch.zeros(1, 1, height, width)
        hidden = torch.zeros(1, 1, height, width, dtype=torch.bool)
        for layer in reversed(self.layers):
            transforms = layer.transforms
            own = _flow(np.linalg.inv(transforms[before]) @ transforms[after], self.size)
            y, x = rows + own[:, :1], columns + own[:, 1:]
            seen = (y >= _MARGIN) & (y <= height - 1 - _MARGIN)
            seen &= (x >= _MARGIN) & (x <= width - 1 - _MARGIN)
            if layer.radius is None:
                for other in self.layers[1:]:
                    seen &= other.inset(y, x, before) < -_MARGIN
                flow = torch.where(hidden, flow, own)
                visible = torch.where(hidden, visible, seen.float())
            else:
                inset = layer.inset(rows, columns, after)
                core, hidden = inset > _MARGIN, inset > -_MARGIN
                flow, visible = torch.where(core, own, flow), (core & seen).float()
        return flow, visible

    def moving(self, t: int) -> Tensor:
        """Return 1 for each pixel of a frame that belongs to the object, shape (1, 1, H, W).

        All pixels count if there is no object.
        """
        rows, columns = _grid(self.size)
        if len(self.layers) == 1:
            return torch.ones(1, 1, *self.size[::-1])
        return (self.layers[1].inset(rows, columns, t) > _MARGIN).float()[None, None]


@dataclass(frozen=True)
class Clip:
    """Frames of one or more scenes, and what is known about them.

    Attributes:
        name: Kind of the clip.
        scenes: The scenes, one after the other.
        frames: RGB, uint8, shape (H, W, 3).
    """

    name: str
    scenes: Sequence[Scene]
    frames: Sequence[np.ndarray]

    def place(self, t: int) -> tuple[Scene, int]:
        """Return the scene of a frame, and the index of the frame in it."""
        for scene in self.scenes:
            if t < len(scene):
                return scene, t
            t -= len(scene)
        raise IndexError(t)

    def pairs(self, gap: int) -> Iterator[tuple[int, int]]:
        """Yield the pairs of frames of one scene that are ``gap`` frames apart."""
        for after in range(gap, len(self.frames)):
            if self.place(after)[1] >= gap:
                yield after - gap, after

    def motion(self, before: int, after: int) -> tuple[Tensor, Tensor]:
        """Return the true motion between two frames of one scene, see :meth:`Scene.motion`."""
        scene, index = self.place(after)
        return scene.motion(index - (after - before), index)

    def cuts(self) -> list[int]:
        """Return the first frame of each scene but the first."""
        return list(np.cumsum([len(scene) for scene in self.scenes])[:-1])


# A loader of photos that fill a view with a margin: from the margin's width and height to RGB in
# [0, 1], shape (1, 3, H, W).
Loader = Callable[[Size], Tensor]


def make_clips(load: Loader, size: Size, frames: int, seed: int) -> list[Clip]:
    """Make a clip of each kind from photos.

    The kinds are a pan, an object that moves before a still texture, a camera that shakes in the
    hand, and a cut between two pans. Each comes as it is, and recorded: with sensor noise and
    compressed by H.264. A still photo is only recorded, since nothing else could flicker there.

    Args:
        load: Loads the next photo.
        size: Width and height, both even.
        frames: Number of frames of each clip.
        seed: Seed of the shaking and of the noise.

    Returns:
        The clips, with distinct names.
    """
    random = np.random.default_rng(seed)
    kinds = {
        "pan": [_pan(load, size, frames)],
        "object": [_object(load, size, frames)],
        "shake": [_shake(load, size, frames, random)],
        "cut": [_pan(load, size, frames // 2), _pan(load, size, frames - frames // 2, -1)],
    }
    clips = []
    for name, scenes in kinds.items():
        exact = [frame for scene in scenes for frame in scene.frames()]
        clips.append(Clip(name, scenes, [_quantize(frame) for frame in exact]))
        clips.append(Clip(f"{name}, recorded", scenes, record(exact, random)))
    still = [_still(load, size, frames)]
    return [*clips, Clip("still, recorded", still, record(list(still[0].frames()), random))]


def record(frames: Sequence[np.ndarray], random: np.random.Generator) -> list[np.ndarray]:
    """Add sensor noise to frames, compress them by H.264, and decode them.

    Args:
        frames: RGB in [0, 255], float32, shape (H, W, 3), H and W even.
        random: Generator of the noise.

    Returns:
        RGB, uint8, of the same shape.
    """
    av = import_av()
    file = io.BytesIO()
    height, width = frames[0].shape[:2]
    with av.open(file, "w", format="mp4") as video:
        stream = video.add_stream("libx264", rate=_RATE, options={"crf": str(_CRF)})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for i, frame in enumerate(frames):
            noisy = _quantize(frame + random.normal(0, _NOISE, frame.shape))
            picture = av.VideoFrame.from_ndarray(noisy, "rgb24")
            picture.pts = i
            video.mux(stream.encode(picture))
        video.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as video:
        return [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]


def _pan(load: Loader, size: Size, frames: int, sign: int = 1) -> Scene:
    """Make a scene whose view moves evenly over a photo."""
    steps = np.arange(frames)[:, None] * np.array(_PAN)
    if sign < 0:
        steps = steps[::-1]
    margin = (math.ceil(frames * _PAN[0]), math.ceil(frames * _PAN[1]))
    return Scene(size, [Layer(load(_grow(size, margin)), _shifts(steps))])


def _object(load: Loader, size: Size, frames: int) -> Scene:
    """Make a scene in which a disc cut from a photo moves before another photo."""
    width, height = size
    diameter = round(height * _DIAMETER)
    background = Layer(load(size), _shifts(np.zeros((frames, 2))))
    photo = load((diameter + 2 * _MARGIN, diameter + 2 * _MARGIN))
    start = np.array([width * 0.3, height * 0.4]) - (np.array(photo.shape[:1:-1]) - 1) / 2
    steps = start + np.arange(frames)[:, None] * np.array(_OBJECT)
    return Scene(size, [background, Layer(photo, _shifts(-steps), diameter / 2)])


def _shake(load: Loader, size: Size, frames: int, random: np.random.Generator) -> Scene:
    """Make a scene seen by a camera that is held by hand."""
    shift, turn, zoom = _SHAKE
    # A random walk that returns, so that the view stays within the margin of the photo.
    state, states = np.zeros(4), []
    for _ in range(frames):
        states.append(state)
        state = 0.8 * state + random.normal(0, 1, 4) * [shift, shift, turn, zoom]
    walk = np.array(states)
    walk[:, :2] = walk[:, :2].clip(-6 * shift, 6 * shift)
    margin = math.ceil(12 * shift + 2 * (6 * turn + 6 * zoom) * max(size))
    photo = load(_grow(size, (margin, margin)))
    center = (np.array(size) - 1) / 2
    middle = (np.array(photo.shape[:1:-1]) - 1) / 2
    transforms = np.tile(np.eye(3), (frames, 1, 1))
    for transform, (x, y, angle, log_zoom) in zip(transforms, walk, strict=True):
        scale = math.exp(log_zoom)
        cos, sin = scale * math.cos(angle), scale * math.sin(angle)
        transform[:2, :2] = [[cos, -sin], [sin, cos]]
        transform[:2, 2] = middle + np.array([x, y]) - transform[:2, :2] @ center
    return Scene(size, [Layer(photo, transforms)])


def _still(load: Loader, size: Size, frames: int) -> Scene:
    """Make a scene in which nothing moves."""
    return Scene(size, [Layer(load(size), _shifts(np.zeros((frames, 2))))])


def _shifts(steps: np.ndarray) -> np.ndarray:
    """Return transforms that shift by x and y, shape (T, 2), as (T, 3, 3)."""
    transforms = np.tile(np.eye(3), (len(steps), 1, 1))
    transforms[:, :2, 2] = steps
    return transforms


def _grow(size: Size, margin: Size) -> Size:
    return size[0] + margin[0], size[1] + margin[1]


def _quantize(frame: np.ndarray) -> np.ndarray:
    return frame.clip(0, 255).round().astype(np.uint8)


def _grid(size: Size) -> tuple[Tensor, Tensor]:
    """Return row and column of each pixel of a view, shapes (H, 1) and (W,)."""
    return torch.arange(float(size[1]))[:, None], torch.arange(float(size[0]))


def _apply(transform: np.ndarray, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Transform positions; return rows and columns."""
    (a, b, x), (c, d, y) = transform[:2].tolist()
    return c * columns + d * rows + y, a * columns + b * rows + x


def _flow(transform: np.ndarray, size: Size) -> Tensor:
    """Return a transform as offsets from each pixel of a view, shape (1, 2, H, W)."""
    rows, columns = _grid(size)
    y, x = _apply(transform, rows, columns)
    return torch.stack([y - rows, x - columns])[None]
