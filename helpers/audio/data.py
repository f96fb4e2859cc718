"""Read sound files as waveforms, and a folder in ESC-50's layout as one task."""

import difflib
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import soxr

from helpers import assets
from helpers.data import SPLITS, Data, Examples
from helpers.disk import progress

RATE = 16_000  # samples per second
OTHER = "other"  # the class of all kinds of sound but the positive one
FOLDS = {1: "train", 2: "train", 3: "train", 4: "validation", 5: "test"}


def read_clip(path: str | Path, limit: float = 60.0) -> np.ndarray:
    """The beginning of a plain sound file (WAV, FLAC, Ogg) as a waveform; channels are averaged.

    Args:
        path: the file; odd ones of a person's own are read by `course.intake.read_sound`.
        limit: of `to_waveform`; no more of the file is read.

    Raises:
        ValueError: there is no such file, or it is not a sound.
    """
    try:
        with soundfile.SoundFile(path) as file:
            # A little more than the clip: resampling looks ahead.
            wanted = math.ceil((limit + 0.1) * file.samplerate)
            sound = file.read(wanted, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: .raw says no rate
        fault = str(error).strip().rstrip(".")
        raise ValueError(f"{path} is not a sound that can be read ({fault}).") from None
    return to_waveform(sound.mean(axis=1), file.samplerate, limit)


def to_waveform(sound: np.ndarray, rate: int, limit: float = 60.0) -> np.ndarray:
    """Samples of one channel at any rate as float32 at 16 kHz, -1 to 1, shape (n,).

    What is louder than full scale is scaled down to 1.

    Args:
        sound: (n,), full scale is -1 to 1.
        rate: samples per second.
        limit: what is longer ends here, in seconds.

    Example:
        >>> to_waveform(np.ones(8000, "float32"), 8000, limit=0.5).shape
        (8000,)
    """
    length = math.ceil(len(sound) * RATE / rate)
    if rate != RATE:
        sound = fit_length(soxr.resample(sound, rate, RATE), length)
    sound = fit_length(sound, min(length, round(limit * RATE)))
    return sound / np.abs(sound).max(initial=1.0)


def fit_length(waveform: np.ndarray, samples: int) -> np.ndarray:
    """The waveform cut after `samples`, or filled with zeros at its end.

    Example:
        >>> fit_length(np.ones(2), 3).tolist(), fit_length(np.ones(2), 1).tolist()
        ([1.0, 1.0, 0.0], [1.0])
    """
    kept = waveform[:samples]
    return np.pad(kept, (0, samples - len(kept)))


def load(dataset: str | Path = "coughs", *, per_class: int = 1, positive: str = "auto") -> Data:
    """One kind of sound against all others, every clip decoded once and of one length.

    Waveforms are float32 (n, samples) at 16 kHz, as long as the longest clip but at most 10 s;
    labels are int32; the table is that of `clip_table`.

    Args:
        dataset: "coughs", the bundled sounds, or a folder in ESC-50's layout.
        per_class: how many training clips each class must have.
        positive: the kind with label 1; see `clip_table`.

    Raises:
        ValueError: as `clip_table`; or a clip cannot be read, or a class has too few.
    """
    root = assets.path("environmental-sounds") if dataset == "coughs" else Path(dataset)
    table, class_names = clip_table(root.expanduser(), positive)
    counts = table.split.value_counts()
    if counts["train"] < 2 * per_class:
        raise ValueError(
            f"{root} has {counts['train'] // 2} training clips per class, and {per_class} are "
            "needed: ask for fewer labels per class, or record more."
        )
    with ThreadPoolExecutor() as threads:
        read = threads.map(lambda path: read_clip(path, limit=10), table.path)
        clips = list(progress(read, "sounds", len(table)))
    samples = max(map(len, clips))
    x, y = np.stack([fit_length(clip, samples) for clip in clips]), table.label.to_numpy()
    ends = np.cumsum([counts[split] for split in SPLITS])[:-1]
    parts = map(Examples, np.split(x, ends), np.split(y, ends))
    return Data(*parts, class_names=class_names, table=table)


def clip_table(root: Path, positive: str = "auto") -> tuple[pd.DataFrame, tuple[str, str]]:
    """The clips of a folder in ESC-50's layout (Piczak, 2015): one kind against the others.

    Folds 1 to 3 become train, 4 validation, 5 test. In each split both classes have equally many
    clips (ESC-50 has 40 coughs in 2,000): the larger class is drawn down, other sounds evenly
    over their kinds and the positive kind evenly over its recordings. One row per clip in the
    order of the splits: split, path, kind (the category), recording (ESC-50's src_file), label;
    and beside the table the names of the two classes.

    Args:
        root: holds `meta/esc50.csv` and `audio/`.
        positive: the category with label 1; "auto" is coughing or, where there is none, the last
            category by name.

    Raises:
        ValueError: the folder has another layout, a clip is missing, there is no such category,
            a split lacks a class, or clips of one recording are in two folds.
    """
    rows = _read_meta(root)
    kinds = sorted(set(rows.category))
    if positive == "auto":
        positive = "coughing" if "coughing" in kinds else kinds[-1]
    elif positive not in kinds:
        near = difflib.get_close_matches(positive, kinds, n=3, cutoff=0)
        raise ValueError(f"{root} has no category '{positive}': near it are {', '.join(near)}.")
    table = pd.DataFrame(
        {
            "split": rows.fold.map(FOLDS),
            "path": [root / "audio" / name for name in rows.filename],
            "kind": rows.category,
            "recording": rows.src_file,
            "label": (rows.category == positive).astype("int32"),
        }
    )
    return _balanced(table, root, np.random.default_rng(0)), (OTHER, positive)


def _balanced(table, root, rng):
    """In each split all of the smaller class, and as many of the larger one."""
    chosen = []
    for split in SPLITS:
        both = [table[(table.split == split) & (table.label == label)] for label in (0, 1)]
        count = min(map(len, both))
        if not count:
            folds = tuple(fold for fold, name in FOLDS.items() if name == split)
            raise ValueError(
                f"Folds {folds} of {root} hold no clips of one of the two classes: give every "
                "fold both."
            )
        for clips, by in zip(both, ("kind", "recording"), strict=True):
            # Equally many of each kind, or of each recording, as far as there are.
            turn = clips.sample(frac=1, random_state=rng).groupby(by).cumcount()
            drawn = turn.sort_values(kind="stable").index[:count]
            chosen.append(clips.loc[drawn].sort_index())
    return pd.concat(chosen, ignore_index=True)


def _read_meta(root):
    meta = root / "meta" / "esc50.csv"
    if not meta.is_file():
        raise ValueError(f"There is no {meta}: give a folder that is laid out as ESC-50 is.")
    try:
        names = dict.fromkeys(("filename", "category", "src_file"), str)
        rows = pd.read_csv(meta, dtype=names, keep_default_na=False).astype({"fold": int})
        rows = rows[["fold", *names]]
        if rows.empty:
            raise ValueError("it has no rows")
    except (ValueError, KeyError) as error:
        raise ValueError(
            f"{meta} is no table of ESC-50 ({str(error).splitlines()[0]}): it needs the columns "
            "filename, fold, category and src_file."
        ) from None
    if strange := sorted(set(rows.fold) - set(FOLDS)):
        raise ValueError(f"{meta} has the fold {strange[0]}: there are folds 1 to 5 only.")
    folds = rows.groupby("src_file").fold.nunique()
    if len(torn := folds[folds > 1]):
        raise ValueError(
            f"{meta} has clips of recording {torn.index[0]} in {torn.iloc[0]} folds ({len(torn)} "
            "such recordings): a recording belongs into one fold, or the test is no test."
        )
    missing = [name for name in rows.filename if not (root / "audio" / name).is_file()]
    if missing:
        raise ValueError(
            f"{root / 'audio'} lacks {missing[0]} and {len(missing) - 1} more clips that "
            f"{meta} lists: unpack the archive again."
        )
    return rows
