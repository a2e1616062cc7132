"""Conditional training: one network with several styles, a sampled one for each photo."""

from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from stylenet.checkpoint import load_checkpoint
from stylenet.errors import StyleNetError
from stylenet.methods.conditional.loss import ConditionalLoss
from stylenet.methods.conditional.module import ConditionalModule
from stylenet.networks import add_styles, build_network
from stylenet.perceptual import ContentLoss, PerceptualLoss, StyleLoss, TotalVariationLoss
from stylenet.training import RunFolder
from stylenet.training.callbacks import Previews

from .conftest import adam
from .test_resume import assert_equal, fit, weights

NAMES = ["starry", "mosaic", "ink"]


def random_images(seed, count=1):
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def loss(encoder, seed, layers=("relu1_1",), weight=1.0, form="relative"):
    relative = form == "relative"
    terms = {
        "content": ContentLoss(["relu1_2"], relative=relative),
        "style": StyleLoss(layers, weight=5.0, relative=relative),
        "tv": TotalVariationLoss(),
    }
    return PerceptualLoss(encoder, terms, [random_images(seed)], weight)


def styles_with_own_options(encoder, form="relative"):
    return {
        "starry": loss(encoder, 1, form=form),
        "mosaic": loss(encoder, 2, {"relu1_2": 0.5, "relu2_1": 2.0}, form=form),
        "ink": loss(encoder, 3, weight=4.0, form=form),
    }


@pytest.fixture
def make_conditional(encoder):
    def make(seed=0, names=NAMES, network=None):
        torch.manual_seed(seed)
        losses = {name: loss(encoder, number) for number, name in enumerate(names)}
        return ConditionalModule(
            network or build_network("johnson_multi", styles=names, width=2, blocks=1),
            ConditionalLoss(losses),
            adam(1e-2, 2, max_steps=5),
            "test",
            {"seed": seed},
        )

    return make


@pytest.mark.parametrize("form", ["relative", "absolute"])
@pytest.mark.parametrize("styles", [[0, 1, 1, 2], [0, 0, 0, 0], [1, 2, 2, 2]])
def test_the_loss_of_a_batch_is_the_mean_over_photos_with_their_own_styles(encoder, form, styles):
    losses = styles_with_own_options(encoder, form)
    images, photos = random_images(7, 4).requires_grad_(), random_images(8, 4)
    values = ConditionalLoss(losses)(images, photos, torch.tensor(styles))
    values["total"].backward()

    alone = images.detach().requires_grad_()
    each = [
        losses[NAMES[style]](image[None], photo[None])
        for style, image, photo in zip(styles, alone, photos, strict=True)
    ]
    torch.stack([result["total"] for result in each]).mean().backward()
    for name in ("total", "content", "style", "tv"):
        expected = torch.stack([result[name] for result in each]).mean()
        torch.testing.assert_close(values[name], expected)
    torch.testing.assert_close(images.grad, alone.grad, rtol=1e-3, atol=1e-7)
    own = [result["style"] for result, style in zip(each, styles, strict=True) if style == 1]
    if own:
        torch.testing.assert_close(values["mosaic/style"], torch.stack(own).mean())
    else:
        assert values["mosaic/style"].isnan()


def test_the_encoder_processes_each_image_once(encoder):
    criterion = ConditionalLoss(styles_with_own_options(encoder))
    seen = []
    handle = encoder.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    criterion(random_images(7, 4), random_images(8, 4), torch.tensor([0, 1, 1, 2]))
    handle.remove()
    assert seen == [4, 4]


def test_a_resumed_run_equals_an_uninterrupted_one(make_conditional, make_data, tmp_path):
    uninterrupted = make_conditional()
    fit(uninterrupted, make_data(), tmp_path / "uninterrupted", steps=5, every=2)
    resumed = make_conditional(seed=5)
    torch.manual_seed(77)
    checkpoint = RunFolder(tmp_path / "uninterrupted").checkpoint(2)
    fit(resumed, make_data(), tmp_path / "resumed", steps=5, resume=checkpoint)
    assert_equal(weights(uninterrupted), weights(resumed))


def test_a_checkpoint_with_the_styles_in_another_order_is_refused(
    make_conditional, make_data, tmp_path
):
    fit(make_conditional(), make_data(), tmp_path, steps=1)
    swapped = make_conditional(names=["mosaic", "starry", "ink"])
    expected = r"styles=\['starry', 'mosaic', 'ink'\].* than .*styles=\['mosaic', 'starry', 'ink'\]"
    with pytest.raises(StyleNetError, match=expected):
        fit(swapped, make_data(), tmp_path, resume=RunFolder(tmp_path).checkpoint(1))


def test_a_checkpoint_holds_every_style(make_conditional, make_data, tmp_path):
    module = make_conditional()
    fit(module, make_data(), tmp_path, steps=2)
    network, _ = load_checkpoint(RunFolder(tmp_path).final_checkpoint("test"))
    assert network.styles == NAMES
    assert_equal(network.state_dict(), weights(module))


def test_only_an_added_style_is_trained(make_conditional, make_data, tmp_path):
    old = make_conditional()
    fit(old, make_data(), tmp_path / "old", steps=2)
    network, _ = load_checkpoint(RunFolder(tmp_path / "old").final_checkpoint("test"))
    before = weights(old)
    added = make_conditional(names=["wave"], network=add_styles(network, ["wave"]))
    start = [p.clone() for p in added.network.norm_parameters("wave")]
    fit(added, make_data(), tmp_path / "new", steps=3, every=2)
    after = weights(added)
    assert all(torch.equal(after[name], value) for name, value in before.items())
    ends = zip(start, added.network.norm_parameters("wave"), strict=True)
    assert not any(torch.equal(first, last) for first, last in ends)

    resumed = make_conditional(names=["wave"], network=add_styles(network, ["wave"]), seed=5)
    checkpoint = RunFolder(tmp_path / "new").checkpoint(2)
    fit(resumed, make_data(), tmp_path / "resumed", steps=3, resume=checkpoint)
    assert_equal(after, weights(resumed))


@pytest.mark.parametrize("count", [1, 2, 6])
def test_ranks_together_sample_the_styles_of_a_single_process(make_conditional, count):
    module = make_conditional()

    def sample(world, rank, count):
        module._trainer = SimpleNamespace(world_size=world, global_rank=rank)
        torch.manual_seed(3)
        return module._sample_styles(count), torch.get_rng_state()

    uninterrupted, state = sample(1, 0, 2 * count)
    for rank in (0, 1):
        part, after = sample(2, rank, count)
        assert torch.equal(part, uninterrupted[rank::2])
        assert torch.equal(after, state)
    assert torch.equal(uninterrupted, uninterrupted.sort().values)
    # Every style equally often, as far as the count allows.
    times = torch.bincount(uninterrupted, minlength=3)
    assert int(times.max() - times.min()) <= 1


def test_sampling_starts_from_the_seed(make_conditional):
    # Lightning seeds again for several devices, but not for a single one.
    module, samples = make_conditional(), []
    module._trainer = SimpleNamespace(world_size=1, global_rank=0, global_step=0)
    for before in (0, 7):
        torch.manual_seed(3)
        torch.rand(before)
        module.on_train_start()
        samples.append(module._sample_styles(64))
    assert torch.equal(*samples)


def test_previews_show_every_style(make_conditional, make_data, tmp_path):
    fit(make_conditional(), make_data(), tmp_path, 1, callbacks=[Previews(1, count=2, size=24)])
    with Image.open(RunFolder(tmp_path).preview(1)) as made:
        assert made.size == (2 * 26 + 2, 4 * 26 + 2)
