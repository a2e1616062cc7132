"""Fused kernels run in Triton's interpreter where there is no CUDA device (see ../conftest.py)."""

import pytest
import torch


@pytest.fixture
def device():
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
