"""Editions of the course, made from its notebooks: for students, solved, and as slides.

The notebooks hold everything once; an edition is made by a command, never by hand:

    course edition student --out DIR     no solutions, no outputs below the exercises
    course edition solved  --out DIR     solutions in place of the stubs; runs from top to bottom
    course edition slides  --out DIR     a reveal.js page for each chapter
"""

import ast
import copy
import difflib
import json
import os
import re
import shutil
import tomllib
from pathlib import Path
from urllib.parse import quote, unquote

import nbformat

from course import dials
from course.editions import slides

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
KINDS = ("student", "solved", "slides")
# Dials that change no figure: with others, the outputs of the course's own would mislead.
HARMLESS = {"exercises", "hints", "minutes"}
CALLS = {"exercises.check": "exercise", "exercises.quiz": "question"}
EXERCISES = re.compile(r"^## Exercises\b", re.MULTILINE)
NUMBERED = re.compile(r"(\*\*|#{3,6} +)\d+\. ")
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


class EditionError(ValueError):
    """An edition that cannot be made; the message says what was wrong, where, what to do."""


# ---------------------------------------------------------------- one notebook


def asked(cell: nbformat.NotebookNode) -> tuple[str, str] | None:
    """What a code cell checks: ("exercise" or "question", its name), or None."""
    if cell.cell_type != "code":
        return None
    try:
        tree = ast.parse(cell.source)
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        kind = isinstance(node, ast.Call) and CALLS.get(ast.unparse(node.func))
        if kind and node.args and isinstance(node.args[0], ast.Constant):
            return kind, node.args[0].value
    return None


def is_solution(cell: nbformat.NotebookNode) -> bool:
    """Whether a cell is a folded solution."""
    return "solution" in cell.metadata.get("tags", [])


Places = dict[tuple[str, str], tuple[int, int | None]]  # of stub and solution, by kind and name


def pairs(notebook: nbformat.NotebookNode, where: str) -> Places:
    """The places of stub and solution of each exercise and question, in their order.

    A question explains its answers itself, so it may do without a solution: None.

    Args:
        where: the notebook's name, for messages.

    Raises:
        EditionError: a stub without a solution or the other way round, or one of them twice.
    """
    stubs, solutions = {}, {}
    for place, cell in enumerate(notebook.cells):
        found = asked(cell)
        if found is None:
            if is_solution(cell):
                raise EditionError(
                    f"{where}: cell {place} is tagged 'solution' and checks nothing: end it with "
                    "the check of its exercise, or take the tag away."
                )
            continue
        kind, name = found
        known = solutions if is_solution(cell) else stubs
        if found in known:
            what = "solution" if known is solutions else "stub"
            raise EditionError(
                f"{where}: the {kind} '{name}' has a second {what} in cell {place}: keep one."
            )
        known[found] = place
        if known is solutions and found not in stubs:
            raise EditionError(
                f"{where}: the solution of the {kind} '{name}' in cell {place} has no stub above "
                "it: add one that calls the same check, or take the solution away."
            )
    for (kind, name), place in stubs.items():
        if kind == "exercise" and (kind, name) not in solutions:
            raise EditionError(
                f"{where}: the stub of the {kind} '{name}' in cell {place} has no solution: add a "
                "cell below it that is tagged 'solution' and calls the same check."
            )
    return {found: (place, solutions.get(found)) for found, place in stubs.items()}


