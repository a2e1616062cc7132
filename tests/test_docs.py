"""Links, images and page names of the documentation, which lead to existing files."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "data").rglob("*.md"),
        *(ROOT / "stylenet/assets").rglob("*.md"),
    ]
)
# Files whose comments and messages name a page of the documentation.
MENTIONING = sorted(
    path
    for folder in ("configs", "stylenet", "scripts", "benchmarks")
    for suffix in ("*.py", "*.yaml", "*.sbatch")
    for path in (ROOT / folder).rglob(suffix)
)


def name(path):
    return path.relative_to(ROOT).as_posix()


def text_of(page):
    """Return the text of a page without its fenced code blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def links(page):
    """Return the relative targets of a page's links and images."""
    text = re.sub(r"`[^`\n]*`", "", text_of(page))
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def anchors(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_relative_links_and_images_exist(page):
    missing = []
    for target in links(page):
        file, _, anchor = target.partition("#")
        path = page.parent / file if file else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            missing.append(target)
    assert not missing


def test_the_index_lists_every_page():
    index = ROOT / "docs/README.md"
    listed = {(index.parent / target.partition("#")[0]).resolve() for target in links(index)}
    assert set((ROOT / "docs").rglob("*.md")) - {index} <= listed


def test_every_image_of_the_docs_is_shown():
    shown = {(page.parent / target).resolve() for page in PAGES for target in links(page)}
    assert set((ROOT / "docs/images").iterdir()) <= shown


def test_pages_named_in_code_exist():
    named = {
        (name(path), page)
        for path in MENTIONING
        for page in re.findall(r"\b(?:docs|data)/[\w./-]+\.md", path.read_text())
    }
    assert len(named) > 5
    assert not [(path, page) for path, page in named if not (ROOT / page).is_file()]
