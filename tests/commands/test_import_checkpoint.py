import torch
from PIL import Image
from safetensors.torch import save_file

from stylenet.checkpoint import load_checkpoint

from .conftest import blotches


def test_an_imported_network_stylizes(run, make_state, tmp_path):
    torch.save(make_state(), tmp_path / "net.model")
    target = tmp_path / "dots.safetensors"
    result = run("import_checkpoint", f"input={tmp_path}/net.model", f"output={target}")
    assert result.status == 0, result.err
    assert "style dots, width 4, 2 residual blocks" in result.out
    photo, out = blotches(tmp_path / "photo.jpg", 41, 30), tmp_path / "out.png"
    assert run("infer", f"input={photo}", f"checkpoint={target}", f"output={out}").status == 0
    assert Image.open(out).size == (41, 30)


def test_mistakes_end_in_one_line_and_leave_no_files(run, tmp_path):
    torch.save({"a.weight": torch.ones(2)}, tmp_path / "net.model")
    target = f"output={tmp_path}/net.safetensors"
    assert "a.weight (2,)" in run("import_checkpoint", f"input={tmp_path}/net.model", target).error
    assert "no such file" in run("import_checkpoint", "input=nowhere.model", target).error
    wrong = run("import_checkpoint", f"input={tmp_path}/net.model", f"output={tmp_path}/net.pth")
    assert ".safetensors" in wrong.error
    assert "input is missing" in run("import_checkpoint").error
    assert not (tmp_path / "net.safetensors").exists()


def test_the_input_is_never_overwritten_and_a_numeric_name_is_text(run, make_state, tmp_path):
    path = tmp_path / "net.safetensors"
    save_file(make_state(), path)
    before = path.read_bytes()
    error = run("import_checkpoint", f"input={path}", f"output={path}").error
    assert "is the input itself" in error
    assert path.read_bytes() == before
    given = [f"input={path}", f"output={tmp_path}/5.safetensors", "name=5"]
    assert run("import_checkpoint", *given).status == 0
    assert load_checkpoint(tmp_path / "5.safetensors")[1].style == "5"
