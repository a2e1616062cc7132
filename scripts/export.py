"""Exports a network to other runtimes: python scripts/export.py --help shows how."""

from stylenet.cli.export import main

if __name__ == "__main__":
    main()
