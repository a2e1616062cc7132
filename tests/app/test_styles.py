import shutil

import pytest
import torch
from PIL import Image

from stylenet.app import styles
from stylenet.app.styles import Style, Stylizers, list_pretrained, thumbnail
from stylenet.checkpoint import CheckpointInfo, save_checkpoint
from stylenet.networks import build_network
from stylenet.pretrained import ANY_STYLE, make_title


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("starry", "Starry"),
        ("starry_night_compact", "Starry night (fast)"),
        ("composition_vii", "Composition VII"),
        ("_", "_"),
    ],
)
def test_titles_are_words(name, title):
    assert make_title(name) == title


def test_each_pretrained_style_is_offered(pretrained):
    assert [style.title for style in list_pretrained()] == ["Dots", "Great stripes (fast)"]


def test_a_checkpoint_of_several_styles_offers_each(tmp_path, monkeypatch):
    network = build_network("johnson_multi", styles=["ink", "mosaic"], width=4, blocks=1)
    path = tmp_path / "multi.safetensors"
    save_checkpoint(path, network, CheckpointInfo("ink+mosaic", 1))
    monkeypatch.setattr(styles, "pretrained_styles", lambda: {"multi": path})
    assert list_pretrained() == [Style("Ink", path, "ink"), Style("Mosaic", path, "mosaic")]


def test_any_painting_is_a_style(tmp_path):
    painting = tmp_path / "painting.png"
    Image.linear_gradient("L").convert("RGB").save(painting)
    image = Image.new("RGB", (40, 32))
    assert Stylizers().load(Style("Mine", ANY_STYLE, str(painting)))(image).size == (40, 32)


def test_a_thumbnail_is_rendered_once_for_each_checkpoint(pretrained, tmp_path, monkeypatch):
    path = tmp_path / "run" / "mine.safetensors"
    path.parent.mkdir()
    shutil.copy(pretrained["dots"], path)
    style, stylizers = Style("Mine", path.parent), Stylizers()
    first = thumbnail(style, stylizers)
    with Image.open(first) as image:
        assert image.size == (256, 256)
    before = first.stat().st_mtime_ns
    assert thumbnail(style, stylizers) == first
    assert first.stat().st_mtime_ns == before
    torch.manual_seed(9)
    network = build_network("compact", width=4, deep_width=4, deep_blocks=1)
    save_checkpoint(path, network, CheckpointInfo("mine", 8))  # trained further
    assert thumbnail(style, stylizers) != first


def test_a_changed_checkpoint_is_loaded_anew(pretrained):
    stylizers = Stylizers()
    style = Style("Dots", pretrained["dots"])
    assert stylizers.load(style) is stylizers.load(style)
