"""Download and unpack COCO's training photos: the same as ``stylenet data coco``."""

from stylenet.cli.start import start

if __name__ == "__main__":
    start("prepare_coco")
