"""Slides of a chapter: cells marked for them, on a page that reveal.js shows."""

import copy
import re
import shutil
from pathlib import Path

import nbformat
from jinja2 import FileSystemLoader
from nbconvert import HTMLExporter, SlidesExporter

HERE = Path(__file__).parent
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
            if cell.cell_type == "markdown" and re.match(r"##? ", cell.source):
                cell.metadata["slideshow"] = {"slide_type": "slide"}
            elif _has_figure(cell):
                cell.metadata["slideshow"] = {"slide_type": "subslide"}
    for cell in made.cells:
        cell.metadata.setdefault("slideshow", {}).setdefault("slide_type", "skip")
        for output in cell.get("outputs", []):
            # There is no kernel behind a slide: the words in place of a widget are shown.
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
        if _has_figure(cell):
            cell.metadata["transient"] = {"remove_source": True}
    if all(_mark(cell) in ("skip", "notes") for cell in made.cells):
        raise SlidesError(
            f"{where} has nothing for a slide: give at least one of its cells the metadata "
            '{"slideshow": {"slide_type": "slide"}}.'
        )
    return made


def _mark(cell):
    return cell.metadata.get("slideshow", {}).get("slide_type")


def _has_figure(cell):
    return any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))


def _pieces(cell):
    """A text parted before its headings of the second level; other cells as they are."""
    if cell.cell_type != "markdown":
        return [cell]
    texts = [text for text in re.split(r"^(?=## )", cell.source, flags=re.MULTILINE) if text]
    made = [copy.deepcopy(cell) for _ in texts]
    for number, (piece, text) in enumerate(zip(made, texts, strict=True)):
        piece.source, piece.id = text.rstrip(), f"{cell.id}-{number}"
    return made


def page(notebook: nbformat.NotebookNode, title: str, reveal: str = REVEAL) -> str:
    """The reveal.js page of a notebook that `marked` has made.

    Args:
        notebook: with a mark on each cell.
        title: of the page.
        reveal: where reveal.js is: an address, or a folder beside the page.
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
