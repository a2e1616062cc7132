import os

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from stylenet.cli.optimize_colors import before

from .conftest import blotches


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), float)


@pytest.mark.slow
def test_the_script_stylizes_a_photo(script, small_folder):
    result = script(
        "optimize",
        *("content=photo.jpg", "style=starry", "encoder=lite"),
        *("size=64", "steps=3", "output=out.png"),
        cwd=small_folder,
    )
    assert result.status == 0, result.err
    assert result.out.splitlines()[-1] == "out.png"
    assert "3 steps of lbfgs" in result.out
    assert "3/3" in result.err
    assert "total=" in result.err
    with Image.open(small_folder / "out.png") as made:
        assert made.size == (64, 48)
    assert names(small_folder) == ["out.png", "painting.png", "photo.jpg"]


@pytest.mark.parametrize(
    ("size", "expected"), [("32", (32, 24)), ("null", (48, 36)), ("96", (96, 72))]
)
def test_size_sets_the_long_side(optimize, small_folder, size, expected):
    assert optimize(f"size={size}", "steps=1").status == 0
    assert Image.open(small_folder / "out.png").size == expected


@pytest.mark.parametrize(
    "changes",
    [
        "method=adam",
        "method=adam lr=30",
        "lr=0.2",
        "start=noise",
        "start=noise seed=1",
        "steps=4",
        "scales=2 size=48",
        "history=1 steps=5",
        "preserve_color=luminance",
        "preserve_color=histogram",
        "preserve_color=statistics",
        "loss=relative",
        "loss.style.weight=1",
        "loss.tv.weight=500",
        "loss.dream.weight=5",
        "style.weight=30",
        "style.layers=[relu1_2]",
        "style.size=64",
        "style=starry style.image=painting.png",
    ],
)
def test_every_option_changes_the_image(optimize, small_folder, changes):
    basis = [c for c in changes.split() if c.startswith(("steps", "size"))]
    if "seed" in changes:
        basis.append("start=noise")
    assert optimize(*basis if "steps=4" not in basis else []).status == 0
    before = pixels("out.png")
    result = optimize(*changes.split())
    assert result.status == 0, result.err
    after = pixels("out.png")
    assert after.std() > 5
    same = changes == "style=starry style.image=painting.png"
    assert same == np.array_equal(before, after)


def test_a_style_can_have_several_weighted_images(optimize, small_folder):
    blotches(small_folder / "other.png", 40, 40, seed=4)
    made = {}
    for weights in ("null", "[1,1]", "[1,0]", "[0.2,0.8]"):
        images = "style.image=[painting.png,other.png]"
        result = optimize(images, f"style.image_weights={weights}", "steps=5")
        assert result.status == 0, result.err
        made[weights] = pixels("out.png")
    assert optimize("steps=5").status == 0
    assert np.abs(made["null"] - made["[1,1]"]).max() <= 2
    assert np.abs(made["[1,0]"] - pixels("out.png")).max() <= 2
    assert np.abs(made["[0.2,0.8]"] - made["[1,1]"]).max() > 5


def test_luminance_keeps_the_photos_colors(optimize, small_folder):
    Image.new("RGB", (48, 36), (150, 100, 80)).save("photo.jpg", quality=100)
    assert optimize("preserve_color=true", "steps=8", "start=noise").status == 0
    image = pixels("out.png")
    inside = ((image > 2) & (image < 253)).all(-1)
    red_green = (image[..., 0] - image[..., 1])[inside]
    assert np.abs(red_green - 50).max() <= 4
    assert image.std() > 5


def test_histogram_gives_the_style_image_the_photos_colors(optimize, small_folder):
    photo = Image.new("RGB", (48, 36), (220, 40, 40))
    photo.paste((120, 20, 20), (0, 0, 24, 36))
    photo.save("photo.jpg", quality=100)
    Image.open(blotches(small_folder / "a.png", seed=3)).convert("L").save("painting.png")
    for color, red in (("histogram", True), ("statistics", True), ("false", False)):
        result = optimize(f"preserve_color={color}", "loss.style.weight=2000", "steps=30")
        assert result.status == 0, result.err
        mean = pixels("out.png").reshape(-1, 3).mean(0)
        assert (mean[0] - mean[1] > 90) == red, (color, mean)


