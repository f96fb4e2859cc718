"""Adaptation on real photographs and real sounds, measured for docs/full.md.

    COURSE_MIRROR=../shared/mirror python benchmarks/measure_another_world.py [NAME ...]

Names: photographs, telephone, tradaboost; all of them where none is given. A few minutes on two
cores for each of the first two.
"""

import os
import sys

import numpy as np
from measure_audio import CHANNEL, all_clips
from scipy.signal import butter, sosfilt
from sklearn.linear_model import LogisticRegression

from course import fetch, intake
from helpers import assets, audio, compare, images, shift, transfer
from helpers.data import Data, Examples

DRAWS = range(10)
FEW = 5


def rows(y, seed, start, end):
    """Positions number `start` to `end` of each class, in a random order."""
    order = np.random.default_rng(seed).permutation(len(y))
    return np.concatenate([order[y[order] == c][start:end] for c in np.unique(y)])


def right(train, test):
    """Share of the test examples that a head fitted on `train` gets right, and recall of 1."""
    kernel, bias = transfer.head_weights(train)
    hit = (test.x @ kernel + bias).argmax(axis=1) == test.y
    return 100 * hit.mean(), 100 * hit[test.y == 1].mean()


def ways(source, others, few, test):
    """Accuracy and recall of each way: source and test with labels, `others` without."""
    own = shift.standardise
    mean = [x - like.mean(axis=0) for x, like in ((source.x, source.x), (test.x, others))]
    both = Examples(*map(np.concatenate, zip(source, few, strict=True)))
    return {
        "source only": right(source, test),
        "own mean": right(Examples(mean[0], source.y), Examples(mean[1], test.y)),
        "own mean and deviation": right(
            Examples(own(source.x), source.y), Examples(own(test.x, others), test.y)
        ),
        "CORAL": right(Examples(shift.coral(source.x, others), source.y), test),
        f"{FEW} target labels": right(few, test),
        f"source and {FEW} target labels": right(both, test),
    }


def report(what, found):
    """A line per way: accuracy and recall, mean and deviation over the draws."""
    for way in found[0]:
        accuracy, recall = np.array([draw[way] for draw in found]).T
        ahead = accuracy - [draw["source only"][0] for draw in found]
        print(
            f"{what} | {way} | {accuracy.mean():.1f} % ± {accuracy.std(ddof=1):.1f} | recall "
            f"{recall.mean():.1f} % | {ahead.mean():+.1f} ± {ahead.std(ddof=1):.1f}, "
            f"{(ahead > 0).sum()} of {len(found)} draws ahead",
            flush=True,
        )


def photographs(train=100, test=100, labels=20):
    """The real MobileNetV2 on real photographs, clean, out of focus and noisy."""
    assets.use("full")
    fetch.download("cats-vs-dogs", "mobilenet-v2-feature-vector")
    whole = images.load(intake.images(images.BUNDLED))
    chosen = rows(whole.train.y, 0, 0, train), rows(whole.test.y, 0, 0, test)
    x, y = whole.train.x[chosen[0]], whole.train.y[chosen[0]]
    data = Data(
        Examples(x, y),
        Examples(x[:2], y[:2]),
        Examples(whole.test.x[chosen[1]], whole.test.y[chosen[1]]),
        whole.class_names,
    )
    backbone, features = images.mobilenet_v2(), {}
    for world in ("clean", "blur", "noise"):
        shifted = data.map(lambda x, world=world: shift.shifted(x, world))
        features[world] = transfer.extract(backbone, shifted)
    error = compare.standard_error(0.9, 2 * test)
    print(f"{2 * test} test photographs: 90 % is good to ± {error:.1f} points")
    for world, target in features.items():
        found = []
        for seed in DRAWS:
            here = rows(y, seed, 0, labels)
            there, few = rows(y, seed, labels, None), rows(y, seed, labels, labels + FEW)
            found.append(
                ways(
                    Examples(features["clean"].train.x[here], y[here]),
                    target.train.x[there],
                    Examples(target.train.x[few], y[few]),
                    target.test,
                )
            )
        report(f"photographs, {world}", found)


