import pytest

from stylenet.checkpoint import CheckpointInfo
from stylenet.data import StyleOptions
from stylenet.errors import StyleNetError
from stylenet.evaluation import recorded_style
from stylenet.evaluation.recipe import loss_key


@pytest.fixture
def find(tmp_path):
    """Reads the style of a recipe, with folders of pretrained and of moved images."""
    for name in ("pretrained/mosaic.jpg", "moved/wave.jpg", "here.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    def find(folder=None, **style):
        info = CheckpointInfo("mine", 3, {"style": style} if style else {})
        moved = None if folder is None else tmp_path / folder
        return recorded_style("runs/mine", info, tmp_path / "pretrained", moved)

    return find


def test_a_picture_that_is_there_is_taken_with_all_that_belongs_to_it(find, tmp_path):
    here = str(tmp_path / "here.jpg")
    style = find(
        name="blue",
        image=[here, "https://example.org/a.jpg"],
        size=99,
        weight=2.0,
        image_weights=[1, 2],
        layers=["relu5_4"],
        _target_="os.system",
    )
    assert style == StyleOptions("blue", [here, "https://example.org/a.jpg"], 99, 2.0, None, [1, 2])


@pytest.mark.parametrize(
    "image", ["mosaic.jpg", "/gone/data/styles/mosaic.jpg", r"C:\gone\styles\mosaic.jpg"]
)
def test_pictures_that_come_with_the_project_are_found(find, tmp_path, image):
    assert find(image=image).images == [str(tmp_path / "pretrained" / "mosaic.jpg")]


@pytest.mark.parametrize("image", ["wave.jpg", "/gone/wave.jpg", "https://example.org/wave.jpg"])
def test_moved_pictures_are_found_by_name(find, tmp_path, image):
    assert find("moved", image=image).images == [str(tmp_path / "moved" / "wave.jpg")]


@pytest.mark.parametrize("image", ["/home/somebody/mosaic.jpg", "wave.jpg", "/gone/x/wave.jpg"])
def test_what_is_not_found_is_one_line(find, image):
    with pytest.raises(StyleNetError, match=r"^runs/mine: its style image .* style_folder="):
        find(image=image)


@pytest.mark.parametrize("style", [{}, {"name": "mine"}, {"image": ""}])
def test_no_style_in_the_recipe(find, style):
    with pytest.raises(StyleNetError, match="runs/mine records no style image"):
        find(**style)


def test_a_damaged_recipe_is_one_line(find):
    with pytest.raises(StyleNetError, match=r"runs/mine: style\.size=-3"):
        find(image="mosaic.jpg", size=-3)


def test_a_judge_is_told_by_what_the_losses_depend_on():
    style = StyleOptions("a", "x.jpg", 64)
    assert loss_key(style) == loss_key(StyleOptions("b", ["x.jpg"], 64))
    for other in (
        StyleOptions("a", "y.jpg", 64),
        StyleOptions("a", "x.jpg", 32),
        StyleOptions("a", "x.jpg", 64, weight=2.0),
        StyleOptions("a", "x.jpg", 64, layers=["relu1_1"]),
    ):
        assert loss_key(style) != loss_key(other)
