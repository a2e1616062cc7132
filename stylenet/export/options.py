"""Options of an export."""

from collections.abc import Sequence
from dataclasses import dataclass

from stylenet.errors import StyleNetError, check_choice, check_number
from stylenet.export.registry import available_formats, find_format

# Largest accepted mean difference in 1/255 for each precision. Measured with the pretrained styles
# on one CPU: at most 0.0001 for float32; 0.02 to 0.1 for float16, where OpenVINO computes in it; on
# photos 0.13 to 0.18 for int8_weights (0.53 with a small network's random weights) and 0.7 to 0.95
# for int8. Rounding to uint8 adds 0.25.
PRECISIONS = {"float32": 0.01, "float16": 0.5, "int8_weights": 1.0, "int8": 2.0}
# Precisions that need ONNX's quantization operators.
QUANTIZED = ("int8_weights", "int8")
# Height and width in formats of one size, as in Apple's and Google's style transfer samples.
DEFAULT_SIZE = (512, 512)


@dataclass(frozen=True)
class ExportOptions:
    """Options of an export.

    Attributes:
        format: One of :func:`stylenet.export.available_formats`.
        precision: One of :data:`PRECISIONS`. ``int8`` computes the residual blocks in int8;
            ``int8_weights`` stores int8 weights and computes in float32.
        uint8: Whether images are uint8, shape (N, H, W, 3), instead of float32 in [0, 1], shape
            (N, 3, H, W).
        size: Fixed height and width of the single image that the file takes; ``None`` for any batch
            and size, or for :data:`DEFAULT_SIZE` in formats of one size (ncnn, executorch, coreml).
            OpenCV 4 and other small runtimes read only files of a fixed size.
        dials: Whether the dials of a network with dials are inputs of the file, ``stroke`` and
            ``style_weight``, float32, shape (1,), beside the image.
    """

    format: str = "onnx"
    precision: str = "float32"
    uint8: bool = False
    size: tuple[int, int] | None = None
    dials: bool = False

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            StyleNetError: A value is invalid, or two values do not go together.
        """
        export_format = find_format(self.format)
        check_choice("precision", self.precision, tuple(PRECISIONS))
        if not isinstance(self.uint8, bool):
            raise StyleNetError(f"uint8={self.uint8} is neither true nor false")
        if not isinstance(self.dials, bool):
            raise StyleNetError(f"dials={self.dials} is neither true nor false")
        if self.dials and export_format.read_dials is None:
            able = [name for name in available_formats() if find_format(name).read_dials]
            raise StyleNetError(
                f"dials=true needs format={', '.join(able)}; leave it out, and choose the values "
                f"of the dials by stroke and style_weight"
            )
        if self.dials and self.precision in QUANTIZED:
            raise StyleNetError(
                f"precision={self.precision} does not work with dials=true; use float32 or float16"
            )
        from_onnx = [name for name in available_formats() if find_format(name).from_onnx]
        if self.precision in QUANTIZED and self.format not in from_onnx:
            raise StyleNetError(
                f"precision={self.precision} needs format={', '.join(from_onnx)}; "
                f"format={self.format} takes float32 or float16"
            )
        if self.precision == "float16" and not export_format.half:
            raise StyleNetError(
                f"precision=float16 does not work with format={self.format}; use float32"
            )
        if self.uint8 and self.format == "web":
            raise StyleNetError(
                "uint8=true does not work with format=web, whose page passes float32 images; leave "
                "it out"
            )
        if self.uint8 and export_format.one_size:
            raise StyleNetError(
                f"uint8=true does not work with format={self.format}, whose runtime converts "
                f"images; leave it out"
            )
        if self.size is not None:
            self._check_size(self.size)
        elif export_format.one_size:
            object.__setattr__(self, "size", DEFAULT_SIZE)

    def _check_size(self, size: tuple[int, int]) -> None:
        if not isinstance(size, Sequence) or isinstance(size, str) or len(size) != 2:
            raise StyleNetError(f"size={size}: expected height and width, such as (480, 640)")
        for side in size:
            check_number("size", side, minimum=1, integer=True)
        height, width = size
        if self.format == "web" or self.precision in QUANTIZED:
            cause = "format=web" if self.format == "web" else f"precision={self.precision}"
            raise StyleNetError(
                f"size={width}x{height} does not work with {cause}, whose files take images of any "
                f"size; leave it out"
            )
