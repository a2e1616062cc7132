"""Add a trained network to the pretrained styles: the same as ``stylenet styles add``."""

from stylenet.cli.start import start

if __name__ == "__main__":
    start("add_pretrained")
