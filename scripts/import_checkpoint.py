"""Imports another program's network: python scripts/import_checkpoint.py --help shows how."""

from stylenet.cli.import_checkpoint import main

if __name__ == "__main__":
    main()
