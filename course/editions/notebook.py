"""An edition of one notebook: stubs and solutions found, chosen, taken out, put in place."""

import copy
import difflib
import re

import nbformat
from nbconvert.preprocessors import ClearOutputPreprocessor, TagRemovePreprocessor

from course import cells

EXERCISES = re.compile(r"^## Exercises\b", re.MULTILINE)
SOLUTION = re.compile(r"\bsolutions?\b", re.IGNORECASE)
NUMBERED = re.compile(r"(\*\*|#{3,6} +)\d+\. ")
Places = dict[tuple[str, str], tuple[int, int | None]]  # of stub and solution, by kind and name


class EditionError(ValueError):
    """An edition that cannot be made; the message says what was wrong, where, what to do."""


def asked(cell: nbformat.NotebookNode) -> tuple[str, str] | None:
    """What a cell checks: ("exercise" or "question", its name), or None."""
    return cells.asked(cell.source) if cell.cell_type == "code" else None


def pairs(notebook: nbformat.NotebookNode, where: str) -> Places:
    """The places of stub and solution of each exercise and question, in their order.

    A question explains its answers itself, so it may do without a solution: None. `where` is the
    notebook's name, for messages.

    Raises:
        EditionError: a stub without a solution or the other way round, or one of them twice.
    """

    def fault(place, what, fix):
        return EditionError(f"{where}: cell {place} {what}: {fix}.")

    stubs, solutions = {}, {}
    for place, cell in enumerate(notebook.cells):
        found, folded = asked(cell), "solution" in cell.metadata.get("tags", [])
        what, known = ("solution", solutions) if folded else ("stub", stubs)
        if folded and not found:
            fix = "end it with the check of its exercise, or take the tag away"
            raise fault(place, "is tagged 'solution' and checks nothing", fix)
        if found in known:
            fix = "keep one" if folded else "keep one, or tag it 'solution'"
            raise fault(place, "is a second {} of the {} '{}'".format(what, *found), fix)
        if folded and found not in stubs:
            fix = "add one that calls the same check, or take the solution away"
            raise fault(place, "solves the {} '{}', which has no stub above".format(*found), fix)
        if found:
            known[found] = place
    for found, place in stubs.items():
        if found[0] == "exercise" and found not in solutions:
            fix = "add a cell below it that is tagged 'solution' and calls the same check"
            raise fault(place, f"asks for the exercise '{found[1]}', which has no solution", fix)
    return {found: (place, solutions.get(found)) for found, place in stubs.items()}


def choose(
    notebook: nbformat.NotebookNode, chosen: str | list[str], where: str
) -> nbformat.NotebookNode:
    """A copy with the chosen exercises only; the others go with their text. Quizzes stay.

    Exercises keep their numbers, so that everybody speaks of the same one. `chosen` is "all", or
    names such as "freeze" or "images.freeze"; `where` is the notebook's name, for messages.

    Raises:
        EditionError: as of `pairs`; also for a name that no exercise has.
    """
    places, made = pairs(notebook, where), copy.deepcopy(notebook)
    if chosen == "all":
        return made
    known = {name: name.partition(".")[2] for kind, name in places if kind == "exercise"}
    for name in set(chosen) - {*known, *known.values()}:
        near = difflib.get_close_matches(name, known.values(), n=1) or known.values()
        raise EditionError(
            f"The dials of {where} choose the exercise '{name}', which it does not have: did you "
            f"mean {', '.join(near)}?"
        )
    dropped, before = set(), 0
    for (kind, name), (stub, solution) in places.items():
        if kind == "exercise" and not {name, known[name]} & set(chosen):
            dropped.update(range(stub, solution + 1))
            texts = [i for i in range(before, stub) if made.cells[i].cell_type == "markdown"]
            for text in texts[-1:]:
                made.cells[text].source = _without_exercise(made.cells[text].source)
                dropped |= {text} if not made.cells[text].source else set()
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


def without(notebook: nbformat.NotebookNode, tag: str) -> nbformat.NotebookNode:
    """A copy without the cells that have this tag."""
    made = copy.deepcopy(notebook)
    return TagRemovePreprocessor(remove_cell_tags={tag}).preprocess(made, {})[0]


def cleared(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A copy without outputs."""
    return ClearOutputPreprocessor().preprocess(copy.deepcopy(notebook), {})[0]


def student(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A copy without solutions; from the exercises on also without outputs and words on them."""
    made = without(notebook, "solution")
    # A question may stand above the exercises, before what it asks about.
    kinds = [(asked(cell) or [EXERCISES.search(cell.source)])[0] for cell in made.cells]
    first = next((i for i, kind in enumerate(kinds) if kind not in (None, "question")), len(kinds))
    made.cells[first:] = cleared(made).cells[first:]
    for cell in made.cells[first:]:
        if cell.cell_type == "markdown":
            cell.source = "\n".join(map(_without_solution, cell.source.split("\n")))
    return made


def _without_solution(line):
    """A line of text without the sentences that speak of a solution."""
    if not SOLUTION.search(line):
        return line
    return " ".join(each for each in re.split(r"(?<=[.!?]) ", line) if not SOLUTION.search(each))


def solved(notebook: nbformat.NotebookNode, where: str) -> nbformat.NotebookNode:
    """A copy with each solution in place of its stub, without outputs.

    Raises:
        EditionError: as of `pairs`.
    """
    made = cleared(notebook)
    for stub, solution in pairs(made, where).values():
        if solution is not None:
            made.cells[stub].source = made.cells[solution].source.removeprefix("# Solution\n")
    return without(made, "solution")


def failing(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """What is wrong in an executed notebook, by exercise, answered question, or cell."""
    found = {}
    for place, cell in enumerate(notebook.cells):
        name, outputs = asked(cell), cell.get("outputs", [])
        errors = [f"{o.ename}: {o.evalue}" for o in outputs if o.output_type == "error"]
        said = "".join(output.get("text", "") for output in outputs).splitlines()
        unasked = re.search(r"exercises\.quiz\(\s*\"[^\"]*\"\s*\)", cell.source)
        right = any(line.startswith(("Correct.", "Right.")) for line in said)
        if errors or (name and not unasked and not right):
            found[" ".join(name or ("cell", str(place)))] = (errors or said or ["nothing"])[0]
    return found
