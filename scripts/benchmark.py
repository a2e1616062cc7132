"""Measure speed and memory: the same as ``stylenet benchmark``."""

from stylenet.cli.start import start

if __name__ == "__main__":
    start("benchmark")
