"""Where recipes find the real assets, keep what they are working on, and write their results."""

import hashlib
from pathlib import Path

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"


def asset(name: str) -> Path:
    """The folder of an asset of the full profile; brought from the mirror if that has it."""
    from course import fetch
    from helpers import assets

    fetch.bring([name])
    return assets.path(name, profile="full")


def work_folder(recipe: str) -> Path:
    """The folder in the course's cache that holds a recipe's checkpoints, under its name."""
    from helpers import assets

    return assets.cache_folder() / recipe


def write_whole(path, save):
    """Let `save(file)` write a file beside `path` and move it there: all of it or nothing."""
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        save(file)
    part.replace(path)


def write_checksums(folder):
    """SHA256SUMS of the files of a folder, as `sha256sum --check` reads it."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "SHA256SUMS")
    lines = [
        f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(folder).as_posix()}\n"
        for p in files
    ]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf8")
