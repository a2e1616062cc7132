"""The command that repaints pictures."""

import sys
from pathlib import Path

from omegaconf import DictConfig
from tqdm import tqdm

from stylenet.cli.app import run
from stylenet.errors import StyleNetError
from stylenet.image import SUFFIXES
from stylenet.inference import Stylizer, find_pictures, repaint_file


def main() -> None:
    """Runs ``scripts/infer.py``."""
    run(infer, "infer")


def infer(config: DictConfig) -> None:
    """Repaints a picture or a folder of pictures.

    Args:
        config: configs/infer.yaml, composed.

    Raises:
        StyleNetError: The input, the checkpoint or the output is unusable.
        SystemExit: With status 1 if some of a folder's pictures failed.
    """
    source = Path(str(config.input)).expanduser()
    if not source.exists():
        raise StyleNetError(f"input={source}: no such file or folder")
    stylizer = Stylizer.load(str(config.checkpoint), str(config.device))
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


def _target(output: str | None, source: Path, style: str) -> Path:
    """Where the result goes: what the user said, or a name made of input and style."""
    if output is None:
        suffix = source.suffix if source.suffix.lower() in SUFFIXES else ".png"
        return Path(f"{source.stem}_{style}{suffix if source.is_file() else ''}")
    target = Path(str(output)).expanduser()
    return target / source.name if source.is_file() and target.is_dir() else target
