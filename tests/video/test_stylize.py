import io
import itertools
import threading
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.inference import Stylizer
from stylenet.inference.options import StylizeOptions
from stylenet.networks import build_network
from stylenet.video import RgbFrame, VideoOptions, VideoReader, stylize_video

from .videos import (
    PLAIN,
    TIMES,
    UNIT,
    Identity,
    frames,
    image,
    make_video,
    packets,
    put_tone,
    shown,
    shown_pixels,
)

av = pytest.importorskip("av")


@pytest.fixture(scope="module")
def stylizer():
    torch.manual_seed(0)
    return Stylizer(build_network("johnson", width=4, blocks=1), CheckpointInfo("test", 1), "cpu")


def test_frames_are_stylized_and_keep_number_size_and_times(stylizer, tmp_path):
    source, target = make_video(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    report = stylize_video(stylizer, source, target, video=PLAIN, progress=False)
    before, after = frames(source), frames(target)
    assert report.frames == len(after[0]) == len(TIMES)
    assert after[1] == before[1] == [pts * UNIT for pts in TIMES]
    with VideoReader(source) as video:
        photos = [item.pixels for item in video if isinstance(item, RgbFrame)]
    for i, (photo, stylized) in enumerate(zip(photos, after[0], strict=True)):
        assert np.abs(photo.astype(int) - image(48, 32, i)).mean() < 3
        assert stylized.shape == photo.shape
        pixels = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255
        expected = stylizer.stylize_tensor(pixels)[0].permute(1, 2, 0).numpy() * 255
        # The brightness: of the colors 4:2:0 keeps every other pixel only.
        luma = np.array([0.299, 0.587, 0.114])
        assert np.abs(stylized @ luma - expected @ luma).mean() < 4
    assert list(tmp_path.glob(".*")) == []


def test_the_last_frame_keeps_its_duration(tmp_path):
    source = make_video(tmp_path / "a.mkv", unit=Fraction(1, 1000), times=[0, 40, 80, 900])
    stylize_video(Identity(), source, tmp_path / "b.mkv", video=PLAIN, progress=False)
    with av.open(str(source)) as before, av.open(str(tmp_path / "b.mkv")) as after:
        assert after.duration == before.duration


@pytest.mark.parametrize(
    ("suffix", "codec", "begin"),
    # What was stored out of order, FFmpeg stores as late in ASF as the encoder needs; see
    # stylenet.video.times.
    [("avi", "libx264", 0), ("avi", "mpeg4", 0), ("wmv", "libx264", 2), ("mkv", "libx264", 0)],
)
def test_frames_stored_out_of_order_are_shown_in_order(suffix, codec, begin, tmp_path):
    unit, times = Fraction(1, 25), range(12)
    source = tmp_path / f"a.{suffix}"
    make_video(source, sounds=(), codec=codec, unit=unit, times=times, options={"bf": "2"})
    assert shown(source) == (list(times), [(begin + i) * unit for i in times])
    stylize_video(Identity(), source, tmp_path / "b.mp4", video=PLAIN, progress=False)
    assert frames(tmp_path / "b.mp4")[1] == [(begin + i) * unit for i in times]


@pytest.mark.parametrize("suffix", ["avi", "wmv"])
@pytest.mark.parametrize("unit", [Fraction(1, 12800), Fraction(1, 600), Fraction(1, 25)])
def test_formats_without_presentation_times_keep_the_times(suffix, unit, tmp_path):
    times = [round(i / 25 / unit) for i in range(12)]
    source = make_video(tmp_path / "a.mp4", sounds=(), unit=unit, times=times)
    target = tmp_path / f"b.{suffix}"
    stylize_video(Identity(), source, target, video=PLAIN, progress=False)
    assert shown(target) == (list(range(12)), [Fraction(i, 25) for i in range(12)])
    with av.open(str(target)) as video:
        stored = [packet.dts * packet.time_base for packet in video.demux() if packet.size]
        assert stored == [Fraction(i, 25) for i in range(12)]  # and in the order of showing
        assert video.streams.video[0].average_rate == 25
    assert target.stat().st_size < 3 * source.stat().st_size


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
def test_all_sound_is_copied_byte_for_byte(suffix, tmp_path):
    source = make_video(tmp_path / f"a.{suffix}", sounds=("aac", "mp3"))
    target = tmp_path / f"b.{suffix}"
    stylize_video(Identity(), source, target, video=PLAIN, progress=False)
    before, after = packets(source, "audio"), packets(target, "audio")
    assert len(after) == 2
    assert [[data for _, data in tone] for tone in after] == [
        [data for _, data in tone] for tone in before
    ]
    assert [[t for t, _ in tone] for tone in after] == [[t for t, _ in tone] for tone in before]
    with av.open(str(target)) as video:
        assert video.metadata["title"] == "Fermata"
        assert [s.language for s in video.streams.audio] == ["eng", "fra"]


def test_a_title_that_is_not_utf_8_does_not_matter(tmp_path):
    source = make_video(tmp_path / "a.mkv")
    source.write_bytes(source.read_bytes().replace(b"Fermata", b"F\xe9rmata"))
    stylize_video(Identity(), source, tmp_path / "b.mkv", video=PLAIN, progress=False)
    assert b"rmata" in (tmp_path / "b.mkv").read_bytes()
    assert len(frames(tmp_path / "b.mkv")[0]) == len(TIMES)


def test_a_silent_video_stays_silent(tmp_path):
    source = make_video(tmp_path / "a.mp4", sounds=())
    stylize_video(Identity(), source, tmp_path / "b.mp4", progress=False)
    assert packets(tmp_path / "b.mp4", "audio") == []


def test_a_gif_can_be_target_and_source(tmp_path):
    source = make_video(tmp_path / "a.mp4", times=range(0, 12 * 512, 512))
    report = stylize_video(Identity(), source, tmp_path / "b.gif", video=PLAIN, progress=False)
    assert "audio" in " ".join(report.left_out)
    report = stylize_video(
        Identity(), tmp_path / "b.gif", tmp_path / "c.mp4", video=PLAIN, progress=False
    )
    assert report.frames == len(frames(tmp_path / "c.mp4")[0]) == 12


def test_subtitles_are_copied_or_reported(tmp_path):
    text = b"1\n00:00:00,000 --> 00:00:00,400\nHello\n\n"
    source = tmp_path / "a.mkv"
    make_video(tmp_path / "v.mp4")
    with (
        av.open(str(tmp_path / "v.mp4")) as video,
        av.open(io.BytesIO(text), format="srt") as words,
        av.open(str(source), "w") as both,
    ):
        copies = {}
        for container in (video, words):
            for stream in container.streams:
                copies[container, stream.index] = both.add_stream_from_template(stream, opaque=True)
        for container in (words, video):
            for packet in container.demux():
                if packet.size:
                    packet.stream = copies[container, packet.stream.index]
                    both.mux(packet)
    report = stylize_video(Identity(), source, tmp_path / "b.mkv", video=PLAIN, progress=False)
    assert packets(tmp_path / "b.mkv", "subtitle") == packets(source, "subtitle") != [[]]
    assert report.left_out == ()
    report = stylize_video(Identity(), source, tmp_path / "b.mp4", video=PLAIN, progress=False)
    assert "subtitle" in " ".join(report.left_out)


@pytest.mark.parametrize("size", [(321, 241), (33, 32), (32, 33), (1, 1), (3, 50)])
def test_odd_sizes_are_kept(size, tmp_path):
    source = make_video(tmp_path / "a.mkv", size=size, codec="ffv1", sounds=(), times=[0, 512])
    stylize_video(Identity(), source, tmp_path / "b.mp4", video=PLAIN, progress=False)
    after, _ = frames(tmp_path / "b.mp4")
    assert [pixels.shape for pixels in after] == [(size[1], size[0], 3)] * 2


@pytest.mark.parametrize("rotation", [90, 180, -90])
@pytest.mark.skipif(
    not hasattr(av.video.stream.VideoStream, "set_display_rotation"),
    reason="this PyAV cannot write turned videos",
)
def test_a_rotated_video_is_written_upright(rotation, tmp_path):
    source = make_video(tmp_path / "a.mp4", rotation=rotation)
    stylize_video(Identity(), source, tmp_path / "b.mp4", video=PLAIN, progress=False)
    before, after = frames(source)[0], frames(tmp_path / "b.mp4")[0]
    with av.open(str(tmp_path / "b.mp4")) as video:
        assert next(video.decode(video=0)).rotation == 0
    for coded, upright in zip(before, after, strict=True):
        turned = np.rot90(coded, rotation // 90)
        assert upright.shape == turned.shape
        assert np.abs(upright.astype(int) - turned).mean() < 4


# Matrix and range as in ITU-T H.273; swscale's number for the matrix.
@pytest.mark.parametrize(("matrix", "scaler"), [(1, 1), (6, 5), (9, 9)])
@pytest.mark.parametrize("full", [1, 2])
def test_the_color_coding_of_the_source_is_kept(matrix, scaler, full, tmp_path):
    seen = []

    class Recording(Identity):
        def stylize_tensor(self, images):
            seen.append((images[0].permute(1, 2, 0) * 255).numpy())
            return images

    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:, :24], pixels[:, 24:] = (200, 30, 60), (20, 180, 90)
    source = make_video(
        tmp_path / "a.mp4",
        times=[0],
        frames=[pixels],
        colors={"colorspace": matrix, "color_range": full, "color_primaries": 1, "color_trc": 1},
        reformat={
            "src_colorspace": 5 if scaler == 1 else 1,  # of RGB: means nothing
            "dst_colorspace": scaler,
            "src_color_range": 2,
            "dst_color_range": full,
        },
    )
    stylize_video(Recording(), source, tmp_path / "b.mp4", video=PLAIN, progress=False)
    inner = np.s_[4:-4, 4:20]
    assert np.abs((seen[0][inner] - pixels[inner]).mean((0, 1))).max() <= 2
    with av.open(str(tmp_path / "b.mp4")) as video:
        frame = next(video.decode(video=0))
        context = video.streams.video[0].codec_context
        assert (frame.colorspace, frame.color_range) == (matrix, full)
        assert (context.color_primaries, context.color_trc) == (1, 1)
    stylize_video(Recording(), tmp_path / "b.mp4", tmp_path / "c.mp4", video=PLAIN, progress=False)
    assert np.abs((seen[1][inner] - pixels[inner]).mean((0, 1))).max() <= 3


def test_the_options_apply_to_each_frame(stylizer, tmp_path):
    source, target = make_video(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    stylize_video(stylizer, source, target, StylizeOptions(strength=0), PLAIN, progress=False)
    for before, after in zip(frames(source)[0], frames(target)[0], strict=True):
        assert np.abs(before.astype(int) - after).mean() < 4
    tiled, steady = StylizeOptions(tile=256), VideoOptions(steady=0.9)
    with pytest.raises(StyleNetError, match="tile=256 and steady=0"):
        stylize_video(stylizer, source, target, tiled, steady, progress=False)


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("libx264", "mp4"), ("libx265", "mp4"), ("libvpx-vp9", "webm"), ("mpeg4", "avi")],
)
def test_a_higher_quality_factor_gives_a_smaller_file(codec, suffix, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    times = [0, 512, 1024, 1536]
    source = make_video(tmp_path / "a.mp4", (64, 64), (), times=times, frames=list(noise))
    sizes = []
    for quality in (10, 40):
        target = tmp_path / f"{quality}.{suffix}"
        report = stylize_video(
            Identity(), source, target, video=VideoOptions(codec, quality), progress=False
        )
        assert report.codec == codec
        assert len(frames(target)[0]) == 4
        sizes.append(target.stat().st_size)
    assert sizes[0] > 1.3 * sizes[1]


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        ("libx264", "mp4"),
        ("libx265", "mp4"),
        ("libvpx-vp9", "webm"),
        ("libvpx", "ogv"),
        ("libsvtav1", "mp4"),
        ("mpeg4", "avi"),
    ],
)
@pytest.mark.parametrize("quality", [0, 1, 18.5, 51, 1000])
def test_every_encoder_accepts_every_quality(codec, suffix, quality, tmp_path):
    source = make_video(tmp_path / "a.mp4", (64, 64), (), times=[0, 512, 1024])
    video = VideoOptions(codec, quality)
    stylize_video(Identity(), source, tmp_path / f"b.{suffix}", video=video, progress=False)
    assert len(frames(tmp_path / f"b.{suffix}")[0]) == 3


