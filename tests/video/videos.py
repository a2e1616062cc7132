"""Make and read videos for tests."""

from fractions import Fraction

import numpy as np
import pytest

from stylenet.checkpoint import CheckpointInfo
from stylenet.inference import Stylizer
from stylenet.networks import build_network
from stylenet.video import RgbFrame, VideoOptions, VideoReader

av = pytest.importorskip("av")

UNIT = Fraction(1, 12800)
# Uneven: a video of a variable frame rate.
TIMES = [0, 512, 700, 1536, 1600, 2560, 4000, 4100, 4608, 6000, 6400, 7168]


class Identity(Stylizer):
    """Stylizer that returns its input, so that tests see reading and writing alone."""

    def __init__(self):
        network = build_network("johnson", width=1, blocks=0)
        super().__init__(network, CheckpointInfo("same", 1), "cpu")

    def stylize_tensor(self, images):
        return images


PLAIN = VideoOptions(blend=0)


def image(width, height, i):
    """Return a frame whose corner shows its orientation and whose red encodes its index."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = 20 * i % 256
    pixels[..., 1] = np.linspace(60, 180, width)
    pixels[: height // 2, : width // 2, 2] = 200
    return pixels


def make_video(
    path, size=(48, 32), sounds=("aac",), rotation=None, codec="libx264", times=TIMES, **extra
):
    width, height = size
    with av.open(str(path), "w") as video:
        video.metadata["title"] = "Fermata"
        stream = video.add_stream(codec, rate=25, options=extra.get("options", {"crf": "1"}))
        stream.width, stream.height = size
        stream.pix_fmt = extra.get("pixels", "yuv420p" if width % 2 == 0 else "yuv444p")
        stream.time_base = stream.codec_context.time_base = extra.get("unit", UNIT)
        for name, value in extra.get("colors", {}).items():
            setattr(stream.codec_context, name, value)
        if rotation is not None:
            stream.set_display_rotation(rotation)
        tones = [video.add_stream(name, rate=48000) for name in sounds]
        for i, tone in enumerate(tones):
            tone.metadata["language"] = ("eng", "fra")[i]
        for i, pts in enumerate(times):
            pixels = extra["frames"][i] if "frames" in extra else image(width, height, i)
            frame = av.VideoFrame.from_ndarray(pixels, extra.get("form", "rgb24"))
            reformat = extra.get("reformat", {})
            if reformat:
                frame.colorspace = reformat["dst_colorspace"]  # which PyAV 17 takes BT.2020 from
            frame = frame.reformat(format=stream.pix_fmt, **reformat)
            if "field" in extra:
                frame = with_field(frame, extra["field"])
            frame.pts, frame.time_base = pts, stream.codec_context.time_base
            video.mux(stream.encode(frame))
        video.mux(stream.encode(None))
        for i, tone in enumerate(tones):
            put_tone(video, tone, 440 * (i + 1))
    return path


def with_field(frame, first):
    """Mark a frame as interlaced, with ``first`` (tff or bff) as the earlier field."""
    graph = av.filter.Graph()
    frame.pts = 0
    size = {"width": frame.width, "height": frame.height}
    source = graph.add_buffer(format=frame.format, time_base=Fraction(1, 25), **size)
    marking = graph.add("setfield", mode=first)
    graph.link_nodes(source, marking, graph.add("buffersink")).configure()
    graph.push(frame)
    return graph.pull()


def put_tone(video, stream, pitch, count=29):
    """Encode a sine as audio packets."""
    layout, form = stream.codec_context.layout.name, stream.codec_context.format.name
    resampler = av.AudioResampler(format=form, layout=layout, rate=48000)
    for i in range(count):
        wave = 0.2 * np.sin((np.arange(1024) + 1024 * i) * 2 * np.pi * pitch / 48000)
        frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], "fltp", "mono")
        frame.sample_rate, frame.pts = 48000, 1024 * i
        for part in resampler.resample(frame):
            video.mux(stream.encode(part))
    video.mux(stream.encode(None))


def packets(path, stream_type):
    """Return time and bytes of the packets of each stream of a type."""
    with av.open(str(path)) as video:
        streams = {s.index: [] for s in video.streams if s.type == stream_type}
        for packet in video.demux():
            if packet.stream.index in streams and packet.size:
                seconds = packet.pts * packet.time_base
                streams[packet.stream.index].append((seconds, bytes(packet)))
        return list(streams.values())


def frames(path):
    """Return the frames as RGB, decoded by PyAV, and their times in seconds."""
    with av.open(str(path)) as video:
        decoded = list(video.decode(video=0))
    return [f.to_ndarray(format="rgb24") for f in decoded], [f.pts * f.time_base for f in decoded]


def shown(path):
    """Return index and time of each frame, as read by :class:`VideoReader`."""
    with VideoReader(path) as video:
        items = [item for item in video if isinstance(item, RgbFrame)]
        return [round(i.pixels[..., 0].mean() / 20) for i in items], [
            i.pts * video.time_base for i in items
        ]


def shown_pixels(path):
    """Return the frames as the network receives them."""
    with VideoReader(path) as video:
        return [item.pixels for item in video if isinstance(item, RgbFrame)]
