"""Features of CUDA devices: graphs, bfloat16, streams."""

import threading

import numpy as np
import pytest
import torch
from PIL import Image

from stylenet.checkpoint import CheckpointInfo
from stylenet.inference import Stylizer
from stylenet.networks import build_network

pytestmark = pytest.mark.gpu


def stylizer(name, precision="auto", device="cuda"):
    torch.manual_seed(0)
    network = build_network(name, **({"width": 8} if name == "johnson" else {}))
    result = Stylizer(network, CheckpointInfo("test", 0), device, precision)
    result.prepare()
    return result


@pytest.mark.parametrize("name", ["johnson", "compact", "adain_style"])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 0.01), ("bfloat16", 0.05), ("float16", 0.01)]
)
def test_every_pass_gives_the_images_of_the_cpu(name, dtype, tolerance):
    torch.manual_seed(1)
    images = torch.rand(3, 2, 3, 61, 94)
    cuda, cpu = stylizer(name, dtype), stylizer(name, "float32", "cpu")
    for batch in images:  # eager, recorded, replayed
        difference = (cuda(batch.cuda()).cpu() - cpu(batch)).abs()
        assert difference.max() < tolerance


def test_later_passes_do_not_overwrite_a_result():
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


def test_at_most_four_graphs_are_kept():
    network = stylizer("compact")
    for size in range(16, 80, 8):
        for _ in range(3):
            network(torch.rand(3, size, 24, device="cuda"))
    assert len(network._runner.forward._graphs) == 4


@pytest.mark.parametrize("input_type", ["image", "uint8", "float"])
def test_images_in_main_memory_are_returned_in_their_type(input_type):
    random = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    images = {"image": Image.fromarray(random), "uint8": random, "float": random / 255}
    image = images[input_type]
    cuda, cpu = stylizer("johnson", "float32"), stylizer("johnson", "float32", "cpu")
    results = [np.asarray(network(image), dtype=np.float64) for network in (cuda, cpu)]
    assert type(cuda(image)) is type(image)
    # GPUs multiply float32 in TF32.
    assert np.abs(results[0] - results[1]).max() <= (0.02 if input_type == "float" else 4)
