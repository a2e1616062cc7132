"""Options of videos."""

from dataclasses import dataclass
from fractions import Fraction

from stylenet.errors import StyleNetError, check_choice, check_number
from stylenet.video.clip import Clip, read_rate, read_time
from stylenet.video.keyframes import Keyframes, check_keyframes

BIT_DEPTHS = (8, 10)


@dataclass(frozen=True)
class VideoOptions:
    """Options of videos: encoding, steadiness, deinterlacing, the part to stylize.

    Attributes:
        codec: FFmpeg's name of a video encoder; ``None`` for H.264 (libx264) if the format supports
            it, else the format's default codec.
        quality: The encoder's constant rate factor: 0 is the best, about 50 the worst. FFmpeg's
            guide to H.264 calls 18 visually lossless or nearly so; strokes are fine texture, which
            a higher factor smears first. Encoders without a rate factor get the fixed quantizer
            that corresponds to it.
        steady: Smoothing of the statistics that the network normalizes by, in [0, 1): the weight
            of the previous frames; 0 normalizes each frame by its own. Measured on two networks
            and four videos (photos that pan, fade, or are crossed by another one; 20 frames), 0.95
            changed the warping error by -6 to +14 %: strokes flicker there, not statistics. Hence
            0 is the default.
        blend: Weight of the previous result, moved along the optical flow, in [0, 1); 0 stylizes
            each frame by itself. With two networks and noisy, compressed clips of 320 x 240 (a pan,
            a moving object, a shaking camera, noise alone), 0.7 reduced the warping error by 43 to
            51, 35 to 40, 48 to 50 and 43 to 44 %, and kept 99 to 101 % of the sharpness. Without
            OpenCV (extra ``video``) only parts that stand still are blended, which reduced it by 5
            to 7, 7 to 9, 5 to 6 and 54 to 56 %, and kept 83 to 93 % of the sharpness.
        flicker: Whether to measure the warping error on a sample of frames, which takes time.
        deinterlace: ``auto`` deinterlaces the frames that are marked as interlaced, ``True`` all
            frames, ``False`` none: the network then takes the comb of two moments for texture.
        bit_depth: Bits per sample of the result, 8 or 10. The network computes with floats, so that
            10 keep smooth skies free of bands. Common formats then get H.265 (libx265): few players
            show H.264 of 10 bits.
        start: Where to start in the video: seconds, or a text such as ``0:01:30``. That moment
            becomes 0 for frames, sound, subtitles and chapters.
        end: Where to end, in the same form; ``None`` for the end of the video.
        fps: Frame rate of the result, such as 25 or ``30000/1001``: frames are repeated or left
            out, so that duration and sound stay the same. ``None`` keeps each frame and its time.
        resume: Whether to go on with an interrupted run of the same options, and to keep what is
            needed for that until the result is complete.
        stroke: For a network with dials: size of the strokes at times of the result, in seconds,
            such as ``{0: 0.5, 3: 2}``, with equal steps of its logarithm between them. ``None``
            leaves the dial where it is.
        style_weight: The same for the other dial.
    """

    codec: str | None = None
    quality: float = 18
    steady: float = 0.0
    blend: float = 0.7
    flicker: bool = False
    deinterlace: str | bool = "auto"
    bit_depth: int = 8
    start: float | str = 0
    end: float | str | None = None
    fps: float | str | None = None
    resume: bool = True
    stroke: Keyframes | None = None
    style_weight: Keyframes | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.deinterlace, bool) and self.deinterlace != "auto":
            raise StyleNetError(
                f"deinterlace={self.deinterlace} is unknown; choose one of auto, true, false"
            )
        if self.codec is not None and not isinstance(self.codec, str):
            raise StyleNetError(
                f"codec={self.codec} is not a name; pass an encoder's name, such as libx264"
            )
        check_number("quality", self.quality, minimum=0)
        for name in ("steady", "blend"):
            value = getattr(self, name)
            check_number(name, value, minimum=0)
            if value >= 1:
                raise StyleNetError(f"{name}={value} is not a number from 0 to below 1")
        check_choice("bit_depth", self.bit_depth, BIT_DEPTHS)
        for name, keyframes in self.keyframes.items():
            check_keyframes(name, keyframes)
        if self.clip.end is not None and self.clip.end <= self.clip.start:
            raise StyleNetError(
                f"end={self.end} is not after start={self.start}; choose a later end"
            )

    @property
    def keyframes(self) -> dict[str, Keyframes]:
        """Return the keyframes of each dial that has some."""
        dials = {"stroke": self.stroke, "style_weight": self.style_weight}
        return {name: keyframes for name, keyframes in dials.items() if keyframes is not None}

    @property
    def clip(self) -> Clip:
        """Return the part of the video to stylize, and its frame rate."""
        return Clip(
            Fraction(0) if self.start is None else read_time("start", self.start),
            None if self.end is None else read_time("end", self.end),
            None if self.fps is None else read_rate("fps", self.fps),
        )
