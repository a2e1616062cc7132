"""Regions, strokes and passes of infer, as users type them."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from stylenet.checkpoint import CheckpointInfo, save_checkpoint
from stylenet.networks import build_network

from .conftest import ROOT, blotches

SIZE = (60, 44)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a photo, masks, a label image, two networks and one of two styles."""
    monkeypatch.chdir(tmp_path)
    blotches(tmp_path / "photo.png", *SIZE)
    for name, columns in (("left", (0, 24)), ("right", (20, 50)), ("all", (0, 60)), ("no", (9, 9))):
        mask = Image.new("L", SIZE, 0)
        if columns[0] < columns[1]:
            mask.paste(255, (columns[0], 0, columns[1], SIZE[1]))
        mask.save(f"{name}.png")
    Image.new("L", (9, 7)).save("small.png")
    labels = Image.new("RGB", SIZE, "red")
    draw = ImageDraw.Draw(labels)
    draw.rectangle((20, 0, 39, 44), "blue")
    draw.rectangle((40, 0, 60, 44), "#00ff00")
    labels.save("labels.png")
    indices = np.repeat(np.arange(3, dtype=np.uint8), 20)
    Image.fromarray(np.broadcast_to(indices, SIZE[::-1]).copy()).save("indices.png")
    for seed, name in enumerate(("sea", "sun")):
        torch.manual_seed(seed)
        network = build_network("johnson", width=2, blocks=1)
        save_checkpoint(f"{name}.safetensors", network, CheckpointInfo(name, 1))
    multi = build_network("johnson_multi", styles=["starry", "mosaic"], width=2, blocks=1)
    for style in multi.styles:
        for parameter in multi.norm_parameters(style):
            torch.nn.init.normal_(parameter, 1, 0.5)
    save_checkpoint("multi.safetensors", multi, CheckpointInfo("starry+mosaic", 1))
    return tmp_path


@pytest.fixture
def infer(run, here):
    """Stylize the photo; return the pixels of the result and what was printed."""

    def call(*options):
        result = run("infer", "input=photo.png", "output=out.png", *options)
        assert result.status == 0, result.err
        return np.asarray(Image.open("out.png"), float), result.out

    call.photo = np.asarray(Image.open("photo.png"), float)
    return call


SEA, SUN = "sea.safetensors", "sun.safetensors"


def test_masks_choose_styles_and_null_keeps_the_photo(infer):
    sea, sun = (infer(f"checkpoint={path}")[0] for path in (SEA, SUN))
    assert np.abs(sea - sun).mean() > 10
    result, printed = infer(f"regions={{left.png: {SEA}, rest: {SUN}}}")
    assert np.array_equal(result[:, :24], sea[:, :24])
    assert np.array_equal(result[:, 24:], sun[:, 24:])
    assert "regions: sea 40%, sun 60%; 60% lies in no mask and gets sun" in printed
    result, printed = infer(f"regions={{left.png: {SEA}, right.png: null, rest: {SUN}}}")
    assert np.array_equal(result[:, 24:50], infer.photo[:, 24:50])
    assert np.array_equal(result[:, 50:], sun[:, 50:])
    middle = (sea + infer.photo)[:, 20:24] / 2
    assert np.abs(result[:, 20:24] - middle).max() <= 1
    assert "photo 47%; masks overlap on 7%, where their sum is scaled to 1; 17% lies" in printed
    result, printed = infer(f"regions={{left.png: {SEA}, no.png: {SUN}}}")
    assert np.array_equal(result[:, 24:], infer.photo[:, 24:])
    assert "60% lies in no mask and keeps the photo; no.png covers no pixel" in printed


def test_one_full_mask_is_the_style_itself(infer):
    alone, _ = infer(f"checkpoint={SEA}")
    assert np.array_equal(infer(f"regions={{all.png: {SEA}, rest: {SUN}}}")[0], alone)
    masked, _ = infer(f"checkpoint={SEA}", "mask=left.png")
    assert np.array_equal(infer(f"regions={{left.png: {SEA}}}")[0], masked)


@pytest.mark.parametrize("name", ["my mask.png", "Fähre (1).png", "'it''s.png'", "'1'"])
def test_any_file_name_can_be_a_key(infer, name):
    Image.open("left.png").save(name.strip("'").replace("''", "'"), "PNG")
    result, _ = infer(f"regions={{{name}: {SEA}}}")
    assert np.array_equal(result[:, 24:], infer.photo[:, 24:])
    assert np.abs(result - infer.photo)[:, :24].mean() > 10


