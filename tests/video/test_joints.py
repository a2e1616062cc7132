"""Videos with clock jumps or damaged packets: the intact parts come out complete."""

import itertools
import re
from fractions import Fraction

import pytest

from stylenet.errors import StyleNetError
from stylenet.video import stylize_video

from .videos import PLAIN, TIMES, UNIT, Identity, frames, make_video, packets, shown

av = pytest.importorskip("av")

FRAME = Fraction(1, 25)
STEADY = [512 * i for i in range(15)]  # 25 frames a second, as long as the sound


def join(path, *parts):
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def remux(source, target, change):
    """Copy a video; ``change(packet)`` may modify or replace each packet."""
    with av.open(str(source)) as video, av.open(str(target), "w") as copy:
        copies = [copy.add_stream_from_template(s, opaque=True) for s in video.streams]
        for packet in video.demux():
            if packet.size:
                index, packet = packet.stream.index, change(packet) or packet
                packet.stream = copies[index]
                copy.mux(packet)
    return target


def steps(times):
    return {b - a for a, b in itertools.pairwise(times)}


@pytest.mark.parametrize(
    ("suffix", "codec", "sounds"),
    [
        ("ts", "libx264", ()),
        ("mts", "libx264", ("aac",)),
        ("mpg", "mpeg2video", ("mp2",)),
    ],
)
def test_joined_clips_play_one_after_the_other(suffix, codec, sounds, tmp_path):
    options = {"unit": FRAME, "codec": codec, "sounds": sounds, "options": {"bf": "2"}}
    clip = make_video(tmp_path / f"a.{suffix}", times=range(15), **options)
    source = join(tmp_path / f"b.{suffix}", clip, clip, clip)
    report = stylize_video(Identity(), source, tmp_path / "c.mkv", video=PLAIN, progress=False)
    _, times = frames(tmp_path / "c.mkv")
    clip_length = len(frames(clip)[0])  # MPEG-PS loses the last one of a clip
    assert report.frames == len(times) >= 3 * clip_length
    # In units of 1 ms; where clips meet, a frame may be shown a little longer.
    assert max(steps(times)) < 2 * FRAME
    assert times[-1] == pytest.approx(times[0] + (len(times) - 1) * FRAME, abs=0.1)
    for tone in packets(tmp_path / "c.mkv", "audio"):
        when = [time for time, _ in tone]
        assert all(0 < step < 2 * FRAME for step in steps(when))
        assert when[-1] - times[-1] == pytest.approx(
            packets(clip, "audio")[0][-1][0] - frames(clip)[1][-1], abs=0.08
        )  # in step with the frames to the end


@pytest.mark.parametrize("jump", [500, -3, 20_000])
def test_a_clock_jump_leaves_no_gap(jump, tmp_path):
    clip = make_video(tmp_path / "a.ts", sounds=("aac",), times=STEADY)

    def later(packet):
        shift = round((5 + jump) / packet.time_base)
        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift

    def early(packet):
        shift = round(5 / packet.time_base)
        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift

    parts = [remux(clip, tmp_path / f"{i}.ts", change) for i, change in enumerate((early, later))]
    source = join(tmp_path / "b.ts", *parts)
    stylize_video(Identity(), source, tmp_path / "c.mp4", video=PLAIN, progress=False)
    _, times = frames(tmp_path / "c.mp4")
    assert len(times) == 30
    assert max(steps(times)) < 2 * FRAME
    (tone,) = packets(tmp_path / "c.mp4", "audio")
    assert tone[-1][0] - tone[0][0] < 2  # of 0.6 s each


def test_an_intended_gap_is_kept(tmp_path):
    """A frame that is shown for a minute, as in slides, is not a clock jump."""
    times = [0, 60 * 12800, 61 * 12800]
    source = make_video(tmp_path / "a.mp4", sounds=(), times=times)
    stylize_video(Identity(), source, tmp_path / "b.mp4", video=PLAIN, progress=False)
    assert frames(tmp_path / "b.mp4")[1] == [pts * UNIT for pts in times]


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov"])
@pytest.mark.parametrize("early", [3, 0, 200])
def test_sound_that_steps_back_does_not_end_the_video(suffix, early, tmp_path):
    """``early``: milliseconds by which one packet precedes the previous one; 0 for equal."""
    source = make_video(tmp_path / "a.mkv", times=STEADY)
    (tone,), data = packets(source, "audio"), bytearray(source.read_bytes())
    # No muxer writes this: the time of a block, 16 bits, stands before its flags and its bytes.
    offset = data.index(tone[15][1]) - 3
    time = int.from_bytes(data[offset : offset + 2], "big")
    time += round((tone[14][0] - tone[15][0]) * 1000) - early
    data[offset : offset + 2] = time.to_bytes(2, "big", signed=True)
    source.write_bytes(data)
    target = tmp_path / f"b.{suffix}"
    report = stylize_video(Identity(), source, target, video=PLAIN, progress=False)
    assert report.left_out == ()
    assert len(frames(target)[0]) == 15
    (before,), (after,) = packets(source, "audio"), packets(target, "audio")
    assert [data for _, data in after] == [data for _, data in before]
    times = [time for time, _ in after]
    assert times == sorted(set(times))
    # The others stay where they were.
    moved = [abs(a - b) for (a, _), (b, _) in zip(after, before, strict=True)]
    del moved[15]
    assert max(moved) < Fraction(1, 1250)
    assert times[15] - times[14] <= Fraction(1, 1000)


