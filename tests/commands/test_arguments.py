"""Unusual file names as command line arguments."""

import re

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from stylenet.cli.arguments import for_hydra
from stylenet.cli.configs import config_folder
from stylenet.errors import StyleNetError

from .conftest import blotches


def parse(word, **short):
    """Return key and value that Hydra reads from a command line word."""
    (quoted,) = for_hydra([word], short)
    override = OverridesParser.create().parse_override(quoted)
    return override.key_or_group, override.value()


@pytest.mark.parametrize(
    "value",
    [
        "Fähre.jpg",
        "写真.png",
        "photo (1).jpg",
        "a=b&c#d!.jpg",
        "it's a photo (2).jpg",
        "C:\\Bücher\\",
        "b\\'ü",
        "~/ü/{1}.jpg",
        "plain.jpg",
        "a b.jpg",
        "~nobody,a.jpg",
        "The Starry Night, Vincent van Gogh, 1889",
    ],
)
def test_text_arrives_as_typed(value):
    assert parse(f"input={value}") == ("input", value)
    assert parse(f"style={value}", style="named") == ("named", value)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("x=3", 3),
        ("x=null", None),
        ("x=[a,b]", ["a", "b"]),
        ("x={a:1}", {"a": 1}),
        ("x='ü,1'", "ü,1"),
        ("x=", ""),
    ],
)
def test_values_that_hydra_can_parse_stay_unchanged(word, value):
    assert for_hydra([word], {}) == [word]
    assert parse(word) == ("x", value)


def test_a_style_mixture_is_text_and_a_sweep_is_not():
    assert parse("style=a:0.6,b:0.4", style="named") == ("named", "a:0.6,b:0.4")
    words = ["-m", "style=a,b", "input=ü.jpg,o.jpg"]
    assert for_hydra(words, {"style": "named"}) == ["-m", "named=a,b", "input=ü.jpg,o.jpg"]


def test_a_command_reads_and_writes_files_of_any_name(run, tmp_path):
    photo = blotches(tmp_path / "Straße (1) = 写真.jpg")
    out = tmp_path / "Bücher & mehr" / "it's.png"
    result = run("infer", f"input={photo}", "style=mosaic", f"output={out}", "device=cpu")
    assert result.status == 0, result.err
    assert out.is_file()


@pytest.mark.parametrize(
    "name",
    [
        *("a,b.jpg", "[x].jpg", "{x}", "'x'.jpg", "null", "1e5", "2017", "true", " a.jpg"),
        *("${x}.jpg", "\\${x}.jpg", "${x", "${x},'y'.jpg", "~x.jpg", "camera:x.jpg"),
    ],
)
def test_the_name_of_an_existing_file_is_taken_literally(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).touch()
    key, value = parse(f"input={name}")
    assert (key, OmegaConf.create({key: value})[key]) == ("input", name)


def test_the_name_of_an_existing_style_image_is_taken_literally(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a,b.jpg").touch()
    assert parse("style=a,b.jpg", style="named") == ("named", "a,b.jpg")


@pytest.mark.parametrize("value", ["1e5", "007", "2017", "true", "nan", " b", "b "])
def test_a_name_that_looks_like_a_number_stays_text(value):
    assert parse(f"output={value}") == ("output", value)
    assert for_hydra([f"seed={value}"], {}) == [f"seed={value}"]


@pytest.mark.parametrize("key", ["reference", "style.name", "run_dir", "checkpoint", "init"])
def test_a_name_of_digits_stays_text(key):
    assert parse(f"{key}=1_0.25") == (key, "1_0.25")


def test_the_choice_of_every_config_group_is_text():
    groups = [path.name for path in config_folder().iterdir() if path.is_dir()]
    groups.remove("shared")  # parts of other configs, no choice
    assert [parse(f"{group}=2024") for group in groups] == [(group, "2024") for group in groups]
    assert parse("+experiment=2024") == ("experiment", "2024")
    assert for_hydra(["-m", "style=glob(*)"], {}) == ["-m", "style=glob(*)"]


@pytest.mark.parametrize("key", ["data", "+experiment", "style"])
def test_a_config_group_without_a_choice_is_refused(key):
    with pytest.raises(StyleNetError, match=rf"^{re.escape(key)}=null chooses nothing\. Leave it"):
        for_hydra([f"{key}=null"], {})


def test_options_of_a_group_may_be_a_mapping():
    assert parse("loss={content:null}") == ("loss", {"content": None})
    assert parse("video={blend: 0.5}") == ("video", {"blend": 0.5})


def test_a_path_given_as_the_options_of_videos_is_refused(run, tmp_path):
    photo = blotches(tmp_path / "photo.png", 12, 9)
    error = run("infer", f"input={photo}", "style=mosaic", "video=clip.mp4").error
    assert "video=clip.mp4 is not an option" in error


@pytest.mark.parametrize("words", [["train"], ["infer", "input=data/styles/starry.jpg"]])
def test_an_unknown_style_named_like_a_number_ends_in_one_line(run, words):
    assert "1_0.25" in run(*words, "style=1_0.25").error


def test_null_and_interpolations_keep_their_meaning():
    assert parse("output=null") == ("output", None)
    assert for_hydra(["output=out/${style_name}.png"], {}) == ["output=out/${style_name}.png"]


@pytest.mark.parametrize("name", ["null", "1e5", "${x}.jpg", " a.jpg", "camera:x.jpg", "~x.jpg"])
def test_a_command_reads_a_file_with_an_unusual_name(run, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    blotches(tmp_path / "photo.png", 12, 9).rename(name)
    result = run("infer", f"input={name}", "style=mosaic", "output=out.png", "device=cpu")
    assert (result.status, result.err) == (0, "")
    assert (tmp_path / "out.png").is_file()


@pytest.mark.parametrize("value", [f"[{','.join(['mosaic'] * 60)}]", "a,b" * 200, "a,b"])
def test_a_value_that_cannot_be_a_path_stays_unchanged(value):
    assert for_hydra([f"x={value}"], {}) == [f"x={value}"]


def test_a_name_pattern_needs_no_inner_quotes():
    assert parse("name={name}_{style}") == ("name", "{name}_{style}")


@pytest.mark.parametrize("word", ["style.image=[ü.jpg]", "input='a", "ü=3"])
def test_an_unreadable_word_is_named(run, word):
    error = run("train", "style=starry", word).error
    assert word.split("=")[0] in error
    assert "hydra.cc" not in error


def test_a_word_without_an_equals_sign_is_named(run):
    assert (
        "photo.jpg is not an option. Give options as KEY=VALUE" in run("infer", "photo.jpg").error
    )


@pytest.mark.parametrize("words", [["--input", "photo.jpg"], ["--input=photo.jpg"]])
def test_an_unknown_flag_explains_the_option_syntax(run, words):
    assert (
        "--input is not an option. Give options as KEY=VALUE, such as input=VALUE"
        in run("infer", *words).error
    )


def test_a_misspelled_option_is_named_as_typed(run):
    error = run("infer", "input=photo.jpg", "stlye=starry").error
    assert "did you mean style; the options are input, style," in error


def test_an_image_path_as_style_explains_how_to_pass_it(run):
    error = run("train", "style=holiday/painting.jpg").error
    assert "style=custom style.name=painting style.image=holiday/painting.jpg" in error
