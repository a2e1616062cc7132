"""Stylize a photo by optimizing its pixels: the same as ``stylenet optimize``."""

from stylenet.cli.start import start

if __name__ == "__main__":
    start("optimize")
