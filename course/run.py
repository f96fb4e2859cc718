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
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, DeadKernelError
from nbconvert.preprocessors import ClearMetadataPreprocessor

from course import chapter, paths, results
from course.editions import slides
from helpers import assets, disk

# Other metadata come from editors, change with each opening and say nothing.
KEEP = ClearMetadataPreprocessor(
    preserve_nb_metadata_mask={"kernelspec", ("language_info", "name")},
    preserve_cell_metadata_mask={"tags", "jupyter", "slideshow", "cellView"},
)
FOLDERS = ("COURSE_MIRROR", "COURSE_CACHE", "COURSE_DIALS", "COURSE_HOME")


def execute(path: Path, *, allow_errors: bool = False, **environment: str) -> nbformat.NotebookNode:
    """Run a notebook from top to bottom in a fresh kernel and return it with its outputs.

    `environment` is set for the kernel, beside what this process has. Kernels draw no progress
    bars, which would stay on the page as they stopped.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed, and `allow_errors` is not set.
        nbclient.exceptions.DeadKernelError, CellTimeoutError: the kernel died, or took too long.
    """
    given = {**os.environ, "COURSE_PROGRESS": "0", **environment}
    for name in FOLDERS:  # a kernel starts in notebooks/, so these must be named from the root
        if given.get(name) and "://" not in given[name]:
            given[name] = str(Path(given[name]).expanduser().absolute())
    client = NotebookClient(
        notebook := nbformat.read(path, as_version=4),
        timeout=1800,
        allow_errors=allow_errors,
        coalesce_streams=True,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=False,
        # The kernel warns that it talks to this machine alone without encryption.
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )
    client.execute(env=given)
    return tidy(notebook)


def tidy(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop what differs from run to run: times, editor settings, widget state."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            # Without its kernel a widget is an error message; its words stay.
            output.get("data", {}).pop(slides.WIDGET, None)
    return nbformat.from_dict(KEEP.preprocess(notebook, {})[0])


def run(chapters: list[Path], build: Path, in_place: bool) -> bool:
    """Execute the notebooks; write pages, timings and results. True if all went through."""
    build.mkdir(parents=True, exist_ok=True)
    failed, seconds = [], {}
    with tempfile.TemporaryDirectory() as scratch:
        noted = Path(scratch, "results.jsonl")
        environment = {"COURSE_RESULTS": str(noted)}
        if in_place:
            # As a beginner sees it: nothing that the author answered before.
            environment |= {"COURSE_PROFILE": "sample", "COURSE_HOME": str(Path(scratch, "home"))}
        for path in disk.progress(chapters, "chapters"):
            start = time.perf_counter()
            try:
                notebook = execute(path, **environment)
            except (CellControlSignal, DeadKernelError) as error:  # stopped, too slow, killed
                failed.append(path.name)
                print(f"{path.name} stopped:\n{error}", file=sys.stderr)
                continue
            seconds[path.stem] = round(time.perf_counter() - start, 1)
            (build / f"{path.stem}.html").write_text(slides.whole_page(notebook), encoding="utf8")
            if in_place:
                nbformat.write(notebook, path)
                save_picture(notebook, paths.ROOT / "docs" / f"{path.stem}.png")
        table = results.read(noted)
    kept = {"results": table.to_dict("records"), "seconds": seconds}
    (build / "results.json").write_text(json.dumps(kept, indent=1), encoding="utf8")
    if len(table):
        print(table.to_string(index=False))
    print(" | ".join(f"{name}: {each} s" for name, each in seconds.items()))
    print(f"Pages and results.json are in {build}.")
    if failed:
        print(f"Not run to the end: {', '.join(failed)}.", file=sys.stderr)
    return not failed


def save_picture(notebook: nbformat.NotebookNode, file: Path) -> None:
    """Keep the figure of the cell tagged `readme-picture`, if there is one."""
    for cell in notebook.cells:
        if "readme-picture" in cell.metadata.get("tags", []):
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(base64.b64decode(cell.outputs[0]["data"]["image/png"]))


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description="Execute the chapters without a browser.")
    parser.add_argument("chapter", nargs="*", help="how the names start, for example 01")
    parser.add_argument("--in-place", action="store_true", help="keep the outputs (for authors)")
    chosen = parser.parse_args()
    starts = tuple(chosen.chapter) or ("",)
    chapters = [path for path in paths.chapters() if path.name.startswith(starts)]
    if not chapters:
        sys.exit(f"No notebook starts with {' or '.join(starts)}: see notebooks/.")
    build = paths.ROOT / "build"
    if os.environ.get("COURSE_PROFILE") == "full" and not chosen.in_place:
        build = build / "full"
        try:
            chapter.bring(*(path.stem for path in chapters))
        except assets.AssetError as error:
            sys.exit(str(error))
    sys.exit(not run(chapters, build, chosen.in_place))


if __name__ == "__main__":
    main()
