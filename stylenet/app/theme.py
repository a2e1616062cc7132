"""Colors and fonts of the page. Fonts are the system's, so that nothing is downloaded."""

import gradio as gr

_SANS = ["ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]

# Vermilion, the red of seals on woodblock prints, from light to dark.
_VERMILION = gr.themes.Color(
    *("#fdf3f0", "#fbe4dd", "#f6c7ba", "#eea08c", "#e2745a", "#d4553a"),
    *("#c0432a", "#a03621", "#82301f", "#6c2b1e", "#3a140d"),
    name="vermilion",
)


def make_theme() -> gr.themes.Base:
    """Return the theme: warm grays and one accent, with a dark mode."""
    return gr.themes.Base(
        primary_hue=_VERMILION,
        neutral_hue="stone",
        radius_size="lg",
        font=_SANS,
        font_mono=_MONO,
    ).set(
        body_background_fill="#faf8f5",
        body_background_fill_dark="#171513",
        block_background_fill="#ffffff",
        block_background_fill_dark="#211e1b",
        block_border_color="#e7e2da",
        block_border_color_dark="#36312c",
        border_color_primary="#e2dcd3",
        border_color_primary_dark="#3d3731",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        block_radius="14px",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="white",
        button_large_radius="12px",
        slider_color="*primary_600",
        color_accent="*primary_600",
    )
