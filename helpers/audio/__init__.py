"""Sounds: read clips, load a task, make log-mel spectrograms, borrow YAMNet.

A waveform is float32, -1 to 1, 16,000 samples per second, one channel. That is what YAMNet takes;
its spectrogram is made inside, so the preprocessing belongs to the model.
"""

# ruff: noqa: I001  (a line per module; `yamnet` last, so that `audio.yamnet` is the function)
from helpers.audio.data import OTHER, RATE, clip_table, fit_length, load, read_clip
from helpers.audio.spectrograms import (
    HOP, PATCH, PATCH_HOP, WINDOW, log_mel, padded_length, patches,
)  # fmt: skip
from helpers.audio.yamnet import YamnetLayer, yamnet

__all__ = [
    "HOP", "OTHER", "PATCH", "PATCH_HOP", "RATE", "WINDOW", "YamnetLayer", "clip_table",
    "fit_length", "load", "log_mel", "padded_length", "patches", "read_clip", "yamnet",
]  # fmt: skip
