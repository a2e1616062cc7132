import errno
import io
import json
import os
import pickle
import struct

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import stylenet
from stylenet.checkpoint import (
    FORMAT_VERSION,
    CheckpointInfo,
    find_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from stylenet.errors import StyleNetError
from stylenet.networks import available_networks, build_network
from stylenet.perceptual import VGGEncoder

INFO = CheckpointInfo("starry night ✨", 1200, {"loss": {"style_weight": 5.0, "layers": ["a"]}})


def small(norm="instance"):
    return build_network("johnson", width=2, blocks=1, norm=norm)


def assert_same_weights(network, expected):
    state = network.state_dict()
    assert state.keys() == expected.state_dict().keys()
    for key, value in expected.state_dict().items():
        assert state[key].dtype == value.dtype
        assert torch.equal(state[key], value), key


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "starry.safetensors"
    save_checkpoint(path, small(), INFO)
    return path


def rewrite(path, change):
    """Rewrite the checkpoint with other metadata."""
    (length,) = struct.unpack("<Q", path.read_bytes()[:8])
    header = json.loads(path.read_bytes()[8 : 8 + length])
    data = path.read_bytes()[8 + length :]
    header["__metadata__"]["stylenet"] = change(header["__metadata__"]["stylenet"])
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def refusal(path):
    """Return the error message of a refused checkpoint: one line that names it."""
    with pytest.raises(StyleNetError) as error:
        load_checkpoint(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", available_networks())
def test_every_network_is_restored_bit_for_bit(tmp_path, name):
    network = build_network(name)
    save_checkpoint(tmp_path / "a.safetensors", network, INFO)
    loaded, info = load_checkpoint(tmp_path / "a.safetensors")
    assert (loaded.name, loaded.arguments) == (name, network.arguments)
    assert info == INFO
    assert not loaded.training
    assert_same_weights(loaded, network)


def test_batch_norm_statistics_are_restored(tmp_path):
    network = small("batch").train()
    network(torch.rand(2, 3, 8, 8))
    save_checkpoint(tmp_path / "a.safetensors", network, INFO)
    assert_same_weights(load_checkpoint(tmp_path / "a.safetensors")[0], network)


def test_a_channels_last_network_is_saved_like_any_other(tmp_path):
    network = small().to(memory_format=torch.channels_last)
    assert not network.head.weight.is_contiguous()
    save_checkpoint(tmp_path / "a.safetensors", network, INFO)
    assert_same_weights(load_checkpoint(tmp_path / "a.safetensors")[0], network)
    assert not network.head.weight.is_contiguous()  # the network itself is unchanged


def test_a_checkpoint_records_the_version_that_wrote_it(checkpoint):
    assert load_checkpoint(checkpoint)[1].package_version == stylenet.__version__


def test_no_pickle_is_written_or_read(checkpoint, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a pickle was read")

    for module, name in [(torch, "load"), (pickle, "load"), (pickle, "loads")]:
        monkeypatch.setattr(module, name, refuse)
    load_checkpoint(checkpoint)
    # The file consists of a JSON header and the numbers that it lists.
    content = checkpoint.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header.pop("__metadata__")
    assert len(content) == 8 + length + max(
        end for _, end in (h["data_offsets"] for h in header.values())
    )


class MakeFolder:
    """Object that creates a folder when unpickled: code in a pickle."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt", ".pth"])
def test_code_in_a_file_does_not_run(tmp_path, suffix):
    evil = {"state_dict": small().state_dict(), "evil": MakeFolder(tmp_path / "ran")}
    torch.save(evil, tmp_path / f"a{suffix}")
    assert "not a StyleNet checkpoint" in refusal(tmp_path / f"a{suffix}")
    assert not (tmp_path / "ran").exists()


def test_a_failed_save_keeps_the_old_file(checkpoint, monkeypatch):
    before = checkpoint.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StyleNetError, match=r"starry\.safetensors: No space left on device"):
        save_checkpoint(checkpoint, small(), INFO)
    assert checkpoint.read_bytes() == before
    assert [path.name for path in checkpoint.parent.iterdir()] == [checkpoint.name]


def test_a_save_replaces_the_old_file(checkpoint):
    network = small()
    save_checkpoint(checkpoint, network, CheckpointInfo("wave", 3))
    loaded, info = load_checkpoint(str(checkpoint))
    assert_same_weights(loaded, network)
    assert info == CheckpointInfo("wave", 3, {}, stylenet.__version__)


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        (["wave.safetensors", "checkpoints/step_0000900.safetensors"], "wave.safetensors"),
        (
            [
                f"checkpoints/step_{i:07d}.{kind}"
                for i in (900, 1200, 60)
                for kind in ("ckpt", "safetensors")
            ],
            "checkpoints/step_0001200.safetensors",
        ),
        # Left by a crash during writing.
        (
            [".wave-x1.safetensors", "checkpoints/step_0000060.safetensors"],
            "checkpoints/step_0000060.safetensors",
        ),
        (["checkpoints/.a.safetensors", "checkpoints/B.safetensors"], "checkpoints/B.safetensors"),
    ],
    ids=["final", "newest", "half-written final", "half-written step"],
)
def test_a_run_directory_resolves_to_its_best_checkpoint(tmp_path, files, chosen):
    for name in files:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    assert find_checkpoint(tmp_path) == tmp_path / chosen


@pytest.mark.parametrize(
    ("step", "chosen"),
    [
        (1100, "wave.safetensors"),
        (1200, "wave.safetensors"),  # the same step, under its final name
        (1300, "checkpoints/step_0001300.safetensors"),  # the run is being extended
    ],
)
def test_the_later_of_the_final_and_a_saved_checkpoint_is_chosen(tmp_path, step, chosen):
    save_checkpoint(tmp_path / "wave.safetensors", small(), CheckpointInfo("wave", 1200))
    (tmp_path / "not_ours.safetensors").write_bytes(b"")
    for early in (60, step):
        saved = tmp_path / f"checkpoints/step_{early:07d}.safetensors"
        save_checkpoint(saved, small(), CheckpointInfo("wave", early))
    assert find_checkpoint(tmp_path) == tmp_path / chosen
    assert load_checkpoint(tmp_path)[1].step == max(step, 1200)


def test_a_run_directory_is_loaded_like_its_checkpoint(checkpoint):
    network, info = load_checkpoint(checkpoint.parent)
    assert_same_weights(network, load_checkpoint(checkpoint)[0])
    assert info == INFO


@pytest.mark.parametrize("leftover", [None, "step_0000060.ckpt", ".step_0000060-x.safetensors"])
def test_a_folder_without_a_checkpoint_is_refused(tmp_path, leftover):
    if leftover:
        (tmp_path / "checkpoints").mkdir()
        (tmp_path / "checkpoints" / leftover).write_bytes(b"")
    assert "holds no .safetensors file" in refusal(tmp_path)


def test_a_missing_file_is_refused(tmp_path):
    assert "no such file or folder" in refusal(tmp_path / "none.safetensors")


@pytest.mark.parametrize("part", [0, 0.001, 0.3, 0.999])
def test_a_truncated_file_is_refused(checkpoint, part):
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: int(len(content) * part)])
    assert "damaged" in refusal(checkpoint)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_weights_of_another_program_are_refused(tmp_path, metadata):
    path = tmp_path / "vgg.safetensors"
    save_file({"features.0.weight": torch.zeros(2)}, path, metadata)
    assert "weights without StyleNet metadata, so another program wrote it" in refusal(path)


def test_a_newer_format_asks_for_an_upgrade(checkpoint):
    def newer(text):
        # A version with other keys and networks.
        return json.dumps(
            {
                "format_version": FORMAT_VERSION + 1,
                "package_version": "7.8.9",
                "network": {"name": "transformer", "heads": 4},
            }
        )

    rewrite(checkpoint, newer)
    message = refusal(checkpoint)
    assert f"format {FORMAT_VERSION + 1}, written by StyleNet 7.8.9" in message
    assert f"this is {stylenet.__version__}, which reads up to {FORMAT_VERSION}" in message
    assert "pip install --upgrade" in message


def test_an_unknown_network_lists_the_available_ones(checkpoint):
    rewrite(checkpoint, lambda text: text.replace('"johnson"', '"jonson"'))
    assert f"unknown network jonson; available networks: {available_networks()[0]}" in refusal(
        checkpoint
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"width": 2', '"depth": 2', "no argument depth; it takes width, blocks, norm"),
        ('"width": 2', '"width": 0', "network.width=0"),
        ('"width": 2', '"width": 3', "do not fit the network johnson that it names"),
        ('"blocks": 1', '"blocks": 2', "do not fit the network johnson that it names"),
        ('"instance"', '"batch"', "do not fit the network johnson that it names"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(checkpoint, old, new, message):
    rewrite(checkpoint, lambda text: text.replace(old, new))
    assert message in refusal(checkpoint)


def damage(**changes):
    return lambda text: json.dumps({**json.loads(text), **changes})


def without(key):
    return lambda text: json.dumps({k: v for k, v in json.loads(text).items() if k != key})


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: text[:-1],
        lambda text: "{}",
        lambda text: "[]",
        lambda text: "3",
        lambda text: "null",
        lambda text: "[" * 200_000,
        damage(format_version="1"),
        damage(format_version=None),
        damage(network="johnson"),
        damage(network={"name": ["johnson"], "arguments": {}}),
        damage(network={"name": "johnson", "arguments": [2, 1]}),
        damage(network={"name": "johnson", "arguments": {"name": "johnson"}}),
        *[without(key) for key in ("format_version", "network", "style", "step", "recipe")],
    ],
)
def test_damaged_metadata_is_refused(checkpoint, change):
    rewrite(checkpoint, change)
    assert "metadata is damaged" in refusal(checkpoint)


def test_a_checkpoint_is_no_larger_than_the_network(checkpoint):
    weights = io.BytesIO()
    torch.save(small().state_dict(), weights)
    assert checkpoint.stat().st_size < len(weights.getvalue()) + 2000


def test_an_encoder_is_restored_by_its_hash(tmp_path):
    network = build_network("adain", encoder="vgg19", layer="relu2_1", width=2)
    convolutions = VGGEncoder("vgg19", "random", allow_random=True).convolutions_to("relu2_1")
    network.encoder.load_weights(
        {f"{k}.{kind}": v for k, c in convolutions.items() for kind, v in c.state_dict().items()}
    )
    path = tmp_path / "any.safetensors"
    save_checkpoint(path, network, CheckpointInfo("adain", 1, {"encoder": {"weights": "random"}}))
    with safe_open(path, framework="pt") as file:
        names = list(file.keys())
    assert all(name.startswith("decoder.") or name == "encoder.scale" for name in names)
    assert_same_weights(load_checkpoint(path)[0], network)
    # A single style of the network names its encoder, too.
    style = network.select([torch.rand(1, 3, 24, 24)])
    save_checkpoint(path, style, CheckpointInfo("light", 1, {"encoder": {"weights": "random"}}))
    assert_same_weights(load_checkpoint(path)[0], style)

    with torch.no_grad():
        network.encoder.convolutions["conv2_1"].bias.add_(1e-3)
    save_checkpoint(path, network, CheckpointInfo("adain", 1, {"encoder": {"weights": "random"}}))
    assert "those of random differ; give their file: encoder_weights=PATH" in refusal(path)
    save_checkpoint(path, network, CheckpointInfo("adain", 1, {"encoder": {"weights": "gone.pth"}}))
    assert "encoder.weights=gone.pth of its recipe was not found" in refusal(path)
    save_checkpoint(path, network, CheckpointInfo("adain", 1))
    assert "vgg19 up to relu2_1" in refusal(path)
