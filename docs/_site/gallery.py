"""Hook of the documentation site: every pretrained style on the same four photos.

The images are stylized when the site is built, so the gallery shows what the package holds.
"""

import io
from pathlib import Path

import skimage
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from PIL import Image, ImageOps

import stylenet
from stylenet.checkpoint import load_checkpoint
from stylenet.methods.selection import selection_of
from stylenet.pretrained import describe_pretrained

# Photos of scikit-image, in the public domain or CC0: a person, an animal, still life, sky.
PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
# For networks whose style an image gives.
STYLE_IMAGE = str(Path(__file__).parents[2] / "data/styles/woodblock.jpg")
SIZE = (320, 240)  # pixels, in two columns
JPEG_QUALITY = 85

INTRODUCTION = """# Gallery

Every pretrained style on the same four photos of scikit-image. The names are those of `style=`:

    stylenet infer input=photo.jpg style={style} output=out.png
"""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the gallery to the navigation, behind the first pages."""
    config.nav.insert(2, {"Gallery": "gallery.md"})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Stylize the photos and add the page that shows them."""
    folder = Path(skimage.__file__).parent / "data"
    photos = {name: _crop(folder / name) for name in PHOTOS}
    page = [INTRODUCTION.format(style=stylenet.styles()[0]), "## Photos\n"]
    page.append(_add_row(files, config, "photo", photos))
    for style, (description, size) in describe_pretrained().items():
        image = STYLE_IMAGE if _needs_image(style) else None
        stylizer = stylenet.load(style, style=image, device="cpu", precision="float32")
        stylized = {name: stylizer(photo) for name, photo in photos.items()}
        shown = "" if image is None else f" Here with `style={Path(image).name}`."
        page.append(f"## {style}\n")
        page.append(
            f"{description}. {size / 1e6:.1f} MB. [Model card](models/{style}.md).{shown}\n"
        )
        page.append(_add_row(files, config, style, stylized))
    files.append(File.generated(config, "gallery.md", content="\n".join(page)))
    return files


def _needs_image(style: str) -> bool:
    """Return whether an image gives the style of a pretrained network."""
    network, _ = load_checkpoint(style)
    return selection_of(network).styles(network) is None


def _crop(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return ImageOps.fit(image.convert("RGB"), SIZE, Image.Resampling.LANCZOS)


def _add_row(files: Files, config: MkDocsConfig, name: str, images: dict[str, Image.Image]) -> str:
    """Add the images of a style to the site and return the Markdown that shows them."""
    row = []
    for photo, image in images.items():
        stem = Path(photo).stem
        uri = f"gallery/{name}_{stem}.jpg"
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=JPEG_QUALITY)
        files.append(File.generated(config, uri, content=buffer.getvalue()))
        row.append(f'![{stem}, {name}]({uri}){{ width="49%" loading=lazy }}')
    return "\n".join(row) + "\n"
