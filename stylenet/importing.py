"""Import of networks that other programs trained."""

import re
from pathlib import Path

import torch
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.networks import StyleNetwork, build_network
from stylenet.program import command
from stylenet.state_dict import read_state_dict

# Module names of TransformerNet in PyTorch's examples/fast_neural_style, and ours. The example is
# derived from abhiskk/fast-neural-style, whose norms have ``scale`` and ``shift`` instead of
# ``weight`` and ``bias``, and whose images are BGR.
_CONVOLUTIONS = {
    "conv1": "down.0",
    "conv2": "down.1",
    "conv3": "down.2",
    "deconv1": "up.0.conv",
    "deconv2": "up.1.conv",
}
_NORMS = {
    "in1": "down.0.1",
    "in2": "down.1.1",
    "in3": "down.2.1",
    "in4": "up.0.conv.1",
    "in5": "up.1.conv.1",
}
_RESIDUAL = re.compile(r"res(\d+)\.(conv|in)([12])")
_NORM_PARAMETERS = {"scale": "weight", "shift": "bias"}

# Prefixes of DataParallel, Lightning and torch.compile, which can be nested.
_PREFIXES = re.compile(r"(?:(?:module|model|net)\.)+")
_COMPILED = "_orig_mod."

# First bytes of files of other frameworks.
_FOREIGN_STARTS = {
    b"\x03\0\0\0\x01\0\0\0": "a Torch7 file",  # the first object is a table
    b"\x04\0\0\0\x01\0\0\0": "a Torch7 file",
    b"\x89HDF\r\n": "an HDF5 file, such as Keras writes",
}
# Last bytes of a LevelDB table, in which TensorFlow stores tensors and their index.
_TABLE_END = bytes.fromhex("57fb808b247547db")

# Buffers of PyTorch up to 0.4; instance normalization computes its statistics from the image.
_UNUSED = ("running_mean", "running_var", "num_batches_tracked")


def import_checkpoint(path: Path) -> StyleNetwork:
    """Import a network of PyTorch's fast_neural_style example, of any width and depth.

    Networks of abhiskk/fast-neural-style, from which the example is derived, work too.

    Input and output of these networks are RGB in [0, 255], without a final tanh. They become a
    ``johnson`` network with linear output, whose first and last weights include the scaling. Biases
    before instance normalizations are dropped, because the normalization removes them. Stylized
    images are equal up to rounding if both sides are multiples of 4; for other sizes the original
    network returns larger images.

    Args:
        path: State dict of ``torch.save`` or safetensors, read without running code.

    Returns:
        The network on the CPU, in evaluation mode.

    Raises:
        StyleNetError: The file is damaged or holds another network.
    """
    _refuse_other_frameworks(path)
    state, _ = read_state_dict(path, "input")
    state = {
        _strip_prefixes(key): value for key, value in state.items() if not key.endswith(_UNUSED)
    }
    translated: dict[str, Tensor] = {}
    unknown = []
    for key, value in state.items():
        name = _translate(key)
        if name is None:
            unknown.append(key)
        else:
            translated[name] = value.float()
    blocks = {int(match[1]) for key in state if (match := _RESIDUAL.match(key))}
    missing = [key for key in _expected(len(blocks)) if _translate(key) not in translated]
    if unknown or (missing and len(missing) == len(_expected(len(blocks)))):
        raise StyleNetError(_unrecognized(path, state, unknown))
    if missing:
        more = f" and {len(missing) - 4} more" if len(missing) > 4 else ""
        raise StyleNetError(
            f"input={path} is a network of PyTorch's fast_neural_style example of which "
            f"{', '.join(missing[:4])}{more} {'are' if len(missing) > 1 else 'is'} missing; "
            f"save its whole state dict"
        )
    stem, head = translated["down.0.0.weight"], translated["head.weight"]
    if stem.ndim != 4 or head.ndim != 4:
        raise StyleNetError(_unrecognized(path, state, unknown))
    if "in1.scale" in state:  # trained on BGR
        stem, head = stem.flip(1), head.flip(0)
        translated["head.bias"] = translated["head.bias"].flip(0)
    translated["down.0.0.weight"] = stem * 127.5  # from [-1, 1], the rest of the scale is a bias
    translated["head.weight"] = head / 255
    translated["head.bias"] = translated["head.bias"] / 255
    network = build_network("johnson", width=len(stem), blocks=len(blocks), output="linear")
    kept = {key: value for key, value in translated.items() if not _is_unused_bias(key)}
    try:
        network.load_state_dict(kept)
    except RuntimeError as error:
        raise StyleNetError(
            f"{_unrecognized(path, state, unknown)} ({str(error).splitlines()[1].strip()})"
        ) from error
    if not all(bool(torch.isfinite(value).all()) for value in kept.values()):
        raise StyleNetError(f"input={path} holds NaN or infinity")
    return network.eval()


