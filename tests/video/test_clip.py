"""Parts of videos and other frame rates: video.start, video.end, video.fps."""

import io
import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stylenet.errors import StyleNetError
from stylenet.video import VideoOptions, VideoReader, stylize_video
from stylenet.video.clip import Clip, FrameSelector

from .videos import UNIT, Identity, frames, make_video, packets, put_tone

av = pytest.importorskip("av")

WORDS = b"""1
00:00:00,200 --> 00:00:00,600
early

2
00:00:01,800 --> 00:00:02,400
across the start

3
00:00:02,600 --> 00:00:02,800
within

4
00:00:03,000 --> 00:00:09,000
across the end

5
00:00:04,000 --> 00:00:04,200
late
"""


def coded(i):
    """Return an image whose columns are the bits of a number up to 255."""
    bits = np.array([(i >> k) & 1 for k in range(8)], np.uint8) * 200 + 20
    return np.broadcast_to(bits.repeat(6)[None, :, None], (32, 48, 3)).copy()


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A video of 5 s with B-frames, sound, subtitles and chapters."""
    folder = tmp_path_factory.mktemp("film")
    steps = {
        "unit": UNIT,
        "times": range(0, 125 * 512, 512),
        "frames": [coded(i) for i in range(125)],
    }
    options = {"crf": "1", "g": "20", "bf": "2"}
    make_video(folder / "v.mp4", sounds=("aac",) * 0, options=options, **steps)
    with (
        av.open(str(folder / "v.mp4")) as video,
        av.open(io.BytesIO(WORDS), format="srt") as words,
        av.open(str(folder / "a.mkv"), "w") as both,
    ):
        both.set_chapters(
            [
                {
                    "id": i,
                    "start": 1000 * first,
                    "end": 1000 * last,
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": f"part {i}"},
                }
                for i, (first, last) in enumerate([(0, 1), (1, 3), (3, 4), (4, 5)])
            ]
        )
        copies = {
            (container, stream.index): both.add_stream_from_template(stream, opaque=True)
            for container in (video, words)
            for stream in container.streams
        }
        sound = both.add_stream("aac", rate=48000)
        for container in (words, video):
            for packet in container.demux():
                if packet.size:
                    packet.stream = copies[container, packet.stream.index]
                    both.mux(packet)
        put_tone(both, sound, 440, 235)
    return folder / "a.mkv"


def run(source, target, **options):
    video = VideoOptions(blend=0, quality=1, **options)
    return stylize_video(Identity(), source, target, video=video, progress=False)


def indices(path):
    images, times = frames(path)
    return [
        sum(int(image[:, 6 * k + 1 : 6 * k + 5].mean() > 120) << k for k in range(8))
        for image in images
    ], times


def subtitles(path):
    with av.open(str(path)) as video:
        stream = video.streams.subtitles[0]
        return [
            (float(p.pts * p.time_base), float(p.duration * p.time_base), bytes(p))
            for p in video.demux(stream)
            if p.size
        ]


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_a_part_keeps_its_frames_sound_and_chapters(film, suffix, tmp_path):
    target = tmp_path / f"b.{suffix}"
    report = run(film, target, start=2, end="0:00:03.2")
    assert report.frames == 30
    assert indices(target) == (list(range(50, 80)), [Fraction(i, 25) for i in range(30)])
    sound = [packet for packet in packets(film, "audio")[0] if 2 <= packet[0] < Fraction(16, 5)]
    part = packets(target, "audio")[0]
    assert [data for _, data in part] == [data for _, data in sound]
    assert [float(time) for time, _ in part] == pytest.approx(
        [float(time) - 2 for time, _ in sound], abs=0.001
    )
    with av.open(str(target)) as video:
        chapters = [
            (c["metadata"]["title"], *(float(c[key] * c["time_base"]) for key in ("start", "end")))
            for c in video.chapters()
        ]
        assert video.duration / 1e6 == pytest.approx(1.2, abs=0.03)
    assert chapters == [("part 1", 0, 1), ("part 2", 1, pytest.approx(1.2))]


def test_subtitles_are_cut_to_the_part(film, tmp_path):
    run(film, tmp_path / "b.mkv", start=2, end=3.2)
    assert subtitles(tmp_path / "b.mkv") == [
        (0, pytest.approx(0.4), b"across the start"),
        (pytest.approx(0.6), pytest.approx(0.2), b"within"),
        (1, pytest.approx(0.2), b"across the end"),
    ]


def test_all_of_a_video_keeps_its_chapters_and_subtitles(film, tmp_path):
    run(film, tmp_path / "b.mkv")
    assert subtitles(tmp_path / "b.mkv") == subtitles(film)
    with av.open(str(tmp_path / "b.mkv")) as after, av.open(str(film)) as before:
        assert after.chapters() == before.chapters() != []


def test_nothing_before_the_part_is_decoded(film):
    with VideoReader(film, clip=Clip(Fraction(4))) as reader:
        # The last keyframe at least a second before is at most 20 frames earlier.
        assert 55 <= reader._skipped <= 75


def test_a_part_starts_with_the_frame_that_is_shown_then(film, tmp_path):
    run(film, tmp_path / "b.mkv", start=2.01, end=2.1)
    after, times = indices(tmp_path / "b.mkv")
    assert after == [50, 51, 52]
    assert [float(time) for time in times] == pytest.approx([0, 0.03, 0.07], abs=0.001)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts", "avi", "mpg", "webm", "wmv"])
@pytest.mark.parametrize(
    "start",
    [
        pytest.param(0.04, marks=pytest.mark.slow),
        1.2,
        pytest.param(3.56, marks=pytest.mark.slow),
    ],
)
def test_a_part_is_equal_to_that_part_of_the_whole(suffix, start, film, tmp_path):
    codec = {"avi": "mpeg4", "mpg": "mpeg2video", "webm": "libvpx-vp9", "wmv": "msmpeg4v2"}
    source = tmp_path / f"a.{suffix}"
    options = {"webm": {"crf": "9"}, "wmv": {"g": "15"}}.get(suffix, {"g": "15", "bf": "2"})
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 60, (32, 200, 3), dtype=np.uint8)
    pixels = [texture[:, i : i + 48] + np.uint8(i) for i in range(125)]
    make_video(
        source,
        sounds=(),
        codec=codec.get(suffix, "libx264"),
        unit=Fraction(1, 25),
        times=range(125),
        frames=pixels,
        options=options,
    )
    run(source, tmp_path / "all.mkv", codec="ffv1")
    run(source, tmp_path / "part.mkv", codec="ffv1", start=start, end=start + 0.8)
    (all_frames, all_times), (part, times) = (
        frames(tmp_path / name) for name in ("all.mkv", "part.mkv")
    )
    first = next(i for i, time in enumerate(all_times) if float(time) > start - 0.002)
    assert len(part) == 20
    for i, pixels in enumerate(part):
        assert np.array_equal(pixels, all_frames[first + i]), i
    assert [float(time) for time in times] == pytest.approx(
        [float(time) - start for time in all_times[first : first + 20]], abs=0.002
    )


@pytest.mark.parametrize("rate", ["10", "30000/1001", "60"])
def test_another_frame_rate_keeps_duration_and_sound(film, rate, tmp_path):
    target = tmp_path / "b.mp4"
    report = run(film, target, fps=rate)
    with av.open(str(target)) as video:
        assert video.streams.video[0].average_rate == Fraction(rate)
        assert float(video.streams.video[0].duration * video.streams.video[0].time_base) == (
            pytest.approx(5, abs=0.5 / float(Fraction(rate)))
        )
    assert report.frames == len(frames(target)[0]) == round(5 * Fraction(rate))
    sound = [data for _, data in packets(target, "audio")[0]]
    assert sound == [data for _, data in packets(film, "audio")[0]]


def test_a_repeated_frame_is_stylized_once(film, tmp_path):
    class Counting(Identity):
        count = 0

        def stylize_tensor(self, images):
            self.count += 1
            return images

    counting = Counting()
    video = VideoOptions(blend=0, start=1, end=2, fps=50)
    report = stylize_video(counting, film, tmp_path / "b.mp4", video=video, progress=False)
    assert (report.frames, counting.count) == (50, 25)


def fps_filter(times, unit, rate):
    """Return the index of each frame that FFmpeg's filter ``fps`` shows."""
    graph = av.filter.Graph()
    source = graph.add_buffer(width=8, height=8, format="gray", time_base=unit)
    chosen = graph.add("fps", f"{rate.numerator}/{rate.denominator}:start_time=0")
    graph.link_nodes(source, chosen, graph.add("buffersink")).configure()
    shown = []
    for index, time in enumerate([*times, None]):
        if time is not None:
            frame = av.VideoFrame(8, 8, "gray")
            frame.planes[0].update(bytes([index]) * frame.planes[0].buffer_size)
            frame.pts, frame.time_base = time, unit
            graph.push(frame)
        else:
            graph.push(None)
        while True:
            try:
                out = graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                break
            shown.append((out.pts, out.to_ndarray()[0, 0]))
    return shown


