"""Sounds: read clips, split them by recording, make log-mel spectrograms, build YAMNet.

A waveform is float32, -1 to 1, 16,000 samples a second, one channel. That is what YAMNet takes;
its spectrogram is made inside, so the preprocessing belongs to the model.
"""

import difflib
import hashlib
import math
import re
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import soundfile
from sklearn.model_selection import StratifiedGroupKFold

from helpers import assets, folders
from helpers.audio.yamnet import (
    BANDS,
    FFT,
    HIGHEST,
    HOP,
    LOG_OFFSET,
    LOWEST,
    PATCH,
    PATCH_HOP,
    SAMPLE_RATE,
    WINDOW,
)
from helpers.audio.yamnet import log_mel as front_end
from helpers.hub import HubLayer
from helpers.quiet import keras, tf
from helpers.transfer import PARTS, Splits, progress

RATE = SAMPLE_RATE  # 16,000 samples a second
LONGEST = 60.0  # seconds of a file that are read when no length is asked for

FOLDS = {"train": (1, 2, 3), "validation": (4,), "test": (5,)}
SUFFIXES = (".wav", ".flac", ".ogg")
OTHER = "other"  # the class of all kinds but the one that is sought
# libsndfile opens a WAV or Ogg file that has lost its end, and says so only in its notes.
SIGNS_OF_A_CUT = ("should be", "Junk after the last page", "lacks an end-of-stream")


# --- one clip -------------------------------------------------------------------------------


def read_clip(path: str | Path, seconds: float | None = None, start: float = 0.0) -> np.ndarray:
    """One window of a sound file as float32 at 16 kHz, mono, -1 to 1.

    Channels are averaged, other sample rates are resampled, and what is louder than full scale
    is scaled down to 1. Only the window is read, however long the file is.

    Args:
        path: a WAV, FLAC or Ogg file, or another kind that libsndfile can read.
        seconds: length of the window; what is missing at its end is filled with zeros. If None,
            the file's own length, but at most 60 s.
        start: where the window begins, in seconds.

    Returns:
        Samples of shape (n,).

    Raises:
        ValueError: no such file, not a sound, cut short, empty, without a decoder, with samples
            that are not numbers, or the window lies outside of it.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"There is no sound file {path}: check the name.")
    try:
        with soundfile.SoundFile(path) as file:
            rate, frames, header = file.samplerate, file.frames, file.extra_info
            begin = round(start * rate)
            if not 0 <= begin < max(frames, 1):
                raise ValueError(
                    f"{path} is {frames / rate:.2f} s long, so no window begins at {start} s: "
                    "choose an earlier start."
                )
            # A little more than the window: resampling wants to know what comes next.
            wanted = min(math.ceil(((seconds or LONGEST) + 0.1) * rate), frames - begin)
            file.seek(begin)
            sound = file.read(wanted, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(_unreadable(path, error)) from None
    if len(sound) < wanted or any(sign in header for sign in SIGNS_OF_A_CUT):
        raise ValueError(f"{path} is cut short: copy it again, or remove it.")
    if not len(sound):
        raise ValueError(f"{path} holds no samples: record it again, or remove it.")
    if bad := np.count_nonzero(~np.isfinite(sound)):
        raise ValueError(
            f"{path} has {bad} samples that are not numbers (NaN or infinite): save it again "
            "from its source."
        )
    sound = sound.mean(axis=1)
    if rate != RATE:
        sound = librosa.resample(y=sound, orig_sr=rate, target_sr=RATE, res_type="soxr_hq")
    sound = fit_length(sound, round((seconds or min(len(sound) / RATE, LONGEST)) * RATE))
    return sound / max(np.abs(sound).max(), 1.0)


def read_upload(name: str, content: bytes, seconds: float | None = None) -> np.ndarray:
    """`read_clip` of a file that came through a button, as its name and its bytes.

    Raises:
        ValueError: as `read_clip`, with the name that the learner knows.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, Path(name).name or "sound")
        path.write_bytes(content)
        try:
            return read_clip(path, seconds)
        except ValueError as error:
            raise ValueError(str(error).replace(str(path), name)) from None