def choose(
    notebook: nbformat.NotebookNode, chosen: str | list[str], where: str
) -> nbformat.NotebookNode:
    """A copy with the chosen exercises only; the others go with their text. Quizzes stay.

    Exercises keep their numbers, so that everybody speaks of the same one.

    Args:
        chosen: "all", or names such as "freeze" or "images.freeze".

    Raises:
        EditionError: as of `pairs`; also for a name that no exercise has.
    """
    places = pairs(notebook, where)
    made = copy.deepcopy(notebook)
    if chosen == "all":
        return made
    known = {name: name.partition(".")[2] for kind, name in places if kind == "exercise"}
    for name in chosen:
        if name not in known and name not in known.values():
            near = difflib.get_close_matches(name, known.values(), n=1) or known.values()
            raise EditionError(
                f"The dials of {where} choose the exercise '{name}', which it does not have: did "
                f"you mean {', '.join(near)}?"
            )
    dropped, before = set(), 0
    for (kind, name), (stub, solution) in places.items():
        if kind == "exercise" and name not in chosen and known[name] not in chosen:
            dropped.update(range(stub, solution + 1))
            texts = [i for i in range(before, stub) if made.cells[i].cell_type == "markdown"]
            if texts:
                text = made.cells[texts[-1]]
                text.source = _without_exercise(text.source)
                if not text.source:
                    dropped.add(texts[-1])
        before = (stub if solution is None else solution) + 1
    made.cells = [cell for i, cell in enumerate(made.cells) if i not in dropped]
    return made


def _without_exercise(source):
    """The text of a cell without its last numbered exercise; headings above it stay."""
    blocks = source.split("\n\n")
    starts = [i for i, block in enumerate(blocks) if NUMBERED.match(block)]
    if not starts:
        return source if re.search(r"^## ", source, re.MULTILINE) else ""
    rest = range(starts[-1] + 1, len(blocks))
    end = next((i for i in rest if blocks[i].startswith("## ")), len(blocks))
    return "\n\n".join(blocks[: starts[-1]] + blocks[end:])


