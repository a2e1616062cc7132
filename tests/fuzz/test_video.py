"""Videos as FFmpeg can write them: frames, times and sound are kept.

The network returns its input, so each frame has to be the image that the video was made from, at
its time, with the same sound. A small sample runs with the suite, ``make fuzz`` runs more.
"""

import os
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from stylenet.checkpoint import CheckpointInfo
from stylenet.inference import Stylizer
from stylenet.networks import build_network
from stylenet.video import RgbFrame, VideoOptions, VideoReader, stylize_video

av = pytest.importorskip("av")

pytestmark = pytest.mark.fuzz

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))

# Containers and encoders that lose nothing, or nearly nothing; all pixel formats that an encoder
# names are tried.
CODECS = {
    "ffv1": ("mkv", "avi", "nut"),
    "ffvhuff": ("avi", "nut"),
    "huffyuv": ("mkv", "avi"),
    "utvideo": ("avi", "mkv"),
    "qtrle": ("mov",),
    "png": ("mov", "avi"),
    "prores_ks": ("mov", "mkv"),
    "v210": ("mov", "avi"),
    "libx264": ("mp4", "mkv", "mov", "ts", "flv", "avi"),
    "libx264rgb": ("mkv", "mp4"),
    "libx265": ("mp4", "mkv"),
    "libvpx-vp9": ("webm", "mkv"),
    "mpeg2video": ("mpg", "ts", "mkv"),
    "mpeg4": ("avi", "mp4"),
    "mjpeg": ("mov", "avi", "mkv"),
}
# Formats of few colors, in which an image is not what it was.
COARSE = ("mono", "rgb4", "bgr4", "rgb8", "bgr8", "pal8", "xyz", "bayer")
# Swscale's numbers for matrices of H.273; 2 (unspecified) is read as BT.601 at these sizes.
MATRICES = {1: 1, 2: 5, 5: 5, 6: 5, 7: 7, 9: 9}
UNITS = [Fraction(1, 25), Fraction(1001, 30000), Fraction(1, 1000), Fraction(1, 12800)]


def usable(codec):
    if codec not in av.codecs_available:
        return []
    names = [form.name for form in av.Codec(codec, "w").video_formats or []]
    few_bits = ("rgb444", "bgr444", "rgb555", "bgr555", "rgb565", "bgr565")
    return [name for name in names if not name.startswith((*COARSE, *few_bits))]


FORMATS = [(codec, name) for codec in CODECS for name in usable(codec)]


class Case(NamedTuple):
    suffix: str
    codec: str
    pixels: str
    size: tuple
    matrix: int
    range: int
    primaries: int
    field: str
    unit: Fraction
    times: tuple
    sounds: int
    sound_first: bool


@st.composite
def cases(draw):
    codec, pixels = draw(st.sampled_from(FORMATS))
    unit = draw(st.sampled_from(UNITS))
    steps = draw(st.lists(st.integers(1, 3), min_size=3, max_size=6))
    step = max(1, round(Fraction(1, 25) / unit))
    # Formats and encoders of a fixed rate know no uneven times.
    fixed = codec in ("mpeg2video", "mpeg4", "v210", "prores_ks")
    suffix = draw(st.sampled_from(CODECS[codec]))
    if fixed or suffix in ("avi", "mpg", "ts", "flv"):
        steps, unit, step = [1] * len(steps), Fraction(1, 25), 1
    times = tuple(int(time) * step for time in np.cumsum([0, *steps]))
    side = st.integers(8, 24).map(lambda half: 2 * half)
    return Case(
        suffix,
        codec,
        pixels,
        (draw(side) * 2, draw(side) * 2),
        draw(st.sampled_from(sorted(MATRICES))),
        draw(st.sampled_from([0, 1, 2])),
        draw(st.sampled_from([2, 1, 5, 6])),
        draw(st.sampled_from(["", "", "tff", "bff"])),
        unit,
        times,
        draw(st.integers(0, 2)),
        draw(st.booleans()),
    )


def image(case, i):
    """Return a gradient that is smooth enough to survive chroma subsampling."""
    width, height = case.size
    across, down = np.linspace(0, 1, width), np.linspace(0, 1, height)[:, None]
    red = 60 + 120 * across * (i % 2) + 0 * down + 60 * (1 - i % 2)
    green = 90 + 90 * down + 0 * across
    blue = 70 + 15 * i + 50 * across + 0 * down
    return np.stack([red, green, blue], -1).clip(0, 255).round().astype(np.uint8)


def is_rgb(name):
    return name.startswith(("rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr"))


