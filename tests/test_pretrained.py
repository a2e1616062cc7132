"""The pretrained networks in the package."""

from pathlib import Path

import pytest
import torch

from stylenet.checkpoint import load_checkpoint, start_from_base
from stylenet.data import SamplePhotos, StyleOptions, load_style_images
from stylenet.errors import StyleNetError
from stylenet.networks import build_network
from stylenet.perceptual import ContentLoss, LiteEncoder, PerceptualLoss, StyleLoss
from stylenet.pretrained import base_networks, pretrained_style, pretrained_styles

NETWORKS = pretrained_styles()
ROOT = Path(__file__).parents[1]


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


@pytest.mark.parametrize("name", ["johnson", "compact"])
def test_a_base_network_fits_each_default_network(name):
    options = {"head": "resize"} if name == "compact" else {}  # configs/network/compact.yaml
    default = build_network(name, **options)
    assert start_from_base(default)
    base = next(path for path in base_networks() if load_checkpoint(path)[0].name == name)
    trained, _ = load_checkpoint(base)
    for key, value in trained.state_dict().items():
        # The head of great_wave_compact is of the other form; a test of the network compares them.
        if name == "johnson" or not key.startswith("head."):
            assert torch.equal(default.state_dict()[key], value)
    photo = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        difference = (default.eval()(photo) - trained.eval()(photo)).abs().mean()
    assert difference < 0.05


def test_a_network_that_no_base_fits_stays_as_it_is():
    network = build_network("johnson", width=3)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert not start_from_base(network)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("network", ["johnson", "compact"])
def test_few_steps_from_the_base_network_lead_far(network):
    """Learn a style image of this project, which no base network has seen."""
    style = load_style_images(
        StyleOptions("woodblock", str(ROOT / "data/styles/woodblock.jpg"), 128)
    )
    terms = {
        "content": ContentLoss(["relu2_2"]),
        "style": StyleLoss(["relu1_2", "relu2_2", "relu3_2", "relu3_4"], weight=15.0),
    }
    criterion = PerceptualLoss(LiteEncoder(), terms, style)
    options = {"head": "resize"} if network == "compact" else {}
    data = SamplePhotos("scikit-image", 64, 2, workers=0)
    data.setup()

    def learn(start):
        torch.manual_seed(0)
        learner = build_network(network, **options)
        start(learner)
        optimizer = torch.optim.Adam(learner.parameters(), lr=1e-3)
        for step in range(11):
            photos = torch.stack([data.dataset[2 * step + i].image for i in (0, 1)])
            total = criterion(learner(photos), photos)["total"]
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
        return float(total.detach())

    fresh = learn(lambda _: None)
    assert learn(start_from_base) < 0.7 * fresh
