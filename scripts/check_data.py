"""Checks photos: python scripts/check_data.py --help shows how."""

from stylenet.cli.check_data import main

if __name__ == "__main__":
    main()
