"""Dreams on a picture: python scripts/dream.py --help shows how."""

from stylenet.cli.dream import main

if __name__ == "__main__":
    main()
