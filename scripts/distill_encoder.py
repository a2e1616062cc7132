"""Distill a small encoder from VGG: the same as ``stylenet encoder distill``."""

from stylenet.cli.start import start

if __name__ == "__main__":
    start("distill_encoder")
