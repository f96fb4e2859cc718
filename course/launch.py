"""The page that `make lab` opens: the chapters, what is done, minutes left, where to go on.

It is a notebook under build/ with one cell, which JupyterLab shows as it was written and which
shows the present state when it is run again.

    python -m course.launch     write the page and print its path from the course's folder
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import jinja2
import nbformat

from course import cells, paths, progress

PAGE = paths.ROOT / "build" / "start.ipynb"
CELL = "from course import launch\n\nlaunch.show()  # run this cell again to see what you did since"
TEMPLATE = Path(__file__).with_name("launch.html.j2")


@dataclass(frozen=True)
class Chapter:
    """A chapter as the page shows it; minutes are those of its reading and of what is open."""

    title: str
    link: str
    reading: int
    done: int
    total: int
    open: list[tuple[str, int]]

    @property
    def left(self) -> int:
        """Minutes left. Somebody who has solved something of a chapter has read it."""
        return sum(minutes for _, minutes in self.open) + (0 if self.done else self.reading)


def chapters() -> list[Chapter]:
    """All chapters that are here: those of the course, or those of a class's handout."""
    folders = [paths.NOTEBOOKS, paths.ROOT / "handout"]
    files = next(filter(None, map(paths.chapters, folders)), [])
    solved, found = progress.solved(), []
    for file in files:
        texts = [cell.source for cell in nbformat.read(file, as_version=4).cells]
        first = next((text for text in texts if text.startswith("# ")), f"# {file.stem}")
        minutes = re.search(r"[Aa]bout (\d+) minutes", first)
        every = cells.registered(paths.EXERCISES / f"{paths.topic(file.stem)}.py")
        todo = [(name, each) for (_, name), each in every.items() if name not in solved]
        title = first.splitlines()[0].removeprefix("# ")
        reading = int(minutes[1]) if minutes else 0
        link = f"../{file.relative_to(paths.ROOT).as_posix()}"
        done = len(every) - len(todo)
        found.append(Chapter(title, link, reading, done, len(every), open=todo))
    return found


def page() -> str:
    """The page as HTML."""
    found = chapters()
    # Begun before new: somebody who is in the middle of a chapter goes on there.
    now = max((each for each in found if each.open), key=lambda each: each.done > 0, default=None)
    template = jinja2.Template(TEMPLATE.read_text(encoding="utf8"), autoescape=True)
    return template.render(chapters=found, now=now, left=sum(each.left for each in found))


def show() -> None:
    """Show the page below a cell."""
    from IPython.display import HTML, display

    display(HTML(page()))


def write(file: Path = PAGE) -> Path:
    """Write the page anew and return its file."""
    output = nbformat.v4.new_output("display_data", data={"text/html": page()})
    cell = nbformat.v4.new_code_cell(CELL, id="start", outputs=[output], execution_count=1)
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})
    file.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, file)
    return file


def opened() -> str:
    """What JupyterLab should open, as a path from the course's folder."""
    try:
        file = write()
    except OSError as error:  # a class may share a folder that only its teacher may write to
        print(f"No page of your progress: {error}. 'course progress' shows it.", file=sys.stderr)
        file = next(iter(paths.chapters()), paths.NOTEBOOKS)
    return file.relative_to(paths.ROOT).as_posix()


if __name__ == "__main__":
    print(opened())
