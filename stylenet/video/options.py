"""How videos are stylized."""

from dataclasses import dataclass

from stylenet.errors import StyleNetError, check_number


@dataclass(frozen=True)
class VideoOptions:
    """How videos are stylized.

    Attributes:
        codec: FFmpeg's name of a video encoder; ``None`` for H.264 (libx264) where the format
            holds it, else what the format is for.
        quality: The encoder's constant rate factor: 0 is the best, about 50 the worst. 18 is what
            FFmpeg's guide to H.264 calls visually lossless or nearly so; strokes are fine texture,
            which a higher one smears first. Encoders without such a factor get the fixed quantizer
            that corresponds to it.
        steady: Share in [0, 1) of the frames before in the statistics that the network normalizes
            by; 0 stylizes each frame by its own. Measured on two networks and four videos (photos
            that pan, fade, or are crossed by another one; 20 frames), 0.95 changed the warping
            error by -6 to +14 %: what flickers there are strokes, not statistics. Hence off.
        blend: Share in [0, 1) of the result before, where the video stands still. On these videos
            0.8 took 7 to 14 % off the warping error, and 76 to 80 % where only noise moved; 0.5
            took 5 to 10 and 56 %. Neither left ghosts. Of four other photos that pan by 1, 2
            or 4 of 320 pixels a frame with noise of 2 of 255 steps, 0.8 took 11 to 31 % off; of a
            pan of 4 pixels without any noise, as in a drawn video, it was 12 % less to 21 % more.
        flicker: Whether to measure the warping error on a sample of frames, which takes time.
        deinterlace: ``auto`` makes whole frames of those that are marked as interlaced, ``True`` of
            all, ``False`` of none: the network then takes the comb of two moments for texture.
    """

    codec: str | None = None
    quality: float = 18
    steady: float = 0.0
    blend: float = 0.8
    flicker: bool = False
    deinterlace: str | bool = "auto"

    def __post_init__(self) -> None:
        if not isinstance(self.deinterlace, bool) and self.deinterlace != "auto":
            raise StyleNetError(
                f"deinterlace={self.deinterlace} is unknown; choose one of auto, true, false"
            )
        if self.codec is not None and not isinstance(self.codec, str):
            raise StyleNetError(f"codec={self.codec} is no name of an encoder such as libx264")
        check_number("quality", self.quality, minimum=0)
        for name in ("steady", "blend"):
            value = getattr(self, name)
            check_number(name, value, minimum=0)
            if value >= 1:
                raise StyleNetError(f"{name}={value} is not a number from 0 to below 1")
