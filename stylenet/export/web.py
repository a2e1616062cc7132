"""A page that stylizes photos in the browser, beside the network that it runs."""

import shutil
from pathlib import Path

from stylenet.files import atomic_path

# index.html and page.js are the page, stylizer.js is for pages of one's own, package.json names the
# runtime that `npm install` brings.
_PAGE = Path(__file__).parent.parent / "assets" / "web"


def network_path(folder: Path) -> Path:
    """Says where a page looks for its network.

    Args:
        folder: The page's folder.

    Returns:
        The ONNX file in it.
    """
    return folder / "network.onnx"


def write_page(folder: Path) -> None:
    """Write the files of the page.

    Those that are there already stay as they are: somebody may have changed them.

    Args:
        folder: Where to.

    Raises:
        StyleNetError: A file cannot be written.
    """
    for source in sorted(_PAGE.iterdir()):
        target = folder / source.name
        if not target.exists():
            with atomic_path(target) as temporary:
                shutil.copyfile(source, temporary)
