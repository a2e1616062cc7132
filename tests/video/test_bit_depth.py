"""Videos of 10 bits."""

from fractions import Fraction

import numpy as np
import pytest

from stylenet.errors import StyleNetError
from stylenet.video import VideoOptions, VideoReader, stylize_video
from stylenet.video.color import Colors

from .videos import Identity

av = pytest.importorskip("av")

SIZE = (256, 128)


def make_ramp(path, **tags):
    """Write a ramp of 10 bits from 25 to 40 % of white: 8 bits hold 38 of its levels."""
    with av.open(str(path), "w") as video:
        stream = video.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv444p10le"
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        luma = np.linspace(64 + 219, 64 + 350, SIZE[0]).round().astype(np.uint16)
        planes = [np.tile(luma, (SIZE[1], 1)), *2 * [np.full(SIZE[::-1], 512, np.uint16)]]
        for i in range(4):
            frame = av.VideoFrame(*SIZE, "yuv444p10le")
            for plane, values in zip(frame.planes, planes, strict=True):
                assert plane.line_size == values.strides[0]
                plane.update(values.tobytes())
            frame.pts, frame.time_base = i, Fraction(1, 25)
            video.mux(stream.encode(frame))
        video.mux(stream.encode(None))
    return path


def levels(path):
    """Return the number of luma levels in the middle row, and the pixel format."""
    with av.open(str(path)) as video:
        frame = next(video.decode(video=0))
        luma = frame.reformat(format="gray16le").to_ndarray()
        return len(np.unique(luma[SIZE[1] // 2] >> 6)), frame.format.name


def run(source, target, **options):
    video = VideoOptions(**{"quality": 1, **options})
    return stylize_video(Identity(), source, target, video=video, progress=False)


def test_bits_that_are_lost_are_reported(tmp_path):
    source = make_ramp(tmp_path / "a.mkv")
    report = run(source, tmp_path / "b.mp4")
    assert report.changes == ("10 bits a sample reduced to 8 (video.bit_depth=10 writes 10)",)
    assert (report.codec, levels(tmp_path / "b.mp4")[1]) == ("libx264", "yuv420p")


@pytest.mark.parametrize(
    ("name", "codec"), [("b.mp4", None), ("b.mkv", "libx264"), ("b.mov", "prores_ks")]
)
@pytest.mark.parametrize("blend", [0, 0.7])
def test_ten_bits_are_kept(name, codec, blend, tmp_path):
    source = make_ramp(
        tmp_path / "a.mkv", color_range=1, colorspace=1, color_primaries=1, color_trc=1
    )
    assert levels(source)[0] > 120
    report = run(source, tmp_path / name, codec=codec, bit_depth=10, blend=blend)
    count, pixels = levels(tmp_path / name)
    assert count > 80, "8 bits have 38"
    assert pixels.endswith("10le")
    assert report.codec == (codec or "libx265")
    assert report.changes == ()
    with av.open(str(tmp_path / name)) as video:
        frame = next(video.decode(video=0))
        colors = Colors.from_frame(frame, video.streams.video[0].codec_context)
    assert (colors.space, colors.range, colors.primaries, colors.transfer) == (1, 1, 1, 1)
    before, after = (first_pixels(path) for path in (source, tmp_path / name))
    assert np.abs(before.astype(int) - after).mean() < 65535 / 1023


def first_pixels(path):
    with VideoReader(path, is_deep=True) as reader:
        return next(iter(reader)).pixels


def test_hdr_becomes_sdr_of_ten_bits(tmp_path):
    tags = {"colorspace": 9, "color_primaries": 9, "color_trc": 18, "color_range": 1}
    source = make_ramp(tmp_path / "a.mkv", **tags)
    report = run(source, tmp_path / "b.mp4", bit_depth=10)
    assert report.changes == ("colors converted from BT.2020 HLG to BT.709 SDR",)
    count, pixels = levels(tmp_path / "b.mp4")
    assert count > 80
    assert pixels == "yuv420p10le"


def test_a_codec_of_eight_bits_is_one_line(tmp_path):
    source = make_ramp(tmp_path / "a.mkv")
    with pytest.raises(StyleNetError, match="codec=mpeg4 has no format of 10 bits"):
        run(source, tmp_path / "b.avi", codec="mpeg4", bit_depth=10)
    with pytest.raises(StyleNetError, match="bit_depth=12 is unknown; choose one of 8, 10"):
        VideoOptions(bit_depth=12)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]
