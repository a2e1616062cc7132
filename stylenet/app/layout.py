"""The page: its head, its two tabs, and the controls that both use."""

import gradio as gr

from stylenet.app.controls import Shared, listen
from stylenet.app.handlers import Handlers
from stylenet.app.limits import Limits
from stylenet.app.stylize_tab import add_stylize_tab
from stylenet.app.train_tab import add_train_tab

# Gradio's own temporary files are looked at, and deleted, at these ages in seconds.
_CLEANING = (600, 3600)

_LOGO = """<svg viewBox="0 0 40 40" fill="none" aria-hidden="true">
<rect width="40" height="40" rx="11" fill="#c0432a"/>
<g stroke-width="3.2" stroke-linecap="round">
<path d="M8 15c5-6 9-6 12-2s8 4 12-1" stroke="#f6c7ba"/>
<path d="M8 23c5-8 9-8 12-3s8 5 12-2" stroke="#fff"/>
<path d="M8 31c5-5 9-5 12-2s8 3 12-1" stroke="#eea08c"/></g></svg>"""
_HEAD = f'<div class="brand">{_LOGO}<div><h1>StyleNet</h1><p>{{line}}</p></div></div>'


def build_page(handlers: Handlers, limits: Limits, line: str) -> gr.Blocks:
    """Build the page.

    Args:
        handlers: What its controls do.
        limits: For the hints at the controls.
        line: The line below the name of the page.
    """
    with gr.Blocks(title="StyleNet", delete_cache=_CLEANING, analytics_enabled=False) as page:
        gr.HTML(_HEAD.format(line=line), elem_id="head")
        shared = Shared.make()
        shared.tabs.render()
        with shared.tabs:
            with gr.Tab("Stylize", id="stylize"):
                add_stylize_tab(handlers.stylize, limits, shared)
            with gr.Tab("Train a style", id="train"):
                add_train_tab(handlers.train, shared)
        listen(
            page.load,
            handlers.open_page,
            [shared.owner],
            [shared.owner, shared.gallery, shared.styles, shared.trainings],
        )
        page.unload(handlers.close_page)
    # Light work of all visitors runs at the same time; heavy work has queues of its own.
    page.queue(default_concurrency_limit=16)
    return page
