"""Ships a trained network with the package: python scripts/ship_network.py --help shows how."""

from stylenet.cli.ship_network import main

if __name__ == "__main__":
    main()
