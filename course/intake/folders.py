"""What the intakes of images, texts and sounds share: a person's folder in, a checked one out."""

import hashlib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from course import paths
from helpers import disk
from helpers.data import SPLITS

SPLIT_OF_NAME = {split: split for split in SPLITS} | {
    "training": "train", "testing": "test", "val": "validation", "valid": "validation",
    "dev": "validation",
}  # fmt: skip
SYSTEM = {  # systems, disks and programs leave these in any folder
    "$recycle.bin", "#recycle", "@eadir", "@tmp", "__macosx", "__pycache__", "desktop.ini",
    "ehthumbs.db", "icon\r", "lost+found", "picasa.ini", "system volume information", "thumbs.db",
}  # fmt: skip


def visible(name: str) -> bool:
    """Whether a person put the file or folder of this name there, and not the operating system."""
    name = name.lower()
    return not name.startswith(".") and name not in SYSTEM and not name.endswith("zone.identifier")


def own_folder(dataset: str | Path, bundled: str, what: str) -> Path | None:
    """The folder that a person named in the dial `dataset`; None for the bundled data.

    Raises:
        ValueError: there is no such folder.
    """
    folder = disk.own_path(dataset, [bundled])
    if folder and not (str(dataset).strip() and folder.is_dir()):
        raise ValueError(
            f"The dial dataset is '{dataset}', and there is no such folder: write '{bundled}', "
            f"or the folder that holds one folder of {what} per class."
        )
    return folder


def files_below(folder: Path) -> list[Path]:
    """The visible files at any depth, links followed once, in the order of their names."""
    # A link may lead back up.
    found, seen = [], {str(above) for above in folder.resolve().parents}
    for parent, inside, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(parent)) in seen:
            inside.clear()
            continue
        seen.add(real)
        inside[:] = filter(visible, inside)
        found += [Path(parent, name) for name in filter(visible, names)]
    return sorted(found)


def inside(folder: Path) -> tuple[list[Path], list[Path]]:
    """The visible folders, and the visible files, directly in a folder."""
    each = sorted(path for path in folder.iterdir() if visible(path.name))
    return [one for one in each if one.is_dir()], [one for one in each if not one.is_dir()]


def opened(root: Path) -> Path:
    """Where the class folders lie: `root`, or deeper where all stands in one folder in a folder."""
    only, _ = inside(root)
    if len(only) == 1:
        deeper, loose = inside(only[0])
        if len(deeper) >= max(1, len(loose)):  # a class folder holds more files than folders
            return opened(only[0])
    return root


def files_by_class(root: Path, what: str) -> dict[str, list[Path]]:
    """The files, at any depth, of each class folder in `opened(root)`.

    Raises:
        ValueError: there are fewer than two class folders, or one is empty.
    """
    classes = {each: files_below(each) for each in inside(opened(root))[0]}
    if len(classes) < 2:
        found = ", ".join(each.name for each in inside(root)[0])
        raise ValueError(
            f"{root} needs a folder for each of at least two classes, and has "
            f"{'only ' + found if found else 'none'}: sort the {what} into one folder per class."
        )
    if empty := [each for each, files in classes.items() if not files]:
        raise ValueError(f"{empty[0]} holds no {what}: fill the folder or remove it.")
    # A name of another system's encoding cannot be printed.
    return {each.name.encode(errors="replace").decode(): files for each, files in classes.items()}


def refuse_two_classes(table: pd.DataFrame, mark: str, kind: str, what: str) -> None:
    """Raise a ValueError if rows of one `mark` are of two kinds; the table has a column path."""
    for _, same in table.groupby(mark):
        if same[kind].nunique() > 1:
            one, other = same.drop_duplicates(kind).path[:2]
            fault = f"{one} and {other} are the same {what} in two classes"
            raise ValueError(f"{fault}: remove one of them.")


def content_key(root: Path, files: Iterable[Path], *settings) -> str:
    """A name for this content: a hash of the files' places below `root`, bytes and settings."""
    digest = hashlib.sha256(repr(settings).encode())
    for file in files:
        place = os.path.relpath(file, root).replace(os.sep, "/")
        digest.update(f"\n{place}\n".encode(errors="replace"))
        with suppress(OSError):  # what cannot be opened is named later, by who reads it
            digest.update(disk.sha256_of(file).encode())
    return digest.hexdigest()[:24]


