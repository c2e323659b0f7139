"""Sphinx configuration: `sphinx-build -W -n docs docs/_build/html`, without a network."""

from ctxpolicy import __version__

project = "ctxpolicy"
author = "The ctxpolicy authors"
copyright = f"2026, {author}"  # noqa: A001 - Sphinx's name
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "examples"]
source_suffix = {".md": "markdown"}
html_theme = "furo"
html_title = f"ctxpolicy {__version__}"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False

nitpicky = True
# The standard library's inventory is on a network; what is not ours is not linked.
nitpick_ignore_regex = [
    (r"py:.*", r"(?!ctxpolicy).*"),
    (r"py:.*", r"ctxpolicy\.(_.*|.*\._.*|.*\b(T|P|LoopFactory|Missing))"),
]
