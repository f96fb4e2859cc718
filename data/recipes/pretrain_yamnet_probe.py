"""The probe of `pretrain_yamnet.py`: how far do frozen embeddings carry to coughs?"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pretrain_yamnet_sounds import COUGHING, read
from sklearn.metrics import balanced_accuracy_score

from helpers import audio, transfer
from helpers.data import Examples, sample_per_class

DRAWS = 20


@dataclass(frozen=True)
class Clips:
    """Waveforms, whether each is a cough, its fold and the recording it was cut from."""

    sounds: list
    cough: np.ndarray
    fold: np.ndarray
    recording: np.ndarray


def read_clips(folder):
    """Every clip of a folder in ESC-50's layout."""
    folder = Path(folder)
    with (folder / "meta" / "esc50.csv").open(newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["filename"])
    return Clips(
        [read(folder / "audio" / row["filename"]) for row in rows],
        np.array([int(row["target"]) == COUGHING for row in rows]).astype(int),
        np.array([int(row["fold"]) for row in rows]),
        np.array([row["src_file"] for row in rows]),
    )


def embedded(module, clips):
    """A module's mean embedding of each clip, every patch brought to unit length before."""
    return np.stack([mean_direction(module(sound)[1].numpy()) for sound in clips.sounds])


def body_embedded(body, module, clips):
    """The same of a Keras body and a module's log-mel spectrograms."""
    spectra = [audio.patches(module(sound)[2]).numpy() for sound in clips.sounds]
    rows = body.predict(np.concatenate(spectra), batch_size=256, verbose=0)
    ends = np.cumsum([len(s) for s in spectra])[:-1]
    return np.stack([mean_direction(part) for part in np.split(rows, ends)])


def mean_direction(embeddings):
    return (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).mean(axis=0)


def log_mel(module, clips):
    """Mean and deviation of each band of the log-mel spectrogram of each clip."""
    spectra = [module(sound)[2].numpy() for sound in clips.sounds]
    return np.stack([np.concatenate([s.mean(axis=0), s.std(axis=0)]) for s in spectra])


def probe(x, clips, a_class, train_folds, test_folds):
    """{n: (mean, spread)} of the balanced accuracy on `test_folds`, n examples a class.

    The examples are drawn 20 times from `train_folds`, whose recordings are not in the test. The
    head is that of the course, `transfer.fit_head`.
    """
    train = np.flatnonzero(np.isin(clips.fold, train_folds))
    test = np.flatnonzero(np.isin(clips.fold, test_folds))
    if set(clips.recording[train]) & set(clips.recording[test]):
        raise SystemExit("a recording lies on both sides of the split")
    found = {}
    for n in a_class:
        scores = []
        for draw in range(DRAWS):
            few = sample_per_class(Examples(x[train], clips.cough[train]), n, draw)
            kernel, bias = transfer.head_weights(few)
            guess = (x[test] @ kernel + bias).argmax(axis=1)
            scores.append(balanced_accuracy_score(clips.cough[test], guess))
        found[n] = float(np.mean(scores)), float(np.std(scores))
    return found


def print_table(tasks, inputs, a_class):
    """Print a table for each task.

    Args:
        tasks: {title: (Clips, train folds, test folds)}.
        inputs: {name: function(Clips) -> float array [n, d]}.
    """
    for title, (clips, train_folds, test_folds) in tasks.items():
        print(f"{title}: balanced accuracy in %, mean and spread of {DRAWS} draws")
        print(" " * 20 + "".join(f"{n:>6} a class" for n in a_class))
        for name, features in inputs.items():
            table = probe(features(clips), clips, a_class, train_folds, test_folds)
            cells = "".join(f"{100 * m:8.1f} +-{100 * s:3.1f}" for m, s in table.values())
            print(f"    {name:15}{cells}", flush=True)
