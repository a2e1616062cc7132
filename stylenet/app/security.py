"""Security of the server: headers of its responses, and addresses that it refuses to fetch."""

import re

import gradio as gr
from gradio import processing_utils
from gradio.exceptions import InvalidPathError
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The page runs without any other host: browsers refuse whatever it would load from elsewhere.
# Gradio's page has inline scripts and styles; its workers and pictures are blobs.
_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
    )
)
# Gradio fetches the addresses that a browser puts behind these.
_FETCHING = re.compile(r"/(file=\s*https?:|proxy=)", re.IGNORECASE)
# Tags of Gradio's page for social networks, which name its hosts.
_SOCIAL = re.compile(rb"<meta[^>]*(og:|twitter:)[^>]*>")


def forbid_downloads() -> None:
    """Keep Gradio from downloading an address that a program sends instead of a file.

    Gradio refuses addresses of private networks alone, and offers no switch.
    """

    async def refuse(url: str, cache_dir: str) -> str:
        raise InvalidPathError(f"{url} was not uploaded.")

    processing_utils.async_ssrf_protected_download = refuse


def strip_examples(page: gr.Blocks) -> None:
    """Remove the examples of files at other hosts that Gradio writes into its page for programs."""
    for component in page.config["components"]:
        component.pop("example_inputs", None)


class OwnHostOnly:
    """Middleware that keeps browsers and server from contacting any other host."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _FETCHING.search(scope["path"]):
            refusal = PlainTextResponse("This server fetches nothing from other hosts.", 403)
            await refusal(scope, receive, send)
            return
        is_page = False
        body = b""
        start: Message = {}

        async def send_own(message: Message) -> None:
            nonlocal is_page, body, start
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["content-security-policy"] = _POLICY
                headers["x-content-type-options"] = "nosniff"
                headers["referrer-policy"] = "no-referrer"
                is_page = headers.get("content-type", "").startswith("text/html")
                is_page = is_page and scope["path"] == "/"
                start = message
                if is_page:
                    return  # its length is known when its tags are gone
            elif is_page and message["type"] == "http.response.body":
                body += message.get("body", b"")
                if message.get("more_body"):
                    return
                body = _SOCIAL.sub(b"", body)
                MutableHeaders(scope=start)["content-length"] = str(len(body))
                await send(start)
                message = {"type": "http.response.body", "body": body}
            await send(message)

        await self._app(scope, receive, send_own)
