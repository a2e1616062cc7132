"""Fused kernels run in Triton's interpreter where there is no CUDA device."""

import os

import pytest
import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # read when the kernels are imported


@pytest.fixture
def device():
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