def keep(key: str, write: Callable[[Path], list[str]]) -> Path:
    """The folder intake/<key> in the cache: as it was kept, or else written whole or not at all.

    A cache may be shared and read-only; then the folder lies in the person's own.

    Args:
        key: of `content_key`.
        write: fills the empty folder that it is given; returns lines on what was found, grouped
            and left out. They are printed now and at each later call.

    Raises:
        ValueError: neither folder can be written; also whatever `write` raises.
    """
    places = [each / "intake" / key for each in (disk.cache_folder(), paths.user_folder())]
    places.sort(key=lambda place: not (place / "intake.txt").is_file())  # where it is kept first
    faults = []
    for place in places:
        try:
            if not (place / "intake.txt").is_file():
                _write(place, write)
        except OSError as error:
            faults.append(f"{place.parent} ({error})")
        else:
            print((place / "intake.txt").read_text(encoding="utf8"))
            return place
    fix = "make room there, or set COURSE_CACHE to a folder that you can write"
    raise ValueError(f"Your data cannot be kept in {' or '.join(faults)}: {fix}.")


def _write(target, write):
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as work:
        (ready := Path(work, target.name)).mkdir()
        lines = "\n".join(write(ready))
        (ready / "intake.txt").write_text(lines, encoding="utf8", errors="replace")
        if not target.is_dir():  # another process may have been faster
            ready.rename(target)


def file_names(kinds: Iterable[str], paths: Iterable[Path]) -> list[str]:
    """A name for each file, kind/stem without suffix; a number stands in it where it is taken."""
    names, taken = [], set()
    for number, (kind, path) in enumerate(zip(kinds, paths, strict=True)):
        stem = path.stem.encode(errors="replace").decode()
        while (name := f"{kind}/{stem}").casefold() in taken:
            stem = f"{number:05}-{stem}"
        taken.add(name.casefold())
        names.append(name)
    return names


def folds(labels, groups, *, root: Path, what: str, seed: int = 0) -> np.ndarray:
    """A fold, 1 to 5, for each of n examples: 1 to 3 for training, 4 for validation, 5 for test.

    Each fold has about a fifth of each class. Examples of one group (copies of an image, clips of
    one recording) stand in one fold.

    Args:
        labels, groups: the class and the group of each example, numbers or names, shape (n,).
        root, what: the folder and "images" or "recordings", for the message.
        seed: of the split.

    Raises:
        ValueError: training, validation or test would lack a class.
    """
    classes, labels = np.unique(labels, return_inverse=True)
    parts = np.zeros((5, len(labels)), bool)
    # It warns of a class with fewer than five examples; fewer than five groups are an error.
    with warnings.catch_warnings(action="ignore", category=UserWarning), suppress(ValueError):
        split = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        for part, (_, taken) in zip(parts, split.split(labels, labels, groups), strict=True):
            part[taken] = True
    counts = np.stack([np.bincount(labels[part], minlength=len(classes)) for part in parts])
    # The folds nearest to a fifth of each class judge; one with a large group is trained on.
    off = np.abs(counts - counts.sum(0) / 5).sum(1) + 1e9 * (counts == 0).any(1)
    order = np.argsort(off, kind="stable")
    if not ((counts[order[:2]] > 0).all() and (counts[order[2:]].sum(0) > 0).all()):
        count = f"too few {what} to split ({len(np.unique(groups))})"
        raise ValueError(f"{root} has {count}: give each class at least 15.")
    return parts[order[[2, 3, 4, 1, 0]]].argmax(0) + 1


def beside(root: Path, files: Iterable[Path]) -> list[str]:
    """A line that counts the visible files below `root` that are not among `files`."""
    others = sorted(set(files_below(root)) - set(files))
    return left_out(dict.fromkeys(others, "They lie beside the class folders."))


def left_out(faults: dict[Path, str]) -> list[str]:
    """A line that counts what was left out and gives the first reason; none if nothing was."""
    if not faults:
        return []
    names = ", ".join(file.name for file in list(faults)[:5]) + (", ..." if len(faults) > 5 else "")
    count = f"{len(faults)} file{'s' if len(faults) > 1 else ''}"
    return [f"{count} ({names}) left out. {next(iter(faults.values()))}"]
