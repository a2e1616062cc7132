"""Ships a trained network with the package: python scripts/ship_network.py --help shows how."""

from stylenet.cli.start import ship_network

if __name__ == "__main__":
    ship_network()
