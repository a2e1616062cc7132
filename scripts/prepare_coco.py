"""Downloads and unpacks COCO: python scripts/prepare_coco.py --help shows how."""

from stylenet.cli.prepare_coco import main

if __name__ == "__main__":
    main()
