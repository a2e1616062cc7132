"""Measures trained networks: python scripts/evaluate.py --help shows how."""

from stylenet.cli.evaluate import main

if __name__ == "__main__":
    main()
