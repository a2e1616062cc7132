"""AdaIN training: every photo of a batch has its own style image."""

import pytest
import torch
from PIL import Image

from stylenet.data import PhotoData
from stylenet.methods.arbitrary_style.loss import ArbitraryStyleLoss
from stylenet.methods.arbitrary_style.module import ArbitraryStyleModule
from stylenet.networks import build_network
from stylenet.perceptual import ContentLoss, PerceptualLoss, StyleLoss, TotalVariationLoss
from stylenet.training import RunFolder
from stylenet.training.callbacks import Guard, Previews, SafeCheckpointIO

from .conftest import adam
from .test_resume import assert_equal, fit, weights


def random_images(seed, count=1):
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def terms(statistics="gram"):
    return {
        "content": ContentLoss(["relu1_2"]),
        "style": StyleLoss(["relu1_1", "relu2_1"], weight=5.0, statistics=statistics),
        "tv": TotalVariationLoss(),
    }


@pytest.fixture
def make_adain(encoder):
    def make(seed=0):
        torch.manual_seed(seed)
        network = build_network("adain", layer="relu2_2", width=2)
        # No encoder's weights, but always the same.
        generator = torch.Generator().manual_seed(5)
        part = network.encoder.convolutions.state_dict()
        network.encoder.load_weights(
            {k: torch.randn(v.shape, generator=generator) / 9 for k, v in part.items()}
        )
        optimizer = adam(1e-2, 2, max_steps=5)
        criterion = ArbitraryStyleLoss(encoder, terms())
        return ArbitraryStyleModule(network, criterion, optimizer, {}, random_images(3, 2))

    return make


@pytest.fixture
def make_pairs(photos):
    def make():
        return PhotoData(
            str(photos), crop_size=16, batch_size=2, min_size=8, workers=0, styles=str(photos)
        )

    return make


@pytest.mark.parametrize("statistics", ["gram", "moments"])
def test_the_loss_of_a_batch_is_the_mean_over_photos_with_their_own_style_images(
    encoder, statistics
):
    loss_terms = terms(statistics)
    images, photos, paintings = random_images(7, 3), random_images(8, 3), random_images(9, 3)
    values = ArbitraryStyleLoss(encoder, loss_terms)(images, photos, paintings)
    each = [
        PerceptualLoss(encoder, loss_terms, [painting[None]])(image[None], photo[None])
        for image, photo, painting in zip(images, photos, paintings, strict=True)
    ]
    for name, value in values.items():
        torch.testing.assert_close(value, torch.stack([losses[name] for losses in each]).mean())


def test_the_encoder_processes_each_image_once(encoder):
    seen = []
    handle = encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    images = random_images(7, 2), random_images(8, 2), random_images(9, 2)
    ArbitraryStyleLoss(encoder, terms())(*images)
    handle.remove()
    assert [sum(seen_image is image for seen_image in seen) for image in images] == [1, 1, 1]
    assert len(seen) == 3


def test_a_resumed_run_equals_an_uninterrupted_one_and_checkpoints_omit_the_encoder(
    make_adain, make_pairs, tmp_path
):
    uninterrupted = make_adain()
    before = {k: v.clone() for k, v in uninterrupted.network.encoder.state_dict().items()}
    fit(uninterrupted, make_pairs(), tmp_path / "uninterrupted", steps=5, every=2)
    assert_equal(before, uninterrupted.network.encoder.state_dict())
    checkpoint = RunFolder(tmp_path / "uninterrupted").checkpoint(2)
    saved = SafeCheckpointIO().load_checkpoint(checkpoint)
    assert {name.split(".")[1] for name in saved["state_dict"]} == {"decoder"}
    decoder = list(uninterrupted.network.decoder.parameters())
    assert len(saved["optimizer_states"][0]["param_groups"][0]["params"]) == len(decoder)
    resumed = make_adain(seed=5)
    torch.manual_seed(77)
    fit(resumed, make_pairs(), tmp_path / "resumed", steps=5, resume=checkpoint)
    assert_equal(weights(uninterrupted), weights(resumed))


def test_a_resumed_run_of_predicted_weights_equals_an_uninterrupted_one(
    encoder, make_pairs, tmp_path
):
    def make(seed):
        torch.manual_seed(seed)
        sizes = {"width": 2, "deep_width": 2, "deep_blocks": 1, "fine_blocks": 1, "hidden": 4}
        network = build_network("any_style", **sizes, kernels=2)
        generator = torch.Generator().manual_seed(5)
        part = network.encoder.convolutions.state_dict()
        network.encoder.load_weights(
            {k: torch.randn(v.shape, generator=generator) / 9 for k, v in part.items()}
        )
        network.calibrate(random_images(4, 5) if seed == 0 else random_images(6, 5))
        optimizer = adam(1e-2, 2, max_steps=5)
        criterion = ArbitraryStyleLoss(encoder, terms())
        return ArbitraryStyleModule(network, criterion, optimizer, {}, random_images(3, 2))

    uninterrupted = make(0)
    fit(uninterrupted, make_pairs(), tmp_path / "uninterrupted", steps=5, every=2)
    checkpoint = RunFolder(tmp_path / "uninterrupted").checkpoint(2)
    saved = SafeCheckpointIO().load_checkpoint(checkpoint)["state_dict"]
    assert not any(name.startswith("network.encoder.") for name in saved)
    assert "network.predictor.means" in saved  # the standardization of the first run goes on
    resumed = make(5)
    fit(resumed, make_pairs(), tmp_path / "resumed", steps=5, resume=checkpoint)
    assert_equal(weights(uninterrupted), weights(resumed))


def test_previews_show_the_style_images_beside_the_photos(make_adain, make_pairs, tmp_path):
    callbacks = [Previews(1, count=2, size=24), Guard(1, 20)]
    fit(make_adain(), make_pairs(), tmp_path, 1, callbacks=callbacks)
    with Image.open(RunFolder(tmp_path).preview(1)) as made:
        assert made.size == (3 * 26 + 2, 3 * 26 + 2)
        assert made.getpixel((5, 5)) == (255, 255, 255)  # the corner beside the photos is empty
        assert made.getpixel((5, 35)) != (255, 255, 255)
