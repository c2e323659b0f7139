"""Sphinx configuration. ``sphinx-build -W -n docs docs/_build/html`` builds the docs without a network."""

import sys
from pathlib import Path

from ctxpolicy import __version__

sys.path.insert(0, str(Path(__file__).parent))  # for the folder `extensions`

project = "ctxpolicy"
author = "The ctxpolicy authors"
copyright = f"2026, {author}"  # noqa: A001 - Sphinx's name
version = release = __version__

extensions = ["extensions.layers", "myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "examples", "extensions", "static"]
source_suffix = {".md": "markdown"}
html_theme = "furo"
html_title = f"ctxpolicy {__version__}"
html_static_path = ["static"]
html_css_files = ["house.css"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False

nitpicky = True
# Names of other projects are not linked, because their inventories are on a network. Private modules and type
# variables are not linked, because they have no page.
nitpick_ignore_regex = [
    (r"py:.*", r"(?!ctxpolicy).*"),
    (r"py:.*", r"ctxpolicy\.(_.*|.*\._.*|.*\b(T|P|LoopFactory|Missing))"),
]
