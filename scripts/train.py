"""Train a network on a style: the same as ``stylenet train``."""

from stylenet.cli.start import start

if __name__ == "__main__":
    start("train")
