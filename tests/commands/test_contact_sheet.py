import numpy as np
from PIL import Image

from .conftest import blotches


def test_a_row_for_each_photo_and_a_column_for_each_style(run, tmp_path):
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


def test_mistakes_are_one_line(run, tmp_path):
    assert "expected a folder of pictures" in run("contact_sheet", f"photos={tmp_path}").error
    assert "nosuch" in run("contact_sheet", "styles=[nosuch]").error
    assert "size=3" in run("contact_sheet", "size=3").error