@given(
    steps=st.lists(st.integers(1, 400), min_size=2, max_size=12),
    rate=st.sampled_from([Fraction(5), Fraction(24), Fraction(30000, 1001), Fraction(50)]),
)
@settings(max_examples=60, deadline=None)
def test_the_frames_of_a_rate_are_those_of_ffmpeg(steps, rate):
    unit = Fraction(1, 1000)
    times = [0, *itertools.accumulate(steps)]
    selector = FrameSelector(Clip(rate=rate), unit)
    ours = [
        (tick, index)
        for i, time in enumerate(times)
        for index, tick, _ in selector.push(i, time, 0)
    ]
    # FFmpeg needs the end of the last frame, which a frame here has not.
    reference = [(tick, i) for tick, i in fps_filter(times, unit, rate) if i < len(times) - 1]
    assert ours == reference


def test_a_start_past_the_end_is_one_line(film, tmp_path):
    with pytest.raises(StyleNetError, match=r"start=9 is past the last frame of .*4\.96 s") as info:
        run(film, tmp_path / "b.mp4", start=9)
    assert "\n" not in str(info.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "clip"),
    [
        ({"start": 1.5}, Clip(Fraction(3, 2))),
        ({"start": "1:02:03.25", "end": "9999"}, Clip(Fraction(14893, 4), Fraction(9999))),
        ({"end": "2:03"}, Clip(end=Fraction(123))),
        ({"fps": 23.976}, Clip(rate=Fraction(24000, 1001))),
        ({"fps": "29.97"}, Clip(rate=Fraction(30000, 1001))),
        ({"fps": "30000/1001"}, Clip(rate=Fraction(30000, 1001))),
        ({"fps": 12.5}, Clip(rate=Fraction(25, 2))),
    ],
)
def test_times_and_rates_are_read_exactly(options, clip):
    assert VideoOptions(**options).clip == clip


@pytest.mark.parametrize(
    "bad",
    [
        {"start": -1},
        {"start": "1:75"},
        {"start": "soon"},
        {"start": True},
        {"start": 2, "end": 2},
        {"end": 0},
        {"end": "1:2:3:4"},
        {"fps": 0},
        {"fps": "25/0"},
        {"fps": "fast"},
        {"fps": 1e9},
    ],
)
def test_impossible_times_and_rates_are_refused(bad):
    with pytest.raises(StyleNetError, match=list(bad)[-1]) as info:
        VideoOptions(**bad)
    assert "\n" not in str(info.value)
