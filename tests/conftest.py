from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("STYLENET_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def shared():
    folder = Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("the data for development, shared/ beside the checkout, is absent")
    return folder
