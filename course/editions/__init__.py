"""Editions of the course, made from its notebooks: for students, solved, and as slides.

The notebooks hold everything once; an edition is made by `course edition`, never by hand.
"""

import difflib
import itertools
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote, unquote

import jinja2
import nbformat
from nbclient.exceptions import CellExecutionError

from course import cells, dials, paths
from course.editions import notebook as edit
from course.editions import slides
from course.editions.notebook import EditionError, asked, failing
from helpers import disk

KINDS = ("student", "solved", "slides")
NO_DIALS = SimpleNamespace(changed=())
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
README = Path(__file__).with_name("README.md.j2")
__all__ = ["EditionError", "asked", "build", "check", "failing", "slides"]


def check(path: Path, **environment: str) -> dict[str, str]:
    """Run a solved notebook and return what `failing` finds.

    `environment` is set for the kernel, beside what this process has.
    """
    from course import run

    return failing(run.execute(path, allow_errors=True, **environment))


def build(
    kind: str,
    out: Path,
    *,
    notebooks: Path = paths.NOTEBOOKS,
    content: Path = paths.EXERCISES,
    given: Path | None = None,
    force: bool = False,
    reveal: str | None = None,
) -> list[Path]:
    """Write an edition of all notebooks into a folder and return the files that were made.

    Args:
        kind: "student", "solved" or "slides".
        out: a folder that is new or empty, unless `force` allows to write over what is there; a
            notebook or dials that were changed there are kept beside under another name.
        notebooks: where the chapters are, with their dials in `dials`.
        content: where the files of exercises are.
        given: a folder of dials that go before the course's own. For slides, chapters whose
            figures they change are run anew.
        reveal: for slides, an address or a folder of reveal.js.

    Raises:
        EditionError: no such edition, a folder that is in use, or a notebook at fault.
        course.dials.DialError: dials that cannot be used.
    """
    out, chapters = Path(out).expanduser().absolute(), paths.chapters(notebooks)
    if not chapters:
        raise EditionError(f"There are no notebooks in {notebooks}: name the course's folder.")
    _may_write(kind, out, notebooks, force, reveal)
    folder, settings = slides.release(reveal), _settings(notebooks, given)
    prefix = "reveal.js" if folder else (reveal or slides.REVEAL).rstrip("/")
    files = {}
    for path in chapters:
        made = _edition(kind, path, settings.get(path.stem, NO_DIALS), given, content)
        _mend_links(made, path, kind, files)
        if kind == "slides":
            files[f"{path.stem}.slides.html"] = slides.page(made, path.stem, prefix).encode()
        else:
            files[path.name] = nbformat.writes(made).encode()
    written = [out / name for name in files if "/" not in name]
    for chapter, dial in settings.items() if kind != "slides" else ():
        own = notebooks / "dials" / f"{chapter}.toml"
        files[f"dials/{own.name}"] = merged(own, dial).encode()
    readme = jinja2.Template(README.read_text(encoding="utf8"))
    text = readme.render(kind=kind, files=written, changed=bool(given), reveal=prefix)
    _write(out, files | {"README.md": text.encode()})
    for part in ("dist", "plugin") if folder else ():
        if (folder / part).is_dir():
            shutil.copytree(folder / part, out / "reveal.js" / part, dirs_exist_ok=True)
    return written


def _may_write(kind, out, notebooks, force, reveal):
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, n=1) or [", ".join(KINDS)]
        raise EditionError(f"There is no edition '{kind}': did you mean {near[0]}?")
    if kind != "slides" and reveal:
        raise EditionError("--reveal is for slides: leave it out.")
    own, place = notebooks.resolve(), out.resolve()
    if place == own or place in own.parents or own in place.parents:
        raise EditionError(f"{out} holds the course itself: choose another folder.")
    if out.is_file():
        raise EditionError(f"{out} is a file: choose a folder.")
    if out.is_dir() and any(out.iterdir()) and not force:
        raise EditionError(f"{out} is not empty: choose another folder, or add --force.")


