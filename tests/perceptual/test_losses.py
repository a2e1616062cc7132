import numpy as np
import pytest
import torch

from stylenet.perceptual import content_loss, gram_matrix, style_loss, total_variation


def random_tensor(*shape, seed=0, scale=1.0):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def numpy_gram(features):
    n, c, h, w = features.shape
    gram = np.empty((n, c, c))
    for item in range(n):
        for i in range(c):
            for j in range(c):
                gram[item, i, j] = (features[item, i] * features[item, j]).sum() / (c * h * w)
    return gram


def numpy_distance(values, target, relative):
    losses = []
    for value, goal in zip(values, target, strict=True):
        difference = ((value - goal) ** 2).sum()
        losses.append(difference / ((goal**2).sum() if relative else value.size))
    return np.mean(losses)


def as_numpy(tensor):
    return tensor.double().numpy()


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 4, 5), (3, 8, 1, 7)])
def test_the_gram_matrix_equals_its_formula(shape):
    features = random_tensor(*shape).double()
    np.testing.assert_allclose(gram_matrix(features), numpy_gram(features.numpy()), rtol=1e-12)


def test_the_gram_matrix_does_not_depend_on_the_image_size():
    features = random_tensor(2, 4, 6, 5).double()
    torch.testing.assert_close(gram_matrix(features.repeat(1, 1, 3, 2)), gram_matrix(features))


@pytest.mark.parametrize("relative", [True, False])
def test_the_content_loss_equals_its_formula(relative):
    features, target = (
        random_tensor(3, 4, 5, 6).double(),
        random_tensor(3, 4, 5, 6, seed=1).double(),
    )
    expected = numpy_distance(features.numpy(), target.numpy(), relative)
    assert content_loss(features, target, relative).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("targets", [1, 3])
def test_the_style_loss_equals_its_formula(relative, targets):
    gram = gram_matrix(random_tensor(3, 4, 5, 6).double())
    target = gram_matrix(random_tensor(targets, 4, 7, 2, seed=1).double())
    each = np.broadcast_to(target.numpy(), gram.shape)
    expected = numpy_distance(gram.numpy(), each, relative)
    assert style_loss(gram, target, relative).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (2, 3, 5, 4), (1, 3, 1, 6)])
def test_the_total_variation_equals_its_formula(shape):
    images = random_tensor(*shape).double()
    values = images.numpy()
    expected = sum((np.diff(values, axis=axis) ** 2).sum() for axis in (2, 3)) / values.size
    assert total_variation(images).item() == pytest.approx(expected, rel=1e-12)


def test_relative_is_the_default():
    features, target = random_tensor(2, 3, 4, 4), random_tensor(2, 3, 4, 4, seed=1)
    for loss, arguments in [
        (content_loss, (features, target)),
        (style_loss, (gram_matrix(features), gram_matrix(target))),
    ]:
        assert loss(*arguments) == loss(*arguments, relative=True) != loss(*arguments, False)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_features_neither_overflow_nor_lose_precision(dtype):
    features, target = (
        random_tensor(2, 8, 48, 48, scale=30).to(dtype),
        random_tensor(2, 8, 48, 48, seed=1).to(dtype),
    )
    flat = features.flatten(2)
    naive = flat @ flat.transpose(1, 2) / flat[0].numel()
    gram = gram_matrix(features)
    expected = numpy_gram(as_numpy(features))
    # Half precision alone must fail here, or the test would show nothing.
    assert not np.allclose(as_numpy(naive), expected, rtol=1e-4)
    assert bool(naive.isinf().any()) == (dtype == torch.float16)
    assert gram.dtype == torch.float32
    np.testing.assert_allclose(gram, expected, rtol=1e-4, atol=1e-4)

    content = content_loss(features, target)
    style = style_loss(gram, gram_matrix(target))
    variation = total_variation(features)
    assert {value.dtype for value in (content, style, variation)} == {torch.float32}
    wide, goal = as_numpy(features), as_numpy(target)
    assert content.item() == pytest.approx(numpy_distance(wide, goal, True), rel=1e-4)
    assert style.item() == pytest.approx(
        numpy_distance(numpy_gram(wide), numpy_gram(goal), True), rel=1e-4
    )
    assert variation.item() == pytest.approx(
        sum((np.diff(wide, axis=axis) ** 2).sum() for axis in (2, 3)) / wide.size, rel=1e-4
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_changes_nothing(dtype):
    features, target = random_tensor(2, 8, 48, 48, scale=30), random_tensor(2, 8, 48, 48, seed=1)

    def losses():
        gram = gram_matrix(features)
        style = style_loss(gram, gram_matrix(target))
        return [gram, style, content_loss(features, target), total_variation(features)]

    expected = losses()
    with torch.autocast("cpu", dtype):
        result = losses()
        flat = features.flatten(2)
        assert (flat @ flat.transpose(1, 2)).dtype == dtype  # autocast is active
    assert all(torch.equal(value, goal) for value, goal in zip(result, expected, strict=True))


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (2, 2)])
def test_the_loss_of_a_batch_is_the_mean_over_its_images(relative, sizes):
    # Photos of very different strength, so that a common scale would show.
    strength = torch.tensor([0.1, 1.0, 10.0, 3.0]).view(4, 1, 1, 1)
    features, target = (
        random_tensor(4, 3, 5, 5).double(),
        (random_tensor(4, 3, 5, 5, seed=1) * strength).double(),
    )
    parts = list(zip(features.split(sizes), target.split(sizes), strict=True))
    content = [content_loss(f, t, relative) for f, t in parts]
    style = [style_loss(gram_matrix(f), gram_matrix(t), relative) for f, t in parts]
    variation = [total_variation(t) for _, t in parts]
    torch.testing.assert_close(
        content_loss(features, target, relative), torch.stack(content).mean()
    )
    torch.testing.assert_close(
        style_loss(gram_matrix(features), gram_matrix(target), relative), torch.stack(style).mean()
    )
    torch.testing.assert_close(total_variation(target), torch.stack(variation).mean())


@pytest.mark.parametrize("loss", [content_loss, lambda f, t: style_loss(f[0], t[0])])
def test_loss_and_gradient_of_a_zero_target_are_finite(loss):
    features = random_tensor(1, 2, 3, 3).requires_grad_()
    value = loss(features, torch.zeros(1, 2, 3, 3))
    value.backward()
    assert value > 0
    assert bool(value.isfinite())
    assert bool(features.grad.isfinite().all())


@pytest.mark.parametrize("factor", [0.01, 100.0])
def test_relative_losses_do_not_depend_on_the_scale_of_the_features(factor):
    features, target = (
        random_tensor(2, 3, 4, 4).double(),
        random_tensor(2, 3, 4, 4, seed=1).double(),
    )
    for loss in (content_loss, lambda f, t: style_loss(gram_matrix(f), gram_matrix(t))):
        torch.testing.assert_close(loss(features * factor, target * factor), loss(features, target))
