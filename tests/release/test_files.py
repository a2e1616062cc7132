"""Files around the package: workflows, citation, container."""

import re
from pathlib import Path

import pytest
import yaml

import stylenet

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
FORMS = [*sorted((ROOT / ".github").rglob("*.yml")), ROOT / "compose.yaml", ROOT / "CITATION.cff"]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_yaml_files_can_be_read(path):
    assert isinstance(yaml.safe_load(path.read_text()), dict)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_named_by_their_version(path):
    lines = [line for line in path.read_text().splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        assert re.search(r"uses: [\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_may_only_read_unless_a_job_says_more(path):
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}


def test_every_supported_python_is_tested():
    minors = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', _project())
    versions = [f"3.{minor}" for minor in range(int(minors[1]), int(minors[2]))]
    for path, job in (("ci.yml", "test"), ("release.yml", "smoke")):
        workflow = yaml.safe_load((ROOT / ".github/workflows" / path).read_text())
        assert workflow["jobs"][job]["strategy"]["matrix"]["python"] == versions


def test_the_citation_has_the_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == stylenet.__version__
    assert f'Homepage = "{citation["repository-code"]}"' in _project()


def test_one_address_of_the_repository():
    """The files that name the repository name the same one."""
    address = re.search(r'Homepage = "https://(github\.com/[\w/-]+)"', _project())[1]
    owner = address.split("/")[1]
    names = ["mkdocs.yml", "CITATION.cff", ".github/ISSUE_TEMPLATE/config.yml", "pyproject.toml"]
    for name in names:
        assert set(re.findall(rf"github\.com/{owner}/[\w-]+", (ROOT / name).read_text())) == {
            address
        }


def _project():
    return (ROOT / "pyproject.toml").read_text()
