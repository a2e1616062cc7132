"""Shows styles on photos in one picture: python scripts/contact_sheet.py --help shows how."""

from stylenet.cli.contact_sheet import main

if __name__ == "__main__":
    main()
