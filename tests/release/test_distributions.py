"""The sdist, the wheel without the checkout, and the container's copy of the project."""

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

import stylenet

for package in ("build", "twine"):
    pytest.importorskip(package)

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def call(*words, **options):
    done = subprocess.run(
        list(map(str, words)), capture_output=True, text=True, timeout=600, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """Build the sdist, and the wheel from the sdist, with the installed hatchling."""
    folder = tmp_path_factory.mktemp("dist")
    call(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    return folder


@pytest.fixture(scope="module")
def wheel(distributions):
    return next(distributions.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """Install the wheel in a fresh environment that sees the other packages of this one."""
    folder = tmp_path_factory.mktemp("environment")
    call(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    packages = call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    # A path in a .pth file is only a path: the .pth files there, such as that of an editable
    # installation, are not read.
    paths = {sysconfig.get_path("purelib"), *filter(_is_package_folder, sys.path)}
    Path(packages, "shared.pth").write_text("\n".join(sorted(paths)))
    call(python, "-m", "pip", "install", "--no-index", "--no-deps", "--force-reinstall", wheel)
    return python


def _is_package_folder(path):
    return path.endswith(("site-packages", "dist-packages"))


def test_the_descriptions_are_valid(distributions):
    files = sorted(distributions.iterdir())
    assert [file.suffix for file in files] == [".whl", ".gz"]
    call(sys.executable, "-m", "twine", "check", "--strict", *files)


def test_the_wheel_names_its_pages_and_each_python(wheel):
    with zipfile.ZipFile(wheel) as file:
        name = next(name for name in file.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(file.read(name))
    assert metadata["Version"] == stylenet.__version__
    low, high = sorted(map(int, re.findall(r"3\.(\d+)", metadata["Requires-Python"])))
    versions = {f"Programming Language :: Python :: 3.{minor}" for minor in range(low, high)}
    assert versions <= set(metadata.get_all("Classifier"))
    description = metadata.get_payload()
    assert description.startswith("# StyleNet")
    assert re.findall(r"\]\((?!https://)[^)]+\)", description) == []
    urls = dict(url.split(", ") for url in metadata.get_all("Project-URL"))
    assert {"Homepage", "Documentation", "Changelog", "Issues"} <= set(urls)


def test_the_sdist_holds_every_file_of_the_repository(distributions):
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    tracked = call("git", "ls-files", cwd=ROOT).split()
    with tarfile.open(next(distributions.glob("*.tar.gz"))) as file:
        held = {name.partition("/")[2] for name in file.getnames()}
    assert set(tracked) - held == set()


def test_the_wheel_trains_stylizes_and_exports_without_the_checkout(environment, tmp_path):
    bash = shutil.which("bash")
    out = call(bash, ROOT / ".ci/smoke", environment, cwd=tmp_path)
    assert f"smoke test passed: StyleNet {stylenet.__version__}" in out


def test_the_container_gets_the_same_package(wheel, tmp_path):
    """A wheel built from what Dockerfile copies, and .dockerignore lets through, is the same."""
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    let_through = {line[1:] for line in ignored if line.startswith("!")}
    for line in re.findall(r"^COPY (.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE):
        *sources, target = line.split()
        for source in sources:
            assert source in let_through
            # A directory's content is copied, a file keeps its name.
            destination = tmp_path / target.lstrip("/")
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, destination)
            else:
                destination.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, destination)
    call(
        *(sys.executable, "-m", "build", "--wheel", "--no-isolation"),
        *("--outdir", tmp_path / "dist", tmp_path / "stylenet"),
    )
    copy = next((tmp_path / "dist").glob("*.whl"))
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(copy) as second:
        assert sorted(first.namelist()) == sorted(second.namelist())
