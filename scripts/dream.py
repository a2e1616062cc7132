"""Dreams on an image: python scripts/dream.py --help shows how."""

from stylenet.cli.start import dream

if __name__ == "__main__":
    dream()