def _refuse_other_frameworks(path: Path) -> None:
    """Raise an error for a missing file or a file of another framework."""
    if not path.is_file():
        # TensorFlow users pass the common prefix of a checkpoint's three files.
        if path.with_name(f"{path.name}.index").is_file():
            raise StyleNetError(_foreign(path, "a TensorFlow checkpoint"))
        raise StyleNetError(f"input={path}: no such file")
    with path.open("rb") as file:
        start = file.read(8)
        file.seek(max(0, path.stat().st_size - len(_TABLE_END)))
        end = file.read()
    has_suffix = path.name.endswith((".meta", ".index")) or ".data-0" in path.name
    if end == _TABLE_END or has_suffix:
        raise StyleNetError(_foreign(path, "a TensorFlow checkpoint"))
    for magic, format_name in _FOREIGN_STARTS.items():
        if start.startswith(magic):
            raise StyleNetError(_foreign(path, format_name))


def _foreign(path: Path, format_name: str) -> str:
    return (
        f"input={path} is {format_name}, whose networks (transposed convolutions, zero padding) "
        f"StyleNet does not have; expected a state dict of PyTorch's fast_neural_style example. "
        f"Train the style again: {command('train')} style=custom style.name=NAME "
        f"style.image=PATH"
    )


def _strip_prefixes(key: str) -> str:
    """Return the name of a weight without the prefixes of wrappers."""
    key = key.replace(_COMPILED, "")
    prefix = _PREFIXES.match(key)
    return key[prefix.end() :] if prefix else key


def _expected(blocks: int) -> list[str]:
    """Return the names of all weights that the example's network needs."""
    residual = [f"res{n}.{{}}{which}" for n in range(1, blocks + 1) for which in (1, 2)]
    convolutions = [*_CONVOLUTIONS, *(name.format("conv") for name in residual), "deconv3"]
    norms = [*_NORMS, *(name.format("in") for name in residual)]
    return [
        *(f"{name}.conv2d.weight" for name in convolutions),
        "deconv3.conv2d.bias",
        *(f"{name}.{kind}" for name in norms for kind in ("weight", "bias")),
    ]


def _translate(key: str) -> str | None:
    """Return our name of a weight of the example; ``None`` for an unknown name."""
    module, _, parameter = key.rpartition(".")
    if ".in" in f".{module}":
        parameter = _NORM_PARAMETERS.get(parameter, parameter)
    if parameter not in ("weight", "bias"):
        return None
    if module == "deconv3.conv2d":
        return f"head.{parameter}"
    if module in _NORMS:
        return f"{_NORMS[module]}.{parameter}"
    layer = module.removesuffix(".conv2d")
    if layer in _CONVOLUTIONS:
        return f"{_CONVOLUTIONS[layer]}.0.{parameter}"
    match = _RESIDUAL.fullmatch(layer)
    if match is None:
        return None
    block, half = int(match[1]) - 1, int(match[3]) - 1
    return f"residual.{block}.body.{half}.{0 if match[2] == 'conv' else 1}.{parameter}"


def _is_unused_bias(name: str) -> bool:
    """Return whether this is the bias of a convolution before an instance normalization."""
    return name.endswith(".0.bias") and not name.startswith("head")


def _unrecognized(path: Path, state: dict[str, Tensor], unknown: list[str]) -> str:
    """Describe the contents of an unrecognized file and what was expected."""
    known = len(state) - len(unknown)
    some = [f"{key} {tuple(state[key].shape)}" for key in (unknown or list(state))[:4]]
    return (
        f"input={path} is not a network of PyTorch's fast_neural_style example: {known} of its "
        f"{len(state)} tensors have names of that one; not so {', '.join(some) or 'nothing'}; "
        f"expected conv1.conv2d.weight, in1.weight, res1.conv1.conv2d.weight, deconv1…, deconv3…"
    )
