"""Stylize images, folders, videos and camera streams: the same as ``stylenet infer``."""

from stylenet.cli.start import start

if __name__ == "__main__":
    start("infer")
