"""Fuzzing with strength 0: the result has to match the input as another decoder reads it.

The suite runs a small sample, always the same; ``make fuzz`` runs many random examples and prints
its seed, which ``make fuzz SEED=...`` repeats.
"""

import os

import pytest
import torch
from hypothesis import HealthCheck, settings

from stylenet.checkpoint import CheckpointInfo
from stylenet.inference import Stylizer
from stylenet.networks import build_network

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))


def fuzz_settings(sample):
    """Return settings for Hypothesis: ``sample`` examples, or FUZZ_EXAMPLES in ``make fuzz``."""
    return settings(
        max_examples=EXAMPLES or sample,
        derandomize=not EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


@pytest.fixture(scope="session")
def stylizer():
    torch.manual_seed(0)
    network = build_network("johnson", width=2, blocks=0)
    return Stylizer(network, CheckpointInfo("test", 1), device="cpu")
