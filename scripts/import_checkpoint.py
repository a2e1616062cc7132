"""Convert a network of PyTorch's fast_neural_style: the same as ``stylenet import``."""

from stylenet.cli.start import start

if __name__ == "__main__":
    start("import_checkpoint")
