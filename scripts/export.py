"""Export a network to ONNX, OpenVINO, PyTorch, phones or the web: as ``stylenet export``."""

from stylenet.cli.start import start

if __name__ == "__main__":
    start("export")