@pytest.mark.parametrize("color", ["luminance", "histogram", "statistics"])
def test_transparent_pixels_do_not_affect_the_colors(color):
    torch.manual_seed(0)
    photo, painting = torch.rand(1, 3, 12, 16) / 2 + 0.3, torch.rand(1, 3, 9, 9)
    shown = torch.zeros(12, 16)
    shown[:, 8:] = 1
    hidden = photo.clone()
    hidden[..., :8] = 0
    _, (made,) = before(color, hidden, [painting], shown)
    _, (expected,) = before(color, photo[..., 8:], [painting])
    assert (made - expected).abs().max() < 1e-5


@pytest.mark.parametrize("color", ["false", "luminance"])
def test_previews_of_coarser_scales_are_complete_images(optimize, small_folder, color):
    image = Image.open("photo.jpg").convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save("clear.png")
    given = ["content=clear.png", "size=64", "scales=2", "steps=1", "preview_every=1"]
    result = optimize(*given, f"preserve_color={color}")
    assert result.status == 0, result.err
    sizes = [Image.open(f"out_steps/step_{n:05}.png").size for n in (0, 2)]
    assert sizes == [(32, 24), (64, 48)]
    assert Image.open("out_steps/step_00000.png").mode == "RGBA"


def test_transparency_and_orientation_are_kept(optimize, small_folder):
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    Image.open("photo.jpg").save("photo.jpg", exif=exif)
    assert optimize("output=out.jpg", "quality=50", "steps=1").status == 0
    with Image.open("out.jpg") as made:
        assert made.size == (24, 32)
        assert made.getexif().get(0x0112, 1) == 1
    small = os.path.getsize("out.jpg")
    assert optimize("output=out.jpg", "steps=1").status == 0
    assert small < os.path.getsize("out.jpg")
    image = Image.open("painting.png").convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save("clear.png")
    assert optimize("content=clear.png", "steps=1").status == 0
    alpha = Image.open("out.png").getchannel("A")
    assert alpha.getextrema()[1] - alpha.getextrema()[0] > 200


def test_previews_and_tensorboard_files_are_written_only_on_request(optimize, small_folder):
    result = optimize("steps=4", "preview_every=2", "tensorboard=logs", "scales=2", "size=48")
    assert result.status == 0, result.err
    shown = {p.name: Image.open(p).size for p in (small_folder / "out_steps").iterdir()}
    small, large = (24, 18), (48, 36)
    assert [shown[f"step_{n:05}.png"] for n in (0, 2, 4, 6, 8)] == [
        *(small, small),
        *(large, large, large),  # the start of the finer scale
    ]
    events = EventAccumulator(str(small_folder / "logs")).Reload()
    assert {"total", "content", "style", "tv", "style/relu1_2"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("total")] == [*range(5), *range(4, 9)]
    assert optimize("output=plain.png").status == 0
    assert "plain_steps" not in names(small_folder)


def test_the_default_output_is_named_after_photo_and_style(optimize, small_folder):
    result = optimize("output=null", "style.name=mine", "steps=1")
    assert result.out.splitlines()[-1] == "photo_mine.png"
    assert (small_folder / "photo_mine.png").is_file()


def test_pretrained_encoder_weights_reduce_the_style_loss(run, small_folder, shared):
    weights = shared / "weights" / "vgg19_to_relu3_4.safetensors"
    result = run(
        "optimize",
        *("content=photo.jpg", "style=starry", "style.size=64", "size=48", "steps=12"),
        *("encoder=vgg19", f"encoder.weights={weights}", "tensorboard=logs", "output=out.png"),
        "loss.style.layers=[relu1_2,relu2_2,relu3_2,relu3_4]",
    )
    assert result.status == 0, result.err
    style = EventAccumulator(str(small_folder / "logs")).Reload().Scalars("style")
    assert style[-1].value < 0.1 * style[0].value
