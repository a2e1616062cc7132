"""What only a CUDA device can run: graphs, bfloat16, streams."""

import threading

import numpy as np
import pytest
import torch
from PIL import Image

from stylenet.checkpoint import CheckpointInfo
from stylenet.inference import Stylizer
from stylenet.networks import build_network

pytestmark = pytest.mark.gpu


def stylizer(name, dtype="auto", device="cuda"):
    torch.manual_seed(0)
    network = build_network(name, **({"width": 8} if name == "johnson" else {}))
    made = Stylizer(network, CheckpointInfo("test", 0), device, dtype)
    made.prepare()
    return made


@pytest.mark.parametrize("name", ["johnson", "compact", "adain_style"])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 0.01), ("bfloat16", 0.05), ("float16", 0.01)]
)
def test_every_pass_of_a_size_is_that_of_the_cpu(name, dtype, tolerance):
    torch.manual_seed(1)
    images = torch.rand(3, 2, 3, 61, 94)
    found, expected = stylizer(name, dtype), stylizer(name, "float32", "cpu")
    for batch in images:  # eager, recorded, replayed
        difference = (found(batch.cuda()).cpu() - expected(batch)).abs()
        assert difference.max() < tolerance


def test_a_result_stays_when_the_next_one_comes():
    network = stylizer("johnson")
    images = torch.rand(4, 3, 64, 64, device="cuda")
    network(images[0])
    results = [network(image) for image in images]
    for image, result in zip(images, results, strict=True):
        torch.testing.assert_close(network(image), result)


def test_threads_share_a_stylizer():
    network = stylizer("compact")
    images = torch.rand(16, 3, 64, 64, device="cuda")
    expected = [network(image) for image in images]
    results = [None] * len(images)

    def work(start):
        for i in range(start, len(images), 4):
            results[i] = network(images[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    torch.testing.assert_close(results, expected)


def test_a_bounded_number_of_graphs_is_kept():
    network = stylizer("compact")
    for size in range(16, 80, 8):
        for _ in range(3):
            network(torch.rand(3, size, 24, device="cuda"))
    assert len(network._forward._graphs) == 4


@pytest.mark.parametrize("kind", ["image", "bytes", "floats"])
def test_what_is_not_on_the_gpu_comes_back_as_it_was(kind):
    random = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    given = {"image": Image.fromarray(random), "bytes": random, "floats": random / 255}[kind]
    found, expected = stylizer("johnson", "float32"), stylizer("johnson", "float32", "cpu")
    results = [np.asarray(network(given), dtype=np.float64) for network in (found, expected)]
    assert type(found(given)) is type(given)
    # A GPU multiplies float32 in TF32.
    assert np.abs(results[0] - results[1]).max() <= (0.02 if kind == "floats" else 4)
