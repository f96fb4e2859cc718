"""The settings of a chapter, in one small commented file that an instructor may change.

`notebooks/dials/01_images.toml` holds those of `01_images.ipynb`, which takes all its settings
from there. COURSE_DIALS names another folder: a file of the same name in it comes first, and may
hold a few of the settings only.
"""

import difflib
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

OWN = Path(__file__).resolve().parent.parent / "notebooks" / "dials"


class DialError(ValueError):
    """A dial that cannot be used; the message says which, where and what to do."""


@dataclass(frozen=True)
class _Kind:
    """What a setting may be: in words, and as a test."""

    words: str
    fits: Any


def _count(least):
    def fits(value):
        return isinstance(value, int) and not isinstance(value, bool) and value >= least

    return _Kind(f"a whole number from {least} on", fits)


def _counts(value):
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(isinstance(each, int) and not isinstance(each, bool) for each in value)
        and all(each > 0 for each in value)
        and value == sorted(set(value))
    )


def _names(value):
    return value == "all" or (
        isinstance(value, list) and all(isinstance(each, str) for each in value)
    )


# What every chapter has. A chapter's own dials are checked against the type in its own file.
COMMON = {
    "dataset": _Kind("a name or a path, in quotation marks", lambda v: isinstance(v, str) and v),
    "backbone": _Kind("a name, in quotation marks", lambda v: isinstance(v, str) and v),
    "labels": _Kind("a list of growing whole numbers, such as [5, 10, 50]", _counts),
    "table": _count(1),
    "epochs": _count(1),
    "steps": _count(1),
    "seeds": _count(1),
    "minutes": _count(1),
    "recall": _Kind("a share from 0 to 1", lambda v: isinstance(v, float | int) and 0 <= v <= 1),
    "hints": _Kind("true or false", lambda v: isinstance(v, bool)),
    "exercises": _Kind('"all" or a list of names, such as ["range", "freeze"]', _names),
}


def read(chapter: str) -> SimpleNamespace:
    """The dials of a chapter, as attributes.

    Looked for in the folder COURSE_DIALS, then in `dials` beside the notebook (the working
    folder), then in the course's own `notebooks/dials`. The course's own file says which dials
    there are; an earlier one may hold some of them.

    Args:
        chapter: the notebook's name without its ending, such as "01_images".

    Raises:
        DialError: no such chapter, a file that is no TOML, an unknown dial, or a value that does
            not fit.
    """
    own = OWN / f"{chapter}.toml"
    if not own.is_file():
        known = ", ".join(sorted(path.stem for path in OWN.glob("*.toml")))
        raise DialError(f"There are no dials for '{chapter}': the chapters are {known}.")
    values = _load(own)
    kinds = {name: COMMON.get(name) or _like(value) for name, value in values.items()}
    for file in reversed(_others(chapter)):
        changed = _load(file)
        for name, value in changed.items():
            if name not in kinds:
                near = difflib.get_close_matches(name, kinds, n=1) or [", ".join(kinds)]
                raise DialError(f"{file} has a dial '{name}': did you mean {near[0]}?")
            if not kinds[name].fits(value):
                raise DialError(
                    f"{file}: {name} is {value!r}, and should be {kinds[name].words}."
                )
        values |= changed
    for name, value in values.items():
        if not kinds[name].fits(value):
            raise DialError(f"{own}: {name} is {value!r}, and should be {kinds[name].words}.")
    if "table" in values and values["table"] not in values.get("labels", [values["table"]]):
        raise DialError(
            f"The dial table of {chapter} is {values['table']}, which is none of labels "
            f"{values['labels']}: the table compares the methods at one of them."
        )
    return SimpleNamespace(chapter=chapter, **values)


def _others(chapter):
    """Files that come before the course's own, the first first."""
    places = [Path("dials")]
    if folder := os.environ.get("COURSE_DIALS"):
        if not Path(folder).is_dir():
            raise DialError(f"COURSE_DIALS is {folder}, which is no folder: name one, or unset it.")
        places.insert(0, Path(folder))
    files = [place / f"{chapter}.toml" for place in places]
    return [file for file in files if file.is_file() and file.resolve().parent != OWN]


def _load(file):
    try:
        return tomllib.loads(file.read_text(encoding="utf8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DialError(f"{file} is no TOML file ({error}): mend that place.") from None


def _like(value):
    """A chapter's own dial stays of the type that it has in the course's file."""
    number = isinstance(value, int | float) and not isinstance(value, bool)

    def fits(other):
        if number:
            return isinstance(other, int | float) and not isinstance(other, bool)
        return type(other) is type(value)

    return _Kind(f"of the kind of {value!r}", fits)
