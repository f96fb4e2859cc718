"""How near the course is to what the machine can do: ratios, each of two ways alternated.

    python benchmarks/bench.py             all rows; `make bench` does the same
    python benchmarks/bench.py lstm copies only these

The result goes to docs/speed.md. Rows with real networks need COURSE_MIRROR or ../shared/mirror,
and are left out, with a line that says so, where that is absent. Nothing here is a test.
"""

import datetime
import multiprocessing
import os
import platform
import shutil
import sys
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest.mock import patch

os.environ.setdefault("COURSE_PROGRESS", "0")

import numpy as np  # noqa: E402

from course import fetch, paths  # noqa: E402
from helpers import assets, audio, engines, images, training, transfer  # noqa: E402
from helpers.audio.yamnet import read_body  # noqa: E402
from helpers.data import Data, Examples  # noqa: E402
from helpers.ready import keras, tf  # noqa: E402

ROUNDS = 5
PAGE = paths.ROOT / "docs" / "speed.md"
MIRROR = Path(os.environ.get("COURSE_MIRROR") or paths.ROOT.parent / "shared" / "mirror")
RNG = np.random.default_rng(0)
INTRO = """\
# How fast

Made by `make bench`. Each row runs two ways of the same work in turn, up to {rounds} times each,
and divides their processor time (the least of all rounds; of all threads together; where a row says
so, the time on the clock): what the first takes, as a multiple of what the second takes. "Aim" is
what we wish the ratio to be. On {machine}, {date}.

| row | first | second | first, s | second, s | ratio | aim |
|---|---|---|---|---|---|---|
{rows}

## What stands behind the rows

Numbers in this list were measured once, on 2 cores of AMD EPYC in November 2026; `make bench` does
not repeat them.

- `mobilenet`, `vgg16`: how far LiteRT leads depends on the processor more than on the network:
  least where TensorFlow has oneDNN and AVX-512, most where it has neither
  (`TF_ENABLE_ONEDNN_OPTS=0 make bench` shows it). Converting takes about three seconds.
  `transfer.extract` therefore times Keras first, and takes LiteRT only where much is left to do and
  LiteRT is ahead; `large` is what comes of it.
- `yamnet`: the module hears one clip at a time. Its body with all patches in one batch takes about
  0.85 of that in Keras as well. We do not use it behind the module's back: its weights are a
  copy, which fine-tuning would leave out of date.
- `tutorial`: ten passes against one, so about ten is all there is to gain.
- `augmentation`: the three random layers take about 11 ms of a step, one affine layer alone 5. All
  in one would so save some 6 seconds of processor time in the 920 steps of chapter 01; the page
  keeps the three layers of Keras that a reader can take away.
- `draws`: a training of this size keeps one core busy and gains little from the second, so two at a
  time pay as soon as there are enough of them for starting two processes. Twenty, as many as a
  chapter has, are a tie. The chapters do not do it: a page trains one compiled model again and
  again, which two cannot share, and the seconds in its tables would be those of trainings that
  hinder each other.
- `lstm`: batches of reviews of about the same length. It is not used either: half-sorted batches
  are another training. With XLA (`jit_compile=True`) a step takes 0.45 to 0.6 of its time, and
  compiling once for each model and each size of a batch takes as much again as that saves.
- `decoding`: two thirds of it are the resizing, bicubic over all pixels. Bilinear takes 0.6 of it,
  which would bring the row to about 1.15, but every figure with images, and the bundled networks,
  rest on bicubic.
"""


def alternate(first, second, rounds=ROUNDS, clock=time.process_time):
    """The least time of each of two functions, called in turn; both are warm before."""
    ways = first, second
    for way in ways:
        way()
    taken = ([], [])
    for _ in range(rounds):
        for way, seconds in zip(ways, taken, strict=True):
            start = clock()
            way()
            seconds.append(clock() - start)
    return tuple(map(min, taken))


def real(name):
    """Take the real files of the mirror, or raise `FileNotFoundError`."""
    if not (MIRROR / "index.json").is_file():
        raise FileNotFoundError(f"no mirror at {MIRROR}")
    os.environ["COURSE_MIRROR"] = str(MIRROR)
    assets.use("full")
    fetch.download(name)


def in_litert(model, batch):
    """The model as LiteRT runs it, for batches of this shape."""
    function = engines.graph(model, tf.TensorSpec((None, *batch.shape[1:]), batch.dtype), None)
    with warnings.catch_warnings(action="ignore"):
        return engines._convert(model, function, batch.shape), function  # noqa: SLF001


@contextmanager
def nothing_kept():
    """An empty cache, so that features have to be computed."""
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, COURSE_CACHE=folder):
        yield


def one_split(x):
    nothing = Examples(x[:1], np.zeros(1, "int32"))
    return Data(Examples(x, np.zeros(len(x), "int32")), nothing, nothing, ("one",))