def telephone(labels=20):
    """The real YAMNet: coughs from telephone messages, and all clips through a made one."""
    assets.use("full")
    fetch.download("environmental-sounds", "yamnet")
    table, data = all_clips(assets.path("environmental-sounds"))
    y, yamnet = table.label.to_numpy(), audio.yamnet()
    line = butter(4, [300, 3_400], "bandpass", fs=audio.RATE, output="sos")
    x = transfer.extract(yamnet, data).train.x
    called = transfer.extract(yamnet, data.map(lambda w: sosfilt(line, w).astype("float32")))
    by_line = called.train.x
    message = (table.recording.str.startswith(CHANNEL) & (table.label == 1)).to_numpy()
    print(f"{message.sum()} coughs by telephone, {(y == 1).sum() - message.sum()} other coughs, "
          f"{(y == 0).sum()} other sounds")  # fmt: skip
    real, made = [], []
    for seed in DRAWS:
        rng = np.random.default_rng(seed)
        recordings = rng.permutation(table.recording.unique())
        half = table.recording.isin(recordings[: len(recordings) // 2]).to_numpy()

        def draw(mask, count, rng=rng):
            found = rng.permutation(np.flatnonzero(mask))
            return found[:count]

        def examples(x, *chosen):
            chosen = np.concatenate(chosen)
            return Examples(x[chosen], y[chosen])

        sounds, studio = draw((y == 0) & half, labels), draw((y == 1) & ~message, labels)
        rest = draw((y == 0) & ~half, 999)
        thirds = np.array_split(rest, 3)  # of the other sounds: few, unlabelled, test
        calls = np.array_split(draw(message, 3 * len(thirds[2])), 3)
        few = examples(x, thirds[0][:FEW], calls[0][:FEW])
        others = examples(x, thirds[1], calls[1]).x
        real.append(
            ways(examples(x, sounds, studio), others, few, examples(x, thirds[2], calls[2]))
        )
        coughs = draw((y == 1) & half, labels)
        parts = [np.array_split(draw((y == c) & ~half, 36), 3) for c in (0, 1)]
        few, others, test = (
            examples(by_line, parts[0][i][: FEW if i == 0 else None],
                     parts[1][i][: FEW if i == 0 else None])
            for i in range(3)
        )  # fmt: skip
        made.append(ways(examples(x, sounds, coughs), others.x, few, test))
    report("coughs by telephone, other sounds not", real)
    report("all clips through a made telephone", made)


def tradaboost(labels=50, rounds=10):
    """TrAdaBoost (Dai et al., 2007) against pooling, on the course's drawings."""
    assets.use("sample")
    data, backbone = images.load(images.BUNDLED), _vgg16_features()
    y, clean = data.train.y, transfer.extract(backbone, data)
    for world in ("noise", "blur", "on its side"):
        target = transfer.extract(
            backbone, data.map(lambda x, world=world: shift.shifted(x, world))
        )
        for count in (5, 10, 20):
            behind = []
            for seed in DRAWS:
                here, few = rows(y, seed, 0, labels), rows(y, seed, labels, labels + count)
                x = np.concatenate([clean.train.x[here], target.train.x[few]])
                label = np.concatenate([y[here], y[few]])
                scale = (x - x.mean(axis=0)).std()
                given = x / scale, label, target.test.x / scale, target.test.y
                behind.append([_boosted(*given, len(few), rounds), _pooled(*given)])
            boosted, pooled = np.array(behind).T
            print(
                f"{world}, {count} target labels per class: TrAdaBoost {boosted.mean():.1f} %, "
                f"pooled {pooled.mean():.1f} %, {(boosted - pooled).mean():+.1f} ± "
                f"{(boosted - pooled).std(ddof=1):.1f}",
                flush=True,
            )


def _head(x, label, weights=None):
    return LogisticRegression(C=0.05, max_iter=2000).fit(x, label, sample_weight=weights)


def _pooled(x, label, test, truth):
    return 100 * _head(x, label).score(test, truth)


def _boosted(x, label, test, truth, few, rounds):
    """Accuracy of TrAdaBoost; the last `few` examples are the target's."""
    weights, votes, beta = np.ones(len(label)), np.zeros(len(test)), []
    target = np.arange(len(label)) >= len(label) - few
    fixed = 1 / (1 + np.sqrt(2 * np.log((~target).sum()) / rounds))
    for i in range(rounds):
        head = _head(x, label, weights / weights.mean())
        wrong = head.predict(x) != label
        error = weights[target & wrong].sum() / weights[target].sum()
        error = float(np.clip(error, 1e-3, 0.49))
        beta.append(error / (1 - error))
        weights = weights * np.where(target, beta[-1] ** -wrong.astype(float), fixed**wrong)
        if i >= rounds // 2:  # the second half votes
            votes += -np.log(beta[-1]) * (head.predict(test) - 0.5)
    return 100 * np.mean((votes > 0) == truth)


def _vgg16_features():
    from helpers.ready import keras

    model, pixels = images.vgg16(), keras.Input((images.image_size(),) * 2 + (3,))
    maps = model(keras.applications.vgg16.preprocess_input(pixels), training=False)
    return keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(maps), name="backbone")


if __name__ == "__main__":
    measures = {"photographs": photographs, "telephone": telephone, "tradaboost": tradaboost}
    if any(name not in measures for name in sys.argv[1:]):
        sys.exit(f"Names are {', '.join(measures)}.")
    if "tradaboost" not in sys.argv[1:] and not os.environ.get("COURSE_MIRROR"):
        print("COURSE_MIRROR names no folder: the originals come from their public addresses.")
    for name in sys.argv[1:] or measures:
        measures[name]()
