"""Repaints pictures: python scripts/infer.py --help"""

from stylenet.cli.infer import main

if __name__ == "__main__":
    main()