def fit_length(waveform: np.ndarray, samples: int) -> np.ndarray:
    """The waveform cut at `samples`, or filled up to them with zeros at its end."""
    kept = waveform[:samples]
    return np.pad(kept, (0, samples - len(kept)))


def _unreadable(path, error):
    if path.stat().st_size == 0:
        return f"{path} is empty: record it again, or remove it."
    if path.suffix.lower() in (".mp3", ".m4a", ".aac", ".wma", ".webm", ".opus"):
        return f"{path} has no decoder here ({_reason(error)}): save it as WAV, FLAC or Ogg first."
    return (
        f"{path} is not a sound that can be read, or is damaged ({_reason(error)}): replace it "
        "by a WAV, FLAC or Ogg file, or remove it."
    )


def _reason(error):
    return error.error_string.splitlines()[0].rstrip(" .")


# --- tasks: tables of clips -----------------------------------------------------------------


def load(
    dataset: str = "coughs", positive: str = "auto", *, need: int = 1, seed: int = 0
) -> tuple[Splits, pd.DataFrame]:
    """What the dial `dataset` of the chapter names: one kind of sound against all others.

    Whatever it is, clips of one recording stand in one part, and each part has both classes
    equally often. Of a folder of your own, it also prints what was grouped or left out.

    Args:
        dataset: "coughs"; a folder laid out as ESC-50 is; or a folder with one folder of sounds
            a class, split as `clip_table` does it.
        positive: the kind that must not be missed; "auto" takes coughing or, of class folders,
            the last by name. All other kinds together are the class "other".
        need: how many training clips a class must have: the budget at which methods compare.
        seed: of the split and of what is left out for balance.

    Returns:
        The clips, and a table of them as of `sound_table`, in the same order.

    Raises:
        ValueError: no such folder, a class too few or with too few clips or recordings, the same
            sound in two classes, or a file that cannot be read.
    """
    if dataset == "coughs":
        root = assets.path("environmental-sounds")
    else:
        root = Path(dataset).expanduser()
    if dataset == "coughs" or (root / "meta" / "esc50.csv").is_file():
        name = "coughing" if positive == "auto" else positive
        table = sound_table(root, name, seed)
    else:
        clips, classes, notes = _clips_of(root, recording_of, seed)
        if positive != "auto" and positive not in classes:
            raise ValueError(
                f"{root} has no folder '{positive}': set the dial positive to one of "
                f"{', '.join(classes)}."
            )
        name = classes[-1] if positive == "auto" else positive
        table = clips.assign(label=(clips.kind == name).astype("int32"))
        table = _balanced(table, seed)
        if spare := len(clips) - len(table):
            notes.append(f"{spare} left out, so that each part has both classes equally often")
        print("; ".join(notes) + ".")
    train = table[table.part == "train"].label.value_counts()
    if train.min() < need:
        raise ValueError(
            f"{root} gives {train.min()} training clips a class, and the dial table asks for "
            f"{need}: lower it and labels with it, or record more."
        )
    return load_table(table, (OTHER, name)), table


