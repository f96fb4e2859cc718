"""A person's own sounds: checked once, recordings kept together, laid out as ESC-50 is."""

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from course.intake import folders
from course.intake.sound_files import read_sound
from helpers.audio.data import FOLDS, RATE, clip_table
from helpers.disk import progress

LAYOUT = "sounds, layout 2"  # changes when `_write` keeps something else
SECONDS = 10  # of each clip are kept: `helpers.audio.load` reads no more
META = Path("meta", "esc50.csv")


def sounds(dataset: str | Path, positive: str = "auto") -> str:
    """What the dial `dataset` holds, as `helpers.audio.load` reads it.

    Args:
        dataset: "coughs"; a folder laid out as ESC-50 is; or one with a folder of sounds per
            class, in any format that libsndfile reads (WAV, FLAC, Ogg, Opus, MP3, AIFF ...).
        positive: the class that must not be missed; see `helpers.audio.clip_table`.

    Returns:
        The name as it is, or the folder in the cache that holds the checked sounds as FLAC.

    Raises:
        ValueError: there is no such folder or class, a class has too few recordings, the same
            sound is in two classes, or the layout of ESC-50 is broken.
    """
    root = folders.own_folder(dataset, "coughs", "sounds")
    if root is None:
        return str(dataset)
    path = meta = root
    if not (root / "intake.txt").is_file():  # which `keep` wrote into a folder of its own
        given = (root / META).is_file()
        table = _of_layout(root, positive) if given else _of_classes(root, positive)
        key = folders.content_key(root, table.path, LAYOUT, table.drop(columns="path").to_csv())
        path = folders.keep(key, lambda ready: _write(ready, root, table))
        meta = root if given else path
    used, (_, name) = clip_table(path, positive)
    if (whole := len(pd.read_csv(meta / META))) > len(used):
        counts = f"{len(used)} of {whole} clips are used, so that each split has both equally often"
        print(f"'{name}' against all others: {counts}.")
    return str(path)


def _of_classes(root, positive):
    """A table of the files in the class folders: category, path."""
    classes = folders.files_by_class(root, "sounds")
    if positive != "auto" and positive not in classes:
        fix = f"set the dial positive to one of {', '.join(classes)}"
        raise ValueError(f"{root} has no folder '{positive}': {fix}.")
    rows = [(kind, file) for kind, files in classes.items() for file in files]
    return pd.DataFrame(rows, columns=["category", "path"])


def _of_layout(root, positive):
    """A table of the clips that are used of a folder like ESC-50: also fold and src_file."""
    table, _ = clip_table(root, positive)
    fold = {split: number for number, split in FOLDS.items()}
    table = table.rename(columns={"kind": "category", "recording": "src_file"})
    return table.assign(fold=table.split.map(fold))[["category", "path", "fold", "src_file"]]


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


def _write(ready, root, table):
    """Keep the checked sounds in the folder `ready`; lines on what was found."""
    given = "fold" in table
    beside = [] if given else folders.beside(root, table.path)
    kinds, names = list(table.category.unique()), folders.file_names(table.category, table.path)
    table, faults = _listen(table.assign(filename=[f"{n}.flac" for n in names]), ready / "audio")
    table, notes = (table, []) if given else _grouped(table, root, kinds, faults)
    used = {ready / "audio" / name for name in table.filename}
    for copy in {*(ready / "audio").glob("*/*.flac")} - used:
        copy.unlink()
    (ready / "meta").mkdir()
    table[["filename", "fold", "category", "src_file"]].to_csv(ready / META, index=False)
    counts = ", ".join(f"{kind} {count}" for kind, count in table.category.value_counts().items())
    lines = [f"{len(table)} clips of {table.src_file.nunique()} recordings: {counts}.", *notes]
    if long := table.long.sum():
        lines.append(f"{long} clips are longer than {SECONDS} s: their first {SECONDS} s are used.")
    return [*lines, *folders.left_out(faults), *beside]


def _listen(table, folder):
    """Write each sound to its filename in `folder`.

    Returns the rows that can be read, with a hash of each sound and whether it is longer than
    what is kept; and {path: what is wrong with it}.
    """
    faults = {}

    def listen(path, name):
        try:
            clip = read_sound(path)
        except ValueError as error:
            faults[path] = str(error)
            return "", False
        # Of 16 bits: a copy in another lossless format rounds alike.
        integers = (clip * 32_768).round().clip(-32_768, 32_767).astype("int16")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, integers[: SECONDS * RATE], RATE)
        return hashlib.sha256(integers.tobytes()).hexdigest(), len(clip) > SECONDS * RATE

    with ThreadPoolExecutor() as threads:
        done = threads.map(listen, table.path, table.filename)
        found = list(progress(done, "sounds", len(table)))
    table[["mark", "long"]] = pd.DataFrame(found, columns=["mark", "long"])
    return table[table.mark != ""].reset_index(drop=True), dict(sorted(faults.items()))


def _grouped(table, root, kinds, faults):
    """The sounds without copies, each with its recording and fold; and lines on both."""
    table = table.assign(src_file=table.path.map(recording_of))
    names = table.groupby("src_file").category.nunique()
    shared, found = list(names.index[names > 1]), len(table)
    table = _without_copies(table)
    for kind in kinds:
        if (count := table[table.category == kind].src_file.nunique()) < 5:
            why = f" {len(faults)} cannot be read: {min(faults.values())}" if faults else ""
            raise ValueError(
                f"In {root}, {kind} has clips of {count} recordings: give each class at least "
                "five (files whose names are equal up to the last '-' or '_' count as one "
                f"recording, and so do copies).{why}"
            )
    table["fold"] = folders.folds(table.category, table.src_file, root=root, what="recordings")
    lines = {
        f"{len(shared)} names are in more than one class folder ({', '.join(shared[:1])}): files "
        "of one name count as one recording. Rename them where they are not.": len(shared),
        f"{found - len(table)} copies of the same sound left out.": found - len(table),
    }
    return table, [line for line, said in lines.items() if said]


def _without_copies(table):
    """One file of each sound; the recordings that its copies are named after become one."""
    folders.refuse_two_classes(table, "mark", "category", "sound")
    nodes = pd.factorize(pd.concat([table.src_file, table.mark]))[0]
    names, marks = np.split(nodes, 2)
    pairs = csr_matrix((np.ones(len(table)), (names, marks)), shape=(len(nodes), len(nodes)))
    groups = connected_components(pairs, directed=False)[1]
    table = table.assign(src_file=table.groupby(groups[names]).src_file.transform("min"))
    return table.drop_duplicates("mark").reset_index(drop=True)
