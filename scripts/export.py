"""Export a network to ONNX, OpenVINO, PyTorch or the web: the same as ``stylenet export``."""

from stylenet.cli.start import start

if __name__ == "__main__":
    start("export")
