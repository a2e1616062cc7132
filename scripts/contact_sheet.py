"""Show styles side by side in one image: the same as ``stylenet styles sheet``."""

from stylenet.cli.start import start

if __name__ == "__main__":
    start("contact_sheet")
