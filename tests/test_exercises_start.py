"""The checks of the first chapter, fed with right answers and with classic wrong ones."""

import numpy as np
import pytest
from exercise_cases import closing_tests

from helpers import training, transfer
from helpers.ready import keras

layers = keras.layers
# A source takes many steps, where a graph pays; what `compile` keeps shows in graphs only.
pytestmark = [
    pytest.mark.usefixtures("eager"), pytest.mark.graphs("start.source", "reads the flags")
]


def compiled(model):
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def freezing(*names, compile=True):
    def answer(model):
        for name in names:
            model.get_layer(name).trainable = False
        return compiled(model) if compile else model

    return answer


def frozen_whole(model):
    model.trainable = False
    return compiled(model)


def frozen_by_position(model):
    model.layers[0].trainable = False
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy())
    return model


def joined(*names, frozen=True, join=layers.concatenate):
    def answer(model):
        outputs = [model.get_layer(name).output for name in names]
        backbone = keras.Model(model.inputs[0], join(outputs) if len(names) > 1 else outputs[0])
        backbone.trainable = not frozen
        return backbone

    return answer


def joined_by_calls(model):
    points = keras.Input((2,))
    first = model.get_layer("hidden1")(points)
    second = model.get_layer("hidden2")(first)
    return transfer.freeze(keras.Model(points, layers.Concatenate()([second, first])))


def new_layers(model):
    points = keras.Input((2,))
    first = layers.Dense(6, "relu")(points)
    return keras.Model(points, layers.concatenate([first, layers.Dense(4, "relu")(first)]))


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


def source(question=None, *, end="output", epochs=40, frozen=True):
    """A network pretrained on `question(points, arm, radius)`, or not at all, cut and frozen."""
    training.set_seed(0)
    points, arm, radius = spirals()
    labels = np.zeros(4) if question is None else question(points, arm, radius).astype("int32")
    model = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(32, activation="relu", name="hidden1"),
            layers.Dense(12, activation="relu", name="hidden2"),
            layers.Dense(int(labels.max()) + 1, activation="softmax", name="output"),
        ]
    )
    if question is not None:
        model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
        model.fit(points, labels, epochs=epochs, batch_size=128, verbose=0)
    backbone = keras.Model(model.inputs[0], model.get_layer(end).output)
    return transfer.freeze(backbone) if frozen else backbone


def which_arm(points, arm, radius):
    return arm


def which_eighth(points, arm, radius):
    return arm + 4 * (radius > 0.575)


RIGHT = {
    "start.count": [39, 36 + 3],
    "start.freeze": [freezing("hidden1"), frozen_by_position],
    "start.join": [joined("hidden1", "hidden2"), joined_by_calls],
    "start.pairs": [ahead_by_zip, ahead_by_numpy],
    "start.source": [
        lambda: source(which_eighth),
        lambda: source(lambda points, arm, radius: 2 * arm + (radius > 0.57)),
    ],
}

WRONG = {
    "start.count": [
        (36, "what does a Dense layer add"),
        (26, "the head for two colours"),
        (13, "how many does softmax over three"),
        (531, "That counts the backbone"),
        (7, "How many inputs"),
        ("39", "whole number"),
    ],
    "start.freeze": [
        (freezing("hidden1", compile=False), "which call reads the flags"),
        (lambda m: m, "Every layer still learns"),
        (frozen_whole, "nothing learns any more"),
        (freezing("hidden2"), "Frozen: hidden2."),
        (freezing("hidden1", "hidden2"), "Frozen: hidden1, hidden2."),
        (lambda m: None, "return model"),
        (lambda m: m.get_layer("Hidden1"), "stopped with ValueError"),
        ("hidden1", "a function"),
    ],
    "start.join": [
        (joined("hidden2"), "4 features, those of one hidden layer"),
        (joined("hidden1", "hidden2", "output"), "It gives 13 features"),
        (joined("hidden1", "hidden2", frozen=False), "may still learn"),
        (joined("hidden1", "hidden2", join=list), "two outputs"),
        (new_layers, "are these new layers"),
        (lambda m: m.get_layer("hidden1").output, "not a model"),
        (lambda m: m.get_layer("hidden1"), "A model is wanted"),
        ("hidden1", "a function"),
    ],
    "start.pairs": [
        (lambda f, s: ahead_by_zip(s, f), "scratch is ahead"),
        (lambda f, s: (ahead_by_zip(f, s)[0] / 100, 3), "That is a fraction:"),
        (lambda f, s: (100 * (max(f) - max(s)), 3), "compares the best draws"),
        (lambda f, s: ahead_by_zip(sorted(f), sorted(s)), "were the lists sorted"),
        (lambda f, s: (ahead_by_zip(f, s)[0], 0.6), "fraction of the draws"),
        (lambda f, s: (ahead_by_zip(f, s)[0], 2), "which way round"),
        (lambda f, s: (ahead_by_zip(f, s)[0], 4), "above 0"),
        (lambda f, s: (100 * (f[0] - s[0]), 3), "mean of those"),
        (lambda f, s: 12, "Two numbers"),
        (12, "a function"),
    ],
    "start.source": [
        (lambda: source(which_arm, end="hidden2"), "does your source ask it"),
        (lambda: source(lambda points, arm, radius: points[:, 0] > 0), "follow from one finer"),
        (lambda: source(which_eighth, end="hidden2"), "cut where it is answered"),
        (
            lambda: source(lambda points, arm, radius: (arm >= 2) != (radius > 0.575)),
            "one question and no other",
        ),
        (lambda: source(which_arm, epochs=1, frozen=False), "may still learn"),
        (source, "As in the beginning".lower()),
        (
            lambda: keras.Sequential([keras.Input((3,)), layers.Dense(2)]),
            "does not take points",
        ),
        ("hidden2", "A backbone is wanted"),
    ],
}


# These need a model built anew for each try; the others are the answer itself.
BUILT = ("start.source",)


(
    test_right_answers_pass,
    test_wrong_answers_are_told_what_is_wrong,
    test_exercises_and_their_examples_lack_nothing,
    test_every_exercise_is_tried,
) = closing_tests("start", RIGHT, WRONG, BUILT)
