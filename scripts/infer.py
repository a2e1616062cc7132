"""Repaints pictures: python scripts/infer.py --help shows how."""

from stylenet.cli.infer import main

if __name__ == "__main__":
    main()
