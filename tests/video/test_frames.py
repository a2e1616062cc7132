"""Frames before the network: deinterlacing, color conversion, transparency."""

from fractions import Fraction

import numpy as np
import pytest

from stylenet.image.cicp import to_srgb
from stylenet.video import RgbFrame, VideoOptions, VideoReader, stylize_video

from .videos import PLAIN, Identity, frames, make_video

av = pytest.importorskip("av")

UNIT = Fraction(1, 25)
HLG, PQ, BT2020 = 18, 16, 9


def bar(moment, size=(96, 64)):
    """Return a bar that moves right by two pixels per moment."""
    pixels = np.full((size[1], size[0], 3), 40, np.uint8)
    pixels[:, 10 + 2 * moment : 30 + 2 * moment] = 210
    return pixels


def interlace(first):
    """Return frames of two moments each; ``first`` is the first row of the earlier one."""
    result = []
    for i in range(12):
        pixels = bar(2 * i)
        pixels[1 - first :: 2] = bar(2 * i + 1)[1 - first :: 2]
        result.append(pixels)
    return result


def read(path, **options):
    with VideoReader(path, **options) as video:
        return [item for item in video if isinstance(item, RgbFrame)], video.changes


def comb(pixels):
    """Return the mean difference between each row and its neighbors."""
    rows = pixels.astype(float).mean(-1)
    return np.abs(rows[1:-1] - (rows[:-2] + rows[2:]) / 2).mean()


@pytest.fixture(scope="module", params=[0, 1], ids=["top", "bottom"])
def interlaced(request, tmp_path_factory):
    return make_video(
        tmp_path_factory.mktemp("interlaced") / "a.mp4",
        size=(96, 64),
        sounds=(),
        unit=UNIT,
        times=range(12),
        frames=interlace(request.param),
        options={"crf": "1", "flags": "+ildct+ilme"},
        field="tff" if request.param == 0 else "bff",
    )


def test_deinterlacing_is_reported(interlaced, tmp_path):
    target = tmp_path / "b.mp4"
    report = stylize_video(Identity(), interlaced, target, video=PLAIN, progress=False)
    assert report.changes == (
        "12 frames deinterlaced (video.deinterlace=false leaves them as they are)",
    )
    combed, done = frames(interlaced), frames(target)
    assert done[1] == combed[1] == [i * UNIT for i in range(12)]
    for i in range(1, 11):
        assert comb(done[0][i]) < 0.2 * comb(combed[0][i])
        # The earlier of the two moments, as FFmpeg's filter takes it.
        assert np.abs(done[0][i].astype(float) - bar(2 * i)).mean() < 3
    with av.open(str(target)) as video:
        assert not any(frame.interlaced_frame for frame in video.decode(video=0))


def test_keeping_interlaced_frames_is_reported(interlaced, tmp_path):
    video = VideoOptions(blend=0, deinterlace=False)
    report = stylize_video(Identity(), interlaced, tmp_path / "b.mp4", video=video, progress=False)
    assert report.changes == ("12 interlaced frames stylized as they are",)
    for before, after in zip(frames(interlaced)[0], frames(tmp_path / "b.mp4")[0], strict=True):
        assert comb(after) > 0.8 * comb(before)


@pytest.mark.parametrize("deinterlace", ["auto", False])
def test_fields_of_odd_height_are_complete(deinterlace, tmp_path):
    """Like NTSC's 486 rows: one field of the color planes has 122 rows, the other 121."""
    pixels = np.full((50, 96, 3), (180, 60, 90), np.uint8)
    options = {"codec": "ffv1", "options": {}, "unit": UNIT, "frames": [pixels] * 3}
    source = make_video(tmp_path / "a.mkv", (96, 50), (), times=range(3), field="tff", **options)
    for frame in read(source, deinterlace=deinterlace)[0]:
        assert np.abs(frame.pixels.astype(int) - pixels).max() <= 3


def test_unmarked_frames_are_deinterlaced_on_request(tmp_path):
    source = make_video(
        tmp_path / "a.mp4", (96, 64), (), unit=UNIT, times=range(12), frames=interlace(0)
    )
    left, changes = read(source)
    assert (len(left), changes) == (12, [])
    done, changes = read(source, deinterlace=True)
    assert (len(done), len(changes)) == (12, 1)
    assert [item.pts for item in done] == [item.pts for item in left]
    assert comb(done[5].pixels) < 0.2 * comb(left[5].pixels)