# --- frozen passes ---


def mobilenet():
    """MobileNetV2 1.0, 32 images of 224 pixels | Keras's graph | LiteRT"""
    real("mobilenet-v2-feature-vector")
    batch = RNG.integers(0, 256, (32, 224, 224, 3)).astype("uint8")
    lite, graph = in_litert(images.mobilenet_v2(), batch)
    return alternate(lambda: graph(batch), lambda: lite(batch))


def large():
    """MobileNetV2 1.0, 5,120 images of 224 pixels | extract, nothing kept | LiteRT alone"""
    real("mobilenet-v2-feature-vector")
    batch = RNG.integers(0, 256, (32, 224, 224, 3)).astype("uint8")
    x = np.tile(batch, (160, 1, 1, 1, 1))
    data, model = one_split(x.reshape(-1, 224, 224, 3)), images.mobilenet_v2()
    lite, _ = in_litert(model, x[0])

    def extracted():
        with nothing_kept():
            transfer.extract(model, data)

    return alternate(extracted, lambda: [lite(batch) for batch in x], 1)


def vgg16():
    """VGG16 of half width, 32 images of 96 pixels | Keras's graph | LiteRT"""
    batch = RNG.uniform(0, 255, (32, 96, 96, 3)).astype("float32")
    lite, graph = in_litert(images.vgg16(), batch)
    return alternate(lambda: graph(batch), lambda: lite(batch))


def yamnet():
    """YAMNet, 8 clips of 5 s | the module's layer, clip by clip | log-mel, its body in LiteRT"""
    real("yamnet")
    model, clips = audio.yamnet(), RNG.normal(0, 0.1, (8, 80_000)).astype("float32")
    graph = engines.graph(model, tf.TensorSpec((None, 80_000)), None)

    def pieces():
        return audio.patches(audio.log_mel(clips)).numpy().reshape(-1, 96, 64)

    lite, _ = in_litert(read_body(model.layers[-1]), pieces())
    return alternate(lambda: graph(clips), lambda: lite(pieces()))


def again():
    """A call of `extract` on 4 images, nothing kept on disk | again | the bare model"""
    model = images.mobilenet_v2()
    batches = [RNG.integers(0, 256, (4, 96, 96, 3)).astype("uint8") for _ in range(2 + ROUNDS)]
    small = iter(map(one_split, batches))
    with nothing_kept():
        transfer.extract(model, next(small))
        return alternate(
            lambda: transfer.extract(model, next(small)),
            lambda: model(batches[0], training=False),
        )


