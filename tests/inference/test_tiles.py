import numpy as np
import pytest
import torch
from PIL import Image

from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.inference import Stylizer
from stylenet.inference.buffers import TensorBuffer
from stylenet.inference.memory import choose_tile
from stylenet.inference.tiles import can_be_tiled, stylize_tiled
from stylenet.networks import available_networks, build_network


def network(**arguments):
    torch.manual_seed(0)
    net = build_network("johnson", **{"width": 2, "blocks": 2, **arguments}).double().eval()
    for parameter in net.parameters():  # no normalization has a scale of one
        parameter.data += 0.3 * torch.randn_like(parameter)
    return net


def photo(height, width, seed=0):
    """Return an image whose brightness and texture vary, so that no tile resembles it."""
    noise = torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed)).double()
    return noise * torch.linspace(0, 1, width) * torch.linspace(0.2, 1, height)[:, None]


def tiled(net, content, tile, **options):
    result = TensorBuffer(torch.full_like(content, -1))
    stylize_tiled(net, TensorBuffer(content), result, tile, **options)
    return result.pixels


@pytest.mark.parametrize("in_file", [False, True], ids=["memory", "file"])
@pytest.mark.parametrize("arguments", [{}, {"blocks": 0}, {"norm": "batch"}, {"output": "linear"}])
@torch.no_grad()
def test_tiling_gives_the_untiled_result(arguments, in_file):
    net, content = network(**arguments), photo(75, 130)
    untiled = net(content[None])[0]
    assert untiled.std() > 0.05
    result = tiled(net, content, 32, in_file=in_file)
    torch.testing.assert_close(result, untiled, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("height", "width", "tile"),
    [(64, 64, 16), (65, 63, 16), (33, 97, 4), (66, 41, 20), (1, 70, 16), (70, 3, 16), (50, 50, 64)],
)
@torch.no_grad()
def test_image_and_tile_sizes_are_arbitrary(height, width, tile):
    net, content = network(), photo(height, width)
    result = tiled(net, content, tile)
    torch.testing.assert_close(result, net(content[None])[0], rtol=0, atol=1e-10)


@torch.no_grad()
def test_tiles_leave_no_seams():
    # Steps across the borders of tiles are like any others, whatever rounding does.
    content = photo(128, 160, seed=3).float()
    result = tiled(network().float(), content, 32)
    steps = (result[..., 1:] - result[..., :-1]).abs().mean((0, 1))
    across = torch.zeros(159, dtype=torch.bool)
    across[31::32] = True
    around = torch.zeros(159, dtype=torch.bool)
    around[[i + d for i in range(31, 159, 32) for d in (-4, 4) if 0 <= i + d < 159]] = True
    assert 0.8 < float(steps[across].mean() / steps[around].mean()) < 1.25


@pytest.mark.parametrize("name", available_networks())
@torch.no_grad()
def test_tiling_every_network_gives_the_untiled_result(name):
    torch.manual_seed(0)
    net = build_network(name).double().eval()
    if not can_be_tiled(net):
        pytest.skip("not tiled")
    content = photo(60, 72)
    result = tiled(net, content, 32)
    torch.testing.assert_close(result, net(content[None])[0], rtol=0, atol=1e-8)


def test_progress_counts_every_step():
    seen = []
    tiled(network(), photo(40, 40), 16, progress=lambda done, total: seen.append((done, total)))
    total = seen[0][1]
    assert seen == [(i + 1, total) for i in range(total)]


def test_a_full_disk_is_reported(monkeypatch):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(StyleNetError, match="No space left on device; set TMPDIR"):
        tiled(network(), photo(40, 40), 16, in_file=True)


@pytest.mark.parametrize(
    ("requested", "size", "free", "expected"),
    [
        (None, (100, 100), 10**9, 0),  # 10 MB
        (None, (2000, 2000), 10**9, 512),  # 4 GB: in tiles that fit into half of it
        (None, (9000, 9000), 10**11, 1024),
        (None, (9000, 9000), 0, 256),
        (0, (9000, 9000), 0, 0),
        (300, (200, 301), 10**12, 300),
        (300, (200, 300), 0, 0),
    ],
)
def test_the_tile_size_follows_the_free_memory(requested, size, free, expected):
    assert choose_tile(requested, size, 1000, lambda: free) == expected


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("name", available_networks())
def test_a_tiled_image_looks_like_the_untiled_image(name, dtype):
    torch.manual_seed(0)
    net = build_network(name, width=8)
    if not can_be_tiled(net):
        pytest.skip("not tiled")
    stylizer = Stylizer(net, CheckpointInfo("test", 1), "cpu", dtype)
    pixels = np.random.default_rng(0).integers(0, 256, (300, 280, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    untiled, tiled_pixels = (
        np.asarray(stylizer(image, tile=tile), dtype=int) for tile in ("none", 256)
    )
    assert np.abs(untiled - tiled_pixels).max() <= (1 if dtype == "float32" else 12)
    assert np.abs(untiled - tiled_pixels).mean() < 1