@pytest.mark.parametrize(("transfer", "name"), [(HLG, "BT.2020 HLG"), (PQ, "BT.2020 PQ")])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_hdr_is_converted_to_tagged_bt709(transfer, name, suffix, tmp_path):
    codes = np.array([[90, 120, 60], [140, 110, 100], [60, 70, 150], [190, 190, 190]]) / 255
    pixels = np.repeat(np.repeat(codes[None], 32, 0), 16, 1)  # (32, 64, 3)
    source, target = tmp_path / "a.mkv", tmp_path / f"b.{suffix}"
    make_video(
        source,
        (64, 32),
        (),
        codec="ffv1",
        pixels="yuv444p10le",
        options={},
        unit=UNIT,
        times=[0, 1],
        frames=[(pixels * 65535).round().astype(np.uint16)] * 2,
        form="rgb48le",
        colors={
            "colorspace": 9,
            "color_range": 1,
            "color_primaries": BT2020,
            "color_trc": transfer,
        },
        reformat={
            "src_colorspace": 1,
            "dst_colorspace": 9,
            "src_color_range": 2,
            "dst_color_range": 1,
        },
    )
    expected = to_srgb(pixels.astype(np.float32), BT2020, transfer) * 255
    inner = np.s_[:, 4:12]
    (frame, _), changes = read(source)
    assert changes == [f"colors converted from {name} to BT.709 SDR"]
    assert np.abs(frame.pixels[inner] - expected[inner]).max() <= 2
    report = stylize_video(Identity(), source, target, video=PLAIN, progress=False)
    assert report.changes == tuple(changes)
    with av.open(str(target)) as video:
        coded = next(video.decode(video=0))
        context = video.streams.video[0].codec_context
    assert (coded.colorspace, coded.color_range) == (1, 1)
    assert (context.color_primaries, context.color_trc) == (1, 1)
    (frame, _), changes = read(target)
    assert changes == []
    assert np.abs(frame.pixels[inner] - expected[inner]).max() <= 4


def transparent(i):
    pixels = np.zeros((32, 48, 4), np.uint8)
    pixels[..., :3] = (200, 60, 120)
    pixels[..., 3] = np.linspace(0, 255, 48).round()
    pixels[:8, :, 3] = 20 * i
    return pixels


@pytest.fixture(scope="module")
def with_alpha(tmp_path_factory):
    return make_video(
        tmp_path_factory.mktemp("alpha") / "a.mov",
        sounds=("aac",),
        codec="qtrle",
        pixels="argb",
        options={},
        unit=UNIT,
        times=range(4),
        frames=[transparent(i) for i in range(4)],
        form="rgba",
    )


@pytest.mark.parametrize(
    ("suffix", "codec", "used"),
    [
        ("mov", None, "prores_ks"),
        ("mov", "qtrle", "qtrle"),
        ("webm", None, "libvpx-vp9"),
        ("mkv", None, "libvpx-vp9"),
        ("mkv", "ffv1", "ffv1"),
        ("avi", "ffv1", "ffv1"),
    ],
)
def test_transparency_is_kept_if_the_format_supports_it(suffix, codec, used, with_alpha, tmp_path):
    source, target = with_alpha, tmp_path / f"b.{suffix}"
    if suffix == "webm":  # which takes no AAC
        source = tmp_path / "silent.mov"
        with av.open(str(with_alpha)) as video, av.open(str(source), "w") as copy:
            stream = copy.add_stream_from_template(video.streams.video[0])
            for packet in video.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    copy.mux(packet)
    video = VideoOptions(codec=codec, blend=0)
    report = stylize_video(Identity(), source, target, video=video, progress=False)
    assert (report.codec, report.left_out) == (used, ())
    done, _ = read(target)
    assert len(done) == 4
    for i, frame in enumerate(done):
        assert np.abs(frame.alpha.astype(int) - transparent(i)[..., 3]).max() <= 6
        assert np.abs(frame.pixels.astype(int) - transparent(i)[..., :3]).mean() <= 3


def test_flattened_transparency_is_reported(with_alpha, tmp_path):
    target = tmp_path / "b.mp4"
    report = stylize_video(Identity(), with_alpha, target, video=PLAIN, progress=False)
    (line,) = report.left_out
    assert line.startswith("the transparency, flattened on white: libx264 in mp4 cannot hold it")
    for i, after in enumerate(read(target)[0]):
        pixels = transparent(i).astype(float)
        opacity = pixels[..., 3:] / 255
        flat = pixels[..., :3] * opacity + 255 * (1 - opacity)
        assert np.abs(after.pixels - flat)[:, 1:].mean() < 4  # of colors 4:2:0 keeps half


def test_an_opaque_alpha_channel_is_not_reported_as_lost(tmp_path):
    opaque = transparent(0)
    opaque[..., 3] = 255
    source = make_video(
        tmp_path / "a.mov",
        sounds=(),
        codec="qtrle",
        pixels="argb",
        options={},
        unit=UNIT,
        times=[0],
        frames=[opaque],
        form="rgba",
    )
    report = stylize_video(Identity(), source, tmp_path / "b.mp4", video=PLAIN, progress=False)
    assert report.left_out == ()


@pytest.mark.parametrize("pixels", ["gray", "ya8"])
def test_gray_pngs_get_a_matrix_that_players_know(pixels, tmp_path):
    """FFmpeg tags gray PNGs as RGB, which 4:2:0 cannot hold."""
    grays = [np.full((32, 48, 3), 60 + 40 * i, np.uint8) for i in range(3)]
    options = {"codec": "png", "pixels": pixels, "options": {}, "unit": UNIT, "frames": grays}
    source = make_video(tmp_path / "a.mov", sounds=(), times=range(3), **options)
    for target in (tmp_path / "b.mp4", tmp_path / "b.mkv"):
        stylize_video(Identity(), source, target, video=PLAIN, progress=False)
        with av.open(str(target)) as video:
            assert next(video.decode(video=0)).colorspace != 0
        for frame, gray in zip(read(target)[0], grays, strict=True):
            assert np.abs(frame.pixels.astype(int) - gray).max() <= 2
