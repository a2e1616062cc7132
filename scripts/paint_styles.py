"""Paints the project's own style images: python scripts/paint_styles.py --help shows how."""

from stylenet.cli.start import paint_styles

if __name__ == "__main__":
    paint_styles()
