"""Read any sound file as one waveform, and a folder in ESC-50's layout as one task."""

import contextlib
import difflib
import io
import math
import os
import re
import struct
import tempfile
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
PLACEHOLDER = 0x7FFF_0000  # sizes from here on stand in a WAV that was written into a pipe


def read_clip(path: str | Path, seconds: float | None = None, limit: float = 60.0) -> np.ndarray:
    """The beginning of a sound file as float32 at 16 kHz, one channel, -1 to 1.

    Channels are averaged; where the average loses nearly all energy (channels out of phase), the
    loudest channel is taken. Other sample rates are resampled, and what is louder than full scale
    is scaled down to 1. However long the file is, only what is returned is read.

    Args:
        path: a WAV, FLAC, Ogg, MP3 or AIFF file, or another format that libsndfile can read.
        seconds: length of the clip; what the file lacks is filled with zeros. If None, the
            length of the file, but at most `limit`.
        limit: in seconds.

    Returns:
        Samples of shape (n,).

    Raises:
        ValueError: there is no such file, or it is no sound, cut short, empty, of a format
            without a decoder here, or has samples that are not numbers.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"There is no sound file {path}: check the name.")
    try:
        with _open(path) as (file, counted):
            rate, header = file.samplerate, file.extra_info
            # A little more than the clip: resampling looks ahead.
            wanted = min(math.ceil(((seconds or limit) + 0.1) * rate), file.frames)
            sound = file.read(wanted, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: .raw says no rate
        raise ValueError(_unreadable(path, error)) from None
    if (counted and len(sound) < wanted) or _cut(header):
        raise ValueError(f"{path} is cut short: copy it again, or remove it.")
    if not len(sound):
        raise ValueError(f"{path} holds no samples: record it again, or remove it.")
    if bad := np.count_nonzero(~np.isfinite(sound)):
        raise ValueError(
            f"{path} has {bad} samples that are not numbers (NaN or infinite): save it again "
            "from its source."
        )
    mono, energies = sound.mean(axis=1), sound.var(axis=0)
    if mono.var() < 0.01 * energies.mean():
        mono = sound[:, energies.argmax()]
    length = math.ceil(len(mono) * RATE / rate)
    if rate != RATE:
        mono = fit_length(soxr.resample(mono, rate, RATE), length)
    mono = fit_length(mono, round((seconds or min(length / RATE, limit)) * RATE))
    return mono / max(np.abs(mono).max(), 1.0)


def read_upload(name: str, content: bytes, seconds: float | None = None) -> np.ndarray:
    """`read_clip` of a file that arrived as its name and its bytes; errors say that name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, Path(name).name or "sound")
        path.write_bytes(content)
        try:
            return read_clip(path, seconds)
        except ValueError as error:
            raise ValueError(str(error).replace(str(path), name)) from None


def fit_length(waveform: np.ndarray, samples: int) -> np.ndarray:
    """The waveform cut after `samples`, or filled with zeros at its end.

    Example:
        >>> fit_length(np.ones(2), 3).tolist(), fit_length(np.ones(2), 1).tolist()
        ([1.0, 1.0, 0.0], [1.0])
    """
    kept = waveform[:samples]
    return np.pad(kept, (0, samples - len(kept)))


@contextlib.contextmanager
def _open(path):
    """The open sound file, and whether its number of frames is known (not an estimate)."""
    with soundfile.SoundFile(path) as file:
        uncounted = file.format == "MP3" and not _has_frame_count(path)
        unsized = file.format in ("WAV", "WAVEX") and not file.frames
        if not uncounted and not unsized:
            yield file, True
            return
    with _LongFile(path) if uncounted else io.BytesIO(_with_size(path.read_bytes())) as source:
        with soundfile.SoundFile(source) as file:
            yield file, not uncounted


class _LongFile(io.FileIO):
    """A file that claims 16 times its size, for an MP3 without a frame count.

    libsndfile guesses the length of such a file from its first frame and reads no further; a
    frame may be 10 times smaller than the first.
    """

    def tell(self):
        at = super().tell()
        return 16 * at if at == os.fstat(self.fileno()).st_size else at


