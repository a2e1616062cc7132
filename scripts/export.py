"""Exports a network to other runtimes: python scripts/export.py --help shows how."""

from stylenet.cli.start import export

if __name__ == "__main__":
    export()