def student(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A copy without solutions, and without outputs from the exercises on."""
    made, below = copy.deepcopy(notebook), False
    for cell in made.cells:
        if cell.cell_type == "code":
            below = below or asked(cell) is not None
            if below:
                _clear(cell)
        elif EXERCISES.search(cell.source):
            below = True
    made.cells = [cell for cell in made.cells if not is_solution(cell)]
    return made


def solved(notebook: nbformat.NotebookNode, where: str) -> nbformat.NotebookNode:
    """A copy with each solution in place of its stub, without outputs.

    Raises:
        EditionError: as of `pairs`.
    """
    made = copy.deepcopy(notebook)
    for stub, solution in pairs(made, where).values():
        if solution is not None:
            made.cells[stub].source = made.cells[solution].source.removeprefix("# Solution\n")
    made.cells = [cell for cell in made.cells if not is_solution(cell)]
    for cell in made.cells:
        _clear(cell)
    return made


def _clear(cell):
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None


def failing(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """What was said of each exercise and answered question of an executed notebook, if wrong."""
    found = {}
    for cell in notebook.cells:
        name = asked(cell)
        if name and not re.search(r"exercises\.quiz\(\s*\"[^\"]*\"\s*\)", cell.source):
            said = "".join(output.get("text", "") for output in cell.outputs).splitlines()
            errors = [f"{o.ename}: {o.evalue}" for o in cell.outputs if o.output_type == "error"]
            if errors or not any(line.startswith(("Correct.", "Right.")) for line in said):
                found[" ".join(name)] = (errors or said or ["nothing"])[0]
    return found


def check(path: Path, **environment: str) -> dict[str, str]:
    """Run a solved notebook; returns what `failing` finds, and any other cell that fails.

    `environment` is set for the kernel, beside what this process has.
    """
    from course import run

    quiet = {"COURSE_PROGRESS": "0", **environment}
    notebook = run.execute(path, allow_errors=True, **quiet)
    found = {}
    for place, cell in enumerate(notebook.cells):
        errors = [o for o in cell.get("outputs", []) if o.output_type == "error"]
        if errors and not asked(cell):
            found[f"cell {place}"] = f"{errors[0].ename}: {errors[0].evalue}"
    return {**found, **failing(notebook)}


# ---------------------------------------------------------------- a folder of them


def build(
    kind: str,
    out: Path,
    *,
    notebooks: Path = NOTEBOOKS,
    given: Path | None = None,
    force: bool = False,
    reveal: str | None = None,
) -> list[Path]:
    """Write an edition of all notebooks into a folder and return the files that were made.

    Args:
        kind: "student", "solved" or "slides".
        out: a folder that is new or empty, unless `force` allows to write over what is there.
        notebooks: where the chapters are, with their dials in `dials`.
        given: a folder of dials that go before the course's own.
        reveal: for slides, an address or a folder of reveal.js.

    Raises:
        EditionError: no such edition, a folder that is in use, or a notebook at fault.
        course.dials.DialError: dials that cannot be used.
        course.editions.slides.SlidesError: marks or a reveal.js that cannot be used.
    """
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, n=1) or [", ".join(KINDS)]
        raise EditionError(f"There is no edition '{kind}': did you mean {near[0]}?")
    if kind != "slides" and reveal:
        raise EditionError("--reveal is for slides: leave it out.")
    out = Path(out).expanduser().absolute()
    _may_write(out, notebooks, force)
    prefix, folder = slides.whence(reveal)
    settings = _settings(notebooks, given)
    made, files = {}, {}
    for path in sorted(notebooks.glob("*.ipynb")):
        values, changed = settings.get(path.stem, ({}, {}))
        whole = choose(nbformat.read(path, as_version=4), values.get("exercises", "all"), path.name)
        if kind == "solved":
            whole = solved(whole, path.name)
        elif kind == "student":
            whole = student(whole)
            if set(changed) - HARMLESS:
                for cell in whole.cells:
                    _clear(cell)
        else:
            whole = slides.marked(whole, path.name)
        # A badge opens the course's own notebook, with its solutions.
        whole.cells = [c for c in whole.cells if "badge" not in c.metadata.get("tags", [])]
        _mend_links(whole, path, kind, files)
        made[path.stem] = whole
    if not made:
        raise EditionError(f"There are no notebooks in {notebooks}: name the course's folder.")
    out.mkdir(parents=True, exist_ok=True)
    for file, copied in files.items():
        (out / copied).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, out / copied)
    if kind == "slides":
        if folder:
            slides.copy_reveal(folder, out)
        written = [out / f"{name}.slides.html" for name in made]
        for file, (name, notebook) in zip(written, made.items(), strict=True):
            file.write_text(slides.page(notebook, name, prefix), encoding="utf8")
    else:
        written = [out / f"{name}.ipynb" for name in made]
        for file, notebook in zip(written, made.values(), strict=True):
            nbformat.write(notebook, file)
        _write_dials(notebooks, settings, out / "dials")
    (out / "README.md").write_text(_readme(kind, written, given, prefix), encoding="utf8")
    return written


def _may_write(out, notebooks, force):
    own = notebooks.resolve()
    place = out.resolve()
    if place == own or place in own.parents or own in place.parents:
        raise EditionError(f"{out} holds the course itself: choose another folder.")
    if out.exists() and not out.is_dir():
        raise EditionError(f"{out} is a file: choose a folder.")
    if out.is_dir() and any(out.iterdir()) and not force:
        raise EditionError(f"{out} is not empty: choose another folder, or add --force.")


def _mend_links(notebook, path, kind, files):
    """Links to other files of the course go along; `files` notes which, and where to."""
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue

        def mended(match):
            sign, words, target = match.groups()
            if re.match(r"[a-z]+:|#", target, re.IGNORECASE):
                return match[0]
            name, mark, place = target.partition("#")
            file = (path.parent / unquote(name)).resolve()
            if not file.exists():
                raise EditionError(f"{path.name} links to {name}, which is not there: mend it.")
            if file.parent == path.parent.resolve() and file.suffix == ".ipynb":
                page = f"{file.stem}.slides.html" if kind == "slides" else name + mark + place
                return f"{sign}[{words}]({page})"
            if file.is_dir():
                return words
            if file.parent == (path.parent / "dials").resolve() and kind != "slides":
                return match[0]  # dials go along anyway
            files[file] = Path("linked", os.path.relpath(file, path.parent).replace("../", ""))
            return f"{sign}[{words}]({quote(files[file].as_posix())}{mark}{place})"

        cell.source = LINK.sub(mended, cell.source)


# ---------------------------------------------------------------- its dials


def _settings(notebooks, given):
    """For each chapter, all its dials and those that were changed."""
    if given is not None and not given.is_dir():
        raise EditionError(f"{given} is no folder: give one with dials such as 01_images.toml.")
    own = {path.stem: path for path in sorted((notebooks / "dials").glob("*.toml"))}
    for path in sorted(given.glob("*.toml")) if given else []:
        if path.stem not in own:
            near = difflib.get_close_matches(path.stem, own, n=1) or own
            raise EditionError(f"{path} belongs to no chapter: did you mean {', '.join(near)}?")
    settings = {}
    for chapter, path in own.items():
        file = given / path.name if given else None
        changed = {}
        if file is not None and file.is_file():
            _check_dials(chapter, given)
            changed = tomllib.loads(file.read_text(encoding="utf8"))
        settings[chapter] = {**tomllib.loads(path.read_text(encoding="utf8")), **changed}, changed
    return settings


def _check_dials(chapter, given):
    """Let the chapter itself read them, as it will: what is wrong is said now."""
    before = os.environ.get("COURSE_DIALS")
    os.environ["COURSE_DIALS"] = str(given)
    try:
        dials.read(chapter)
    finally:
        del os.environ["COURSE_DIALS"]
        if before is not None:
            os.environ["COURSE_DIALS"] = before


def _write_dials(notebooks, settings, folder):
    for chapter, (values, changed) in settings.items():
        text = (notebooks / "dials" / f"{chapter}.toml").read_text(encoding="utf8")
        for name in changed:
            text = _replace(text, name, values[name])
        try:
            merged = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            merged = None
        if merged != values:
            raise EditionError(
                f"The dials of {chapter} cannot be merged: keep to one line a dial in its file."
            )
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{chapter}.toml").write_text(text, encoding="utf8")


def _replace(text, name, value):
    """Give a dial of one line another value; its comment stays."""

    def line(match):
        # Numbers, texts, lists and booleans are written alike in JSON and in TOML.
        written, comment = match[1] + json.dumps(value, ensure_ascii=False), match[2].strip()
        column = len(match[0]) - len(comment)  # in which the comments stand
        return (f"{written}  ".ljust(column) + comment) if comment else written

    return re.sub(
        rf"^({re.escape(name)} *= *)(?:[^#\"\n]|\"[^\"\n]*\")*?( *(?:#.*)?)$",
        line,
        text,
        count=1,
        flags=re.MULTILINE,
    )


# ---------------------------------------------------------------- what to do with it

WHAT = {
    "student": "Notebooks for students: the solutions are left out, and so are the outputs from "
    "the exercises on.",
    "solved": "Notebooks with the solutions in place of the stubs, for whoever teaches or checks.",
    "slides": "Slides: open a page in a browser; the arrow keys lead on, `?` shows all keys.",
}


def _readme(kind, written, given, prefix):
    title = {"student": "Student edition", "solved": "Solved edition", "slides": "Slides"}[kind]
    listed = "\n".join(f"- [{file.stem}]({file.name})" for file in written)
    if kind == "slides":
        local = prefix == "reveal.js"
        comes = "the folder `reveal.js` beside them" if local else f"<{prefix}>"
        more = f"The pages load reveal.js from {comes}, and nothing else. "
        more += (
            "They need no network."
            if local
            else "Without a network, unpack a release of reveal.js and build them again with "
            "`course edition slides --reveal FOLDER`. A page that does not get it says so and "
            "shows everything, one below the other."
        )
    else:
        more = (
            "With the course installed (`pip install --editable .` in its folder), run "
            "`jupyter lab .` in this one. The notebooks take their settings from `dials/`, which "
            "may be changed."
        )
        if given:
            more += " Dials were changed for this edition, so run all cells before you read on."
    return f"# {title}\n\n{WHAT[kind]}\n\n{listed}\n\n{more}\n"
