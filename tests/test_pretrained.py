"""The pretrained networks in the package."""

import pytest
import torch

from stylenet.checkpoint import load_checkpoint
from stylenet.errors import StyleNetError
from stylenet.pretrained import pretrained_style, pretrained_styles

NETWORKS = pretrained_styles()


def test_there_are_several_small_pretrained_networks():
    assert {"starry", "starry_night", "great_wave"} <= set(NETWORKS)
    assert len(NETWORKS) >= 5
    assert sum(path.stat().st_size for path in NETWORKS.values()) < 16e6


@pytest.mark.parametrize("style", NETWORKS)
@torch.inference_mode()
def test_each_pretrained_network_stylizes_and_describes_itself(style):
    network, info = load_checkpoint(style)
    assert info.style == style
    assert info.description
    assert "/" not in str(info.recipe.get("run_dir")), "a path of the machine that trained it"
    photo = torch.rand(1, 3, 40, 56)
    painted = network(photo)
    assert painted.shape == photo.shape
    assert float((painted - photo).abs().mean()) > 0.05
    assert float(painted.std()) > 0.05


@pytest.mark.parametrize("style", NETWORKS)
def test_each_pretrained_network_has_a_model_card(style):
    card = NETWORKS[style].with_suffix(".md").read_text()
    for part in (f"style={style}", "stylenet train", "Mean losses on", "License", "vgg19"):
        assert part in card


def test_an_unknown_style_suggests_the_nearest():
    with pytest.raises(StyleNetError, match="did you mean great_wave"):
        pretrained_style("graet_wave")
