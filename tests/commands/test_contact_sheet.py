import numpy as np
from PIL import Image

from stylenet.pretrained import pretrained_styles

from .conftest import blotches


def test_the_sheet_has_a_row_for_each_photo_and_a_column_for_each_style(run, tmp_path):
    for name in ("a.jpg", "b.png"):
        blotches(tmp_path / "photos" / name, 90, 70)
    sheet = tmp_path / "sheet.png"
    result = run(
        "contact_sheet",
        f"photos={tmp_path}/photos",
        "styles=[great_wave]",
        "size=64",
        f"output={sheet}",
    )
    assert result.status == 0, result.err
    pixels = np.asarray(Image.open(sheet), float)
    assert pixels.shape == (64 + 6 + 64 + 28, 64 + 6 + 64, 3)
    photo, painted = pixels[28 : 28 + 64, :64], pixels[28 : 28 + 64, 70:]
    assert np.abs(photo - painted).mean() > 5
    assert (pixels[28 : 28 + 64, 64:70] == 255).all()


def test_mistakes_end_in_one_line(run, tmp_path):
    assert "Give a folder of images" in run("contact_sheet", f"photos={tmp_path}").error
    assert "nosuch" in run("contact_sheet", "styles=[nosuch]").error
    assert "size=3" in run("contact_sheet", "size=3").error
    assert "styles=[] is empty" in run("contact_sheet", "styles=[]").error
    blotches(tmp_path / "photos" / "a.jpg")
    arguments = ["contact_sheet", f"photos={tmp_path}/photos", "styles=mosaic"]
    assert "its suffix is none of" in run(*arguments, f"output={tmp_path}/sheet.xyz").error
    assert "JPEG has at most 65,500" in run(*arguments, "size=70000").error
    assert "cannot write output=" in run(*arguments, f"output={tmp_path}/photos/a.jpg/b.jpg").error


def test_every_network_has_its_own_column(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mosaic").mkdir()  # a folder with the name of a pretrained style is ignored
    blotches(tmp_path / "photos" / "a.png", 70, 70)
    other = tmp_path / "other.safetensors"
    other.write_bytes(pretrained_styles()["mosaic"].read_bytes())
    shown = {
        "null": len(pretrained_styles()),
        f"[{pretrained_styles()['mosaic']},{other}]": 2,
        str(other): 1,
    }
    for styles, count in shown.items():
        arguments = ["photos=photos", f"styles={styles}", "size=64", "output=sheet.png"]
        result = run("contact_sheet", *arguments)
        assert result.status == 0, result.err
        assert Image.open("sheet.png").width == 64 + count * 70