@pytest.mark.parametrize(
    "legend",
    [
        "labels: labels.png, red: {sea}, blue: {sun}",
        "labels: labels.png, ff0000: {sea}, '#0000ff': {sun}, lime: null",
        "labels: indices.png, 0: {sea}, 1: {sun}",
    ],
)
def test_a_label_image_has_a_legend(infer, legend):
    sea, sun = (infer(f"checkpoint={path}")[0] for path in (SEA, SUN))
    result, printed = infer(f"regions={{{legend.format(sea=SEA, sun=SUN)}}}")
    expected = np.concatenate([sea[:, :20], sun[:, 20:40], infer.photo[:, 40:]], axis=1)
    assert np.array_equal(result, expected)
    assert "regions: sea 33%, sun 33%, photo 33%" in printed


def test_feathered_masks_have_a_soft_edge(infer):
    sea, sun = (infer(f"checkpoint={path}")[0] for path in (SEA, SUN))
    regions = f"regions={{left.png: {SEA}, rest: {SUN}}}"
    result, _ = infer(regions, "feather=8")
    weight = (((result - sun) * (sea - sun)).sum((0, 2))) / np.square(sea - sun).sum((0, 2))
    assert (np.abs(weight[:14] - 1) < 0.02).all()
    assert (np.abs(weight[34:]) < 0.02).all()
    assert (np.diff(weight[14:34]) < 0.01).all()
    assert 6 <= ((weight > 0.1) & (weight < 0.9)).sum() <= 10
    masked, _ = infer(f"checkpoint={SEA}", "mask=left.png", "feather=8")
    assert np.array_equal(infer(f"regions={{left.png: {SEA}}}", "feather=8")[0], masked)


def test_styles_of_one_checkpoint_are_mixed_inside_it(infer):
    starry, _ = infer("checkpoint=multi.safetensors", "style=starry")
    mosaic, _ = infer("checkpoint=multi.safetensors", "style=mosaic")
    result, printed = infer(
        "checkpoint=multi.safetensors", "regions={left.png: starry, rest: 'starry:0.2,mosaic:0.8'}"
    )
    assert "regions: starry 40%, starry+mosaic 60%" in printed
    # Statistics of the whole image and a receptive field across the edge: near, not equal.
    left = [np.abs(result - style)[:, :16].mean() for style in (starry, mosaic)]
    right = [np.abs(result - style)[:, 32:].mean() for style in (starry, mosaic)]
    assert left[0] < left[1]
    assert right[1] < right[0]


def test_a_style_image_is_a_style_without_a_checkpoint(infer, here):
    for seed, name in enumerate(("warm", "cold")):
        blotches(here / f"{name}.jpg", 64, 48, seed=seed + 8)
    warm, _ = infer("style=warm.jpg")
    full, printed = infer("regions={all.png: warm.jpg}")
    assert np.array_equal(full, warm)
    assert "regions: warm 100%" in printed
    _, printed = infer(f"regions={{left.png: 'warm.jpg:0.6,cold.jpg:0.4', right.png: {SEA}}}")
    assert "warm+cold" in printed


def test_a_folder_gets_the_regions_of_each_image(run, infer, here):
    for name in ("a", "b"):
        blotches(here / "photos" / f"{name}.png", *SIZE, seed=ord(name))
    blotches(here / "photos" / "c.png", 30, 20)
    result = run(
        "infer", "input=photos", "output=made", f"regions={{left.png: {SEA}, right.png: {SUN}}}"
    )
    assert result.status == 1
    assert "c.png: the mask has 60x44 pixels, the image 30x20" in result.err
    for name in ("a", "b"):
        photo, made = (np.asarray(Image.open(here / d / f"{name}.png")) for d in ("photos", "made"))
        assert np.array_equal(made[:, 50:], photo[:, 50:])
        assert (made[:, :50] != photo[:, :50]).any()


def test_a_folder_of_masks_has_one_for_each_image(run, infer, here):
    for name in ("a", "sub/b", "c"):
        blotches(here / "photos" / f"{name}.png", *SIZE)
    (here / "masks/sub").mkdir(parents=True)
    Image.open("left.png").save("masks/a.png")
    Image.open("right.png").convert("RGB").save("masks/sub/b.jpg")
    result = run("infer", "input=photos", "output=made", f"regions={{masks: {SEA}}}")
    assert result.status == 1
    assert "masks has no mask for c.png. Add one, such as" in result.err
    assert not (here / "made/c.png").exists()
    for name, start, end in (("a", 0, 24), ("sub/b", 20, 50)):
        photo, made = (np.asarray(Image.open(f"{d}/{name}.png"), float) for d in ("photos", "made"))
        changes = np.abs(made - photo).mean((0, 2))
        assert changes[start + 1 : end - 1].min() > 5
        # JPEG leaves a little gray beside an edge.
        assert np.delete(changes, range(max(0, start - 9), min(60, end + 9))).max() < 1


