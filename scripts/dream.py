"""Run DeepDream on an image: the same as ``stylenet dream``."""

from stylenet.cli.start import start

if __name__ == "__main__":
    start("dream")
