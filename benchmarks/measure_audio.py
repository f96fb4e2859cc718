"""What the audio chapter promises of real sounds and the real YAMNet, measured.

    COURSE_MIRROR=../shared/mirror python tests/measure_audio.py [sample] [real] [logmel] [speed]

Run by hand: pytest does not collect it. It takes a few minutes on two cores.
"""

import sys
import time

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers import assets, audio, transfer
from helpers.quiet import keras, tf
from helpers.transfer import Part

DRAWS = 40
BUDGETS = (5, 10, 20)
CLASSES = (audio.OTHER, "coughing")
CHANNEL = "910"  # recordings of the mirror that are telephone and voice messages: all coughs


def all_clips(root):
    """Every clip of a folder in ESC-50's layout, in one part, with log-mel statistics."""
    rows = pd.read_csv(root / "meta" / "esc50.csv", dtype={"src_file": str})
    table = pd.DataFrame(
        {
            "part": "train",
            "path": [root / "audio" / name for name in rows.filename],
            "kind": rows.category,
            "recording": rows.src_file,
            "label": (rows.category == "coughing").astype("int32"),
        }
    )
    ends = table.index[-2:]  # the two other parts must not be empty, and are put back below
    table.loc[ends, "part"] = "validation", "test"
    return table, audio.load_table(table, CLASSES)


def together(arrays):
    return np.concatenate([getattr(arrays, part).x for part in transfer.PARTS])


def statistics(splits):
    """Mean and deviation over time of each of the 64 bands: (n, 128)."""

    def both(waveforms):
        spectrogram = audio.log_mel(waveforms)
        means = tf.reduce_mean(spectrogram, axis=1)
        return tf.concat([means, tf.math.reduce_std(spectrogram, axis=1)], axis=1)

    return together(splits.map(both, "statistics").arrays())


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


def linear(part):
    """The baseline at its best: each column scaled."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=2000)).fit(*part)


def plain(part):
    """The baseline as it comes: no scaling, scikit-learn's own penalty."""
    return LogisticRegression(max_iter=5000).fit(*part)


def report(what, table, features, baseline):
    y = table.label.to_numpy()
    for per_class in BUDGETS:
        heads, lines, unscaled = [], [], []
        for seed in range(DRAWS):
            train, test = split(table, per_class, seed)
            head = transfer.fit_head(Part(features[train], y[train]))
            heads.append(100 * transfer.accuracy(head, Part(features[test], y[test])))
            few, rest = (baseline[train], y[train]), (baseline[test], y[test])
            lines.append(100 * linear(few).score(*rest))
            unscaled.append(100 * plain(few).score(*rest))
        print(
            f"{what}, {per_class} a class: embedding {np.mean(heads):.1f} % "
            f"± {np.std(heads, ddof=1):.1f}, log-mel mean and deviation {np.mean(lines):.1f} % "
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
    table, splits = all_clips(assets.path("environmental-sounds"))
    baseline = statistics(splits)
    # One label for all of the source: is it told from other sounds by its channel?
    inside = (table.recording.str.startswith(CHANNEL) & (table.label == 1)).to_numpy()
    coughs = (table.label == 1).to_numpy()
    print(f"{inside.sum()} of {coughs.sum()} coughs come from one source, {len(table)} clips")
    for name, model in modules():
        features = together(transfer.extract(model, splits))
        report(f"{name}, all clips", table, features, baseline)
        kept = np.flatnonzero(~inside)
        rest = table.iloc[kept].reset_index(drop=True)
        report(f"{name}, without that source", rest, features[kept], baseline[kept])
        kept = np.flatnonzero(coughs)
        sources = table.iloc[kept].reset_index(drop=True).assign(label=inside[kept].astype(int))
        report(f"{name}, which source has a cough", sources, features[kept], baseline[kept])
        kept = np.flatnonzero(inside | ~coughs)
        y = table.label.to_numpy()
        head = transfer.fit_head(Part(features[kept], y[kept]))
        other = np.flatnonzero(coughs & ~inside)
        found = (transfer.predict(head, features[other]).argmax(1) == 1).mean()
        print(f"{name}, trained on that source alone: recall {found:.1%} on the other coughs")


def on_sample():
    """The bundled sounds: linear on log-mel, a small CNN from scratch, embeddings."""
    assets.use("sample")
    splits, _ = audio.load()
    arrays = splits.arrays()

    def spectrograms(part):
        x = np.concatenate([audio.log_mel(part.x[i : i + 32]) for i in range(0, len(part.x), 32)])
        return Part(x, part.y)

    train, test = spectrograms(arrays.train), spectrograms(arrays.test)

    def flat(part):
        return Part(np.concatenate([part.x.mean(axis=1), part.x.std(axis=1)], axis=1), part.y)

    def told(what, found):
        print(f"sample, {what}: {np.mean(found):.1f} % ± {np.std(found, ddof=1):.1f}", flush=True)

    for per_class in (10, 20):
        draws = [transfer.draw(flat(train), per_class, seed) for seed in range(DRAWS)]
        found = [100 * linear(draw).score(*flat(test)) for draw in draws]
        told(f"log-mel mean and deviation, {per_class} a class", found)
    for name, model in modules():
        features = transfer.extract(model, splits)
        for per_class in (10, 20, 60):
            draws = [transfer.draw(features.train, per_class, seed) for seed in range(DRAWS)]
            found = [100 * transfer.accuracy(transfer.fit_head(d), features.test) for d in draws]
            told(f"{name}, {per_class} a class", found)
    network = small_cnn(train.x.shape[1:])
    for per_class, epochs in ((10, 40), (60, 20)):
        found = []
        for seed in range(5):
            transfer.start_over(network, seed)
            few = transfer.draw(train, per_class, seed)
            network.fit(few.x, few.y, epochs=epochs, batch_size=8, verbose=0)
            found.append(100 * transfer.accuracy(network, test))
        told(f"small CNN from scratch, {per_class} a class", found)


def small_cnn(shape):
    layers = [keras.Input(shape), keras.layers.Rescaling(0.4, 1.0)]
    layers.append(keras.layers.Reshape((*shape, 1)))
    for filters in (16, 32, 64):
        layers.append(keras.layers.Conv2D(filters, 3, padding="same", activation="relu"))
        layers.append(keras.layers.MaxPooling2D(2 if filters > 16 else 4))
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dropout(0.3)]
    network = keras.Sequential([*layers, keras.layers.Dense(2, activation="softmax")])
    network.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
    return network


