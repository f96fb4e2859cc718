"""Three states of a folder into one: a release, hers that began from it, the next release.

Notebooks are merged by nbdime, of which each cell is checked by its id; other texts line by line by
git; in dials the values that she set stay.
"""

import argparse
import itertools
import subprocess
import tempfile
import tomllib
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import nbformat

OURS = ("tags", "slideshow", "jupyter")  # metadata that mean something in the course
KEEP_BOTH = "{}: you and the release changed {}. The release's is in place, yours is in {}."


def plan(root: Path, base: Path, new: Path) -> tuple[dict[Path, bytes | None], list[str]]:
    """What to write into `root`, by path below it (None: delete), and what to say of it.

    `root` has her files, which are only read; `base` the release that she began with, or nothing
    where nobody knows it; `new` the release that comes in.
    """
    files: dict[Path, bytes | None] = {}
    said = []
    every = {p.relative_to(side) for side in (base, new) for p in side.rglob("*") if p.is_file()}
    for path in sorted(every):
        old, hers, theirs = (_read(side / path) for side in (base, root, new))
        if theirs == old or theirs == hers:
            continue
        if hers == old or hers is None:
            files[path] = theirs
        elif theirs is None:
            said.append(f"{path.as_posix()}: the release drops it, but you changed it: it stays.")
        else:
            files[path], both = _merged(path, old, hers, theirs)
            if both:
                beside = _free(root, path, hers)
                files[beside] = hers
                said.append(KEEP_BOTH.format(path.as_posix(), both, beside.as_posix()))
    return files, said


def _read(file):
    return file.read_bytes() if file.is_file() else None


def _free(root, path, content):
    """A name beside a file that holds nothing else yet: 01_images.yours.ipynb."""
    numbers = itertools.chain([""], itertools.count(2))
    places = (path.with_name(f"{path.stem}.yours{n}{path.suffix}") for n in numbers)
    return next(p for p in places if _read(root / p) in (None, content))


def _merged(path, old, hers, theirs):
    """One content of three, and what both changed, in words; empty where nothing."""
    three = (old, hers, theirs)
    if old is not None and path.suffix == ".toml" and path.parent.name == "dials":
        with suppress(ValueError):
            return _dials(*three), ""
    if old is not None and path.suffix == ".ipynb":
        with suppress(ValueError, KeyError, AttributeError, nbformat.ValidationError):
            return _notebook(*(nbformat.reads(each.decode(), 4) for each in three))
    elif old is not None and not any(b"\0" in each for each in three):
        if (lines := _text(*three)) is not None:
            return lines, ""
    return theirs, "the file"


def _text(*three):
    """Three texts as one, or None where both sides changed the same lines."""
    with tempfile.TemporaryDirectory() as scratch:
        for name, content in zip(("old", "hers", "theirs"), three, strict=True):
            Path(scratch, name).write_bytes(content)
        command = ["git", "merge-file", "-p", "hers", "old", "theirs"]
        done = subprocess.run(command, cwd=scratch, capture_output=True)
    return done.stdout if done.returncode == 0 else None


def _notebook(old, hers, theirs):
    """A notebook with the cells that one side changed; of those that both did, the release's."""
    from nbdime import merge_notebooks

    # Without ids, as in old notebooks, cells cannot be told apart: a KeyError keeps hers whole.
    cells = [{cell["id"]: cell for cell in each.cells} for each in (old, hers, theirs)]
    both, wanted = [], {}
    for name in {**cells[1], **cells[2], **cells[0]}:
        was, mine, new = (_said(side.get(name)) for side in cells)
        if mine not in (was, new) and new != was:
            both.append(name)
        wanted[name] = cells[2 if name in both or mine == was else 1].get(name)
    # nbdime puts the cells in order. By "union" both of two that were added at one place stay.
    rules = {"merge_strategy": "union", "input_strategy": None, "output_strategy": "use-remote"}
    chosen = argparse.Namespace(**rules, ignore_transients=True, log_level="INFO")
    made = nbformat.from_dict(merge_notebooks(old, hers, theirs, args=chosen)[0])
    order = dict.fromkeys(cell.id for cell in made.cells)
    made.cells = [wanted[name] for name in order if wanted[name]]
    made.metadata = theirs.metadata
    both += [name for name, cell in wanted.items() if cell and name not in {*order, *both}]
    nbformat.validate(made)
    # Each by its id and its first line, as hers or, where she deleted it, the release's has it.
    known = {**cells[0], **cells[2], **cells[1]}
    first = [f"cell {name} ({known[name].source.strip().split(chr(10))[0][:40]})" for name in both]
    return (nbformat.writes(made) + "\n").encode(), ", ".join(first)


def _said(cell):
    """What counts as a change of a cell: not its outputs, nor what an editor notes."""
    return cell and (cell.source, *(cell.metadata.get(key) for key in OURS))


def _dials(old, hers, theirs):
    """The release's dials, with its comments, and in them the values that she set."""
    from course import editions

    was, mine = (tomllib.loads(each.decode()) for each in (old, hers))
    own = {name: value for name, value in mine.items() if was.get(name) != value}
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "dials.toml")
        file.write_bytes(theirs)
        return editions.merged(file, SimpleNamespace(**own)).encode()
