"""Shows styles on photos in one image: python scripts/contact_sheet.py --help shows how."""

from stylenet.cli.start import contact_sheet

if __name__ == "__main__":
    contact_sheet()
