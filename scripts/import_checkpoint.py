"""Imports another program's network: python scripts/import_checkpoint.py --help shows how."""

from stylenet.cli.start import import_checkpoint

if __name__ == "__main__":
    import_checkpoint()