def on_logmel():
    """The greatest differences between librosa, TensorFlow and the module."""
    for profile in ("sample", "full"):
        assets.use(profile)
        module = audio.YamnetLayer(profile="full")._callable
        worst = np.zeros(3)
        paths = sorted((assets.path("environmental-sounds") / "audio").iterdir())
        for path in paths:
            clip = audio.read_clip(path)
            ours, theirs = audio.log_mel_librosa(clip), audio.log_mel(clip[None])[0].numpy()
            real = module(clip)[2].numpy()
            found = [
                np.abs(a - b).max() for a, b in ((ours, theirs), (ours, real), (theirs, real))
            ]
            worst = np.maximum(worst, found)
        print(
            f"{profile}, {len(paths)} clips: librosa and TensorFlow differ by {worst[0]:.1e}, "
            f"librosa and the module by {worst[1]:.1e}, TensorFlow and the module {worst[2]:.1e}"
        )


def speed():
    """Features of 300 clips of 5 s from files, against the module's bare forward passes."""
    assets.use("full")
    table, _ = all_clips(assets.path("environmental-sounds"))
    table = table.iloc[:300].copy()
    table["part"] = ["train"] * 298 + ["validation", "test"]
    unkept = audio.load_table(table, CLASSES)
    unkept = transfer.Splits(unkept.train, unkept.validation, unkept.test, unkept.class_names)
    model = audio.yamnet()
    module = model.get_layer("yamnet_module")._callable
    clips = together(unkept.arrays())
    for clip in clips[:3]:
        module(tf.constant(clip))

    def bare():
        start = time.perf_counter()
        for clip in clips:
            module(tf.constant(clip))
        return time.perf_counter() - start

    before = bare()
    start = time.perf_counter()
    transfer.extract(model, unkept)
    extraction = time.perf_counter() - start
    passes = (before + bare()) / 2  # before and after: other work on the machine tells on both
    print(
        f"300 clips of 5 s: bare passes {passes:.1f} s, extraction {extraction:.1f} s, "
        f"{extraction / passes:.2f} times"
    )


if __name__ == "__main__":
    steps = {"sample": on_sample, "real": on_real_clips, "logmel": on_logmel, "speed": speed}
    for step in sys.argv[1:] or steps:
        steps[step]()
