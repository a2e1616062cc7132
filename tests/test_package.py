import re
import subprocess
import sys
from pathlib import Path

import pytest

import stylenet
from stylenet.inference import Stylizer


def test_the_stylizer_is_exported_at_the_top():
    assert stylenet.Stylizer is Stylizer
    with pytest.raises(AttributeError, match="Stylist"):
        _ = stylenet.Stylist


def test_inference_imports_neither_trainer_nor_encoder_nor_configs():
    code = "import sys; from stylenet import Stylizer; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "stylenet.inference.stylizer" in loaded
    heavy = {"pytorch_lightning", "hydra", "omegaconf", "tensorboard", "torchvision"}
    heavy |= {f"stylenet.{room}" for room in ("perceptual", "training", "data", "cli")}
    assert not loaded & heavy


def test_the_container_gets_every_part_of_the_package():
    root = Path(__file__).parents[1]
    image = re.search(r"```dockerfile\n(.*?)```", (root / "docs/cluster.md").read_text(), re.S)[1]
    copied = {word for line in re.findall(r"^COPY (.*) ", image, re.M) for word in line.split()}
    project = (root / "pyproject.toml").read_text()
    included = re.search(r"force-include\]\n(.*?)\n\n", project, re.S)[1]
    needed = {"stylenet", "pyproject.toml", "LICENSE", *re.findall(r'^"(.+?)" =', included, re.M)}
    needed |= set(re.findall(r'^readme = "(.+)"', project, re.M))
    missing = {n for n in needed if not any(n == c or n.startswith(f"{c}/") for c in copied)}
    assert len(needed) >= 5
    assert not missing