def write_video(path, frames):
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as video:
        stream = video.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = (
            frames[0].shape[1],
            frames[0].shape[0],
            "yuv444p",
        )
        for frame in frames:
            video.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        video.mux(stream.encode(None))


def read_video(path):
    av = pytest.importorskip("av")
    with av.open(str(path)) as video:
        return [frame.to_ndarray(format="rgb24").astype(float) for frame in video.decode(video=0)]


@pytest.fixture
def moving(here):
    """A video of three equal frames, and masks in which a white bar moves to the right."""
    pytest.importorskip("av")
    photo = np.asarray(Image.open("photo.png"))
    write_video("video.mp4", [photo] * 3)
    masks = []
    for start in (0, 20, 40):
        mask = np.zeros_like(photo)
        mask[:, start : start + 20] = 255
        masks.append(mask)
    write_video("moving.mp4", masks)
    write_video("short.mp4", masks[:2])
    write_video("long.mp4", [*masks, masks[0]])
    return photo


@pytest.mark.parametrize(
    ("mask", "steady"),
    [("regions={{moving.mp4: {sea}, rest: {sun}}}", 0.5), ("mask=moving.mp4", 0)],
)
def test_masks_of_a_video_can_be_videos(run, moving, mask, steady):
    network = [f"checkpoint={SEA}"] if mask.startswith("mask") else []
    common = ["video.quality=1", f"video.steady={steady}", "video.blend=0"]
    result = run(
        "infer",
        "input=video.mp4",
        "output=out.mp4",
        mask.format(sea=SEA, sun=SUN),
        *network,
        *common,
    )
    assert result.status == 0, result.err
    run("infer", "input=video.mp4", "output=sea.mp4", f"checkpoint={SEA}", *common)
    run("infer", "input=video.mp4", "output=sun.mp4", f"checkpoint={SUN}", *common)
    inside, outside = read_video("sea.mp4"), read_video("video.mp4" if network else "sun.mp4")
    for index, frame in enumerate(read_video("out.mp4")):
        # Without the pixels that the codec mixes at the edges of the bar.
        bar = slice(20 * index + 2, 20 * index + 18)
        beside = np.r_[0 : max(0, 20 * index - 2), 20 * index + 22 : 60]
        for columns, right, wrong in ((bar, inside, outside), (beside, outside, inside)):
            far = np.abs(frame - wrong[index])[:, columns].mean()
            assert np.abs(frame - right[index])[:, columns].mean() < 0.25 * far


@pytest.mark.parametrize(
    ("options", "bars"),
    [
        (["video.start=0.05"], (20, 40)),
        (["video.end=0.08"], (0, 20)),
        # Each frame comes twice, and so does its mask.
        (["video.fps=50", "video.start=0.04"], (20, 20, 40, 40)),
    ],
)
def test_a_part_of_a_video_has_the_same_part_of_its_mask(run, moving, options, bars):
    command = ["input=video.mp4", f"checkpoint={SEA}", "video.quality=1", "video.blend=0"]
    result = run("infer", *command, "mask=moving.mp4", "output=out.mp4", *options)
    assert result.status == 0, result.err
    frames, photo = read_video("out.mp4"), moving.astype(float)
    assert len(frames) == len(bars)
    for frame, start in zip(frames, bars, strict=True):
        changes = np.abs(frame - photo).mean((0, 2))  # of each column
        inside = np.zeros(60, bool)
        inside[start + 2 : start + 18] = True
        outside = np.ones(60, bool)
        outside[max(0, start - 2) : start + 22] = False
        assert changes[inside].min() > 2 * changes[outside].max()


def test_a_part_after_the_end_of_a_mask_video_is_refused(run, moving):
    result = run("infer", "input=video.mp4", f"regions={{short.mp4: {SEA}}}", "video.start=0.1")
    assert "video.start=0.1 is past the last frame of" in result.error
    assert "short.mp4" in result.error


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ("short.mp4", "the mask video ends before video.mp4. Give videos with the same number of"),
        ("long.mp4", "the mask video has more frames than video.mp4, which has 3. Give videos of"),
    ],
)
def test_a_mask_video_of_another_length_is_refused(run, moving, here, mask, message):
    result = run("infer", "input=video.mp4", "output=out.mp4", f"regions={{{mask}: {SEA}}}")
    assert message in result.error
    assert not (here / "out.mp4").exists()