def sound_table(root: str | Path, positive: str = "coughing", seed: int = 0) -> pd.DataFrame:
    """One kind of sound against the rest, from a folder laid out as ESC-50 is (Piczak, 2015).

    Folds 1 to 3 become train, 4 validation, 5 test. In each part both classes have equally many
    clips: the larger class is drawn down by `seed`, other sounds evenly over their kinds and the
    positive kind evenly over its recordings. (ESC-50 has 40 coughs against 1,960 other sounds:
    without that, "never a cough" would be right in 98 of 100 clips.)

    Args:
        root: holds `meta/esc50.csv` and `audio/`.
        positive: the category with label 1.
        seed: of the draw.

    Returns:
        One row a clip, ordered by part: part, path, kind (the category), recording (ESC-50's
        src_file), label (1 for the positive kind).

    Raises:
        ValueError: the folder is not laid out so, a clip is missing, no such category, a part
            lacks a class, or clips of one recording stand in two folds.
    """
    rows = _read_meta(Path(root))
    if positive not in set(rows.category):
        near = difflib.get_close_matches(positive, sorted(set(rows.category)), n=3, cutoff=0)
        raise ValueError(f"{root} has no category '{positive}': near it are {', '.join(near)}.")
    parts = {fold: part for part, folds in FOLDS.items() for fold in folds}
    table = pd.DataFrame(
        {
            "part": rows.fold.map(parts),
            "path": [Path(root) / "audio" / name for name in rows.filename],
            "kind": rows.category,
            "recording": rows.src_file.astype(str),
            "label": (rows.category == positive).astype("int32"),
        }
    )
    for part in PARTS:
        if set(table[table.part == part].label) != {0, 1}:
            raise ValueError(
                f"Folds {FOLDS[part]} of {root} hold no clips of one of the two classes: "
                "give every fold both."
            )
    return _balanced(table, seed)


def _balanced(table, seed):
    """As many clips of label 0 as of 1 in each part: over the kinds, and over the recordings."""
    rng = np.random.default_rng(seed)
    chosen = []
    for part in PARTS:
        classes = [table[(table.part == part) & (table.label == label)] for label in (0, 1)]
        count = min(map(len, classes))
        for rows, by in zip(classes, ("kind", "recording"), strict=True):
            chosen.append(_evenly(rows, by, count, rng).sort_index())
    return pd.concat(chosen, ignore_index=True)


def _read_meta(root):
    meta = root / "meta" / "esc50.csv"
    if not meta.is_file():
        raise ValueError(f"There is no {meta}: give a folder that is laid out as ESC-50 is.")
    try:
        rows = pd.read_csv(meta, dtype={"filename": str, "category": str, "src_file": str})
        rows = rows.astype({"fold": int})
        rows = rows[["filename", "fold", "category", "src_file"]]
    except (ValueError, KeyError) as error:
        raise ValueError(
            f"{meta} is no table of ESC-50 ({str(error).splitlines()[0]}): it needs the columns "
            "filename, fold, category and src_file."
        ) from None
    if strange := sorted(set(rows.fold) - {fold for folds in FOLDS.values() for fold in folds}):
        raise ValueError(f"{meta} has the fold {strange[0]}: there are folds 1 to 5 only.")
    torn = rows.groupby("src_file").fold.nunique()
    if len(torn := torn[torn > 1]):
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


def _evenly(rows, by, count, rng):
    """`count` random rows, as equally many of each value of a column as there are."""
    shuffled = rows.sample(frac=1, random_state=rng)
    turn = shuffled.groupby(by).cumcount()
    return shuffled.iloc[np.argsort(turn.to_numpy(), kind="stable")[:count]]


def recording_of(path: Path) -> str:
    """The recording that a file name tells.

    In a name of ESC-50's (`1-17367-A-10.wav`) it is the second number; in any other it is what
    stands before the last "-" or "_": `kitchen-01.wav` and `kitchen-02.wav` are of one recording.
    """
    if found := re.fullmatch(r"[1-5]-(\d+)-[A-Z]-\d+", path.stem):
        return found[1]
    return re.split(r"[-_][^-_]*$", path.stem)[0] or path.stem


