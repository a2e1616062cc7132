import subprocess
import sys

import pytest

import stylenet
from stylenet.inference import Stylizer


def test_the_stylizer_is_at_the_top():
    assert stylenet.Stylizer is Stylizer
    with pytest.raises(AttributeError, match="Stylist"):
        _ = stylenet.Stylist


def test_inference_brings_neither_trainer_nor_encoder():
    code = (
        "import sys; from stylenet import Stylizer\n"
        "heavy = {'pytorch_lightning', 'hydra', 'torchvision', 'stylenet.perceptual'}\n"
        "print(heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