def test_vp8_is_as_good_as_h264_of_the_same_quality(tmp_path):
    """Unless told a rate, FFmpeg limits VP8 to 256 kbit/s, whatever the quality."""
    noise = np.random.default_rng(0).integers(100, 156, (1, 160, 160, 3), dtype=np.uint8)
    moving = [np.roll(noise[0], 7 * i, 0) for i in range(8)]
    times = [512 * i for i in range(8)]
    source = make_video(tmp_path / "a.mkv", (160, 160), (), times=times, frames=moving)
    errors = []
    for suffix in ("mp4", "ogv"):
        target = tmp_path / f"b.{suffix}"
        codec = {"mp4": "libx264", "ogv": "libvpx"}[suffix]
        stylize_video(
            Identity(), source, target, video=VideoOptions(codec, blend=0), progress=False
        )
        pairs = zip(shown_pixels(source), shown_pixels(target), strict=True)
        errors.append(np.mean([np.abs(a.astype(int) - b).mean() for a, b in pairs]))
    assert errors[1] < 1.5 * errors[0]


def test_without_a_codec_the_format_decides(tmp_path):
    source = make_video(tmp_path / "a.mp4", sounds=())
    used = {
        suffix: stylize_video(
            Identity(), source, tmp_path / f"b.{suffix}", video=PLAIN, progress=False
        ).codec
        for suffix in ("mp4", "mkv", "webm", "ogv")
    }
    ogg = "libtheora" if "libtheora" in av.codecs_available else "libvpx"
    assert used == {"mp4": "libx264", "mkv": "libx264", "webm": "libvpx-vp9", "ogv": ogg}
    assert len(shown(tmp_path / "b.ogv")[1]) == len(TIMES)


