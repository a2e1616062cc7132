"""The command that repaints pictures."""

import sys
from pathlib import Path

from omegaconf import DictConfig
from tqdm import tqdm

from stylenet.checkpoint import load_artefact
from stylenet.cli.app import run
from stylenet.errors import StyleNetError
from stylenet.image import SUFFIXES
from stylenet.inference import Stylizer, find_pictures, repaint_file
from stylenet.shipped import shipped_network, shipped_networks


def main() -> None:
    """Runs ``scripts/infer.py``."""
    run(infer, "infer", style="style_name")


def infer(config: DictConfig) -> None:
    """Repaints a picture or a folder of pictures.

    Args:
        config: configs/infer.yaml, composed.

    Raises:
        StyleNetError: The input, the checkpoint or the output is unusable.
        SystemExit: With status 1 if some of a folder's pictures failed.
    """
    if config.list:
        _list_styles()
        return
    source = Path(str(config.input)).expanduser()
    if not source.exists():
        raise StyleNetError(f"input={source}: no such file or folder")
    stylizer = Stylizer.load(_network(config), str(config.device))
    target = _target(config.output, source, stylizer.info.style)
    if source.is_file():
        repaint_file(stylizer, source, target)
        print(target)
        return
    names = find_pictures(source, target)
    failures = []
    for name in tqdm(names, unit="picture", dynamic_ncols=True):
        try:
            repaint_file(stylizer, source / name, target / name)
        except StyleNetError as error:
            failures.append(" ".join(str(error).split()))
    print(f"{len(names) - len(failures)} pictures repainted in {target}")
    if failures:
        print(f"{len(failures)} failed:", *failures, sep="\n  ", file=sys.stderr)
        raise SystemExit(1)


def _list_styles() -> None:
    """Prints a line for each network that comes with the package."""
    networks = shipped_networks()
    width = max(map(len, networks), default=0)
    for name, path in networks.items():
        _, info = load_artefact(path)
        print(f"{name:{width}}  {info.description} ({path.stat().st_size / 1e6:.1f} MB)")


def _network(config: DictConfig) -> Path:
    """The artefact that the user means, by the name of a style or by a path."""
    if (config.style_name is None) == (config.checkpoint is None):
        raise StyleNetError(
            f"give either style=NAME ({', '.join(shipped_networks())}; list=true says more) or "
            f"checkpoint=PATH (a run folder or a .safetensors file)"
        )
    if config.style_name is not None:
        return shipped_network(str(config.style_name))
    return Path(str(config.checkpoint))


def _target(output: str | None, source: Path, style: str) -> Path:
    """Where the result goes: what the user said, or a name made of input and style."""
    if output is None:
        suffix = source.suffix if source.suffix.lower() in SUFFIXES else ".png"
        return Path(f"{source.stem}_{style}{suffix if source.is_file() else ''}")
    target = Path(str(output)).expanduser()
    return target / source.name if source.is_file() and target.is_dir() else target
