"""Where the course keeps things; chapters are found by looking, no list of them stands anywhere."""

import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

import platformdirs

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
DIALS = NOTEBOOKS / "dials"
EXERCISES = ROOT / "course" / "exercises"


def chapters(folder: Path = NOTEBOOKS) -> list[Path]:
    """The notebooks of a folder, in their order; none with a further dot, as 01_images.yours.ipynb.

    Example:
        >>> [path.stem for path in chapters()][:2]
        ['00_start_here', '01_images']
    """
    return sorted(path for path in folder.glob("*.ipynb") if "." not in path.stem)


def topics(folder: Path = EXERCISES) -> list[str]:
    """What exercises are named after: each file of course/exercises holds those of one chapter."""
    return sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")


def topic(stem: str, folder: Path = EXERCISES) -> str:
    """What a chapter is about, the first part of its exercises' names.

    It is the chapter's name without its number, or as much of it as names a file of exercises.

    Example:
        >>> topic("01_images"), topic("00_start_here")
        ('images', 'start')
    """
    words = re.sub(r"^\d+_", "", stem)
    known = [each for each in topics(folder) if f"{words}_".startswith(f"{each}_")]
    return max(known, key=len, default=words)


def known(folder: Path = DIALS) -> list[str]:
    """The names of all chapters, by their dials, which a class's folder has without the notebooks.

    Example:
        >>> known()[:2]
        ['00_start_here', '01_images']
    """
    return sorted(path.stem for path in folder.glob("*.toml") if "." not in path.stem)


def chapter_of(name: str) -> str | None:
    """The chapter about a topic, such as "01_images" for "images"; None if there is none."""
    return next((chapter for chapter in known() if topic(chapter) == name), None)


def user_folder() -> Path:
    """A person's own folder, for what is shared with nobody. COURSE_HOME moves it.

    It need not exist yet. A container may run under a number without a name or a home: then it
    lies in the folder for temporary files.
    """
    if given := os.environ.get("COURSE_HOME"):
        return Path(given).expanduser().absolute()
    with suppress(RuntimeError):  # how some versions of platformdirs say it
        folder = platformdirs.user_data_path("transfer-learning-course", appauthor=False)
        if folder.is_absolute():
            return folder
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir(), f"transfer-learning-course-{user}")