def _settings(notebooks: Path, given: Path | None) -> dict[str, SimpleNamespace]:
    """The dials of each chapter that has some."""
    own, folders = notebooks / "dials", [given] if given else []
    known = paths.known(own)
    if given and not given.is_dir():
        raise EditionError(f"{given} is no folder: give one with dials such as 01_images.toml.")
    for path in sorted(given.glob("*.toml")) if given else []:
        if path.stem not in known:
            near = difflib.get_close_matches(path.stem, known, n=1) or known
            raise EditionError(f"{path} belongs to no chapter: did you mean {', '.join(near)}?")
    settings = {name: dials.read(name, folders, own) for name in known}
    for name, dial in settings.items():
        if "dataset" in dial.changed and not Path(notebooks, dial.dataset).expanduser().exists():
            print(f"Mind that the dataset of {name}, {dial.dataset}, is not on this computer.")
    return settings


def _edition(kind, path, dial, given, content):
    """The notebook of one chapter, as its edition has it."""
    whole, where = nbformat.read(path, as_version=4), path.name
    for (what, name), (place, _) in edit.pairs(whole, where).items():
        file = content / f"{name.partition('.')[0]}.py"
        if (what, name) not in cells.registered(file):
            raise EditionError(
                f"{where}: cell {place} asks for the {what} '{name}', which {file} lacks: add it "
                "there, or mend the name in the cell."
            )
    if kind == "slides" and dial.changed:
        from course import run

        try:
            whole = run.execute(path, COURSE_DIALS=str(given.absolute()))
        except CellExecutionError as error:
            fault = f"{error.ename}: {error.evalue}"
            raise EditionError(f"{where} does not run with the dials of {given}: {fault}") from None
    # A badge opens the course's own notebook, with its solutions.
    whole = edit.without(edit.choose(whole, getattr(dial, "exercises", "all"), where), "badge")
    if kind == "slides":
        return slides.marked(whole, where)
    if kind == "solved":
        return edit.solved(whole, where)
    return edit.student(edit.cleared(whole) if dial.changed else whole)


def _mend_links(notebook, path, kind, files):
    """Files that links lead to go along; `files` gets their content, by new name."""

    def mended(match):
        sign, words, target = match.groups()
        name, mark, place = target.partition("#")
        file = (path.parent / unquote(name)).resolve()
        if not name or re.match(r"[a-z]+:", name, re.IGNORECASE):
            return match[0]
        if not file.exists():
            raise EditionError(f"{path.name} links to {name}, which is not there: mend it.")
        if file.is_dir():
            return words
        if file.suffix == ".ipynb" and kind == "slides":
            return f"[{words}]({file.stem}.slides.html)"
        if kind != "slides" and file.is_relative_to(path.parent.resolve()):
            return match[0]  # chapters and dials go along anyway
        copied = f"linked/{file.parent.name}/{file.name}"
        files[copied] = file.read_bytes().replace(b"](../notebooks/", b"](../../")  # two up from it
        return f"{sign}[{words}]({quote(copied)}{mark}{place})"

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(mended, cell.source).replace("notebooks/dials/", "dials/")


def _write(out, files):
    """Write files; a notebook or dials that somebody may have worked in are put aside first."""
    for name, new in files.items():
        file = out / name
        worked_in = file.suffix in (".ipynb", ".toml") and file.exists()
        if worked_in and file.read_bytes() != new:
            names = (f"{file.stem}.before-{number}" for number in itertools.count(1))
            kept = next(place for name in names if not (place := file.with_stem(name)).exists())
            file.rename(kept)
            print(f"{file.name} was there and differs: it is kept as {kept.name}.")
        disk.write_atomic(file, new)


def merged(own, dial):
    """The text of a file of dials with the values of `dial` in it; comments stay."""
    usual, text = dials.HIDDEN | dials.load(own), own.read_text(encoding="utf8")
    for name, value in vars(dial).items():
        if usual.get(name, value) != value:
            # Numbers, texts, lists and booleans are written alike in JSON and in TOML.
            line = f"{name} = {json.dumps(value, ensure_ascii=False)}"
            text, found = re.subn(rf"(?m)^{name} *=.*?(?=  +#|$)", lambda _, to=line: to, text)
            text += "" if found else f"{line}\n"
    return text
