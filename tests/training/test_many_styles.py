"""One network that learns many styles, each photo of a batch another one."""

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


def picture(seed, count=1):
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def loss(encoder, seed, layers=("relu1_1",), weight=1.0, form="relative"):
    relative = form == "relative"
    terms = {
        "content": ContentLoss(["relu1_2"], relative=relative),
        "style": StyleLoss(layers, weight=5.0, relative=relative),
        "tv": TotalVariationLoss(),
    }
    return PerceptualLoss(encoder, terms, [picture(seed)], weight)


def styles_with_settings_of_their_own(encoder, form="relative"):
    return {
        "starry": loss(encoder, 1, form=form),
        "mosaic": loss(encoder, 2, {"relu1_2": 0.5, "relu2_1": 2.0}, form=form),
        "ink": loss(encoder, 3, weight=4.0, form=form),
    }


@pytest.fixture
def make_many(encoder):
    def make(seed=0, names=NAMES, network=None):
        torch.manual_seed(seed)
        losses = {name: loss(encoder, place) for place, name in enumerate(names)}
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
def test_the_loss_of_a_batch_is_the_mean_of_its_photos_by_their_own_styles(encoder, form, styles):
    losses = styles_with_settings_of_their_own(encoder, form)
    images, photos = picture(7, 4).requires_grad_(), picture(8, 4)
    values = ConditionalLoss(losses)(images, photos, torch.tensor(styles))
    values["total"].backward()

    alone = images.detach().requires_grad_()
    each = [
        losses[NAMES[style]](image[None], photo[None])
        for style, image, photo in zip(styles, alone, photos, strict=True)
    ]
    torch.stack([found["total"] for found in each]).mean().backward()
    for name in ("total", "content", "style", "tv"):
        expected = torch.stack([found[name] for found in each]).mean()
        torch.testing.assert_close(values[name], expected)
    torch.testing.assert_close(images.grad, alone.grad, rtol=1e-3, atol=1e-7)
    own = [found["style"] for found, style in zip(each, styles, strict=True) if style == 1]
    if own:
        torch.testing.assert_close(values["mosaic/style"], torch.stack(own).mean())
    else:
        assert values["mosaic/style"].isnan()


def test_the_encoder_sees_each_image_once(encoder):
    criterion = ConditionalLoss(styles_with_settings_of_their_own(encoder))
    seen = []
    handle = encoder.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    criterion(picture(7, 4), picture(8, 4), torch.tensor([0, 1, 1, 2]))
    handle.remove()
    assert seen == [4, 4]


def test_resuming_equals_never_stopping(make_many, make_data, tmp_path):
    whole = make_many()
    fit(whole, make_data(), tmp_path / "whole", steps=5, every=2)
    resumed = make_many(seed=5)
    torch.manual_seed(77)
    checkpoint = RunFolder(tmp_path / "whole").checkpoint(2)
    fit(resumed, make_data(), tmp_path / "resumed", steps=5, resume=checkpoint)
    assert_equal(weights(whole), weights(resumed))


def test_the_same_styles_in_another_order_are_another_network(make_many, make_data, tmp_path):
    fit(make_many(), make_data(), tmp_path, steps=1)
    swapped = make_many(names=["mosaic", "starry", "ink"])
    expected = r"styles=\['starry', 'mosaic', 'ink'\].* than .*styles=\['mosaic', 'starry', 'ink'\]"
    with pytest.raises(StyleNetError, match=expected):
        fit(swapped, make_data(), tmp_path, resume=RunFolder(tmp_path).checkpoint(1))


def test_an_checkpoint_holds_every_style(make_many, make_data, tmp_path):
    module = make_many()
    fit(module, make_data(), tmp_path, steps=2)
    network, _ = load_checkpoint(RunFolder(tmp_path).final_checkpoint("test"))
    assert network.styles == NAMES
    assert_equal(network.state_dict(), weights(module))


def test_an_added_style_alone_is_trained(make_many, make_data, tmp_path):
    old = make_many()
    fit(old, make_data(), tmp_path / "old", steps=2)
    network, _ = load_checkpoint(RunFolder(tmp_path / "old").final_checkpoint("test"))
    before = weights(old)
    added = make_many(names=["wave"], network=add_styles(network, ["wave"]))
    start = [p.clone() for p in added.network.norm_parameters("wave")]
    fit(added, make_data(), tmp_path / "new", steps=3, every=2)
    after = weights(added)
    assert all(torch.equal(after[name], value) for name, value in before.items())
    ends = zip(start, added.network.norm_parameters("wave"), strict=True)
    assert not any(torch.equal(first, last) for first, last in ends)

    resumed = make_many(names=["wave"], network=add_styles(network, ["wave"]), seed=5)
    checkpoint = RunFolder(tmp_path / "new").checkpoint(2)
    fit(resumed, make_data(), tmp_path / "resumed", steps=3, resume=checkpoint)
    assert_equal(after, weights(resumed))


@pytest.mark.parametrize("count", [1, 2, 6])
def test_processes_draw_together_what_one_would_draw(make_many, count):
    module = make_many()

    def draw(world, rank, count):
        module._trainer = SimpleNamespace(world_size=world, global_rank=rank)
        torch.manual_seed(3)
        return module._sample_styles(count), torch.get_rng_state()

    whole, state = draw(1, 0, 2 * count)
    for rank in (0, 1):
        part, after = draw(2, rank, count)
        assert torch.equal(part, whole[rank::2])
        assert torch.equal(after, state)
    assert torch.equal(whole, whole.sort().values)
    # As often as each other, as far as that goes.
    times = torch.bincount(whole, minlength=3)
    assert int(times.max() - times.min()) <= 1


def test_the_draws_begin_with_the_seed(make_many):
    # Lightning sets it anew where there are several devices, and not where there is one.
    module, draws = make_many(), []
    module._trainer = SimpleNamespace(world_size=1, global_rank=0, global_step=0)
    for before in (0, 7):
        torch.manual_seed(3)
        torch.rand(before)
        module.on_train_start()
        draws.append(module._sample_styles(64))
    assert torch.equal(*draws)


def test_previews_show_every_style(make_many, make_data, tmp_path):
    fit(make_many(), make_data(), tmp_path, 1, callbacks=[Previews(1, count=2, size=24)])
    with Image.open(RunFolder(tmp_path).preview(1)) as made:
        assert made.size == (2 * 26 + 2, 4 * 26 + 2)
