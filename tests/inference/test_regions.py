import numpy as np
import pytest
import torch
from PIL import Image

from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.inference import RegionMap, RegionStylizer, StylizeOptions, Stylizer
from stylenet.networks import build_network

WIDTH, HEIGHT = 61, 44


def mask(seed=0, width=WIDTH, height=HEIGHT):
    small = np.random.default_rng(seed).integers(0, 256, (4, 5), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BILINEAR)


def full(value=255, size=(WIDTH, HEIGHT)):
    return Image.new("L", size, value)


def photo(width=WIDTH, height=HEIGHT):
    pixels = np.random.default_rng(9).integers(0, 256, (height // 3, width // 3, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)


def stylizer_of(network, style):
    return Stylizer(network, CheckpointInfo(style, 1), "cpu", "float32")


@pytest.fixture(scope="module")
def mixing():
    """Three styles of one network."""
    torch.manual_seed(0)
    network = build_network("johnson_multi", styles=list("abc"), width=4, blocks=1)
    for parameter in network.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, 1, 0.5)
    return RegionStylizer([stylizer_of(network.select({s: 1.0}), s) for s in "abc"])


@pytest.fixture(scope="module")
def blending():
    """Three networks, one of another architecture."""
    parts = []
    for seed, name in enumerate(("johnson", "johnson", "compact")):
        torch.manual_seed(seed)
        parts.append(stylizer_of(build_network(name, width=4), f"{name}{seed}"))
    return RegionStylizer(parts)


@pytest.fixture(params=["mixing", "blending"])
def stylizer(request):
    return request.getfixturevalue(request.param)


def arrays(*images):
    return [np.asarray(image, float) for image in images]


def test_styles_of_one_network_are_mixed_and_others_blended(mixing, blending):
    assert (mixing.mixes, blending.mixes) == (True, False)
    assert mixing.info.style == "a+b+c"


@pytest.mark.parametrize("index", [0, 1, 2])
def test_one_full_mask_gives_exactly_the_image_of_its_style(stylizer, index):
    part = stylizer.parts[index]
    everywhere = RegionMap([full(), full(0)], [index, (index + 1) % 3], rest=(index + 2) % 3)
    assert np.array_equal(stylizer(photo(), mask=everywhere), part(photo()))
    pixels = torch.rand(1, 3, HEIGHT, WIDTH)
    assert torch.equal(stylizer(pixels, mask=everywhere), part(pixels))
    strong = {"strength": 0.3, "preserve_color": True, "size": 30}
    result = stylizer(photo(), mask=everywhere, **strong)
    assert np.array_equal(result, part(photo(), **strong))


@pytest.mark.parametrize("tile", ["none", 256])
def test_a_single_mask_is_a_region_of_its_style(stylizer, tile):
    part = stylizer.parts[0]
    result = stylizer(photo(), mask=RegionMap([mask()], [0]), tile=tile)
    assert np.array_equal(result, part(photo(), mask=mask(), tile=tile))


def test_outputs_of_different_networks_are_blended_by_their_weights(blending):
    pixels = torch.rand(1, 3, HEIGHT, WIDTH, dtype=torch.float64)
    masks = [mask(1), mask(2), mask(3)]
    result = blending(pixels, mask=RegionMap(masks, [0, 1, 2], rest=1))
    raw = np.stack([np.asarray(m, float) for m in masks]) / 255
    total = raw.sum(0)
    weights = raw / np.maximum(total, 1)
    weights[1] += np.maximum(1 - total, 0)
    assert (total > 1).any()
    assert (total < 1).any()
    parts = [part(pixels).numpy() for part in blending.parts]
    expected = sum(weight * part for weight, part in zip(weights, parts, strict=True))
    assert np.abs(result.numpy() - expected).max() < 1e-6


def test_a_constant_mixture_is_the_mixture_of_the_styles(mixing):
    network = build_network("johnson_multi", styles=list("abc"), width=4, blocks=1)
    result = np.asarray(mixing(photo(), mask=RegionMap([full(102)], [0], rest=1)), float)
    first, second = (part.network.state_dict() for part in mixing.parts[:2])
    blend = {key: 0.4 * value + 0.6 * second[key] for key, value in first.items()}
    plain = network.select({"a": 1.0})
    plain.load_state_dict(blend)
    expected = np.asarray(stylizer_of(plain, "a")(photo()), float)
    assert np.abs(result - expected).max() <= 1
    # Blended outputs would be something else.
    outputs = arrays(*(part(photo()) for part in mixing.parts[:2]))
    assert np.abs(0.4 * outputs[0] + 0.6 * outputs[1] - expected).mean() > 2


def test_the_photo_stays_exactly_where_no_style_is(stylizer):
    left = full(0)
    left.paste(255, (0, 0, 20, HEIGHT))
    middle = full(0)
    middle.paste(255, (20, 0, 40, HEIGHT))
    gap = stylizer(photo(), mask=RegionMap([left, middle], [0, 1]))
    kept = stylizer(photo(), mask=RegionMap([left, middle, full(0)], [0, 1, 2], rest=None))
    null = stylizer(photo(), mask=RegionMap([left, middle], [0, None], rest=1))
    original, gap, kept, null = arrays(photo(), gap, kept, null)
    assert np.array_equal(gap[:, 40:], original[:, 40:])
    assert np.array_equal(gap, kept)
    assert np.array_equal(null[:, 20:40], original[:, 20:40])
    for result, columns in ((gap, slice(0, 40)), (null, slice(0, 20)), (null, slice(40, 61))):
        assert np.abs(result[:, columns] - original[:, columns]).mean() > 5


def test_tiles_give_the_same_image(stylizer):
    content, regions = photo(420, 300), RegionMap([mask(0, 420, 300)], [0], rest=2)
    whole, tiled = arrays(
        stylizer(content, mask=regions, tile="none"), stylizer(content, mask=regions, tile=256)
    )
    assert np.abs(whole - tiled).max() <= 1
    other = stylizer(content, mask=RegionMap([mask(0, 420, 300)], [2], rest=0), tile=256)
    assert np.abs(np.asarray(other, float) - tiled).mean() > 3


def test_a_soft_edge_adds_no_seam(stylizer):
    """Columns differ from their neighbors no more than in the image of one style."""
    ramp = Image.linear_gradient("L").rotate(90).resize((192, 96))
    content = photo(192, 96)
    images = arrays(
        stylizer(content, mask=RegionMap([ramp], [0], rest=1)),
        *(part(content) for part in stylizer.parts[:2]),
    )
    result, *alone = (np.abs(np.diff(image, axis=1)).mean((0, 2)) for image in images)
    assert result.max() <= 1.1 * max(steps.max() for steps in alone)


def test_each_image_of_a_batch_gets_the_regions(stylizer):
    images = torch.rand(3, 3, HEIGHT, WIDTH)
    regions = RegionMap([mask()], [1], rest=2)
    result = stylizer(images, mask=regions)
    alone = torch.cat([stylizer(image, mask=regions) for image in images.split(1)])
    torch.testing.assert_close(result, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_working_size_leaves_mask_edges_sharp(blending, dtype):
    parts = [Stylizer(part.network, part.info, "cpu", dtype) for part in blending.parts]
    half = full(0)
    half.paste(255, (30, 0, WIDTH, HEIGHT))
    regions = RegionMap([half], [0], rest=1)
    result = np.asarray(RegionStylizer(parts)(photo(), mask=regions, size=20))
    for part, columns in ((parts[0], slice(30, WIDTH)), (parts[1], slice(0, 30))):
        assert np.array_equal(result[:, columns], np.asarray(part(photo(), size=20))[:, columns])


def test_shares_tell_overlaps_and_gaps():
    left, right = full(0), full(0)
    left.paste(255, (0, 0, 40, HEIGHT))
    right.paste(255, (30, 0, 50, HEIGHT))
    shares = RegionMap([left, right], [1, None], rest=None).shares()
    assert shares.styles == pytest.approx((0, 35 / 61))
    assert shares.photo == pytest.approx(26 / 61)
    assert shares.overlap == pytest.approx(10 / 61)
    assert shares.gap == pytest.approx(11 / 61)


def test_regions_that_do_not_fit_are_refused(stylizer):
    with pytest.raises(StyleNetError, match="has 4x5 pixels, the image 61x44"):
        stylizer(photo(), mask=RegionMap([full(size=(4, 5))], [0]))
    with pytest.raises(StyleNetError, match=r"needs regions\. Give mask="):
        stylizer(photo())
    with pytest.raises(StyleNetError, match="the regions use 4 styles, the stylizer has 3"):
        stylizer(photo(), mask=RegionMap([full()], [3]))
    with pytest.raises(StyleNetError, match="1 masks and 2 styles"):
        RegionMap([full()], [0, 1])
    with pytest.raises(StyleNetError, match="mode RGB, expected L"):
        RegionMap([photo()], [0])
    with pytest.raises(StyleNetError, match="the regions have no style"):
        RegionStylizer([])


def test_options_of_size_work_with_regions(stylizer):
    regions = RegionMap([mask()], [0], rest=1)
    plain = np.asarray(stylizer(photo(), mask=regions))
    for options in ({"stroke": 2}, {"passes": [20, "full"]}, {"size": 30}):
        result = np.asarray(stylizer(photo(), mask=regions, **options))
        assert result.shape == plain.shape
        assert not np.array_equal(result, plain)


@pytest.mark.parametrize(("stroke", "side"), [(2, 22), (0.5, 88), (1.5, 29)])
def test_stroke_works_by_resolution(stylizer, stroke, side):
    part = stylizer.parts[0]
    assert np.array_equal(part(photo(), stroke=stroke), part(photo(), size=side))
    assert StylizeOptions(size=30, stroke=1.5).working_size((44, 61)) == 20
