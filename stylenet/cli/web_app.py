"""The command that opens the page of StyleNet in a browser."""

import argparse
import signal
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import stylenet
from stylenet.app.limits import Limits
from stylenet.app.server import LOCAL, Server, check_installed
from stylenet.cli.start import notice
from stylenet.errors import StyleNetError
from stylenet.files import user_path

_DESCRIPTION = """\
Opens a page for photos, videos and the camera: choose a style and see the result, or train a style
from a painting of your own. Everything runs on this machine; nothing is sent anywhere."""


def main(arguments: Sequence[str]) -> None:
    """Run ``stylenet app`` until Ctrl-C.

    Args:
        arguments: The words after ``stylenet app``.

    Raises:
        StyleNetError: Gradio is missing, the port is taken, or an option is impossible.
    """
    options = parse(arguments)
    check_installed()
    limits = Limits(options.max_upload, video=options.max_video, training=options.max_training)
    runs = user_path(options.runs) if options.runs else None
    if runs is None and options.host in LOCAL:
        runs = Path("runs")
    photos = None if options.photos is None else user_path(options.photos)
    if photos is not None and not photos.is_dir():
        raise StyleNetError(f"--photos {photos} is not a folder. Give one with photos to train on.")
    # Before the server waits for signals: temporary files are deleted at exit.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with notice("loading the styles"):
        server = Server(options.host, options.port, runs, photos, limits)
    with server:
        print(f"StyleNet is at {server.address} (Ctrl-C ends it)", flush=True)
        if options.browser:
            webbrowser.open(server.address)
        server.wait()


class _Parser(argparse.ArgumentParser):
    """Parser whose errors are of one line, as those of all commands."""

    def error(self, message: str) -> NoReturn:
        """Raise the error."""
        raise StyleNetError(f"{message}. See stylenet app --help.")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line of ``stylenet app``."""
    limits = Limits()
    parser = _Parser("stylenet app", description=_DESCRIPTION, allow_abbrev=False)
    add = parser.add_argument
    add("--version", action="version", version=f"StyleNet {stylenet.__version__}")
    add("--port", type=int, default=7860, help="port to listen at (default: %(default)s)")
    add(
        "--host",
        default="127.0.0.1",
        help="address to listen at; 0.0.0.0 lets everyone in the network use the page "
        "(default: %(default)s, this machine alone)",
    )
    add(
        "--no-browser",
        dest="browser",
        action="store_false",
        help="print the address and open no browser",
    )
    add(
        "--runs",
        metavar="FOLDER",
        help="keep trained styles in this folder, for every visitor (default: runs/ for this "
        "machine alone; with another --host none are kept)",
    )
    add("--photos", metavar="FOLDER", help="photos to train on (default: six sample photos)")
    add(
        "--max-upload",
        type=float,
        default=limits.upload,
        metavar="MB",
        help="largest file that may be uploaded (default: %(default)g)",
    )
    add(
        "--max-video",
        type=float,
        default=limits.video,
        metavar="SECONDS",
        help="longest video (default: %(default)g)",
    )
    add(
        "--max-training",
        type=float,
        default=limits.training,
        metavar="MINUTES",
        help="longest training at a time (default: %(default)g)",
    )
    return parser.parse_args(arguments)
