from pathlib import Path

import pytest
from PIL import Image

from stylenet.cli.configs import style_image_path
from stylenet.image import open_image
from stylenet.painting import PAINTINGS


def test_images_are_painted_into_a_folder(run, tmp_path):
    given = ["size=48", "seed=3", f"output={tmp_path / 'images'}"]
    result = run("paint_styles", "names=[starry,ink]", *given)
    assert result.status == 0, result.err
    paths = [tmp_path / "images" / f"{name}.jpg" for name in ("starry", "ink")]
    assert result.out.split() == [str(path) for path in paths]
    first = paths[0].read_bytes()
    assert Image.open(paths[0]).size == (48, 48)
    assert run("paint_styles", "names=starry", *given).status == 0
    assert paths[0].read_bytes() == first


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("names=[sunflowers]", "starry, mosaic"),
        ("names=[]", "names is empty"),
        ("seed=-1", "seed=-1"),
        ("size=8", "size=8"),
        ("quality=high", "quality=high"),
        ("quality=null", "quality=None"),
        ("quality=101", "quality=101"),
        ("output=pyproject.toml/images", "pyproject.toml"),
    ],
)
def test_a_mistake_ends_in_one_line(run, monkeypatch, mistake, message):
    monkeypatch.chdir(Path(__file__).parents[2])
    assert message in run("paint_styles", "names=[woodblock]", "size=32", mistake).error


@pytest.mark.parametrize("name", PAINTINGS)
def test_the_package_includes_every_painting(name):
    path = Path(style_image_path(f"{name}.jpg"))
    assert path.is_absolute()
    assert path.stat().st_size < 600_000
    assert min(open_image(path).size) >= 1024
