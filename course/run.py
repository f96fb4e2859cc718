"""Execute the chapters in fresh kernels, without a browser.

    python -m course.run                 every chapter: a page each under build/, and a table
    python -m course.run 01              only those whose name starts so
    python -m course.run --in-place      for authors: keep the outputs in the notebooks

With COURSE_PROFILE=full the chapters run on the public originals, as far as they are here or in
COURSE_MIRROR, and the pages stand under build/full.
"""

import argparse
import base64
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from jinja2 import DictLoader
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from tqdm import tqdm

from course.editions import slides

ROOT = Path(__file__).resolve().parent.parent
# Editors add these; they change with each opening and say nothing.
WIDGET = "application/vnd.jupyter.widget-view+json"
KEEP_NOTEBOOK, KEEP_CELL = {"kernelspec", "language_info"}, {"tags", "jupyter", "slideshow"}


def execute(
    path: Path, *, allow_errors: bool = False, **environment: str
) -> nbformat.NotebookNode:
    """Run a notebook from top to bottom in a fresh kernel and return it with its outputs.

    `environment` is set for the kernel, beside what this process has.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed, and `allow_errors` is not set.
    """
    notebook = nbformat.read(path, as_version=4)
    cells = sum(cell.cell_type == "code" for cell in notebook.cells)
    with tqdm(total=cells, desc=path.stem, unit="cell", disable=None) as bar:
        NotebookClient(
            notebook,
            timeout=1800,
            allow_errors=allow_errors,
            coalesce_streams=True,
            kernel_name="python3",
            resources={"metadata": {"path": str(path.parent)}},
            on_cell_executed=lambda **_: bar.update(),
            store_widget_state=False,
            # The kernel warns that it talks to this machine alone without encryption.
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
        ).execute(env={**os.environ, **_absolute(), **environment})
    return tidy(notebook)


def _absolute() -> dict[str, str]:
    """The folders that the environment names, from the root: a kernel starts in notebooks/."""
    names = ("COURSE_MIRROR", "COURSE_CACHE", "COURSE_DIALS")
    places = {name: os.environ.get(name) for name in names}
    return {
        name: str(Path(place).expanduser().absolute())
        for name, place in places.items()
        if place and "://" not in place
    }


def tidy(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop what differs from run to run: times, editor settings, widget state."""
    notebook.metadata = {k: v for k, v in notebook.metadata.items() if k in KEEP_NOTEBOOK}
    if "language_info" in notebook.metadata:
        notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata = {k: v for k, v in cell.metadata.items() if k in KEEP_CELL}
        for output in cell.get("outputs", []):
            # Without its kernel a widget is an error message; its words stay.
            output.get("data", {}).pop(WIDGET, None)
    return nbformat.from_dict(notebook)


def page(notebook: nbformat.NotebookNode) -> str:
    """A notebook as a page, in which the figures keep their alt texts."""
    template = "{%- extends 'index.html.j2' -%}" + slides.FIGURE
    exporter = HTMLExporter(
        extra_loaders=[DictLoader({"course.html.j2": template})], template_file="course.html.j2"
    )
    return exporter.from_notebook_node(notebook)[0]


def save_picture(notebook: nbformat.NotebookNode, file: Path) -> None:
    """Keep the figure of the cell tagged `readme-picture`, if there is one."""
    for cell in notebook.cells:
        if "readme-picture" in cell.metadata.get("tags", []):
            png = cell.outputs[0]["data"]["image/png"]
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(base64.b64decode(png))


def table(results: list[dict]) -> str:
    """The results of all chapters, a line for each method."""
    header = ("chapter", "labels", "method", "accuracy", "parameters", "seconds")
    rows = [
        (
            row["chapter"],
            f"{row['labels']} a class",
            row["method"],
            f"{row['accuracy']:.1f} % ± {row['spread']:.1f}",
            f"{row['parameters']:,}",
            f"{row['seconds']:.2f}",
        )
        for row in results
    ]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = ["  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)) for row in rows]
    head = "  ".join(f"{cell:<{w}}" for cell, w in zip(header, widths, strict=True))
    return "\n".join([head, "-" * len(head), *lines])


def run(paths: list[Path], build: Path, in_place: bool) -> bool:
    """Execute the notebooks; write pages, timings and results. True if all went through."""
    build.mkdir(parents=True, exist_ok=True)
    failed, timings = [], {}
    with tempfile.TemporaryDirectory() as scratch:
        noted = Path(scratch, "results.jsonl")
        environment = {"COURSE_RESULTS": str(noted)}
        if in_place:  # a bar in a committed notebook would be a widget without its state
            environment |= {"COURSE_PROFILE": "sample", "COURSE_PROGRESS": "0"}
        for path in paths:
            start = time.perf_counter()
            try:
                notebook = execute(path, **environment)
            except CellExecutionError as error:
                failed.append(path.name)
                print(f"{path.name} stopped:\n{error}", file=sys.stderr)
                continue
            timings[path.stem] = round(time.perf_counter() - start, 1)
            (build / f"{path.stem}.html").write_text(page(notebook), encoding="utf8")
            if in_place:
                nbformat.write(notebook, path)
                save_picture(notebook, ROOT / "docs" / f"{path.stem}.png")
        lines = noted.read_text(encoding="utf8").splitlines() if noted.exists() else []
    results = [json.loads(line) for line in lines]
    (build / "results.json").write_text(
        json.dumps({"results": results, "seconds": timings}, indent=1), encoding="utf8"
    )
    if results:
        print(table(results))
    print(" | ".join(f"{name}: {seconds} s" for name, seconds in timings.items()))
    print(f"Pages and results.json are in {build}.")
    if failed:
        print(f"Not run to the end: {', '.join(failed)}.", file=sys.stderr)
    return not failed


def main() -> None:
    parser = argparse.ArgumentParser(description="Execute the chapters without a browser.")
    parser.add_argument("chapter", nargs="*", help="how the names start, for example 01")
    parser.add_argument("--in-place", action="store_true", help="keep the outputs (for authors)")
    chosen = parser.parse_args()
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    if chosen.chapter:
        paths = [path for path in paths if path.name.startswith(tuple(chosen.chapter))]
        if not paths:
            sys.exit(f"No notebook starts with {' or '.join(chosen.chapter)}: see notebooks/.")
    full = os.environ.get("COURSE_PROFILE") == "full" and not chosen.in_place
    sys.exit(not run(paths, ROOT / "build" / ("full" if full else ""), chosen.in_place))


if __name__ == "__main__":
    main()