def tutorial():
    """Ten epochs of a head, 340 images of 96 pixels | backbone in each epoch | extract, fit_head"""
    x = RNG.integers(0, 256, (340, 96, 96, 3)).astype("uint8")
    data, backbone = one_split(x), images.mobilenet_v2()
    y = (np.arange(340) % 2).astype("int32")
    model = keras.Sequential([backbone, keras.layers.Dense(2, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[:32], y[:32], verbose=0)

    def extracted():
        with nothing_kept():
            features = transfer.extract(backbone, data)
            transfer.fit_head(Examples(features.train.x, y))

    return alternate(lambda: model.fit(x, y, epochs=10, verbose=0), extracted, 2)


# --- many small trainings ---


def small_network(*first):
    """A compiled network like the one that chapter 01 trains from scratch, behind some layers."""
    layers = keras.layers
    model = keras.Sequential([keras.Input((96, 96, 3)), *first, layers.Rescaling(1 / 255)])
    for channels, stride in ((16, 2), (32, 1), (64, 1), (128, 1)):
        model.add(layers.Conv2D(channels, 3, stride, padding="same", use_bias=False))
        model.add(layers.BatchNormalization())
        model.add(layers.ReLU())
        model.add(layers.MaxPooling2D())
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dense(2, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", steps_per_execution=20)
    return model


def changes():
    layers = keras.layers
    return layers.RandomFlip("horizontal"), layers.RandomRotation(0.05), layers.RandomZoom(0.15)


def trained(model, steps, seeds=(0,)):
    """Train from scratch once for each seed, on 20 random images."""
    x = np.random.default_rng(0).integers(0, 256, (20, 96, 96, 3)).astype("uint8")
    examples = Examples(x, (np.arange(20) % 2).astype("int32"))
    for seed in seeds:
        training.reset_weights(model, seed)
        stream = training.batches(examples, 20, seed)
        model.fit(stream, steps_per_epoch=steps, shuffle=False, verbose=0)


def augmentation():
    """40 steps from scratch, 20 images of 96 pixels | augmented | not augmented"""
    one, two = small_network(*changes()), small_network()
    return alternate(lambda: trained(one, 40), lambda: trained(two, 40))


def draw(seeds):
    """A part of `draws`, in a process of its own."""
    trained(small_network(*changes()), 80, seeds)


def draws():
    """20 trainings of 80 steps, on the clock | one after the other | in two new processes"""
    model, seeds = small_network(*changes()), list(range(20))

    def side_by_side():
        one_each = patch.dict(os.environ, TF_NUM_INTRAOP_THREADS="1", OMP_NUM_THREADS="1")
        spawn = multiprocessing.get_context("spawn")
        with one_each, ProcessPoolExecutor(2, spawn) as two:
            list(two.map(draw, (seeds[::2], seeds[1::2])))

    return alternate(lambda: trained(model, 80, seeds), side_by_side, 1, time.perf_counter)


def lstm():
    """An epoch of a bidirectional LSTM, 500 texts of 3 to 40 words | padded to 40 | by length"""
    layers = keras.layers
    lengths = RNG.integers(3, 41, 500)
    ids = np.where(np.arange(40) < lengths[:, None], RNG.integers(2, 5000, (500, 40)), 0)
    y = (lengths % 2).astype("int32")
    model = keras.Sequential([keras.Input((None,), dtype="int32")])
    model.add(layers.Embedding(5000, 100, mask_zero=True, trainable=False))
    model.add(layers.Bidirectional(layers.LSTM(32, return_sequences=True)))
    model.add(layers.GlobalAveragePooling1D())
    model.add(layers.Dense(2, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy")
    order = np.argsort(lengths)

    def by_length():
        for start in range(0, 500, 50):
            rows = order[start : start + 50]
            model.train_on_batch(ids[rows, : -(-lengths[rows].max() // 8) * 8], y[rows])

    def padded():
        for start in range(0, 500, 50):
            model.train_on_batch(ids[start : start + 50], y[start : start + 50])

    return alternate(padded, by_length)


# --- files ---


def decoding():
    """180 photographs to 224 pixels | images.load | image_dataset_from_directory"""
    real("cats-vs-dogs")
    photographs = sorted(assets.path("cats-vs-dogs").rglob("*.jpg"))[:180]
    with tempfile.TemporaryDirectory() as folder:
        for number, file in enumerate(photographs):
            split = ("train", "validation", "test")[number % 3]
            place = Path(folder, split, ("one", "two")[number // 3 % 2])
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place / f"{number}.jpg")

        def in_keras():
            for split in ("train", "validation", "test"):
                read = keras.utils.image_dataset_from_directory(
                    Path(folder, split), image_size=(224, 224), verbose=False
                )
                np.concatenate([x.numpy() for x, _ in read])

        return alternate(lambda: images.load(folder, size=224), in_keras)


def log_mel():
    """Log-mel spectrograms of 100 clips of 2.4 s | librosa, clip by clip | audio.log_mel"""
    import librosa

    clips = RNG.normal(0, 0.1, (100, 38_640)).astype("float32")
    bands = tf.signal.linear_to_mel_weight_matrix(64, 257, 16_000, 125, 7_500).numpy()
    stft = partial(librosa.stft, n_fft=512, win_length=400, hop_length=160, center=False)

    def one_by_one():
        return [np.log(np.abs(stft(y=clip)).T @ bands + 0.001) for clip in clips]

    return alternate(one_by_one, lambda: audio.log_mel(clips))


ROWS = [
    mobilenet, large, vgg16, yamnet, again, tutorial, augmentation, draws, lstm, decoding, log_mel
]  # fmt: skip
AIMS = {"large": "≤ 1.3", "yamnet": "≤ 1.1", "tutorial": "≥ 12", "decoding": "≤ 1.1"}


def machine():
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text(encoding="utf8").splitlines()
        names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
        model = names[0] if names else model
    gpu = "a GPU" if tf.config.list_logical_devices("GPU") else "no GPU"
    return f"{os.cpu_count()} cores of {model}, {gpu}, TensorFlow {tf.__version__}"


def main(names):
    known = {row.__name__: row for row in ROWS}
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"There is no row {unknown[0]}: choose from {', '.join(known)}.")
    lines = []
    for name, row in known.items():
        if names and name not in names:
            continue
        profile = assets.profile()
        try:
            first, second = row()
        except FileNotFoundError as error:
            print(f"{name} is left out: {error}")
            continue
        finally:
            assets.use(profile)
        cells = [each.strip() for each in row.__doc__.split("|")]
        cells[0] = f"`{name}`: {cells[0]}"
        lines.append(
            f"| {' | '.join(cells)} | {first:.3g} | {second:.3g} | {first / second:.2f} |"
            f" {AIMS.get(name, '')} |"
        )
        print(lines[-1], flush=True)
    if not names:
        today = datetime.date.today().isoformat()
        page = INTRO.format(rounds=ROUNDS, machine=machine(), date=today, rows="\n".join(lines))
        PAGE.write_text(page, encoding="utf8")


if __name__ == "__main__":
    main(sys.argv[1:])
