"""Pack a folder of photos into shards: the same as ``stylenet data shards``."""

from stylenet.cli.start import start

if __name__ == "__main__":
    start("make_shards")
