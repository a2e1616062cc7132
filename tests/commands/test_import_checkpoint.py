import torch
from PIL import Image

from .conftest import blotches


def test_an_imported_network_repaints(run, draw, tmp_path):
    torch.save(draw(), tmp_path / "net.model")
    target = tmp_path / "dots.safetensors"
    result = run("import_checkpoint", f"input={tmp_path}/net.model", f"output={target}")
    assert result.status == 0, result.err
    assert "style dots, width 4, 2 residual blocks" in result.out
    photo, out = blotches(tmp_path / "photo.jpg", 41, 30), tmp_path / "out.png"
    assert run("infer", f"input={photo}", f"checkpoint={target}", f"output={out}").status == 0
    assert Image.open(out).size == (41, 30)


def test_mistakes_are_one_line_and_leave_nothing(run, tmp_path):
    torch.save({"a.weight": torch.ones(2)}, tmp_path / "net.model")
    target = f"output={tmp_path}/net.safetensors"
    assert "a.weight (2,)" in run("import_checkpoint", f"input={tmp_path}/net.model", target).error
    assert "no such file" in run("import_checkpoint", "input=nowhere.model", target).error
    wrong = run("import_checkpoint", f"input={tmp_path}/net.model", f"output={tmp_path}/net.pth")
    assert ".safetensors" in wrong.error
    assert "input is missing" in run("import_checkpoint").error
    assert not (tmp_path / "net.safetensors").exists()
