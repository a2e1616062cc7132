"""Broken and strange containers: each ends in one line or in a playable video.

Whole files of many formats are cut, spliced and overwritten, and stylized in part or at another
frame rate. A small sample runs with the suite, ``make fuzz`` runs more.
"""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.inference import Stylizer
from stylenet.networks import build_network
from stylenet.video import VideoOptions, stylize_video

from .conftest import fuzz_settings

av = pytest.importorskip("av")

pytestmark = pytest.mark.fuzz

FRAMES = 40
# Container, video encoder, sound encoder, options of the muxer.
FILES = [
    ("mp4", "libx264", "aac", {}),
    ("mp4", "libx264", "aac", {"movflags": "frag_keyframe+empty_moov"}),
    ("mov", "prores_ks", "pcm_s16le", {}),
    ("mkv", "libx264", "libopus", {}),
    ("webm", "libvpx-vp9", "libopus", {}),
    ("ts", "libx264", "aac", {}),
    ("mpg", "mpeg2video", "mp2", {}),
    ("avi", "mpeg4", "mp3", {}),
    ("flv", "libx264", "aac", {}),
    ("wmv", "msmpeg4v3", "wmav2", {}),
    ("nut", "ffv1", "pcm_s16le", {}),
    ("ogv", "libvpx", "libvorbis", {}),
    ("gif", "gif", "", {}),
    ("mxf", "mpeg2video", "pcm_s16le", {}),
    ("y4m", "wrapped_avframe", "", {}),
    ("h264", "libx264", "", {}),
]


class Identity(Stylizer):
    def __init__(self):
        network = build_network("johnson", width=1, blocks=0)
        super().__init__(network, CheckpointInfo("same", 1), "cpu")

    def stylize_tensor(self, images):
        return images


def write(path, codec, sound, options):
    with av.open(str(path), "w", options=options) as video:
        stream = video.add_stream(codec, rate=25)
        stream.width, stream.height = 64, 48
        known = [form.name for form in av.Codec(codec, "w").video_formats or []]
        stream.pix_fmt = "yuv420p" if not known or "yuv420p" in known else known[0]
        tone = video.add_stream(sound, rate=48000) if sound else None
        for i in range(FRAMES):
            pixels = np.full((48, 64, 3), 5 * i, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = i, Fraction(1, 25)
            video.mux(stream.encode(frame))
        video.mux(stream.encode(None))
        if tone is None:
            return
        context = tone.codec_context
        size = context.frame_size or 1024
        resampler = av.AudioResampler(context.format.name, context.layout.name, 48000, size)
        noise = np.random.default_rng(0).random((1, 2 * 48000 * FRAMES // 50)) - 0.5
        samples = av.AudioFrame.from_ndarray(noise.astype(np.float32), "fltp", "mono")
        samples.sample_rate, samples.pts = 48000, 0
        for part in (samples, None):
            for frame in resampler.resample(part):
                video.mux(tone.encode(frame))
        video.mux(tone.encode(None))


@pytest.fixture(scope="session")
def intact(tmp_path_factory):
    """Return the bytes of each file that this PyAV can write."""
    folder, written = tmp_path_factory.mktemp("intact"), {}
    for index, (suffix, codec, sound, options) in enumerate(FILES):
        path = folder / f"{index}.{suffix}"
        try:
            write(path, codec, sound, options)
        except (av.error.FFmpegError, ValueError):
            continue
        written[f"{suffix} {index}"] = path.read_bytes()
    assert len(written) > 10
    return written


def position(data, size):
    return data.draw(st.integers(0, max(0, size)))


def damage(data, video, other):
    """Change the bytes of a file as disks, networks and joins do."""
    kind = data.draw(st.sampled_from(["none", "cut", "flip", "zeros", "drop", "repeat", "splice"]))
    event(kind)
    first, last = sorted((position(data, len(video)), position(data, len(video))))
    if kind == "cut":
        del video[last:]
    elif kind == "flip":
        for _ in range(data.draw(st.integers(1, 12))):
            video[position(data, len(video) - 1)] = data.draw(st.integers(0, 255))
    elif kind == "zeros":
        video[first:last] = bytes(last - first)
    elif kind == "drop":
        del video[first:last]
    elif kind == "repeat":
        video[last:last] = video[first:last]
    elif kind == "splice":
        video[first:] = other[position(data, len(other)) :]
    return video


@given(data=st.data())
@fuzz_settings(25)
def test_any_bytes_end_in_one_line_or_in_a_video(data, intact, tmp_path):
    name = data.draw(st.sampled_from(sorted(intact)))
    other = intact[data.draw(st.sampled_from(sorted(intact)))]
    source, target = tmp_path / f"a.{name.split()[0]}", tmp_path / "b.mkv"
    source.write_bytes(damage(data, bytearray(intact[name]), other))
    tenth = st.integers(0, 18).map(lambda tenths: tenths / 10)
    start, duration = data.draw(st.just(0) | tenth), data.draw(st.none() | tenth)
    end = None if duration is None else start + duration + 0.1
    # A rate needs an end: a damaged time may be days after the one before.
    fps = None if end is None else data.draw(st.sampled_from([None, 7, 24, "30000/1001", 60]))
    options = VideoOptions(blend=0, codec="ffv1", start=start, end=end, fps=fps)
    target.unlink(missing_ok=True)
    try:
        report = stylize_video(Identity(), source, target, video=options, progress=False)
    except StyleNetError as error:
        event("refused")
        message = str(error)
        assert not target.exists()
    else:
        event("stylized")
        message = ""
        with av.open(str(target)) as video:
            times = [float(frame.pts * frame.time_base) for frame in video.decode(video=0)]
        assert len(times) == report.frames > 0
        assert times == sorted(set(times))
        if end is not None:
            assert times[-1] < end - start + 0.002
        if fps is not None:
            ticks = np.array(times) * float(Fraction(str(fps)))
            assert np.abs(ticks - ticks.round()).max() < 0.1
    assert "\n" not in message
    assert not list(tmp_path.glob(".*"))
    assert not list(tmp_path.glob("*.unfinished"))
    (tmp_path / "b.partial.mkv").unlink(missing_ok=True)
