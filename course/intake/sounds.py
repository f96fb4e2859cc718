"""A person's own sounds: checked once, recordings kept together, laid out as ESC-50 is."""

import hashlib
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from course.intake import folders
from helpers.disk import progress

LAYOUT = "sounds, layout 1"  # changes when `_write` keeps something else


def sounds(dataset: str | Path, positive: str = "auto") -> str:
    """What the dial `dataset` holds, as `helpers.audio.load` reads it.

    Args:
        dataset: "coughs"; a folder laid out as ESC-50 is; or one with a folder of sounds per
            class, in any format that libsndfile reads (WAV, FLAC, Ogg, Opus, MP3, AIFF ...).
        positive: the class that must not be missed; see `helpers.audio.clip_table`.

    Returns:
        The name or folder as it is, or the folder in the cache that holds the checked sounds.

    Raises:
        ValueError: there is no such folder or class, a class has too few recordings, the same
            sound is in two classes, or the layout of ESC-50 is broken.
    """
    root = path = folders.own_folder(dataset, "coughs", "sounds")
    if root is None:
        return str(dataset)
    if not (root / "meta" / "esc50.csv").is_file():
        classes = folders.class_folders(root, "sounds")
        if positive != "auto" and positive not in classes:
            raise ValueError(
                f"{root} has no folder '{positive}': set the dial positive to one of "
                f"{', '.join(classes)}."
            )
        rows = [(k, file) for k, folder in classes.items() for file in folders.files_below(folder)]
        table = pd.DataFrame(rows, columns=["category", "path"])
        key = folders.content_key(root, table.path, LAYOUT)
        path = folders.keep(key, lambda ready: _write(ready, root, classes, table))
    from helpers.audio import clip_table  # it imports TensorFlow

    used, (_, name) = clip_table(path, positive)
    if (whole := len(pd.read_csv(path / "meta" / "esc50.csv"))) > len(used):
        print(f"'{name}' against all others: {len(used)} of {whole} clips are used, so that each "
              "split has both classes equally often.")  # fmt: skip
    return str(path)


def recording_of(path: Path) -> str:
    """The recording that a file belongs to, by its name.

    In a name of ESC-50's (`1-17367-A-10.wav`) it is the second number; a date is one recording;
    in any other name it is what comes before the last "-" or "_".

    Example:
        >>> [recording_of(Path(name)) for name in ("rain-01.wav", "rain-02.wav", "wind.wav")]
        ['rain', 'rain', 'wind']
    """
    if found := re.fullmatch(r"[1-5]-(\d+)-[A-Z]-\d+", path.stem):
        return found[1]
    if re.fullmatch(r"\d{4}([-_])\d\d\1\d\d", path.stem):
        return path.stem
    return re.split(r"[-_][^-_]*$", path.stem)[0] or path.stem


def _write(ready, root, classes, table):
    """Check the files and lay them out in the folder `ready`; lines on what was found."""
    beside = folders.beside(root, table.path)
    table, faults = _listen(table.assign(src_file=table.path.map(recording_of)))
    names = table.groupby("src_file").category.nunique()
    shared, found = list(names.index[names > 1]), len(table)
    table = _without_copies(table)
    for kind, folder in classes.items():
        if (count := table[table.category == kind].src_file.nunique()) < 5:
            why = f" {len(faults)} cannot be read: {min(faults.values())}" if faults else ""
            raise ValueError(
                f"{folder} has clips of {count} recordings: give each class at least five (files "
                "whose names are equal up to the last '-' or '_' count as one recording, and so "
                f"do copies).{why}"
            )
    table["fold"] = folders.folds(table.category, table.src_file, root=root, what="recordings")
    table["filename"] = [
        _lay_out(ready, classes, *row) for row in table[["category", "path"]].values
    ]
    (ready / "meta").mkdir()
    meta = table[["filename", "fold", "category", "src_file"]]
    meta.to_csv(ready / "meta" / "esc50.csv", index=False)
    counts = ", ".join(f"{kind} {count}" for kind, count in table.category.value_counts().items())
    lines = {
        f"{len(table)} clips of {table.src_file.nunique()} recordings: {counts}.": len(table),
        f"{len(shared)} names are in more than one class folder ({', '.join(shared[:1])}): files "
        "of one name count as one recording. Rename them where they are not.": len(shared),
        f"{found - len(table)} copies of the same sound left out.": found - len(table),
        f"{sum(table.long)} clips are longer than 10 s: their first 10 s are used.": any(
            table.long
        ),
    }
    return [*(line for line, said in lines.items() if said), *folders.left_out(faults), *beside]


def _listen(table):
    """The rows that can be read, with a hash of each sound; and what is wrong with others."""
    from helpers.audio import RATE, read_clip  # it imports TensorFlow

    faults = {}

    def listen(path):
        try:
            clip = read_clip(path)
        except ValueError as error:
            faults[path] = str(error)
            return "", False
        # As 16-bit integers: a copy in another lossless format rounds alike.
        integers = (clip * 32_767).round().astype("int16")
        return hashlib.sha256(integers.tobytes()).hexdigest(), len(clip) > 10 * RATE

    with ThreadPoolExecutor() as threads:
        found = list(progress(threads.map(listen, table.path), "sounds", len(table)))
    table[["mark", "long"]] = pd.DataFrame(found, columns=["mark", "long"])
    return table[table.mark != ""], dict(sorted(faults.items()))


def _without_copies(table):
    """One file of each sound; the recordings that its copies are named after become one."""
    leader = {}

    def lead(name):
        while name in leader:
            name = leader[name]
        return name

    for _, same in table.groupby("mark", sort=False):
        if same.category.nunique() > 1:
            one, other = same.drop_duplicates("category").path[:2]
            raise ValueError(
                f"{one} and {other} are the same sound in two classes: remove one of them."
            )
        first, *others = sorted({lead(name) for name in same.src_file})
        leader.update(dict.fromkeys(others, first))
    table = table.drop_duplicates("mark").reset_index(drop=True)
    return table.assign(src_file=table.src_file.map(lead))


def _lay_out(ready, classes, kind, path):
    """Link or copy a file to its place below `audio/`, which is returned."""
    name = Path(kind, path.relative_to(classes[kind])).as_posix()
    name = name.encode(errors="replace").decode()
    target = ready / "audio" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path.resolve(), target)
    except OSError:  # another disk, or one without links
        shutil.copyfile(path, target)
    return name
