"""Checks photos: python scripts/check_data.py --help shows how."""

from stylenet.cli.start import check_data

if __name__ == "__main__":
    check_data()
