"""Packs photos into shards: python scripts/make_shards.py --help shows how."""

from stylenet.cli.start import make_shards

if __name__ == "__main__":
    make_shards()