def write(path, case):
    """Write the video; raise if the encoder does not support the case."""
    is_full = case.range == 2 or case.pixels.startswith("yuvj")
    with av.open(str(path), "w") as video:
        sounds = []

        def add_sound():
            codec = {"webm": "libopus", "mpg": "mp2"}.get(case.suffix, "aac")
            count = min(case.sounds, 1) if case.suffix == "flv" else case.sounds
            if case.suffix in ("nut", "avi", "ts"):  # whose AAC differs by its headers
                codec = "mp2"
            sounds.extend(video.add_stream(codec, rate=48000) for _ in range(count))

        if case.sound_first:
            add_sound()
        stream = video.add_stream(case.codec, rate=25)
        stream.width, stream.height = case.size
        stream.pix_fmt = case.pixels
        context = stream.codec_context
        stream.time_base = context.time_base = case.unit
        if not is_rgb(case.pixels):
            context.colorspace, context.color_range = case.matrix, 2 if is_full else case.range
            context.color_primaries = context.color_trc = case.primaries
        context.options = {
            "libx264": {"qp": "1"},
            "libx264rgb": {"qp": "1"},
            "libx265": {"x265-params": "qp=1:log-level=none"},
            "libvpx-vp9": {"crf": "1"},
        }.get(case.codec, {"qmin": "1", "qmax": "2"})
        if case.field:
            context.options |= {"flags": "+ildct+ilme"}
        if not case.sound_first:
            add_sound()
        graph = None
        for i, pts in enumerate(case.times):
            frame = av.VideoFrame.from_ndarray(image(case, i), "rgb24")
            coding = {}
            if not is_rgb(case.pixels):
                matrix = MATRICES[case.matrix]
                frame.colorspace = matrix
                coding = {
                    "src_colorspace": 5 if matrix == 1 else 1,
                    "dst_colorspace": matrix,
                    "src_color_range": 2,
                    "dst_color_range": 2 if is_full else 1,
                }
            # 0x7004 in the flags: exact.
            frame = frame.reformat(
                format=case.pixels, interpolation=4 | 0x40000 | 0x2000 | 0x4000, **coding
            )
            if case.field:
                frame.pts = i
                graph = graph or mark(frame, case.field)
                graph.push(frame)
                frame = graph.pull()
            frame.pts, frame.time_base = pts, case.unit
            video.mux(stream.encode(frame))
        video.mux(stream.encode(None))
        for sound in sounds:
            layout, form = sound.codec_context.layout.name, sound.codec_context.format.name
            resampler = av.AudioResampler(format=form, layout=layout, rate=48000)
            size = sound.codec_context.frame_size or 1024
            for i in range(6):
                wave = np.random.default_rng(i).random((1, size)).astype(np.float32) - 0.5
                tone = av.AudioFrame.from_ndarray(wave, "fltp", "mono")
                tone.sample_rate, tone.pts = 48000, size * i
                for part in resampler.resample(tone):
                    video.mux(sound.encode(part))
            video.mux(sound.encode(None))


def mark(frame, first):
    graph = av.filter.Graph()
    size = {"width": frame.width, "height": frame.height}
    source = graph.add_buffer(format=frame.format, time_base=Fraction(1, 25), **size)
    marking = graph.add("setfield", mode=first)
    graph.link_nodes(source, marking, graph.add("buffersink")).configure()
    return graph


def states_colors(path, case):
    """Return whether the file states its color coding; without it readers have to guess."""
    if is_rgb(case.pixels):
        return True
    if case.pixels.startswith(("gray", "ya")):
        return False
    with av.open(str(path)) as video:
        frame = next(video.decode(video=0))
    full = case.range == 2 or case.pixels.startswith("yuvj")
    matrix = MATRICES.get(int(frame.colorspace), MATRICES[2])
    is_full = int(frame.color_range) == 2 or frame.format.name.startswith("yuvj")
    return matrix == MATRICES[case.matrix] and is_full == full


def read(path, **options):
    with VideoReader(path, **options) as video:
        items = [item for item in video if isinstance(item, RgbFrame)]
        return items, [item.pts * video.time_base for item in items]


def sound(path):
    with av.open(str(path)) as video:
        streams = {s.index: [] for s in video.streams if s.type == "audio"}
        for packet in video.demux():
            if packet.stream.index in streams and packet.size:
                streams[packet.stream.index].append(bytes(packet))
        return list(streams.values())


class Identity(Stylizer):
    def __init__(self):
        super().__init__(
            build_network("johnson", width=1, blocks=0), CheckpointInfo("same", 1), "cpu"
        )

    def stylize_tensor(self, images):
        return images


@example(  # its fields have 4.5 rows of colors
    case=Case(
        "mkv", "ffv1", "yuv410p", (32, 36), 1, 0, 2, "tff", Fraction(1, 25), (0, 1, 2), 0, False
    )
)
@given(case=cases())
@settings(
    max_examples=EXAMPLES or 25,
    derandomize=not EXAMPLES,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_frames_times_and_sound_are_kept(case, tmp_path):
    source, target = tmp_path / f"a.{case.suffix}", tmp_path / "b.mkv"
    try:
        write(source, case)
    except (av.error.FFmpegError, ValueError) as error:  # a case that this encoder does not take
        event(f"refused: {case.codec} in {case.suffix}: {getattr(error, 'strerror', error)}")
        return
    video = VideoOptions(blend=0, quality=1, deinterlace=False)
    report = stylize_video(Identity(), source, target, video=video, progress=False)
    expected = [image(case, i) for i in range(len(case.times))]
    # Of MPEG-PS the last frame is lost where it was not ended.
    assert report.frames in (len(expected), len(expected) - (case.suffix == "mpg"))
    (before, times), (after, later) = read(source, deinterlace=False), read(target)
    assert len(before) == len(after) == report.frames
    # Two steps of 255 for rounding, more for encoders that lose something.
    lossy = case.codec in ("mpeg2video", "mpeg4", "mjpeg", "libvpx-vp9")
    inner = np.s_[2:-2, 2:-2]
    stated = states_colors(source, case)
    for i, frame in enumerate(before):
        if not stated:
            expected[i] = frame.pixels
        error = np.abs(frame.pixels.astype(int) - expected[i])[inner]
        assert error.mean() < (5 if lossy else 2.5), (i, error.mean((0, 1)))
        error = np.abs(after[i].pixels.astype(int) - expected[i])[inner]
        assert error.mean() < (6 if lossy else 4), (i, error.mean((0, 1)))
    # Sound that begins before 0 may move all of it.
    assert [float(time - later[0]) for time in later] == pytest.approx(
        [float(time - times[0]) for time in times], abs=0.002
    )
    assert [float(time - times[0]) for time in times] == pytest.approx(
        [float(time * case.unit) for time in case.times[: len(times)]], abs=0.002
    )
    assert sound(source) == sound(target)
    assert len(read(source)[0]) == report.frames  # deinterlaced, where it is marked so
