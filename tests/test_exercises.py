"""Each check meets the untouched stub, right answers, and the classic wrong ones."""

import numpy as np
import pytest

from helpers import exercises, transfer
from helpers.quiet import keras

layers = keras.layers


def frozen_in_start(*names):
    def answer(model):
        for name in names:
            model.get_layer(name).trainable = False
        return model

    return answer


def prepared(frozen=(), compiled="last", learning=None):
    """A function for images.freeze: freeze these layers, or all but `learning`."""

    def answer(model):
        if compiled == "first":
            model.compile("sgd", "mse")
        for layer in model.layers:
            if layer.name.startswith(tuple(frozen)) or (learning and layer.name not in learning):
                layer.trainable = False
        if compiled == "last":
            model.compile("sgd", "mse")
        return model

    return answer


def by_unfreezing(model):
    model.trainable = False
    for layer in model.layers:
        layer.trainable = layer.name.startswith("block5")
    model.trainable = True
    for layer in model.layers:
        layer.trainable = layer.name.startswith("block5")
    model.compile("adam", "mae")
    return model


def frozen_whole(model):
    model.trainable = False
    return model


def head(units=2, activation="softmax", inputs=128):
    return keras.Sequential([keras.Input((inputs,)), layers.Dense(units, activation=activation)])


def augmentation(*steps):
    return keras.Sequential([keras.Input((None, None, 3)), *steps])


FLIP = ("horizontal",)

def frozen_by_position(model):
    model.layers[0].trainable = False
    return model


RIGHT = {
    "start.count": [66, 64 + 2],
    "start.freeze": [frozen_in_start("bends"), frozen_by_position],
    "images.range": [(0, 255), [0.0, 255.0]],
    "images.freeze": [prepared(frozen=["block4"]), by_unfreezing],
    "images.augment": [
        lambda: augmentation(
            layers.RandomFlip("horizontal"), layers.RandomBrightness(0.2, value_range=(0, 255))
        ),
        lambda: layers.RandomFlip("horizontal"),
    ],
    "images.head": [
        lambda: head(),
        lambda: keras.Sequential(
            [keras.Input((128,)), layers.Dropout(0.5), layers.Dense(2), layers.Softmax()]
        ),
    ],
    "images.choose": [
        lambda v, t: (max(v, key=v.get), t[max(v, key=v.get)]),
        lambda v, t: sorted(((v[k], k, t[k]) for k in v), reverse=True)[0][1:],
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
    "images.range": [
        ((0, 1), "who divides by 255"),
        ((-1, 1), "Keras's own MobileNetV2"),
        ((0, 256), "what is the last"),
        ((5, 77), "Print the smallest"),
        (255, "Two numbers"),
    ],
    "images.freeze": [
        (prepared(), "Block 4 still learns"),
        (frozen_whole, "Nothing learns now"),
        (prepared(learning=["block5_conv1"]), "Only the first convolution"),
        (prepared(learning=["block5_conv2"]), "These learn: block5_conv2"),
        (prepared(frozen=["block4"], compiled=None), "who reads them"),
        (lambda m: prepared(frozen=["block4"])(m) and None, "return model"),
    ],
    "images.augment": [
        (lambda: augmentation(layers.RandomFlip("vertical")), "stand on their heads"),
        (lambda: augmentation(layers.RandomFlip("horizontal_and_vertical")), "on their heads"),
        (lambda: augmentation(layers.Rescaling(1 / 255)), "even with training=False"),
        (lambda: augmentation(layers.Rescaling(1.0)), "Nothing changes in training"),
        (
            lambda: augmentation(layers.RandomFlip(*FLIP), layers.CenterCrop(16, 16)),
            "The shape became",
        ),
        (
            lambda: augmentation(layers.RandomBrightness(0.3, value_range=(0, 255))),
            "No picture was mirrored",
        ),
        ("flip", "Is it a Keras model or layer"),
    ],
    "images.head": [
        (lambda: head(1), "Softmax over one unit is always 1"),
        (lambda: head(1, "sigmoid"), "One unit with a sigmoid"),
        (lambda: head(2, None), "not probabilities yet"),
        (lambda: head(2, "sigmoid"), "do not add up to 1"),
        (lambda: head(10), "There are 10 columns"),
        (lambda: head(inputs=64), "does not take features of shape (n, 128)"),
        ("Dense", "Is it a Keras model"),
    ],
    "images.choose": [
        (lambda v, t: (max(t, key=t.get), max(t.values())), "The test set did the choosing"),
        (lambda v, t: (max(v, key=v.get), max(v.values())), "it flatters it"),
        (lambda v, t: ("large", 0.81), "Which model did best"),
        (lambda v, t: (max(v, key=v.get), max(t.values())), "nobody chose by"),
        (lambda v, t: max(v, key=v.get), "Two things are asked for"),
    ],
}

# These need a model built anew for each try; the others are the answer itself.
BUILT = ("images.augment", "images.head")


def made(name, answer):
    return answer() if name in BUILT and callable(answer) else answer


@pytest.mark.parametrize("name", RIGHT)
def test_an_untouched_stub_is_not_started(name):
    assert exercises.judge(name, ...).state == "not started"


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


def test_a_check_leaves_the_learners_model_alone():
    model = head()
    before = transfer.snapshot(model)
    exercises.judge("images.head", model)
    assert not transfer.what_moved(before, model)


@pytest.mark.parametrize("chapter", ["start", "images"])
def test_every_exercise_has_cases_and_every_option_an_explanation(chapter):
    checks, questions = exercises.names(chapter)
    assert set(checks) <= RIGHT.keys() & WRONG.keys() and len(questions) >= 3
    assert all(len(WRONG[name]) >= 3 and len(RIGHT[name]) >= 2 for name in checks)
    for name in questions:
        asked = exercises._questions[name]
        assert asked.right in asked.options
        assert all(len(reason) > 20 for _, reason in asked.options.values())


def test_quiz_speaks(capsys):
    exercises.quiz("images.once")
    exercises.quiz("images.once", "B ")
    exercises.quiz("images.once", "c")
    exercises.quiz("images.once", 3)
    said = capsys.readouterr().out
    assert "  a) Because the head is small." in said and "Right. Its weights" in said
    assert "Not quite. On the contrary" in said and "There is no option 3: choose one of a" in said


def test_an_unknown_exercise_is_told_with_its_neighbours():
    with pytest.raises(ValueError, match="no exercise 'images.haed': did you mean images.head"):
        exercises.check("images.haed", np.zeros(1))
