"""Downloads and unpacks COCO: python scripts/prepare_coco.py --help shows how."""

from stylenet.cli.start import prepare_coco

if __name__ == "__main__":
    prepare_coco()
