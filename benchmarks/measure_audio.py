"""What the audio chapter promises of real sounds and the real YAMNet, measured.

    COURSE_MIRROR=../shared/mirror python benchmarks/measure_audio.py [NAME ...]

Names: sample, scratch, real, logmel, speed; all of them where none is given.

Run by hand: pytest does not collect it. It takes a few minutes on two cores.
"""

import functools
import os
import sys
import time

import librosa
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from course import fetch
from helpers import assets, audio, compare, training, transfer
from helpers.data import Data, Examples, sample_per_class
from helpers.hub import HubLayer
from helpers.ready import keras, tf

DRAWS = 40
BUDGETS = (5, 10, 20)
CLASSES = (audio.OTHER, "coughing")
CHANNEL = "910"  # recordings of the mirror that are telephone and voice messages: all coughs


def all_clips(root):
    """Every clip of a folder in ESC-50's layout: the table, and the waveforms as one split."""
    rows = pd.read_csv(root / "meta" / "esc50.csv", dtype={"src_file": str})
    table = pd.DataFrame(
        {
            "path": [root / "audio" / name for name in rows.filename],
            "recording": rows.src_file,
            "label": (rows.category == "coughing").astype("int32"),
        }
    )
    clips = [audio.read_clip(path, limit=10) for path in table.path]
    longest = max(map(len, clips))
    x = np.stack([audio.fit_length(clip, longest) for clip in clips])
    return table, as_data(x, table.label.to_numpy())


def as_data(x, y):
    """All examples in the training split; the other splits hold the last one, which is not read."""
    last = Examples(x[-1:], y[-1:])
    return Data(Examples(x, y), last, last, CLASSES)


def statistics(waveforms):
    """Mean and standard deviation over time of each of the 64 bands: (n, 128)."""
    found = []
    for i in range(0, len(waveforms), 32):
        spectrogram = audio.log_mel(waveforms[i : i + 32])
        means = tf.reduce_mean(spectrogram, axis=1)
        found.append(tf.concat([means, tf.math.reduce_std(spectrogram, axis=1)], axis=1))
    return np.concatenate(found)


