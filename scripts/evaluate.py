"""Measure trained networks on photos and videos: the same as ``stylenet evaluate``."""

from stylenet.cli.start import start

if __name__ == "__main__":
    start("evaluate")