def clip_table(
    folder: str | Path, recording: Callable[[Path], str] = recording_of, seed: int = 0
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """A folder with one folder of clips a class, split by recording.

    About a fifth of the recordings each goes to validation and test, all clips of a recording
    to the same part: the windows of one recording resemble each other more than anything that
    the model will meet later. Of files that hold the very same sound one is kept, and their
    recordings count as one.

    Args:
        folder: holds the class folders, with WAV, FLAC or Ogg files.
        recording: from a file's path to the name of its recording; `rain-03.wav` is of the
            recording `rain` unless another function is given.
        seed: of the split.

    Returns:
        A table as of `sound_table`, and the class names in alphabetical order.

    Raises:
        ValueError: no such folder, fewer than two classes, an empty class, fewer than five
            recordings in a class, the same sound in two classes, or a file that cannot be read.
    """
    return _clips_of(folder, recording, seed)[:2]


def _clips_of(folder, recording, seed):
    """The table and classes of `clip_table`, and what there is to say of them."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder}: give the folder that holds the clips.")
    classes = folders.classes_of(folder, "clips")
    found = []
    for label, each in enumerate(classes):
        sounds = (f for f in each.iterdir() if f.suffix.lower() in SUFFIXES)
        files = sorted(filter(folders.visible, sounds))
        found += [("", file, each.name, str(recording(file)), label) for file in files]
    table = pd.DataFrame(found, columns=["part", "path", "kind", "recording", "label"])
    table = table.astype({"label": "int32"})
    whole = len(table)
    table = _without_copies(table)
    for each in classes:
        count = table[table.kind == each.name].recording.nunique()
        if count < 5:
            raise ValueError(
                f"{each} has clips of {count} recordings: give each class at least five (WAV, "
                "FLAC or Ogg files whose names are equal up to the last '-' or '_' count as one "
                "recording, and so do copies; or as `recording` says)."
            )
    folds = StratifiedGroupKFold(n_splits=5, shuffle=True, random_state=seed)
    taken = [test for _, test in folds.split(table, table.label, table.recording)]
    table["part"] = "train"
    table.loc[taken[0], "part"], table.loc[taken[1], "part"] = "test", "validation"
    for part in PARTS:
        if set(table[table.part == part].label) != set(table.label):
            raise ValueError(
                f"{folder} cannot be split by recording so that {part} has every class: give "
                "the classes recordings of their own."
            )
    order = table.part.map(PARTS.index).sort_values(kind="stable").index
    notes = [f"{len(table)} clips of {table.recording.nunique()} recordings"]
    if whole > len(table):
        notes.append(f"{whole - len(table)} copies of the same sound left out")
    names = tuple(each.name for each in classes)
    return table.loc[order].reset_index(drop=True), names, notes


def _without_copies(table):
    """The table without files that sound the same to the last bit, their recordings made one."""
    if table.empty:
        return table
    with ThreadPoolExecutor() as threads:
        marks = list(progress(threads.map(_mark, table.path), "comparing", len(table)))
    if faults := [fault for _, fault in marks if fault]:
        raise ValueError(_first_of(faults))
    table = table.assign(mark=[mark for mark, _ in marks])
    leader = {}

    def lead(name):
        while name in leader:
            name = leader[name]
        return name

    for _, same in table.groupby("mark", sort=False):
        if same.kind.nunique() > 1:
            one, other = same.drop_duplicates("kind").path[:2]
            raise ValueError(
                f"{one} and {other} are the same sound in two classes: remove one of them."
            )
        first, *others = (lead(name) for name in same.recording)
        for name in others:
            if lead(name) != lead(first):
                leader[lead(name)] = lead(first)
    table = table.drop_duplicates("mark").reset_index(drop=True)
    return table.assign(recording=table.recording.map(lead)).drop(columns="mark")


def _mark(path):
    """What tells a sound from others, whatever its file format, and what is wrong with it."""
    try:
        clip = read_clip(path)
    except ValueError as error:
        return "", str(error)
    # As 16-bit integers: a copy in another lossless format rounds alike.
    return hashlib.sha256(np.round(clip * 32_767).astype("int16").tobytes()).hexdigest(), ""


def _first_of(faults):
    more = f" ({len(faults) - 1} more are unreadable, too.)" if len(faults) > 1 else ""
    return faults[0] + more


def load_table(
    table: pd.DataFrame,
    class_names: tuple[str, ...],
    seconds: float | None = None,
    *,
    batch_size: int = 16,
) -> Splits:
    """The clips of a table as `Splits`, all of one length.

    Every file is read once now, so that a damaged one is told at once, and again whenever a
    batch is wanted: however many clips there are, only a few batches are in memory.

    Args:
        table: as of `sound_table` or `clip_table`.
        class_names: by label.
        seconds: the length of a clip, cut or filled with zeros at its end; that of the longest,
            but at most 10 s, if None.
        batch_size: clips in a batch.

    Returns:
        Batches of (float32 waveforms of shape (batch, samples), int32 labels of shape (batch,)).

    Raises:
        ValueError: a file cannot be read.
    """
    digest = hashlib.sha256()
    longest, faults = 0, []

    def look(path):
        try:
            clip = read_clip(path, seconds)
        except ValueError as error:
            return 0, b"", str(error)
        return len(clip), hashlib.sha256(clip.data).digest(), ""

    with ThreadPoolExecutor() as threads:
        for length, mark, fault in progress(threads.map(look, table.path), "sounds", len(table)):
            longest, faults = max(longest, length), faults + [fault] * bool(fault)
            digest.update(mark)
    if faults:
        raise ValueError(_first_of(faults))
    seconds = seconds or min(longest / RATE, 10.0)
    digest.update(f"{seconds} {table.part.tolist()} {table.label.tolist()}".encode())
    datasets = [
        _dataset(rows.path.tolist(), rows.label.to_numpy(), seconds, batch_size)
        for rows in (table[table.part == part] for part in PARTS)
    ]
    return Splits(*datasets, class_names=tuple(class_names), key=digest.hexdigest())


def _dataset(paths, labels, seconds, batch_size):
    samples = round(seconds * RATE)

    def read(i, label):
        clip = tf.numpy_function(lambda i: read_clip(paths[i], seconds), [i], tf.float32)
        return tf.ensure_shape(clip, [samples]), label

    clips = tf.data.Dataset.from_tensor_slices((np.arange(len(paths)), labels))
    return clips.map(read, num_parallel_calls=2).batch(batch_size).prefetch(2)


# --- spectrograms ---------------------------------------------------------------------------


def padded_length(samples: int) -> int:
    """How long YAMNet makes a waveform with zeros: 0.975 s, and then whole steps of 0.48 s."""
    first, step = WINDOW + (PATCH - 1) * HOP, PATCH_HOP * HOP
    return first + math.ceil(max(samples - first, 0) / step) * step


def log_mel_librosa(waveform: np.ndarray) -> np.ndarray:
    """A log-mel spectrogram for the eye: float32 of shape (frames, 64), made by librosa.

    The same numbers as `log_mel`, and as YAMNet's third output.

    Args:
        waveform: shape (samples,), -1 to 1, 16 kHz; it is filled up to `padded_length`.
    """
    filled = fit_length(np.asarray(waveform, np.float32), padded_length(len(waveform)))
    # librosa puts a window of 400 in the middle of 512 samples, TensorFlow at their beginning.
    margin = (FFT - WINDOW) // 2
    spectrum = librosa.stft(
        y=np.pad(filled, margin), n_fft=FFT, hop_length=HOP, win_length=WINDOW, center=False
    )
    return np.log(np.abs(spectrum).T @ mel_weights() + LOG_OFFSET).astype(np.float32)


@cache
def mel_weights() -> np.ndarray:
    """From 257 frequencies to 64 mel bands: float32 of shape (257, 64).

    Triangles that are straight on HTK's mel scale. `librosa.filters.mel` draws them straight in
    hertz, which gives other numbers at the flanks.
    """
    mels = librosa.hz_to_mel(librosa.fft_frequencies(sr=RATE, n_fft=FFT), htk=True)
    edges = np.linspace(*librosa.hz_to_mel([LOWEST, HIGHEST], htk=True), BANDS + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising = (mels[:, None] - left) / (centre - left)
    falling = (right - mels[:, None]) / (right - centre)
    weights = np.maximum(0, np.minimum(rising, falling))
    weights[0] = 0  # 0 Hz is no sound
    return weights.astype(np.float32)


def log_mel(waveforms) -> tf.Tensor:
    """Log-mel spectrograms as YAMNet makes them: float32 of shape (n, frames, 64).

    Args:
        waveforms: shape (n, samples), -1 to 1, 16 kHz; filled up with zeros as YAMNet does.
    """
    waveforms = tf.convert_to_tensor(waveforms, tf.float32)
    samples = tf.shape(waveforms)[1]
    first, step = WINDOW + (PATCH - 1) * HOP, PATCH_HOP * HOP
    steps = -(-tf.maximum(samples - first, 0) // step)
    filled = tf.pad(waveforms, [[0, 0], [0, tf.maximum(first + steps * step - samples, 0)]])
    if waveforms.shape[1] is not None:
        filled = tf.ensure_shape(filled, [None, padded_length(waveforms.shape[1])])
    return front_end(filled)


def patches(log_mels) -> tf.Tensor:
    """Spectrograms (n, frames, 64) in overlapping pieces of 0.96 s: (n, patches, 96, 64)."""
    return tf.signal.frame(tf.convert_to_tensor(log_mels), PATCH, PATCH_HOP, axis=1)


@keras.saving.register_keras_serializable("transfer_learning_course")
class Masks(keras.layers.Layer):
    """Hide a strip of each spectrogram, in training only (SpecAugment, Park et al., 2019).

    The strip is as wide as `width` and lies anywhere; it is filled with the spectrogram's mean.

    Args:
        axis: 1 for a strip of time, 2 for one of pitch.
        width: in frames or bands.
        seed: of the places; one drawn by luck if None, as in Keras's own random layers.
    """

    def __init__(self, axis, width, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.axis, self.width, self.seed = axis, width, seed
        # Of its own, so that `start_over` can set it back: the global one counts every call.
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, spectrograms, training=False):
        """(n, frames, bands, 1) in, the same shape out."""
        if not training:
            return spectrograms
        ops, length = keras.ops, spectrograms.shape[self.axis]
        shape, places = (ops.shape(spectrograms)[0], 1), length - self.width + 1
        first = keras.random.uniform(shape, 0, places, seed=self.generator)
        place = ops.cast(ops.arange(length), "float32")[None]
        hidden = (place >= ops.floor(first)) & (place < ops.floor(first) + self.width)
        hidden = hidden[:, :, None, None] if self.axis == 1 else hidden[:, None, :, None]
        mean = ops.mean(spectrograms, axis=(1, 2), keepdims=True)
        return ops.where(hidden, mean, spectrograms)

    def get_config(self):
        own = {"axis": self.axis, "width": self.width, "seed": self.seed}
        return {**super().get_config(), **own}


# --- YAMNet ---------------------------------------------------------------------------------


@keras.saving.register_keras_serializable("transfer_learning_course")
class YamnetLayer(HubLayer):
    """A module with YAMNet's call, one waveform (samples,), as a layer for batches of them.

    Clip by clip: joined into one long waveform they would be faster only if no patch lay across
    a border, and those that do cost more than a larger batch saves.

    Args:
        module: the folder of a SavedModel, or the name of an asset.
        pooled: whether to return one embedding a clip (n, d), the mean over its patches, each
            brought to unit length, so that a loud patch has no more to say than a quiet one; else
            scores (n, patches, classes), embeddings (n, patches, d) and log-mel (n, frames, 64).
        last_blocks: how many of its blocks, counted from the end, learn when the layer is made
            trainable; None for all of them.

    Raises:
        ValueError: `last_blocks` is given and the module names no blocks (layer1, layer2 ...).
    """

    def __init__(self, module="yamnet", *, pooled=True, last_blocks=None, **kwargs):
        super().__init__(module, **kwargs)
        self.pooled, self.last_blocks = pooled, last_blocks
        outputs = self._callable(tf.zeros(padded_length(0)))
        self._widths = [output.shape[-1] for output in outputs]
        if last_blocks is not None and not self._last():
            raise ValueError(
                f"{self.module} has no variables named layer1, layer2 and so on: take "
                "last_blocks=None, and all of it learns."
            )
        self.trainable = kwargs.get("trainable", False)

    @property
    def trainable(self):
        return super().trainable

    @trainable.setter
    def trainable(self, value):
        HubLayer.trainable.fset(self, value)
        if value and getattr(self, "last_blocks", None) is not None:
            for variable in self.trainable_variables:
                variable.trainable = _block(variable) in self._last()

    def _last(self):
        blocks = sorted({_block(variable) for variable in self.weights} - {None})
        return blocks[len(blocks) - self.last_blocks :]

    def call(self, waveforms, training=False):
        scores, embeddings, spectrogram = (
            tf.TensorSpec([None, width], tf.float32) for width in self._widths
        )
        if self.pooled:
            return tf.map_fn(
                lambda waveform: _mean_direction(self._hear(waveform, training)[1]),
                waveforms,
                fn_output_signature=tf.TensorSpec([self._widths[1]], tf.float32),
            )
        return tf.map_fn(
            lambda waveform: tuple(self._hear(waveform, training)),
            waveforms,
            fn_output_signature=(scores, embeddings, spectrogram),
        )

    def _hear(self, waveform, training):
        return super().call(waveform, training=training)

    def get_config(self):
        config = super().get_config()
        config.pop("output")
        return {**config, "pooled": self.pooled, "last_blocks": self.last_blocks}


def _mean_direction(embeddings):
    return tf.reduce_mean(tf.math.l2_normalize(embeddings, axis=-1), axis=0)


def _block(variable):
    """The number of the block that a variable belongs to; None for the classifier."""
    found = re.match(r"layer(\d+)\b", variable.name)
    return found and int(found[1])


def yamnet(last_blocks: int | None = None, module: str = "yamnet") -> keras.Model:
    """YAMNet (Plakal and Ellis, 2020) from TensorFlow Hub as a frozen feature extractor.

    Args:
        last_blocks: how many of its 14 blocks learn when it is fine-tuned; all if None.
        module: the name of an asset, or the folder of a SavedModel with the same call.

    Returns:
        A model from waveforms (n, samples), -1 to 1, 16 kHz, to one embedding a clip (n, d):
        the mean over its patches, each brought to unit length.
    """
    waveforms = keras.Input((None,), name="waveforms")
    layer = YamnetLayer(module, last_blocks=last_blocks, name="yamnet_module")
    return keras.Model(waveforms, layer(waveforms), name="yamnet")


def yamnet_patches(module: str = "yamnet") -> tuple[keras.Model, tuple[str, ...]]:
    """YAMNet patch by patch, and the names of the kinds of sound that it was pretrained on.

    Args:
        module: the name of an asset, or the folder of a SavedModel with the same call.

    Returns:
        A model from waveforms (n, samples) to scores (n, patches, classes), 0 to 1, embeddings
        (n, patches, d) and log-mel spectrograms (n, frames, 64); class names.
    """
    waveforms = keras.Input((None,), name="waveforms")
    layer = YamnetLayer(module, pooled=False, name="yamnet_module")
    model = keras.Model(waveforms, layer(waveforms), name="yamnet_patches")
    return model, _source_classes(layer)


def _source_classes(layer):
    if layer.profile is None:
        folder = Path(layer.module) / "assets"
    else:
        folder = assets.path(layer.module, profile=layer.profile) / "assets"
    maps = sorted(folder.glob("*class_map.csv"))
    if not maps:
        raise ValueError(f"{folder} holds no *class_map.csv: the module has lost its classes.")
    return tuple(pd.read_csv(maps[0]).display_name)
