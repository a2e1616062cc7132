"""Packs photos into shards: python scripts/make_shards.py --help shows how."""

from stylenet.cli.make_shards import main

if __name__ == "__main__":
    main()