def _has_frame_count(mp3):
    """Whether the first frame says how many there are; it stands behind the ID3 tag."""
    with open(mp3, "rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":
            a, b, c, d = head[6:]
            file.seek(10 + (a << 21 | b << 14 | c << 7 | d))
        frame = file.read(4096)
    return any(mark in frame for mark in (b"Xing", b"Info", b"VBRI"))


def _with_size(wav):
    """The bytes of a WAV whose data has the size 0 (a stopped recorder), with the real size."""
    at = 12
    while wav[at : at + 4] not in (b"data", b""):
        size = int.from_bytes(wav[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
    rest = wav[at + 8 :]
    tags = rest[:4].isalpha() and int.from_bytes(rest[4:8], "little") <= len(rest) - 8
    return wav[: at + 4] + struct.pack("<I", 0 if tags else len(rest)) + rest


def _cut(header):
    """Whether a file lost its end: libsndfile opens it all the same and notes it."""
    sizes = re.findall(r"^(?!RIFF|FORM).*: (\d+) \(should be (\d+)\)", header, re.MULTILINE)
    return any(int(real) < int(said) < PLACEHOLDER for said, real in sizes) or any(
        sign in header for sign in ("Junk after the last page", "lacks an end-of-stream")
    )


def _unreadable(path, error):
    reason = getattr(error, "error_string", str(error)).splitlines()[0].rstrip(" .")
    if path.stat().st_size == 0:
        return f"{path} is empty: record it again, or remove it."
    if path.suffix.lower() in (".mp3", ".m4a", ".aac", ".wma", ".webm", ".opus"):
        return f"{path} has no decoder here ({reason}): save it as WAV, FLAC or Ogg first."
    return (
        f"{path} is not a sound that can be read, or is damaged ({reason}): replace it by a WAV, "
        "FLAC or Ogg file, or remove it."
    )


def load(dataset: str | Path = "coughs", *, per_class: int = 1, positive: str = "auto") -> Data:
    """One kind of sound against all others, every clip decoded once and of one length.

    Args:
        dataset: "coughs", the bundled sounds, or a folder in ESC-50's layout.
        per_class: how many training clips each class must have.
        positive: the kind with label 1; see `clip_table`.

    Returns:
        Waveforms, float32 (n, samples) at 16 kHz, as long as the longest clip but at most 10 s;
        labels int32; the table of `clip_table`.

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
    clips = _read_all(table.path)
    samples = max(map(len, clips))
    x, y = np.stack([fit_length(clip, samples) for clip in clips]), table.label.to_numpy()
    ends = np.cumsum([counts[split] for split in SPLITS])[:-1]
    parts = map(Examples, np.split(x, ends), np.split(y, ends))
    return Data(*parts, class_names=class_names, table=table)


def _read_all(paths):
    faults = []

    def read(path):
        try:
            return read_clip(path, limit=10)
        except ValueError as error:
            faults.append(str(error))

    with ThreadPoolExecutor() as threads:
        clips = list(progress(threads.map(read, paths), "sounds", len(paths)))
    if faults:
        more = f" ({len(faults) - 1} more cannot be read either.)" if len(faults) > 1 else ""
        raise ValueError(min(faults) + more)
    return clips


def clip_table(
    root: Path, positive: str = "auto", seed: int = 0
) -> tuple[pd.DataFrame, tuple[str, str]]:
    """The clips of a folder in ESC-50's layout (Piczak, 2015): one kind against the others.

    Folds 1 to 3 become train, 4 validation, 5 test. In each split both classes have equally many
    clips (ESC-50 has 40 coughs in 2,000): the larger class is drawn down, other sounds evenly
    over their kinds and the positive kind evenly over its recordings.

    Args:
        root: holds `meta/esc50.csv` and `audio/`.
        positive: the category with label 1; "auto" is coughing or, where there is none, the last
            category by name.
        seed: of the draw.

    Returns:
        One row per clip in the order of the splits: split, path, kind (the category), recording
        (ESC-50's src_file), label; and the names of the two classes.

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
    rng, chosen = np.random.default_rng(seed), []
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
            chosen.append(_evenly(clips, by, count, rng).sort_index())
    return pd.concat(chosen, ignore_index=True), (OTHER, positive)


def _evenly(rows, by, count, rng):
    """`count` random rows, equally many of each value of a column as far as there are."""
    shuffled = rows.sample(frac=1, random_state=rng)
    turn = shuffled.groupby(by).cumcount()
    return shuffled.iloc[np.argsort(turn.to_numpy(), kind="stable")[:count]]


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
