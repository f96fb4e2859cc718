"""The settings of a chapter, in one small commented file that an instructor may change.

`notebooks/dials/01_images.toml` holds those of `01_images.ipynb`, which takes all its settings
from there. COURSE_DIALS names another folder: a file of the same name in it comes first, and may
hold a few of the settings only. What a setting may be follows from its value in the course's file.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

from course import paths

HARMLESS = {"exercises", "hints", "minutes"}  # these change no figure
HIDDEN = {"seed": 0}  # moves all draws; in no chapter's file


class DialError(ValueError):
    """A dial that cannot be used; the message says which, where and what to do."""


def read(
    chapter: str, folders: Iterable[Path] | None = None, own: Path = paths.DIALS
) -> SimpleNamespace:
    """The dials of a chapter, as attributes.

    Beside them: `chapter`; `changed`, the names of those that differ from the course's own and
    may change a figure; and where there are `seeds`, `draws`, the seeds as a range.

    Args:
        chapter: the notebook's name without its ending, such as "01_images".
        folders: where files are looked for that go before the course's own, the nearest first.
            By default the folder COURSE_DIALS, then `dials` beside the notebook.
        own: the folder of the course's own dials, which say which dials there are.

    Raises:
        DialError: no such chapter, a file that is not TOML, an unknown dial, or a value that does
            not fit.

    Example:
        >>> dial = read("01_images", folders=[])
        >>> dial.hints, dial.changed, dial.draws == range(dial.seeds)
        (True, (), True)
    """
    standard = own / f"{chapter}.toml"
    if not standard.is_file():
        known = ", ".join(paths.known(own))
        raise DialError(f"There are no dials for '{chapter}': the chapters are {known}.")
    usual = values = HIDDEN | load(standard)
    places = list(_usual_folders() if folders is None else folders)
    for file in [Path(place, f"{chapter}.toml") for place in reversed(places)]:
        if file.is_file() and file.resolve() != standard.resolve():
            values = values | _checked(file, load(file), usual)
    _checked(standard, values, usual)
    differs = {name for name, value in values.items() if value != usual[name]}
    dial = SimpleNamespace(chapter=chapter, changed=tuple(sorted(differs - HARMLESS)), **values)
    if "seeds" in values:
        dial.draws = range(dial.seed, dial.seed + dial.seeds)
    return dial


def load(file: Path) -> dict:
    """The dials in one file. Windows editors begin it with a mark, or write UTF-16.

    Raises:
        DialError: it is not TOML.
    """
    content = file.read_bytes()
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return tomllib.loads(content.decode("utf-16" if wide else "utf-8-sig"))
    except UnicodeDecodeError:
        raise DialError(f"{file} is no TOML file: save it as UTF-8 in your editor.") from None
    except tomllib.TOMLDecodeError as error:
        what = str(error).rstrip(".").replace("\n", " ")
        raise DialError(
            f"{file} is no TOML file ({what}): mend that place. Texts stand in plain quotation "
            'marks, paths in single ones (\'C:\\data\'), true and false in small letters.'
        ) from None


def _usual_folders():
    given = os.environ.get("COURSE_DIALS")
    if given and not Path(given).expanduser().is_dir():
        raise DialError(f"COURSE_DIALS is {given}, which is no folder: name one, or unset it.")
    return [Path(given).expanduser(), Path("dials")] if given else [Path("dials")]


def _checked(file, values, usual):
    """The values of a file, all of which are known and fit."""
    for name, value in values.items():
        if name not in usual:
            near = difflib.get_close_matches(name, usual, n=1) or [", ".join(usual)]
            raise DialError(f"{file} has a dial '{name}': did you mean {near[0]}?")
        if isinstance(value, str) and re.search(r"[\x00-\x1f]", value):
            raise DialError(
                f"{file}: {name} is {value!r}, with a tab or a line break in it: write a path with "
                "backslashes in single quotation marks."
            )
        if wanted := _unfit(name, value, usual[name]):
            raise DialError(f"{file}: {name} is {value!r}, and should be {wanted}.")
    table = values.get("table")
    if table not in values.get("labels", [table]) and table is not None:
        raise DialError(
            f"The dial table of {file.stem} is {table}, which is none of labels "
            f"{values['labels']}: the table compares the methods at one of them."
        )
    return values


def _unfit(name, value, usual):
    """What a dial should be, judged by its usual value; None where it is."""
    inner = {type(each) for each in value} if isinstance(value, list) else set()
    same = type(value) is type(usual)  # True is no whole number here
    match usual:
        case _ if name == "exercises":
            fits = value == "all" or (isinstance(value, list) and inner <= {str})
            words = '"all" or a list of names, such as ["range", "freeze"]'
        case bool():
            fits, words = same, "true or false"
        case int():
            least = min(usual, 1)
            fits, words = same and value >= least, f"a whole number from {least} on"
        case float():
            fits, words = type(value) in (int, float), "a number"
            if 0 <= usual <= 1:
                fits, words = fits and 0 <= value <= 1, "a share from 0 to 1"
        case [int(), *_]:
            fits = inner == {int} and value == sorted(set(value)) and value[0] > 0
            words = "a list of growing whole numbers, such as [5, 10, 50]"
        case _:
            fits = same and value not in ("", [])
            words = "a name or a path, in quotation marks" if isinstance(usual, str) else "a list"
    return None if fits else words