def test_a_damaged_packet_is_skipped_and_counted(tmp_path):
    source, count = tmp_path / "a.mov", itertools.count()

    def change(packet):
        if packet.stream.type == "video" and next(count) == 5:
            bad = av.Packet(b"\xff" * 40)
            bad.pts, bad.dts, bad.time_base = packet.pts, packet.dts, packet.time_base
            return bad
        return None

    video = make_video(tmp_path / "v.mov", times=STEADY, codec="png", pixels="rgb24")
    remux(video, source, change)
    report = stylize_video(Identity(), source, tmp_path / "b.mkv", video=PLAIN, progress=False)
    assert report.frames == len(frames(tmp_path / "b.mkv")[0]) == 14
    (line,) = report.left_out
    # A decoder of several threads complains some packets later.
    assert re.match(r"1 packet of video stream 0 \(png\) at 0\.\d s \(", line)


def test_an_unwritable_packet_is_skipped_and_counted(tmp_path):
    """Damaged AAC of a broadcast: MP4 needs it without its headers, which cannot be parsed."""
    source, count = tmp_path / "a.ts", itertools.count()

    def change(packet):
        if packet.stream.type == "audio" and next(count) == 5:
            bad = av.Packet(b"\xff\xf1" + bytes(packet)[2:7] + b"\x00" * 9)
            bad.pts, bad.dts, bad.time_base = packet.pts, packet.dts, packet.time_base
            return bad
        return None

    remux(make_video(tmp_path / "v.ts", times=STEADY), source, change)
    report = stylize_video(Identity(), source, tmp_path / "b.mp4", video=PLAIN, progress=False)
    assert len(frames(tmp_path / "b.mp4")[0]) == report.frames == 15
    (line,) = report.left_out
    assert line.startswith("1 packet of audio stream 1 (aac) at 0.1 s (")


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_frames_beforean_error_are_kept(suffix, tmp_path):
    class Stopping(Identity):
        count = 0

        def stylize_tensor(self, images):
            self.count += 1
            if self.count == 9:
                raise StyleNetError("memory is short")
            return images

    source, target = make_video(tmp_path / f"a.{suffix}"), tmp_path / "out" / f"b.{suffix}"
    with pytest.raises(StyleNetError) as caught:
        stylize_video(Stopping(), source, target, video=PLAIN, progress=False)
    kept = target.with_name(f"b.partial.{suffix}")
    assert list(target.parent.iterdir()) == [kept]
    done, times = frames(kept)
    assert 1 <= len(done) <= 8
    message = f"memory is short; the first {len(done)} frames ({float(times[-1]):.1f} s) are"
    assert str(caught.value) == f"{message} kept in {kept}"
    assert shown(kept)[0] == list(range(len(done)))
    assert [float(time) for time in times] == pytest.approx(
        [float(time * UNIT) for time in TIMES[: len(done)]], abs=0.001
    )
    (tone,) = packets(kept, "audio")
    assert tone


def test_frames_beforethe_cut_of_a_truncated_video_are_kept(tmp_path):
    intact = make_video(tmp_path / "a.mkv", sounds=(), times=[512 * i for i in range(60)])
    data, source = intact.read_bytes(), tmp_path / "cut.mkv"
    source.write_bytes(data[: len(data) * 6 // 10])
    with pytest.raises(StyleNetError, match=r"cut\.mkv.*frames .*are kept in .*b\.partial\.mp4"):
        stylize_video(Identity(), source, tmp_path / "b.mp4", video=PLAIN, progress=False)
    assert not (tmp_path / "b.mp4").exists()
    assert 10 < len(frames(tmp_path / "b.partial.mp4")[0]) < 60
