"""Trains a style: python scripts/train.py --help shows how."""

from stylenet.cli.start import train

if __name__ == "__main__":
    train()
