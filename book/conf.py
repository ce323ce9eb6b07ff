"""What Sphinx needs to know. `make book` copies this file to where it gathers the pages."""

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
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5cad", "color-brand-content": "#0b5cad"},
    "dark_css_variables": {"color-brand-primary": "#7db8f0", "color-brand-content": "#7db8f0"},
}

# The text stands as it was written: quotes in it may be C's.
smartquotes = False
highlight_language = "none"
pygments_style = "default"
pygments_dark_style = "monokai"
myst_heading_anchors = 4

# Pygments does not know all of nasm's macros. What it cannot colour is shown plain.
suppress_warnings = ["misc.highlighting_failure"]
