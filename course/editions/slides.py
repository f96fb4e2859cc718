"""Slides of a chapter: cells marked for them, on a page that reveal.js shows."""

import copy
import re
from pathlib import Path

import nbformat
from jinja2 import FileSystemLoader
from nbconvert import HTMLExporter, SlidesExporter

from course.editions.notebook import EditionError

HERE = Path(__file__).parent
REVEAL = "https://unpkg.com/reveal.js@4.0.2"  # the release that nbconvert was made for
WIDGET = "application/vnd.jupyter.widget-view+json"


def marked(notebook: nbformat.NotebookNode, where: str) -> nbformat.NotebookNode:
    """A copy in which each cell says where on the slides it stands; unmarked ones are skipped.

    In a notebook without any mark, each text that begins with a heading of the first or second
    level begins a slide, and each figure follows on one of its own. Either way a figure comes
    without the code that drew it, which would push it off the slide.

    Raises:
        EditionError: every cell is skipped.
    """
    made = copy.deepcopy(notebook)
    given = any(map(_mark, made.cells))
    for cell in made.cells:
        figure = any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))
        heading = cell.cell_type == "markdown" and re.match(r"##? ", cell.source)
        usual = "skip" if given else "slide" if heading else "subslide" if figure else "skip"
        cell.metadata["slideshow"] = {"slide_type": _mark(cell) or usual}
        for output in cell.get("outputs", []):
            # There is no kernel behind a slide: the words in place of a widget are shown.
            output.get("data", {}).pop(WIDGET, None)
        if figure:
            cell.metadata["transient"] = {"remove_source": True}
    if all(_mark(cell) in ("skip", "notes") for cell in made.cells):
        raise EditionError(
            f"{where} has nothing for a slide: give at least one of its cells the metadata "
            '{"slideshow": {"slide_type": "slide"}}.'
        )
    return made


def _mark(cell):
    return cell.metadata.get("slideshow", {}).get("slide_type")


def page(notebook: nbformat.NotebookNode, title: str, reveal: str = REVEAL) -> str:
    """The page of a notebook that `marked` has made.

    `reveal` is where reveal.js is: an address, or a folder beside the page.
    """
    exporter = SlidesExporter(
        extra_loaders=[FileSystemLoader(HERE)],
        template_file="slides.html.j2",
        reveal_url_prefix=reveal,
        reveal_theme="white",
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    math = any("$" in cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    resources = {"course_reveal": reveal, "course_math": math, "metadata": {"name": title}}
    return exporter.from_notebook_node(notebook, resources=resources)[0]


def whole_page(notebook: nbformat.NotebookNode) -> str:
    """A notebook as a page to read, in which the figures keep their alt texts."""
    exporter = HTMLExporter(extra_loaders=[FileSystemLoader(HERE)], template_file="page.html.j2")
    return exporter.from_notebook_node(notebook)[0]


def release(reveal: str | None) -> Path | None:
    """The folder with a release of reveal.js that pages carry along; None for an address.

    Raises:
        EditionError: a folder without reveal.js.
    """
    if not reveal or re.match(r"https?://", reveal):
        return None
    folder = Path(reveal).expanduser()
    if not (folder / "dist" / "reveal.js").is_file():
        raise EditionError(
            f"{folder} has no dist/reveal.js: name an unpacked release of reveal.js, or an address."
        )
    return folder