def test_flicker_is_measured_on_request(stylizer, tmp_path):
    source = make_video(tmp_path / "a.mp4", sounds=())
    report = stylize_video(
        stylizer, source, tmp_path / "b.mp4", video=VideoOptions(flicker=True), progress=False
    )
    assert report.flicker.pairs > 0
    assert "warping error" in str(report.flicker)
    assert stylize_video(stylizer, source, tmp_path / "b.mp4", progress=False).flicker is None


def test_reading_and_writing_overlap_with_the_network(tmp_path):
    names = set()

    class Slow(Identity):
        def stylize_tensor(self, images):
            names.update(thread.name for thread in threading.enumerate())
            assert threading.current_thread() is threading.main_thread()
            return images

    stylize_video(
        Slow(), make_video(tmp_path / "a.mp4"), tmp_path / "b.mp4", video=PLAIN, progress=False
    )
    assert {"reader", "writer"} <= names
    assert not {"reader", "writer"} & {thread.name for thread in threading.enumerate()}


def test_an_interruption_leaves_the_old_result_and_a_playable_part(tmp_path):
    class Stopping(Identity):
        count = 0

        def stylize_tensor(self, images):
            self.count += 1
            if self.count == 6:
                raise KeyboardInterrupt
            return images

    source, target = make_video(tmp_path / "a.mp4"), tmp_path / "out" / "b.mp4"
    with pytest.raises(KeyboardInterrupt):
        stylize_video(Stopping(), source, target, video=PLAIN, progress=False)
    partial = target.with_name("b.partial.mp4")
    assert list(target.parent.iterdir()) == [partial]
    assert 0 < len(frames(partial)[0]) <= 5
    target.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        stylize_video(Stopping(), source, target, video=PLAIN, progress=False)
    assert target.read_bytes() == b"old"
    assert sorted(target.parent.iterdir()) == [target, partial]
    assert not {"reader", "writer"} & {thread.name for thread in threading.enumerate()}