def split(table, per_class, seed):
    """Training rows from one half of the recordings, a balanced test from the other half."""
    rng = np.random.default_rng(seed)
    train, test = [], []
    for label in (0, 1):
        rows = table[table.label == label]
        recordings = rng.permutation(rows.recording.unique())
        half = rows.recording.isin(recordings[: len(recordings) // 2]).to_numpy()
        train.append(rng.choice(rows.index[half], per_class, replace=False))
        test.append(rng.permutation(rows.index[~half]))
    count = min(map(len, test))
    return np.concatenate(train), np.concatenate([rows[:count] for rows in test])


def linear(examples):
    """The baseline as the chapter has it: each column scaled, C chosen on validation."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=2000)).fit(*examples)


def plain(examples):
    """The baseline as it comes: no scaling, scikit-learn's own penalty."""
    return LogisticRegression(max_iter=5000).fit(*examples)


def report(what, table, features, baseline):
    y = table.label.to_numpy()
    for per_class in BUDGETS:
        heads, lines, unscaled = [], [], []
        for seed in range(DRAWS):
            train, test = split(table, per_class, seed)
            head = transfer.fit_head(Examples(features[train], y[train]))
            heads.append(100 * training.accuracy(head, Examples(features[test], y[test])))
            few, rest = (baseline[train], y[train]), (baseline[test], y[test])
            lines.append(100 * linear(few).score(*rest))
            unscaled.append(100 * plain(few).score(*rest))
        print(
            f"{what}, {per_class} per class: embedding {np.mean(heads):.1f} % "
            f"± {np.std(heads, ddof=1):.1f}, log-mel mean and std {np.mean(lines):.1f} % "
            f"± {np.std(lines, ddof=1):.1f} ({np.mean(heads) - np.mean(lines):+.1f} points), "
            f"unscaled {np.mean(unscaled):.1f} % ({np.mean(heads) - np.mean(unscaled):+.1f} points)"
        )


def modules():
    """The real module, and the narrow one where it is bundled."""
    found = {"real YAMNet": "full"}
    if "yamnet" in assets.names("sample"):
        found["narrow YAMNet"] = "sample"
    for name, profile in found.items():
        assets.use(profile)
        yield name, audio.yamnet()


def on_real_clips():
    """Real coughs against real other sounds, split by recording, with and without one source."""
    assets.use("full")
    table, data = all_clips(assets.path("environmental-sounds"))
    baseline = statistics(data.train.x)
    # One label for all of the source: is it told from other sounds by its channel?
    inside = (table.recording.str.startswith(CHANNEL) & (table.label == 1)).to_numpy()
    coughs = (table.label == 1).to_numpy()
    print(f"{inside.sum()} of {coughs.sum()} coughs come from one source, {len(table)} clips")
    for name, model in modules():
        features = transfer.extract(model, data).train.x
        report(f"{name}, all clips", table, features, baseline)
        kept = np.flatnonzero(~inside)
        rest = table.iloc[kept].reset_index(drop=True)
        report(f"{name}, without that source", rest, features[kept], baseline[kept])
        kept = np.flatnonzero(coughs)
        sources = table.iloc[kept].reset_index(drop=True).assign(label=inside[kept].astype(int))
        report(f"{name}, which source has a cough", sources, features[kept], baseline[kept])
        kept = np.flatnonzero(inside | ~coughs)
        head = transfer.fit_head(Examples(features[kept], data.train.y[kept]))
        other = np.flatnonzero(coughs & ~inside)
        found = (training.predict(head, features[other]).argmax(1) == 1).mean()
        print(f"{name}, trained on that source only: recall {found:.1%} on the other coughs")


def on_sample():
    """The bundled sounds: linear on log-mel, and embeddings."""
    assets.use("sample")
    data = audio.load()

    def say(what, found):
        print(f"sample, {what}: {np.mean(found):.1f} % ± {np.std(found, ddof=1):.1f}", flush=True)

    flat = data.map(statistics)
    for per_class in (10, 20):
        draws = [sample_per_class(flat.train, per_class, seed) for seed in range(DRAWS)]
        found = [100 * linear(draw).score(*flat.test) for draw in draws]
        say(f"log-mel mean and std, {per_class} per class", found)
    for name, model in modules():
        features = transfer.extract(model, data)
        for per_class in (10, 20, 60):
            heads = compare.head_curve(features, [per_class], range(DRAWS), method=name)
            say(f"{name}, {per_class} per class", 100 * heads.accuracy)


def from_scratch():
    """The network that the chapter trains from scratch: rates and steps, chosen on validation."""
    assets.use("sample")
    data = audio.load().map(lambda x: audio.log_mel(x).numpy())
    for rate in (1e-3, 3e-3):
        network = small_cnn(data.train.x, rate)
        for per_class in (10, 100):
            found = {}
            for seed in range(5):
                training.reset_weights(network, seed)
                stream = training.batches(sample_per_class(data.train, per_class, seed), 16, seed)
                for steps in (200, 400, 600):
                    network.fit(stream, steps_per_epoch=200, shuffle=False, verbose=0)
                    both = [
                        training.accuracy(network, each) for each in (data.validation, data.test)
                    ]
                    found.setdefault(steps, []).append(both)
            for steps, both in found.items():
                (right, test), error = 100 * np.mean(both, 0), 100 * np.std(both, 0, ddof=1)[1]
                print(
                    f"sample, scratch, {per_class} per class, rate {rate:g}, {steps} steps: "
                    f"validation {right:.1f} %, test {test:.1f} % ± {error:.1f}",
                    flush=True,
                )


@keras.saving.register_keras_serializable("benchmark")
class HideStrip(keras.layers.Layer):
    """Hide a random strip of each spectrogram, in training only (SpecAugment, Park et al. 2019)."""

    def __init__(self, axis, width, **kwargs):
        super().__init__(**kwargs)
        self.axis, self.width = axis, width
        self.random = keras.random.SeedGenerator()

    def call(self, x, training=False):
        """(n, frames, bands, 1) in, the same shape out."""
        if not training:
            return x
        ops, length = keras.ops, x.shape[self.axis]
        shape, last = (ops.shape(x)[0], 1, 1, 1), length - self.width
        first = keras.random.randint(shape, 0, last + 1, seed=self.random)
        place = ops.reshape(ops.arange(length), [1, -1, 1, 1] if self.axis == 1 else [1, 1, -1, 1])
        hidden = (place >= first) & (place < first + self.width)
        return ops.where(hidden, ops.mean(x, axis=(1, 2, 3), keepdims=True), x)


def small_cnn(spectrograms, rate):
    """The chapter's network from scratch, compiled."""
    layers, shape = keras.layers, spectrograms.shape[1:]
    network = keras.Sequential([keras.Input(shape), layers.Reshape((*shape, 1))])
    network.add(layers.RandomTranslation(0.15, 0, fill_mode="wrap"))
    network.add(layers.RandomBrightness(0.1, value_range=(-7, 3)))
    network.add(HideStrip(1, shape[0] // 8))
    network.add(HideStrip(2, 8))
    mean, variance = float(spectrograms.mean()), float(spectrograms.var())
    network.add(layers.Normalization(axis=None, mean=mean, variance=variance))
    network.add(layers.AveragePooling2D(2))
    for channels in (16, 32, 64, 64):
        network.add(layers.Conv2D(channels, 3, padding="same", use_bias=False))
        network.add(layers.BatchNormalization(momentum=0.9))
        network.add(layers.ReLU())
        network.add(layers.MaxPooling2D())
    for each in (layers.GlobalAveragePooling2D(), layers.Dropout(0.3)):
        network.add(each)
    network.add(layers.Dense(2, activation="softmax"))
    network.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    return network


def by_librosa(clip):
    """The log-mel spectrogram (frames, 64) of one waveform by librosa's Fourier transform."""
    filled = audio.fit_length(clip, audio.padded_length(len(clip)))
    # librosa puts a window of 400 in the middle of 512 samples, TensorFlow at their beginning.
    given = {"n_fft": 512, "hop_length": 160, "win_length": 400, "center": False}
    spectrum = np.abs(librosa.stft(y=np.pad(filled, 56), **given)).T
    return np.log(
        spectrum @ tf.signal.linear_to_mel_weight_matrix(64, 257, 16_000, 125, 7_500) + 0.001
    )


def on_logmel():
    """The greatest differences between librosa, TensorFlow and the module."""
    for profile in ("sample", "full"):
        assets.use(profile)
        layer = audio.YamnetLayer(profile="full")
        worst = np.zeros(3)
        paths = sorted((assets.path("environmental-sounds") / "audio").iterdir())
        for path in paths:
            clip = audio.read_clip(path)
            ours, theirs = by_librosa(clip), audio.log_mel(clip[None])[0].numpy()
            real = HubLayer.call(layer, clip)[2].numpy()
            found = [np.abs(a - b).max() for a, b in ((ours, theirs), (ours, real), (theirs, real))]
            worst = np.maximum(worst, found)
        print(
            f"{profile}, {len(paths)} clips: librosa and TensorFlow differ by {worst[0]:.1e}, "
            f"librosa and the module by {worst[1]:.1e}, TensorFlow and the module {worst[2]:.1e}"
        )


def speed():
    """Features of 300 clips of 5 s, against the module's bare forward passes."""
    assets.use("full")
    _, data = all_clips(assets.path("environmental-sounds"))
    clips = data.train.x[:300]
    few = as_data(clips, data.train.y[:300])
    model = audio.yamnet()
    module = tf.function(functools.partial(HubLayer.call, model.get_layer("yamnet_module")))
    module(tf.constant(clips[0]))

    def bare():
        start = time.perf_counter()
        for clip in clips:
            module(tf.constant(clip))
        return time.perf_counter() - start

    before = bare()
    start = time.perf_counter()
    transfer.extract(model, few, limit_bytes=0)  # nothing is kept, so that it runs each time
    extraction = time.perf_counter() - start
    passes = (before + bare()) / 2  # before and after: other work on the machine tells on both
    print(
        f"300 clips of 5 s: bare passes {passes:.1f} s, extraction {extraction:.1f} s, "
        f"{extraction / passes:.2f} times"
    )


if __name__ == "__main__":
    measures = {
        "sample": on_sample,
        "scratch": from_scratch,
        "real": on_real_clips,
        "logmel": on_logmel,
        "speed": speed,
    }
    if os.environ.get("COURSE_MIRROR"):
        fetch.download("environmental-sounds", "yamnet")
    for name in sys.argv[1:] or measures:
        measures[name]()
