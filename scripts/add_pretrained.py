"""Ships a trained network with the package: python scripts/add_pretrained.py --help shows how."""

from stylenet.cli.start import add_pretrained

if __name__ == "__main__":
    add_pretrained()
