"""What a learner has solved, kept in one file of the person's own and sent nowhere."""

import functools
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

from filelock import FileLock, Timeout

from course import cells, paths
from helpers import disk

ANSWERS = "answers"  # of `course.review`, beside the names of what was solved, which have a dot


def file() -> Path:
    """Where progress is kept."""
    return paths.user_folder() / "progress.json"


def solved() -> dict[str, str]:
    """Names of the exercises and questions that were solved, each with the day."""
    return {name: day for name, day in kept().items() if name != ANSWERS}


def kept() -> dict:
    """All that the file holds; nothing, and a sentence, where it cannot be read."""
    try:
        return _read()
    except (OSError, ValueError) as error:
        _say_once(f"What you solved before cannot be read: {file()} ({error}).")
        return {}


def note(name: str) -> None:
    """Note that one was solved."""
    change(lambda kept: kept.setdefault(name, date.today().isoformat()))


def change(edit: Callable[[dict], None]) -> None:
    """Change what the file holds. Where it cannot be kept, that costs the note and a sentence."""
    try:
        file().parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{file()}.lock", timeout=2):  # another notebook may be noting, too
            edit(kept := _read())
            disk.write_atomic(file(), json.dumps(kept, indent=1).encode())
    except (OSError, ValueError, Timeout) as error:
        _say_once(
            f"Your progress cannot be kept in {file()} ({error}): if it is damaged, delete it; "
            "else set COURSE_HOME to a folder that you may write to."
        )


def forget() -> None:
    """Begin anew."""
    file().unlink(missing_ok=True)


def asked() -> dict[str, list[str]]:
    """The exercises and questions of each chapter, in the order of its file of exercises.

    Read without the notebooks, which a class's folder may lack: they hold the solutions.
    """
    files = {each: paths.EXERCISES / f"{paths.topic(each)}.py" for each in paths.known()}
    return {each: [name for _, name in cells.registered(file)] for each, file in files.items()}


def bar(done: int, total: int, width: int = 20) -> str:
    """A line of text.

    Example:
        >>> bar(4, 8, width=8)
        '[####----] 4 of 8 solved'
    """
    filled = round(width * done / total) if total else 0
    return f"[{'#' * filled}{'-' * (width - filled)}] {done} of {total} solved"


def _read():
    if not file().exists():
        return {}
    kept = json.loads(file().read_text(encoding="utf8"))
    if not isinstance(kept, dict) or not isinstance(kept.get(ANSWERS, {}), dict):
        raise ValueError("it is no list of names and days")
    return kept


@functools.cache
def _say_once(text):
    print(text)
