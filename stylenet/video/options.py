"""Options of videos."""

from dataclasses import dataclass

from stylenet.errors import StyleNetError, check_number


@dataclass(frozen=True)
class VideoOptions:
    """Options of videos: encoding, steadiness, deinterlacing.

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
            each frame by itself. With two networks and four clips of 320 x 240 (a pan, a shaking
            camera, a moving object, noise alone), 0.7 reduced the warping error by 53 to 59, 58
            to 59, 16 to 29 and 66 to 70 %, and kept 99 to 106 % of the sharpness. Without OpenCV
            (extra ``video``) only parts that stand still are blended, which at 0.8 reduced it by
            6 to 8, 9 to 14, 5 to 18 and 79 to 82 %, and kept 83 to 99 % of the sharpness.
        flicker: Whether to measure the warping error on a sample of frames, which takes time.
        deinterlace: ``auto`` deinterlaces the frames that are marked as interlaced, ``True`` all
            frames, ``False`` none: the network then takes the comb of two moments for texture.
    """

    codec: str | None = None
    quality: float = 18
    steady: float = 0.0
    blend: float = 0.7
    flicker: bool = False
    deinterlace: str | bool = "auto"

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
