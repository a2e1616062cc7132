"""The documentation site builds strictly, offline, and holds what it promises."""

import json
import re
import subprocess
import sys
import zlib
from html.parser import HTMLParser
from pathlib import Path

import pytest

import stylenet
from stylenet.pretrained import pretrained_styles

for package in ("mkdocs", "material", "mkdocs_jupyter", "mkdocstrings"):
    pytest.importorskip(package)

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


class Loaded(HTMLParser):
    """Addresses that a page loads, other than by links that a reader follows."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if "src" in attributes:
            self.addresses.append(attributes["src"])
        if tag == "link" and attributes.get("rel") in (
            "stylesheet",
            "icon",
            "preload",
            "preconnect",
        ):
            self.addresses.append(attributes["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_of_the_docs_is_on_the_site(site):
    for path in (ROOT / "docs").rglob("*.md"):
        page = path.relative_to(ROOT / "docs").with_suffix("")
        page = "contents" if str(page) == "README" else page
        assert (site / page / "index.html").is_file()


def test_no_page_loads_anything_from_another_host(site):
    for path in site.rglob("*.html"):
        loaded = Loaded()
        loaded.feed(path.read_text())
        assert [a for a in loaded.addresses if re.match(r"(https?:)?//", a)] == [], path
    for path in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", path.read_text()), path


def test_the_gallery_shows_every_pretrained_style_on_the_same_photos(site):
    page = (site / "gallery/index.html").read_text()
    photos = sorted(path.stem.removeprefix("photo_") for path in site.glob("gallery/photo_*.jpg"))
    assert len(photos) == 4
    for style in pretrained_styles():
        shown = re.findall(rf'src="({style}_\w+\.jpg)"', page)
        stylized = [f"{style}_{photo}.jpg" for photo in photos]
        assert [name for name in sorted(shown) if name in stylized] == stylized
        files = {(site / "gallery" / name).read_bytes() for name in stylized}
        assert len(files) == 4
        assert f'href="../models/{style}/"' in page


def test_the_reference_describes_every_public_name(site):
    inventory = (site / "objects.inv").read_bytes()
    names = zlib.decompress(inventory.split(b"\n", 4)[4]).decode()
    for name in set(stylenet.__all__) - {"__version__"}:
        assert re.search(rf"^stylenet\.{name} ", names, re.MULTILINE), name
    page = (site / "reference/stylenet/index.html").read_text()
    assert ":func:" not in page
    assert "&gt;&gt;&gt;" in page
    assert "<blockquote>" not in page, "a doctest is read as nested quotations"


def test_the_search_finds_options_and_names(site):
    index = json.loads((site / "search/search_index.json").read_text())
    texts = " ".join(entry["text"] + entry["title"] for entry in index["docs"])
    assert "preserve_color" in texts
    assert "PerceptualLoss" in texts


def test_the_notebook_is_shown(site):
    page = (site / "notebooks/quickstart/index.html").read_text()
    assert page.count("data:image/jpeg;base64") >= 6
