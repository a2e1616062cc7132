"""Stylizes a photo by optimizing its pixels: python scripts/optimize.py --help shows how."""

from stylenet.cli.start import optimize

if __name__ == "__main__":
    optimize()
