"""Stylizes images: python scripts/infer.py --help shows how."""

from stylenet.cli.start import infer

if __name__ == "__main__":
    infer()
