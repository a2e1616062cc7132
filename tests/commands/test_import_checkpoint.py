import torch
from PIL import Image
from safetensors.torch import save_file

from stylenet.checkpoint import load_checkpoint

from .conftest import blotches


def test_an_imported_network_stylizes(run, draw, tmp_path):
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


def test_the_input_is_not_written_over_and_a_name_is_text(run, draw, tmp_path):
    path = tmp_path / "net.safetensors"
    save_file(draw(), path)
    before = path.read_bytes()
    error = run("import_checkpoint", f"input={path}", f"output={path}").error
    assert "is the input itself" in error
    assert path.read_bytes() == before
    given = [f"input={path}", f"output={tmp_path}/5.safetensors", "name=5"]
    assert run("import_checkpoint", *given).status == 0
    assert load_checkpoint(tmp_path / "5.safetensors")[1].style == "5"
