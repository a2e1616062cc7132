"""Distils the small encoder: python scripts/distill_encoder.py --help shows how."""

from stylenet.cli.distill_encoder import main

if __name__ == "__main__":
    main()
