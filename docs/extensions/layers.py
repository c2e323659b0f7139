"""The directive ``layers``: the picture of the package's layers, drawn at each build of the docs."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from . import house


class Layers(SphinxDirective):
    """Show the layers: as a picture in HTML, and as lines of text elsewhere."""

    def run(self) -> list[nodes.Node]:
        for source in house.sources():
            self.env.note_dependency(source)  # a changed import redraws the picture
        imports = house.part_imports()
        picture = nodes.raw("", house.picture(imports), format="html")
        text = "\n".join("  ".join(row) for row in reversed(house.rows(imports)))
        return [picture, nodes.raw("", text, format="text")]


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_directive("layers", Layers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
