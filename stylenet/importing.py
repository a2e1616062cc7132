"""Networks that other programs trained become checkpoints of StyleNet."""

import re
from pathlib import Path

import torch
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.networks import StyleNetwork, build_network
from stylenet.state_dict import read_state_dict

# The names of PyTorch's examples/fast_neural_style (TransformerNet), and ours. It began as
# abhiskk/fast-neural-style, which calls a norm's weight and bias scale and shift, and whose images
# are BGR.
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
_NORM_KINDS = {"scale": "weight", "shift": "bias"}

# What wrappers put before names, also one in another: DataParallel, Lightning, torch.compile.
_PREFIXES = re.compile(r"(?:(?:module|model|net)\.)+")
_COMPILED = "_orig_mod."

# How files of other frameworks begin or end, and what to call them.
_FOREIGN_STARTS = {
    b"\x03\0\0\0\x01\0\0\0": "a Torch7 file",  # a table, the first object
    b"\x04\0\0\0\x01\0\0\0": "a Torch7 file",
    b"\x89HDF\r\n": "an HDF5 file, such as Keras writes",
}
# Of LevelDB's tables, in which TensorFlow keeps tensors and their index.
_TABLE_END = bytes.fromhex("57fb808b247547db")

# Left by PyTorch up to 0.4; instance normalization takes its statistics from the image.
_STALE = ("running_mean", "running_var", "num_batches_tracked")


def import_checkpoint(path: Path) -> StyleNetwork:
    """Read a network of PyTorch's fast_neural_style example, of any width and depth.

    Also of abhiskk/fast-neural-style, from which the example was made.

    That network takes and gives RGB in [0, 255] and has no tanh at its end. Here it becomes a
    ``johnson`` network with a linear output. Its scales go into the first and the last weights; the
    biases before instance normalizations, which take them away again, are left out. So the images
    are the same up to rounding, for sides that are multiples of 4; for others the original gives
    larger images.

    Args:
        path: A state dict that ``torch.save`` or safetensors wrote. No code of it is run.

    Returns:
        The network on the CPU, in evaluation mode.

    Raises:
        StyleNetError: The file is damaged or holds another network; says what was recognized.
    """
    _refuse_foreign(path)
    state, _ = read_state_dict(path, "input")
    state = {_bare(key): value for key, value in state.items() if not key.endswith(_STALE)}
    translated: dict[str, Tensor] = {}
    unknown = []
    for key, value in state.items():
        name = _translate(key)
        if name is None:
            unknown.append(key)
        else:
            translated[name] = value.float()
    blocks = {int(found[1]) for key in state if (found := _RESIDUAL.match(key))}
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
    kept = {key: value for key, value in translated.items() if not _is_lost(key)}
    try:
        network.load_state_dict(kept)
    except RuntimeError as error:
        raise StyleNetError(
            f"{_unrecognized(path, state, unknown)} ({str(error).splitlines()[1].strip()})"
        ) from error
    if not all(bool(torch.isfinite(value).all()) for value in kept.values()):
        raise StyleNetError(f"input={path} holds NaN or infinity")
    return network.eval()


def _refuse_foreign(path: Path) -> None:
    """Refuse what is no file of PyTorch, and say what it is."""
    if not path.is_file():
        # TensorFlow's users name the three files of a checkpoint by what their names begin with.
        if path.with_name(f"{path.name}.index").is_file():
            raise StyleNetError(_foreign(path, "a TensorFlow checkpoint"))
        raise StyleNetError(f"input={path}: no such file")
    with path.open("rb") as file:
        start = file.read(8)
        file.seek(max(0, path.stat().st_size - len(_TABLE_END)))
        end = file.read()
    named = path.name.endswith((".meta", ".index")) or ".data-0" in path.name
    if end == _TABLE_END or named:
        raise StyleNetError(_foreign(path, "a TensorFlow checkpoint"))
    for magic, what in _FOREIGN_STARTS.items():
        if start.startswith(magic):
            raise StyleNetError(_foreign(path, what))


def _foreign(path: Path, what: str) -> str:
    return (
        f"input={path} is {what}, whose networks (transposed convolutions, zero padding) StyleNet "
        f"does not have; expected a state dict of PyTorch's fast_neural_style example. Train the "
        f"style anew: python scripts/train.py style=custom style.name=NAME style.image=PAINTING"
    )


def _bare(key: str) -> str:
    """The name of a weight without what wrappers put before it."""
    key = key.replace(_COMPILED, "")
    prefix = _PREFIXES.match(key)
    return key[prefix.end() :] if prefix else key


def _expected(blocks: int) -> list[str]:
    """The example's names of all weights that count."""
    residual = [f"res{n}.{{}}{which}" for n in range(1, blocks + 1) for which in (1, 2)]
    convolutions = [*_CONVOLUTIONS, *(name.format("conv") for name in residual), "deconv3"]
    norms = [*_NORMS, *(name.format("in") for name in residual)]
    return [
        *(f"{name}.conv2d.weight" for name in convolutions),
        "deconv3.conv2d.bias",
        *(f"{name}.{kind}" for name in norms for kind in ("weight", "bias")),
    ]


def _translate(key: str) -> str | None:
    """Our name for one of the example's weights."""
    module, _, kind = key.rpartition(".")
    if ".in" in f".{module}":
        kind = _NORM_KINDS.get(kind, kind)
    if kind not in ("weight", "bias"):
        return None
    if module == "deconv3.conv2d":
        return f"head.{kind}"
    if module in _NORMS:
        return f"{_NORMS[module]}.{kind}"
    place = module.removesuffix(".conv2d")
    if place in _CONVOLUTIONS:
        return f"{_CONVOLUTIONS[place]}.0.{kind}"
    found = _RESIDUAL.fullmatch(place)
    if found is None:
        return None
    block, what, which = int(found[1]) - 1, found[2], int(found[3]) - 1
    return f"residual.{block}.body.{which}.{0 if what == 'conv' else 1}.{kind}"


def _is_lost(name: str) -> bool:
    """Whether this is the bias of a convolution before an instance normalization."""
    return name.endswith(".0.bias") and not name.startswith("head")


def _unrecognized(path: Path, state: dict[str, Tensor], unknown: list[str]) -> str:
    """What the file holds and what was expected."""
    known = len(state) - len(unknown)
    some = [f"{key} {tuple(state[key].shape)}" for key in (unknown or list(state))[:4]]
    return (
        f"input={path} is not a network of PyTorch's fast_neural_style example: {known} of its "
        f"{len(state)} tensors have names of that one; not so {', '.join(some) or 'nothing'}; "
        f"expected conv1.conv2d.weight, in1.weight, res1.conv1.conv2d.weight, deconv1…, deconv3…"
    )
