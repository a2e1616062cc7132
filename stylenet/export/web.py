"""Web page that stylizes photos in the browser with an exported network."""

import shutil
from pathlib import Path

from stylenet.files import atomic_path

# index.html and page.js are the page. stylizer.js can be used in other pages, too. package.json
# names the runtime that `npm install` installs.
_PAGE = Path(__file__).parent.parent / "assets" / "web"


def network_path(folder: Path) -> Path:
    """Return the path of the ONNX file in a page's folder."""
    return folder / "network.onnx"


def write_page(folder: Path) -> None:
    """Write the files of the page, except existing ones, which a user may have changed.

    Raises:
        StyleNetError: A file cannot be written.
    """
    for source in sorted(_PAGE.iterdir()):
        target = folder / source.name
        if not target.exists():
            with atomic_path(target) as temporary:
                shutil.copyfile(source, temporary)
