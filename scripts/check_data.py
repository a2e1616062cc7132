"""Find photos that training would skip: the same as ``stylenet data check``."""

from stylenet.cli.start import start

if __name__ == "__main__":
    start("check_data")