def test_an_invalid_source_is_reported_in_one_line(tmp_path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("This is no video. " * 100)
    with av.open(str(tmp_path / "song.m4a"), "w") as song:
        put_tone(song, song.add_stream("aac", rate=48000), 440)
    for name, words in {
        "none.mp4": "no such file",
        "empty.mp4": "is empty",
        "text.mp4": "not a video",
        "song.m4a": "no video stream",
    }.items():
        with pytest.raises(StyleNetError, match=words) as caught:
            stylize_video(Identity(), tmp_path / name, tmp_path / "b.mp4", progress=False)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "b.mp4").exists()


@pytest.mark.parametrize(
    ("target", "codec", "words"),
    [
        ("b.mp4", "h266", "codec=h266 is not a video encoder"),
        ("b.mp4", "aac", "codec=aac is not a video encoder"),
        ("b.webm", "libx264", "libx264"),
        ("b.webm", None, "cannot hold the video's sound .aac.*mkv"),
        ("b.png", None, "would be an image"),
        ("b.xyz", None, "names no format"),
        ("b", None, "names no format"),
        ("a.mp4", None, "is the input itself"),
    ],
)
def test_an_unwritable_target_is_reported_in_one_line(target, codec, words, tmp_path):
    source = make_video(tmp_path / "a.mp4")
    data = source.read_bytes()
    with pytest.raises(StyleNetError, match=words) as caught:
        stylize_video(
            Identity(), source, tmp_path / target, video=VideoOptions(codec), progress=False
        )
    assert "\n" not in str(caught.value)
    assert source.read_bytes() == data
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize(
    "bad",
    [
        {"codec": 5},
        {"steady": 1.0},
        {"steady": -0.1},
        {"blend": 1},
        {"blend": "x"},
        {"quality": -1},
        {"deinterlace": "maybe"},
    ],
)
def test_invalid_options_are_refused(bad):
    with pytest.raises(StyleNetError, match=next(iter(bad))):
        VideoOptions(**bad)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_truncated_video_is_refused(suffix, tmp_path):
    times = [512 * i for i in range(60)]
    source = make_video(tmp_path / f"a.{suffix}", sounds=(), times=times)
    if suffix == "mp4":  # its index to the front, as a download has it
        with av.open(str(source)) as video:
            fast = tmp_path / "fast.mp4"
            with av.open(str(fast), "w", options={"movflags": "faststart"}) as moved:
                copy = moved.add_stream_from_template(video.streams.video[0], opaque=True)
                for packet in video.demux(video=0):
                    if packet.size:
                        packet.stream = copy
                        moved.mux(packet)
        source = fast
    data = source.read_bytes()
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(data[: len(data) * 6 // 10])
    with pytest.raises(StyleNetError, match=r"cut\."):
        stylize_video(Identity(), cut, tmp_path / "b.mp4", video=PLAIN, progress=False)
    assert not (tmp_path / "b.mp4").exists()


@pytest.fixture(scope="module")
def intact_videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("intact")
    return [
        make_video(folder / "a.mp4").read_bytes(),
        make_video(folder / "a.mkv", unit=Fraction(1, 1000), times=range(0, 400, 40)).read_bytes(),
        make_video(
            folder / "a.avi", codec="mpeg4", unit=Fraction(1, 25), times=range(9), sounds=()
        ).read_bytes(),
    ]


@given(data=st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_damage_ends_in_one_line_or_in_a_video(data, intact_videos, tmp_path):
    video = bytearray(data.draw(st.sampled_from(intact_videos)))
    if data.draw(st.booleans()):
        del video[data.draw(st.integers(0, len(video))) :]
    for _ in range(data.draw(st.integers(0, 8))):
        if video:
            video[data.draw(st.integers(0, len(video) - 1))] = data.draw(st.integers(0, 255))
    source, target = tmp_path / "damaged", tmp_path / "b.mkv"
    source.write_bytes(video)
    target.unlink(missing_ok=True)
    try:
        stylize_video(Identity(), source, target, video=PLAIN, progress=False)
    except StyleNetError as error:
        message = str(error)
        assert not target.exists()
    else:
        message = ""
        assert len(frames(target)[0]) > 0
    assert "\n" not in message
    assert not list(tmp_path.glob(".*"))


def test_missing_times_are_replaced(tmp_path):
    """A raw stream has no times at all."""
    source = tmp_path / "a.h264"
    make_video(tmp_path / "a.mp4", sounds=())
    with av.open(str(tmp_path / "a.mp4")) as video, av.open(str(source), "w") as raw:
        copy = raw.add_stream_from_template(video.streams.video[0], opaque=True)
        for packet in video.demux(video=0):
            if packet.size:
                packet.stream = copy
                raw.mux(packet)
    stylize_video(Identity(), source, tmp_path / "b.mp4", video=PLAIN, progress=False)
    after, times = frames(tmp_path / "b.mp4")
    assert len(after) == len(TIMES)
    assert all(a < b for a, b in itertools.pairwise(times))
