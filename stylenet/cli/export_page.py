"""Export of networks to a web page, and what both kinds of exports share."""

from shlex import quote

from omegaconf import DictConfig, OmegaConf
from PIL import ImageOps
from torch import Tensor

from stylenet.checkpoint import CheckpointInfo, load_checkpoint, load_style, select_style
from stylenet.data import SamplePhotos
from stylenet.errors import StyleNetError
from stylenet.export import (
    ExportOptions,
    PageNetwork,
    Report,
    dial_inputs,
    export_page,
    find_runtime,
    runtime_version,
)
from stylenet.files import user_path
from stylenet.image import load_image, to_tensor
from stylenet.networks import DialsNetwork, StyleNetwork

# Height and width of the photos that calibrate int8 and compare it with float32.
_SIDE = 256
# The photo of the page, in the public domain (see skimage.data): a cat, recognizable in all strokes
# and colors.
_SAMPLE = "chelsea.png"


def export_to_page(config: DictConfig, options: ExportOptions) -> None:
    """Export one checkpoint or several to a page, and print what is on it.

    Args:
        config: configs/export.yaml, composed.
        options: Its options for the networks.

    Raises:
        StyleNetError: See :func:`stylenet.export.export_page`.
    """
    several = OmegaConf.is_list(config.checkpoint)
    checkpoints = list(config.checkpoint) if several else [config.checkpoint]
    style = None if config.style_name is None else str(config.style_name)
    if not checkpoints:
        raise StyleNetError("checkpoint=[] names no checkpoint. Name one or several.")
    if several and style is not None:
        raise StyleNetError(
            f"style={style} chooses a style of one checkpoint, and checkpoint is a list. Leave one "
            f"of both out."
        )
    if len(set(map(str, checkpoints))) < len(checkpoints):
        raise StyleNetError(f"checkpoint={checkpoints} names one twice. Name each once.")
    loaded = [load_network(config, str(each)) for each in checkpoints]
    target = user_path(config.output)
    if target.is_file():
        raise StyleNetError(f"output={target} is a file; format=web writes a folder")
    package = None if config.runtime is None else user_path(config.runtime)
    runtime = find_runtime(target, package, print)
    report = export_page(
        [
            PageNetwork(network, info, dial_inputs(network) if options.dials else ())
            for network, info in loaded
        ],
        target,
        options,
        to_tensor(load_image(_samples().photo_folder() / _SAMPLE).rgb),
        runtime,
        sample_photos() if options.precision.startswith("int8") else [],
    )
    for network in report.networks:
        print(f"{network.style}: {network.bytes / 1e6:.2f} MB")
        print_comparison(network)
    for name in report.kept:
        print(f"{target / name} is kept, because you changed it")
    if runtime is None:
        contained = "without onnxruntime-web, which npm adds"
    else:
        contained = f"with onnxruntime-web {runtime_version(runtime)}"
    print(f"{target}: {report.bytes / 1e6:.2f} MB, {contained}")
    install = "npm install && " if runtime is None else ""
    print(f"open it: cd {quote(str(target))} && {install}python -m http.server")


def load_network(config: DictConfig, checkpoint: str) -> tuple[StyleNetwork, CheckpointInfo]:
    """Load the network of one style; with ``dials=true`` it keeps its dials.

    Args:
        config: configs/export.yaml, composed.
        checkpoint: The checkpoint, or one of several.

    Raises:
        StyleNetError: See :func:`stylenet.checkpoint.load_style`.
    """
    encoder_weights = config.encoder_weights
    style = None if config.style_name is None else str(config.style_name)
    dials = (config.stroke, config.style_weight)
    if not config.dials:
        return load_style(checkpoint, style, config.style_size, encoder_weights, *dials)
    if dials != (None, None):
        raise StyleNetError(
            "dials=true makes stroke and style_weight inputs of the file; leave their values out"
        )
    network, info = load_checkpoint(checkpoint, encoder_weights)
    selected = select_style(network, info, checkpoint, style, config.style_size)
    return (network, info) if isinstance(network, DialsNetwork) else selected


def print_comparison(report: Report) -> None:
    """Print how an exported network compares with PyTorch, and what its format has to say."""
    if report.seconds is not None and report.seconds_pytorch is not None:
        print(
            f"difference from PyTorch: {report.mean_difference:.4f}/255 on average, "
            f"{report.max_difference:.4f}/255 at most, "
            f"at {', '.join('x'.join(map(str, size)) for size in report.sizes)}"
        )
        print(
            f"{' x '.join(map(str, report.sizes[0][1:]))} pixels: {report.seconds * 1e3:.0f} ms, "
            f"PyTorch in float32 {report.seconds_pytorch * 1e3:.0f} ms"
        )
    if report.remark is not None:
        print(report.remark)


def sample_photos() -> list[Tensor]:
    """Return center crops of scikit-image's photographs, shape (1, 3, 256, 256) each."""
    samples = _samples()
    images = (load_image(samples.photo_folder() / name) for name in samples.list_photos())
    return [to_tensor(ImageOps.fit(image.rgb, (_SIDE, _SIDE))) for image in images]


def _samples() -> SamplePhotos:
    samples = SamplePhotos("scikit-image", crop_size=_SIDE, batch_size=1)
    samples.list_photos()  # raises if the package lacks one
    return samples
