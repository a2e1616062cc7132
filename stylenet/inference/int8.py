"""Forward passes in int8 arithmetic, by OpenVINO."""

import threading
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from stylenet.errors import StyleNetError, first_line
from stylenet.image import to_tensor
from stylenet.inference.int8_layers import quantize
from stylenet.networks import (
    CompactNetwork,
    JohnsonNetwork,
    StyleNetwork,
    has_external_statistics,
)
from stylenet.networks.layers import pad_to_multiple

# Photos that come with scikit-image, for calibration: a portrait, a cat, a table, a night launch.
_PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")
_PHOTO_SIDE = 256
# Size of the image that is traced; the model takes any size.
_TRACED_SHAPE = (1, 3, 64, 96)
# Largest accepted mean difference from float32, in 1/255, on the first photo of the calibration: up
# to 1.5 for the pretrained styles, 4 for random weights. More means that a network does not bear
# int8, or that OpenVINO computes something else here: with factors of shape (C, 1, 1) instead of
# (1, C, 1, 1), release 2026.4 was off by up to 19.
_MAX_DIFFERENCE = 6.0
# Batches of one size in a row, as in a video, after which the model is compiled for that size. This
# takes 0.15 to 0.3 s on one core and saves 5 to 11 ms for each image of 512 x 512.
_ROW = 50

Infer = Callable[[np.ndarray], np.ndarray]


def check_int8(network: StyleNetwork, device: torch.device) -> None:
    """Check that a network can run in int8 here.

    Args:
        network: The network.
        device: The device to run on.

    Raises:
        StyleNetError: It cannot, or OpenVINO is not installed.
    """
    if device.type != "cpu":
        raise StyleNetError(
            f"precision=int8 runs on the CPU, not on {device}. Add device=cpu, or give "
            f"precision=auto."
        )
    if not isinstance(network, (JohnsonNetwork, CompactNetwork)):
        raise StyleNetError(
            f"precision=int8 works for johnson and compact networks, not for {network.name}. "
            f"Give precision=auto."
        )
    if has_external_statistics(network):
        raise StyleNetError(
            "precision=int8 does not work with video.steady, nor with several styles mixed in one "
            "network. Give precision=auto."
        )
    if find_spec("openvino") is None:
        raise StyleNetError(
            "precision=int8 needs the package openvino. Install it: pip install 'stylenet[int8]'"
        )


class Int8Forward:
    """Forward pass whose convolutions, but for the last, compute in int8.

    The network is calibrated and compiled with the first batch, in 1 to 3 s, for images of any
    size. In a video it is compiled again for the size of the frames, which makes it 1.05 (johnson)
    to 1.3 (compact) times as fast.
    """

    def __init__(self, network: StyleNetwork, dtype: torch.dtype) -> None:
        """Wrap a network.

        Args:
            network: A network that :func:`check_int8` accepts, in float32, on the CPU.
            dtype: Type of everything but the convolutions.
        """
        assert isinstance(network, (JohnsonNetwork, CompactNetwork))
        self._network, self._dtype = network, dtype
        self._smallest = network.preprocess(torch.empty(1, 1, 1, 1, device="meta")).shape[-1]
        self._model: Any = None
        self._any_size: Infer | None = None
        # The last batches: their shape, their number, and the model for that shape.
        self._shape: torch.Size | None = None
        self._count = 0
        self._one_size: Infer | None = None
        self._lock = threading.Lock()

    def __call__(self, images: Tensor) -> Tensor:
        """Stylize images.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), float32.

        Returns:
            The same shape and range.

        Raises:
            StyleNetError: The network does not bear int8, or OpenVINO fails.
        """
        padded = pad_to_multiple(images, self._network.stride, self._smallest)
        with self._lock:
            infer = self._choose(padded.shape)
            stylized = torch.from_numpy(infer(padded.contiguous().numpy()))
        return stylized[..., : images.shape[-2], : images.shape[-1]]

    def prepare(self) -> None:
        """Calibrate and compile the network now."""
        with self._lock:
            self._build()

    def _choose(self, shape: torch.Size) -> Infer:
        """Return the fastest model for a batch."""
        any_size = self._build()
        if shape != self._shape:
            self._shape, self._count, self._one_size = shape, 0, None
        self._count += 1
        if self._count == _ROW:
            model = self._model.clone()
            model.reshape(list(shape))
            self._one_size = self._compile(model)
        return self._one_size or any_size

    def _build(self) -> Infer:
        """Return the model for any size; calibrate and compile it if that is not done."""
        if self._any_size is None:
            photos = _calibration_photos()
            try:
                self._model = _convert(quantize(self._network, photos))
                any_size = self._compile(self._model)
                stylized = torch.from_numpy(any_size(photos[0].numpy()))
            except (RuntimeError, ImportError, AttributeError) as error:
                raise StyleNetError(
                    f"OpenVINO cannot run this network in int8 ({first_line(error)}). "
                    f"Give precision=auto, or upgrade: pip install --upgrade 'stylenet[int8]'"
                ) from error
            with torch.inference_mode():
                difference = (stylized - self._network(photos[0])).abs().mean().item() * 255
            if not difference <= _MAX_DIFFERENCE:  # so that NaN fails, too
                raise StyleNetError(
                    f"in int8 the stylized image differs by {difference:.1f}/255, more than the "
                    f"{_MAX_DIFFERENCE:g}/255 allowed. Give precision=auto."
                )
            self._any_size = any_size
        return self._any_size

    def _compile(self, model: Any) -> Infer:
        """Compile a model for as many threads as PyTorch has."""
        import openvino

        hints = {
            "INFERENCE_PRECISION_HINT": "bf16" if self._dtype == torch.bfloat16 else "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
        }
        request = openvino.compile_model(model, "CPU", hints).create_infer_request()

        def infer(images: np.ndarray) -> np.ndarray:
            # The next call overwrites the request's own output.
            return request.infer([images], share_inputs=True, share_outputs=True)[0].copy()

        return infer


@torch.no_grad()
def _convert(network: StyleNetwork) -> Any:
    """Convert a network to an OpenVINO model for images of any size.

    ``openvino.convert_model`` would do the same, but it sends statistics to its makers.

    Args:
        network: From :func:`stylenet.inference.int8_layers.quantize`.
    """
    from openvino._offline_transformations import apply_moc_transformations
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sizes become constants, but only where nothing is padded
        traced = torch.jit.trace(network, torch.rand(_TRACED_SHAPE), check_trace=False)
    frontend = FrontEndManager().load_by_framework("pytorch")
    decoder = TorchScriptPythonDecoder(traced)  # has to outlive the conversion
    model = frontend.convert(frontend.load(decoder))
    model.reshape([-1, 3, -1, -1])
    # Without folding of constants, kernels are rounded in each pass, and wrongly.
    apply_moc_transformations(model, cf=False)
    return model


def _calibration_photos() -> list[Tensor]:
    """Return photos of scikit-image, RGB in [0, 1], shape (1, 3, 256, 256) each."""
    from skimage import data

    images = (Image.fromarray(getattr(data, name)()) for name in _PHOTOS)
    return [to_tensor(ImageOps.fit(image, (_PHOTO_SIDE, _PHOTO_SIDE))) for image in images]
