"""Networks that other programs trained become artefacts of StyleNet."""

import re
from pathlib import Path

import torch
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.networks import StyleNetwork, build_network
from stylenet.state_dict import read_state_dict

# The names of PyTorch's examples/fast_neural_style (TransformerNet), and ours.
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

# Left by PyTorch up to 0.4; instance normalisation takes its statistics from the image.
_STALE = ("running_mean", "running_var", "num_batches_tracked")


def import_checkpoint(path: Path) -> StyleNetwork:
    """Reads a network of PyTorch's fast_neural_style example, of any width and depth.

    That network takes and gives RGB in [0, 255] and has no tanh at its end. Here it becomes a
    ``johnson`` network with a linear output. Its scales go into the first and the last weights; the
    biases before instance normalisations, which take them away again, are left out. So the pictures
    are the same up to rounding, for sides that are multiples of 4; for others the original gives
    larger pictures.

    Args:
        path: A state dict that ``torch.save`` or safetensors wrote. No code of it is run.

    Returns:
        The network on the CPU, in evaluation mode.

    Raises:
        StyleNetError: The file is damaged or holds another network; says what was recognised.
    """
    if not path.is_file():
        raise StyleNetError(f"input={path}: no such file")
    state, _ = read_state_dict(path, "input")
    state = {key.removeprefix("module."): value for key, value in state.items()}
    state = {key: value for key, value in state.items() if not key.endswith(_STALE)}
    translated: dict[str, Tensor] = {}
    unknown = []
    for key, value in state.items():
        name = _translate(key)
        if name is None:
            unknown.append(key)
        else:
            translated[name] = value.float()
    stem = translated.get("down.0.0.weight")
    if unknown or stem is None or stem.ndim != 4:
        raise StyleNetError(_unrecognised(path, state, unknown))
    translated["down.0.0.weight"] = stem * 127.5  # from [-1, 1], the rest of the scale is a bias
    for name in ("head.weight", "head.bias"):
        if name in translated:
            translated[name] = translated[name] / 255
    blocks = {int(found[1]) for key in state if (found := _RESIDUAL.match(key))}
    network = build_network("johnson", width=len(stem), blocks=len(blocks), output="linear")
    kept = {key: value for key, value in translated.items() if not _is_lost(key)}
    try:
        network.load_state_dict(kept)
    except RuntimeError as error:
        raise StyleNetError(
            f"{_unrecognised(path, state, unknown)} ({str(error).splitlines()[1].strip()})"
        ) from error
    if not all(bool(torch.isfinite(value).all()) for value in kept.values()):
        raise StyleNetError(f"input={path} holds NaN or infinity")
    return network.eval()


def _translate(key: str) -> str | None:
    """Our name for one of the example's weights."""
    module, _, kind = key.rpartition(".")
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
    """Whether this is the bias of a convolution before an instance normalisation."""
    return name.endswith(".0.bias") and not name.startswith("head")


def _unrecognised(path: Path, state: dict[str, Tensor], unknown: list[str]) -> str:
    """What the file holds and what was expected."""
    known = len(state) - len(unknown)
    some = [f"{key} {tuple(state[key].shape)}" for key in (unknown or list(state))[:4]]
    return (
        f"input={path} is not a network of PyTorch's fast_neural_style example: {known} of its "
        f"{len(state)} tensors have names of that one; not so {', '.join(some) or 'nothing'}; "
        f"expected conv1.conv2d.weight, in1.weight, res1.conv1.conv2d.weight, deconv1…, deconv3…"
    )
