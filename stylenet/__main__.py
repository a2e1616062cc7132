"""``python -m stylenet``, the same as ``stylenet``."""

from stylenet.cli.main import main

if __name__ == "__main__":
    main()
