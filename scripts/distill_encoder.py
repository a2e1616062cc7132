"""Distils the small encoder: python scripts/distill_encoder.py --help shows how."""

from stylenet.cli.start import distill_encoder

if __name__ == "__main__":
    distill_encoder()
