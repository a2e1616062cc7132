"""Measures speed and memory: python scripts/benchmark.py --help shows how."""

from stylenet.cli.start import benchmark

if __name__ == "__main__":
    benchmark()
