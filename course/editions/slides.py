"""Slides of a chapter: cells marked for them, on a page that reveal.js shows."""

import copy
import re
import shutil
from pathlib import Path

import nbformat

REVEAL = "https://unpkg.com/reveal.js@4.0.2"  # the release that nbconvert was made for


class SlidesError(ValueError):
    """Slides that cannot be made; the message says what was wrong, where, what to do."""


def marked(notebook: nbformat.NotebookNode, where: str) -> nbformat.NotebookNode:
    """A copy in which each cell says where on the slides it stands; unmarked ones are skipped.

    A notebook without any mark gets them here: each heading of the first or second level begins
    a slide, and each figure follows on one of its own. Either way a figure comes without the code
    that drew it, which would push it off the slide.

    Raises:
        SlidesError: every cell is skipped.
    """
    made = copy.deepcopy(notebook)
    if not any(_mark(cell) for cell in made.cells):
        made.cells = [piece for cell in made.cells for piece in _pieces(cell)]
        for cell in made.cells:
            _mark_by_itself(cell)
    for cell in made.cells:
        if not _mark(cell):
            cell.metadata["slideshow"] = {"slide_type": "skip"}
        for output in cell.get("outputs", []):
            # There is no kernel behind a slide: the words in place of a widget are shown.
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
        if _figures(cell):
            cell.metadata["transient"] = {"remove_source": True}
    if all(_mark(cell) in ("skip", "notes") for cell in made.cells):
        raise SlidesError(
            f"{where} has nothing for a slide: give at least one of its cells the metadata "
            '{"slideshow": {"slide_type": "slide"}}.'
        )
    return made


def _mark(cell):
    return cell.metadata.get("slideshow", {}).get("slide_type")


def _figures(cell):
    return any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))


def _pieces(cell):
    """A text parted before its headings of the second level; other cells as they are."""
    if cell.cell_type != "markdown":
        return [cell]
    texts = [text for text in re.split(r"^(?=## )", cell.source, flags=re.MULTILINE) if text]
    made = [copy.deepcopy(cell) for _ in texts]
    for number, (piece, text) in enumerate(zip(made, texts, strict=True)):
        piece.source = text.rstrip()
        if number:
            piece.id = f"{cell.id}-{number}"
    return made


def _mark_by_itself(cell):
    if cell.cell_type == "markdown" and re.match(r"##? ", cell.source):
        cell.metadata["slideshow"] = {"slide_type": "slide"}
    elif _figures(cell):
        cell.metadata["slideshow"] = {"slide_type": "subslide"}


# nbconvert's pages drop the alt texts of figures.
FIGURE = """
{%- block data_png scoped -%}
{%- set alt = output.metadata.get("image/png", {}).get("alt", "") -%}
<div class="jp-RenderedImage jp-OutputArea-output">
<img class="figure" src="data:image/png;base64,{{ output.data["image/png"] }}"
     alt="{{ alt | escape_html }}">
</div>
{%- endblock -%}
"""

# nbconvert's page with three changes: it needs reveal.js and nothing else from anywhere, it says
# so where reveal.js does not come, and figures keep their alt text.
TEMPLATE = (
    """
{%- extends 'index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}
{%- if resources.course_math %}{{ super() }}{% endif -%}
{%- endblock -%}
{%- block html_head_css -%}
<style>
.reveal .slides { text-align: left; }
.reveal .slides section { max-height: 100%; overflow-y: auto; }
.reveal .slides :is(h1, h2, h3) { text-transform: none; }
:root { --jp-content-font-size1: 22px; --jp-code-font-size: 19px; }
.reveal img.figure { width: 80%; max-height: 680px; object-fit: contain; margin: 0; }
#needs { font-size: 20px; padding: 1em; border: 2px solid; }
</style>
{%- endblock -%}
{%- block body_header -%}
{{ super() }}
<p id="needs">{{ resources.course_needs }}</p>
{%- endblock -%}
{%- block footer_js -%}
<script src="{{ resources.reveal.url_prefix }}/dist/reveal.js"></script>
<script src="{{ resources.reveal.url_prefix }}/plugin/notes/notes.js"></script>
<script>
if (window.Reveal) {
  document.getElementById("needs").remove();
  Reveal.initialize({
    width: 1280, height: 800, margin: 0.04, controls: true, progress: true, hash: true,
    slideNumber: true, plugins: window.RevealNotes ? [RevealNotes] : []
  });
}
</script>
{%- endblock -%}
"""
    + FIGURE
)


def page(notebook: nbformat.NotebookNode, title: str, reveal: str = REVEAL) -> str:
    """The reveal.js page of a notebook that `marked` has made.

    Args:
        reveal: where reveal.js is: an address, or a folder beside the page.
    """
    from jinja2 import DictLoader
    from nbconvert import SlidesExporter

    needs = (
        f"These slides need reveal.js, which should come from {reveal}, and did not: below is "
        "all they hold, on one page. Without a network, put a copy of reveal.js beside this page "
        "and build it with: course edition slides --reveal FOLDER"
    )
    exporter = SlidesExporter(
        extra_loaders=[DictLoader({"course.html.j2": TEMPLATE})],
        template_file="course.html.j2",
        reveal_url_prefix=reveal,
        reveal_theme="white",
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    math = any("$" in cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    resources = {"course_needs": needs, "course_math": math, "metadata": {"name": title}}
    return exporter.from_notebook_node(notebook, resources=resources)[0]


def whence(reveal: str | None) -> tuple[str, Path | None]:
    """Where pages find reveal.js, and the folder to copy beside them, if it is one.

    Raises:
        SlidesError: a folder without reveal.js.
    """
    if reveal is None or re.match(r"https?://", reveal):
        return (reveal or REVEAL).rstrip("/"), None
    folder = Path(reveal).expanduser()
    if not (folder / "dist" / "reveal.js").is_file():
        raise SlidesError(
            f"{folder} has no dist/reveal.js: name an unpacked release of reveal.js, or an address."
        )
    return "reveal.js", folder


def copy_reveal(folder: Path, out: Path) -> None:
    """Copy what pages in `out` need of a release of reveal.js."""
    for part in ("dist", "plugin/notes"):
        if (folder / part).is_dir():
            shutil.copytree(folder / part, out / "reveal.js" / part, dirs_exist_ok=True)
