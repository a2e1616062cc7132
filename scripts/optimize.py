"""Repaints a photo by optimising its pixels: python scripts/optimize.py --help shows how."""

from stylenet.cli.optimize import main

if __name__ == "__main__":
    main()
