"""The checks of the first chapter, fed with right answers and with classic wrong ones."""

import numpy as np
import pytest
from exercise_cases import shortcomings

from course import exercises
from helpers import transfer
from helpers.ready import keras

layers = keras.layers


def frozen_in_start(*names):
    def answer(model):
        for name in names:
            model.get_layer(name).trainable = False
        return model

    return answer


def frozen_whole(model):
    model.trainable = False
    return model


def head(units=2, activation="softmax", inputs=128):
    return keras.Sequential([keras.Input((inputs,)), layers.Dense(units, activation=activation)])


def frozen_by_position(model):
    model.layers[0].trainable = False
    return model


def cut_after(name, frozen=True):
    def cut(model):
        backbone = keras.Model(model.inputs[0], model.get_layer(name).output)
        backbone.trainable = not frozen
        return backbone

    return cut


def cut_by_layers(model):
    return transfer.freeze(keras.Sequential([keras.Input((2,)), model.get_layer("bends")]))


def new_layer(model):
    return transfer.freeze(keras.Sequential([keras.Input((2,)), layers.Dense(6, "relu")]))


def ahead_by_zip(frozen, scratch):
    gaps = [f - s for f, s in zip(frozen, scratch, strict=True)]
    return 100 * sum(gaps) / len(gaps), sum(gap > 0 for gap in gaps)


def ahead_by_numpy(frozen, scratch):
    gaps = np.array(frozen) - np.array(scratch)
    return 100 * gaps.mean(), (gaps > 0).sum()


def spirals(n=4000):
    """The points of the first page, with the arm and the distance from the middle."""
    rng = np.random.default_rng(0)
    arm, radius = np.arange(n) % 4, rng.uniform(0.15, 1, n)
    angle = 5 * radius + arm * np.pi / 2 + rng.normal(0, 0.14, n)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return points.astype("float32"), arm, radius


def source(question=None, *, end="arms", epochs=40, frozen=True):
    """A network pretrained on `question(points, arm, radius)`, or not at all, cut and frozen."""
    transfer.set_seed(0)
    points, arm, radius = spirals()
    labels = np.zeros(4) if question is None else question(points, arm, radius).astype("int32")
    model = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(64, activation="relu", name="bends"),
            layers.Dense(32, activation="relu", name="arms"),
            layers.Dense(int(labels.max()) + 1, activation="softmax", name="answer"),
        ]
    )
    if question is not None:
        model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
        model.fit(points, labels, epochs=epochs, batch_size=128, verbose=0)
    backbone = keras.Model(model.inputs[0], model.get_layer(end).output)
    return transfer.freeze(backbone) if frozen else backbone


def which_arm(points, arm, radius):
    return arm


RIGHT = {
    "start.count": [66, 64 + 2],
    "start.freeze": [frozen_in_start("bends"), frozen_by_position],
    "start.cut": [cut_after("bends"), cut_by_layers],
    "start.pairs": [ahead_by_zip, ahead_by_numpy],
    "start.source": [
        lambda: source(lambda points, arm, radius: arm + 4 * (radius > 0.6)),
        lambda: source(which_arm, epochs=25),
    ],
}

WRONG = {
    "start.count": [
        (64, "what does each column of a Dense layer add"),
        (33, "how many columns"),
        (2370, "That counts the backbone"),
        (7, "How many inputs"),
        ("66", "whole number"),
    ],
    "start.freeze": [
        (lambda m: m, "Every layer still learns"),
        (frozen_whole, "whole model is frozen"),
        (frozen_in_start("arms"), "Frozen: arms."),
        (lambda m: None, "return model"),
        (lambda m: m.get_layer("Bends"), "stopped with ValueError"),
        ("bends", "a function"),
    ],
    "start.cut": [
        (cut_after("arms"), "ends after `arms`"),
        (cut_after("answer"), "still gives the answer"),
        (cut_after("bends", frozen=False), "may still learn"),
        (new_layer, "is the layer a new one"),
        (lambda m: m.get_layer("bends").output, "not a model"),
        (lambda m: m.get_layer("bends"), "A model is wanted"),
        (lambda m: keras.Sequential([keras.Input((2,)), layers.Dense(9)]), "It gives 9 features"),
        ("bends", "a function"),
    ],
    "start.pairs": [
        (lambda f, s: ahead_by_zip(s, f), "scratch is ahead"),
        (lambda f, s: (ahead_by_zip(f, s)[0] / 100, 3), "That is a share"),
        (lambda f, s: (100 * (max(f) - max(s)), 3), "compares the best draws"),
        (lambda f, s: ahead_by_zip(sorted(f), sorted(s)), "were the lists sorted"),
        (lambda f, s: (ahead_by_zip(f, s)[0], 0.6), "share of the draws"),
        (lambda f, s: (ahead_by_zip(f, s)[0], 2), "which way round"),
        (lambda f, s: (ahead_by_zip(f, s)[0], 4), "above 0"),
        (lambda f, s: (100 * (f[0] - s[0]), 3), "mean of those"),
        (lambda f, s: 12, "Two numbers"),
        (12, "a function"),
    ],
    "start.source": [
        (
            lambda: source(lambda points, arm, radius: points[:, 0] > 0),
            "answered without seeing the spirals",
        ),
        (lambda: source(which_arm, end="answer", epochs=1), "probabilities of an answer"),
        (lambda: source(which_arm, epochs=1, frozen=False), "may still learn"),
        (source, "As in the beginning".lower()),
        (lambda: head(inputs=3), "does not take points"),
        ("arms", "A backbone is wanted"),
    ],
}


# These need a model built anew for each try; the others are the answer itself.
BUILT = ("start.source",)


def made(name, answer):
    return answer() if name in BUILT and callable(answer) else answer


@pytest.mark.parametrize(("name", "i"), [(n, i) for n in RIGHT for i in range(len(RIGHT[n]))])
def test_right_answers_pass(name, i):
    verdict = exercises.judge(name, made(name, RIGHT[name][i]))
    assert verdict.state == "correct", verdict


@pytest.mark.parametrize(
    ("name", "answer", "words"),
    [(name, *case) for name, cases in WRONG.items() for case in cases],
    ids=[f"{name}: {words}" for name, cases in WRONG.items() for _, words in cases],
)
def test_wrong_answers_are_told_what_is_wrong(name, answer, words):
    verdict = exercises.judge(name, made(name, answer))
    assert verdict.state == "not yet" and words in verdict.message, verdict


@pytest.mark.parametrize("name", RIGHT)
def test_exercises_and_their_examples_lack_nothing(name):
    assert shortcomings(name, RIGHT[name], WRONG[name]) == []


def test_every_exercise_is_tried():
    assert set(exercises.names("start")[0]) == RIGHT.keys() == WRONG.keys()
