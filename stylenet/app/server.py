"""Start and end of the page's server."""

import atexit
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

from stylenet.app.limits import Limits
from stylenet.errors import StyleNetError
from stylenet.files import reason

LOCAL = ("127.0.0.1", "localhost", "::1")
_ASSETS = Path(__file__).parents[1] / "assets" / "app"


class Server:
    """The page's server; a context manager that ends it and deletes its temporary files.

    Attributes:
        address: Where browsers reach it.
        studio: What the page works with.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 7860,
        runs: Path | None = None,
        photos: Path | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Start the server.

        Args:
            host: Address to listen at. At other addresses than this machine's own, everyone in the
                network can use the page.
            port: Port to listen at.
            runs: Folder that keeps trained styles, for every visitor. ``None`` keeps them until the
                server ends, each for the visitor who trained it.
            photos: Folder of photos to train on; ``None`` for the sample photos.
            limits: Limits for each visitor; ``None`` for the defaults.

        Raises:
            StyleNetError: Gradio is missing, or the port is taken.
        """
        check_installed()
        _check_port(host, port)
        work = Path(tempfile.mkdtemp(prefix="stylenet-app-"))
        self._ends = ExitStack()  # in the reverse order of what is started
        self._ends.callback(shutil.rmtree, work, ignore_errors=True)
        atexit.register(self.close)
        # Read by Gradio when it is imported: no statistics, no question for newer versions.
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
        os.environ["GRADIO_TEMP_DIR"] = str(work / "gradio")
        from starlette.middleware import Middleware

        from stylenet.app.handlers import Handlers
        from stylenet.app.layout import build_page
        from stylenet.app.security import OwnHostOnly, forbid_downloads, strip_examples
        from stylenet.app.studio import Studio
        from stylenet.app.theme import make_theme

        limits = limits or Limits()
        self.studio = Studio(work, runs, photos, limits)
        self._ends.callback(self.studio.close)
        line = (
            "Photos and videos in the manner of a painting. Everything stays on this computer."
            if host in LOCAL
            else "Photos and videos in the manner of a painting. Files are deleted when you leave."
        )
        forbid_downloads()
        page = build_page(Handlers(self.studio), limits, line)
        self._ends.callback(page.close, verbose=False)
        _, self.address, _ = page.launch(
            server_name=host,
            server_port=port,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            inbrowser=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            enable_monitoring=False,
            run_history=False,
            footer_links=[],
            max_file_size=limits.upload_bytes,
            theme=make_theme(),
            css_paths=[_ASSETS / "page.css"],
            favicon_path=str(_ASSETS / "favicon.svg"),
            app_kwargs={"middleware": [Middleware(OwnHostOnly)]},
        )
        strip_examples(page)

    def wait(self) -> None:
        """Wait for Ctrl-C or SIGTERM."""
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        while not ended.wait(0.5):  # short waits, because Windows delivers signals between them
            pass

    def close(self) -> None:
        """Stop the running training, saved, end the server and delete its temporary files."""
        atexit.unregister(self.close)
        self._ends.close()

    def __enter__(self) -> "Server":
        """Return the running server."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def check_installed() -> None:
    """Refuse to go on without Gradio.

    Raises:
        StyleNetError: It is not installed.
    """
    from importlib.util import find_spec

    if find_spec("gradio") is None:
        raise StyleNetError(
            "The page needs Gradio, which is not installed. pip install 'stylenet[app]'"
        )


def _check_port(host: str, port: int) -> None:
    """Refuse a port that another program uses, which Gradio would meet after seconds."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as test:
            if sys.platform != "win32":
                test.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            test.bind((host, port))
    except (OSError, OverflowError) as error:
        why = reason(error) if isinstance(error, OSError) else "no such port"
        raise StyleNetError(
            f"The page cannot listen at {host}:{port} ({why}). Choose another port: "
            f"--port {port + 1}"
        ) from error
