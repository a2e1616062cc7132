"""Paint the bundled style images: the same as ``stylenet styles paint``."""

from stylenet.cli.start import start

if __name__ == "__main__":
    start("paint_styles")
