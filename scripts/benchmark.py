"""Measures speed and memory: python scripts/benchmark.py --help shows how."""

from stylenet.cli.benchmark import main

if __name__ == "__main__":
    main()
