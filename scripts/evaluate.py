"""Measures trained networks: python scripts/evaluate.py --help shows how."""

from stylenet.cli.start import evaluate

if __name__ == "__main__":
    evaluate()
