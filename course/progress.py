"""What a learner has solved, kept in one file of the course's cache and sent nowhere."""

import json
import os
import re
import tempfile
from datetime import date
from pathlib import Path

from filelock import FileLock, Timeout

from course.fetch import cache


def file() -> Path:
    """Where progress is kept."""
    return cache.cache_folder() / "progress.json"


def solved() -> dict[str, str]:
    """Names of the exercises and questions that were solved, each with the day."""
    try:
        kept = json.loads(file().read_text(encoding="utf8"))
    except (OSError, ValueError):
        return {}  # none yet, or not ours to mend
    return kept if isinstance(kept, dict) else {}


def note(name: str) -> None:
    """Note that one was solved. A disk that cannot be written to costs the note, no more."""
    try:
        file().parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{file()}.lock", timeout=2):  # another notebook may be noting, too
            kept = solved()
            if name not in kept:
                _write({**kept, name: date.today().isoformat()})
    except (OSError, Timeout):
        return


def forget() -> None:
    """Begin anew."""
    file().unlink(missing_ok=True)


def asked() -> dict[str, list[str]]:
    """The exercises and questions of each notebook, as its cells name them."""
    folder = Path(__file__).resolve().parent.parent / "notebooks"
    found = {}
    for path in sorted(folder.glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        calls = re.findall(r'exercises\.(?:check|quiz)\("([\w.]+)"', code)
        found[path.stem] = list(dict.fromkeys(calls))
    return found


def _write(kept):
    with tempfile.NamedTemporaryFile(
        "w", dir=file().parent, suffix=".part", delete=False, encoding="utf8"
    ) as part:
        json.dump(kept, part, indent=1)
    try:
        os.replace(part.name, file())
    except OSError:
        os.unlink(part.name)
        raise


def bar(done: int, total: int, width: int = 20) -> str:
    """A line such as `[####----] 4 of 8`."""
    filled = round(width * done / total) if total else 0
    return f"[{'#' * filled}{'-' * (width - filled)}] {done} of {total} solved"