def test_stroke_and_passes_say_what_they_do(infer):
    plain, _ = infer(f"checkpoint={SEA}")
    result, printed = infer(f"checkpoint={SEA}", "stroke=2")
    assert "stroke=2: the network works at 0.5 times the height and width, so" in printed
    assert np.array_equal(result, infer(f"checkpoint={SEA}", "size=22")[0])
    passes, _ = infer(f"checkpoint={SEA}", "passes=[11,22,full]")
    assert passes.shape == plain.shape
    assert np.abs(passes - plain).mean() > 1


@pytest.mark.slow
def test_a_large_print_in_passes_takes_little_memory(here):
    """Untiled, 24 megapixels would take 200 bytes per pixel: 4.8 GB. Measured: 1.2 to 1.7 GB."""
    torch.manual_seed(0)
    network = build_network("johnson", width=8, blocks=1)
    save_checkpoint("wide.safetensors", network, CheckpointInfo("wide", 1))
    Image.open("photo.png").resize((6000, 4000), Image.Resampling.BICUBIC).save("print.jpg")
    script = [sys.executable, str(ROOT / "scripts/infer.py"), "input=print.jpg", "output=made.jpg"]
    options = ["checkpoint=wide.safetensors", "passes=[250,1000,full]", "tile=1024", "device=cpu"]
    measure = (
        "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode; "
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)"
    )
    command = [sys.executable, "-c", measure, *script, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=True)
    status, megabytes = map(int, done.stdout.splitlines()[-1].split())
    assert status == 0, done.stderr
    assert megabytes < 2000
    with Image.open("made.jpg") as made:
        assert made.size == (6000, 4000)


MISTAKES = [
    ("regions={nowhere.png: starry}", "nowhere.png: no such file"),
    ("regions={.: starry}", "is a folder, expected an image file"),
    ("regions={left.png: nowhere}", "regions: nowhere is neither a pretrained style ("),
    ("regions={small.png: starry}", "the mask has 9x7 pixels, the image 60x44; resize the mask"),
    ("regions={left.png: starry, small.png: mosaic}", "small.png has 9x7 pixels, left.png 60x44"),
    ("regions={left.png: null}", "keeps the photo everywhere. Give a style:"),
    ("regions={rest: starry}", "has no mask. Give one:"),
    ("regions=left.png", "regions=left.png is not a mapping. Give one such as '{sky.png: starry"),
    ("regions={left.png}", "keeps the photo everywhere. Give a style:"),
    ("regions=[left.png]", "is not a mapping"),
    ("regions={}", "is not a mapping"),
    ("regions={left.png: [starry]}", "left.png has the style ['starry']. Give a style, or null"),
    ("regions={left.png: starry} style=mosaic", "regions and style=mosaic exclude each other."),
    ("regions={left.png: starry} mask=left.png", "regions and mask=left.png exclude each other."),
    ("regions={left.png: starry} blend_with=mosaic", "regions and blend_with=mosaic exclude"),
    ("regions={labels: labels.png, rot: starry}", "rot is not a color. Give a name such as red"),
    ("regions={labels: labels.png, 1: starry}", "labels.png: the label image has mode RGB"),
    ("regions={labels: labels.png, 1: starry, red: mosaic}", "mixes colors and indices"),
    ("regions={labels: labels.png, rest: starry}", "has no mask"),
    ("regions={left.png: starry} checkpoint=sea.safetensors", "it holds one style, sea, and not"),
    ("regions={left.png: mono} checkpoint=multi.safetensors", "mono is not a style of this"),
    ("style=starry feather=3", "feather=3 softens the edges of masks. Give mask or regions"),
    ("style=starry mask=left.png feather=-1", "feather=-1 is not a number of at least 0"),
    ("regions={left.png: starry} interpolate=[a,b]", "is not for interpolate. Leave it out."),
    ("style=starry stroke=0", "stroke=0 is not a number of at least 0.25 and at most 4"),
    ("style=starry passes=[512]", "is not a list of two or more short sides"),
    ("style=starry passes=512", "passes=512 is not a list"),
    ("style=starry passes=[22,full] size=30", "passes sets the size of each pass"),
]


def test_passes_and_steady_statistics_exclude_each_other(run, moving):
    options = [f"checkpoint={SEA}", "passes=[22,full]", "video.steady=0.5", "output=out.mp4"]
    result = run("infer", "input=video.mp4", *options)
    assert "passes=[22, 'full'] and steady=0.5 exclude each other. Use steady=0" in result.error


@pytest.mark.parametrize(("mistake", "message"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_ends_in_one_line(run, here, mistake, message):
    key, _, rest = mistake.partition("} ")
    options = [f"{key}}}", *rest.split()] if rest else [mistake]
    options = options if mistake.startswith("regions") else mistake.split()
    result = run("infer", "input=photo.png", "output=made.png", *options)
    assert message in result.error
    assert not (here / "made.png").exists()
