import sys
from importlib.metadata import EntryPoint

import pytest

from stylenet import plugins
from stylenet.errors import StyleNetError
from stylenet.networks import build_network, registry

NETWORK = """
from torch import nn
from stylenet.networks import StyleNetwork, register_network

@register_network("tiny_plugin")
class Tiny(StyleNetwork):
    def __init__(self, gain: float = 1.0):
        super().__init__()
        self.gain = gain

    def forward(self, images):
        return (images * self.gain).clamp(0, 1)
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install plugins: modules by name, declared as entry points."""

    def install(**modules):
        for name, source in modules.items():
            (tmp_path / f"{name}.py").write_text(source)
            monkeypatch.delitem(sys.modules, name, raising=False)
        declared = [EntryPoint(name, name, plugins.GROUP) for name in modules]
        monkeypatch.setattr(plugins, "entry_points", lambda group: declared)
        plugins.load_plugins.cache_clear()

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_NETWORKS", dict(registry._NETWORKS))
    yield install
    plugins.load_plugins.cache_clear()


def test_a_plugin_is_imported_when_its_network_is_requested(install):
    install(tiny_package=NETWORK)
    assert "tiny_package" not in sys.modules
    build_network("johnson", width=2, blocks=0)
    assert "tiny_package" not in sys.modules
    network = build_network("tiny_plugin", gain=2.0)
    assert (network.name, network.arguments) == ("tiny_plugin", {"gain": 2.0})


def test_a_broken_plugin_is_named_and_the_others_load(install):
    install(broken_package="raise RuntimeError('no')", tiny_package=NETWORK)
    with pytest.warns(UserWarning, match=r"plugin broken_package .*RuntimeError\('no'\)"):
        assert build_network("tiny_plugin").arguments == {"gain": 1.0}


def test_an_unknown_network_stays_an_error(install):
    install(tiny_package=NETWORK)
    with pytest.raises(StyleNetError, match=r"unknown network huge.*tiny_plugin"):
        build_network("huge")
