"""Paints the project's own style pictures: python scripts/paint_styles.py --help shows how."""

from stylenet.cli.paint_styles import main

if __name__ == "__main__":
    main()
