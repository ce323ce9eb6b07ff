"""What Sphinx needs to know. `make book` copies this file to where it gathers the pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

project = "Rung"
author = "Rung's authors"
copyright = "Rung's authors. MIT licence"
html_title = "Rung"
extensions = ["myst_parser"]
root_doc = "index"

html_theme = "furo"
html_static_path = ["book/static"]
html_css_files = ["book.css"]
html_copy_source = False
# Debian 12's furo has no dark colours for a reader whose system is dark, only for whoever asks by
# the button. These serve both.
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#0b5cad",
        "color-brand-content": "#0b5cad",
        "color-highlight-on-target": "#fff3c4",
    },
    "dark_css_variables": {
        "color-brand-primary": "#8cc2f5",
        "color-brand-content": "#8cc2f5",
        "color-foreground-primary": "#dcdfe3",
        "color-foreground-secondary": "#a5abb3",
        "color-foreground-muted": "#868d96",
        "color-foreground-border": "#5f666e",
        "color-background-primary": "#15181c",
        "color-background-secondary": "#1c2025",
        "color-background-hover": "#262b31",
        "color-background-hover--transparent": "#262b3100",
        "color-background-border": "#343a41",
        "color-background-item": "#444b53",
        "color-highlight-on-target": "#3d3a14",
        "color-highlighted-background": "#123c63",
        "color-admonition-background": "#1c2025",
    },
}

# The text stands as it was written: quotes in it may be C's.
smartquotes = False
highlight_language = "none"
pygments_style = "default"
pygments_dark_style = "monokai"
myst_heading_anchors = 4

# Pygments does not know all of nasm's macros. What it cannot colour is shown plain.
suppress_warnings = ["misc.highlighting_failure"]


def mend_theme(app: Any, error: Exception | None) -> None:
    """In Debian 12's furo the script imports another one, which a browser lets only modules do, and
    the style sheet one of another package's, at a path that a site does not have."""
    static = Path(app.outdir) / "_static"
    script, style = static / "scripts/furo.js", static / "styles/furo.css"
    if error or not script.is_file() or not style.is_file():
        return
    other = 'import Gumshoe from "./gumshoe-patched.js";\n'
    text = script.read_text()
    if text.startswith(other):
        script.write_text((static / "scripts/gumshoe-patched.js").read_text()
                          + text[len(other):])
    style.write_text(style.read_text().replace(
        "@import url(/javascript/normalize.css/normalize.css);\n", ""))


def setup(app: Any) -> None:
    app.connect("build-finished", mend_theme)
