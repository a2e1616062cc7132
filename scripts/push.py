"""Share a network on the Hugging Face Hub: the same as ``stylenet push``."""

from stylenet.cli.start import start

if __name__ == "__main__":
    start("push")
