"""Trains a style: python scripts/train.py --help shows how."""

from stylenet.cli.train import main

if __name__ == "__main__":
    main()
