"""The checks of the chapter on images, fed with right answers and with classic wrong ones."""

import numpy as np
import pandas as pd
import pytest
from exercise_cases import shortcomings

from course import exercises
from helpers import transfer
from helpers.ready import keras

layers = keras.layers


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


def compiled_too_early(model):
    model.compile("sgd", "mse")
    transfer.unfreeze_from(model, "block5_conv1")
    return model


def table(methods=("a", "b"), labels=(5, 10), seeds=3, accuracy=None, **other):
    """A label curve as rows, with accuracies that differ from row to row."""
    rows = [
        {"method": m, "labels": n, "seed": s, "accuracy": 0.6 + 0.01 * (7 * i + 3 * s + n) % 0.3}
        for i, m in enumerate(methods)
        for n in labels
        for s in range(seeds)
    ]
    return pd.DataFrame(rows).assign(**({} if accuracy is None else {"accuracy": accuracy}))


def by_hand():
    """The same without `label_curve`."""
    rng = np.random.default_rng(0)
    seeds = [1, 2, 3, 4] * 6
    return pd.DataFrame(
        {
            "seed": seeds,
            "accuracy": rng.uniform(0.5, 0.9, 24),
            "labels": np.repeat([3, 9, 27], 8),
            "method": (["one"] * 4 + ["both"] * 4) * 3,
        }
    )


def two_stages(
    units=2,
    rate=1e-4,
    one=True,
    two=True,
    compile_again=True,
    let_go="block5_conv1",
    scale=1.0,
):
    """A recipe for images.recipe, right unless a switch breaks it."""

    def recipe(backbone, part):
        x = part.x * np.float32(scale)
        end = layers.Dense(units, activation="softmax")
        model = keras.Sequential([keras.Input(x.shape[1:]), backbone, end])
        loss = "sparse_categorical_crossentropy" if units > 1 else "binary_crossentropy"
        if not one:
            transfer.unfreeze_from(backbone, let_go)
        model.compile(keras.optimizers.Adam(1e-3 if one else rate), loss)
        model.fit(x, part.y, epochs=3, verbose=0)
        if one and two:
            transfer.unfreeze_from(backbone, let_go)
            if compile_again:
                model.compile(keras.optimizers.Adam(rate), loss)
            model.fit(x, part.y, epochs=3, verbose=0)
        return model

    return recipe


def by_the_tuner(backbone, part):
    tuner = transfer.FineTuner(backbone, 2, unfreeze="block5_conv1", epochs=2)
    return tuner(part, 0)


def two_models(backbone, part):
    head = transfer.fit_head(transfer.Part(transfer.predict(backbone, part.x), part.y))
    model = keras.Model(backbone.inputs[0], head(backbone.output))
    for layer in backbone.layers:
        layer.trainable = layer.name.startswith("block5")
    model.compile(keras.optimizers.SGD(1e-6), "sparse_categorical_crossentropy")
    model.fit(part.x, part.y, epochs=2, batch_size=4, verbose=0)
    return model


RIGHT = {
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
    "images.together": [table, by_hand],
    "images.recipe": [two_stages(), by_the_tuner, two_models],
}

WRONG = {
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
        (compiled_too_early, "what has to be called again"),
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
    "images.together": [
        (lambda: table(methods=["both"]), "one method only"),
        (lambda: table(seeds=1), "tell skill from luck"),
        (lambda: table(labels=[10]), "how many points does a curve need"),
        (lambda: pd.concat([table(["a"]), table(["b"], seeds=4)]), "different draws"),
        (lambda: table(accuracy=71.5), "shares, or per cent"),
        (lambda: table(accuracy=1.0), "on which pictures were they tested"),
        (lambda: table(accuracy=0.7), "agree to the last digit"),
        (lambda: table().groupby("method").accuracy.mean().reset_index(), "no column labels"),
        ([0.7, 0.8], "one table"),
    ],
    "images.recipe": [
        (two_stages(one=False), "random weights"),
        (two_stages(two=False), "where is stage two"),
        (two_stages(rate=1e-2), "steps as large"),
        (two_stages(let_go="block4_conv1"), "Block 4 moved as well"),
        (two_stages(let_go="block5_conv2"), "Only block5_conv2 moved"),
        (two_stages(compile_again=False), "which call reads them"),
        (two_stages(scale=1 / 255), "who rescales them"),
        (two_stages(units=1), "Softmax over one unit"),
        (lambda b, p: two_stages()(b, p._replace(y=1 - p.y)), "which class is 0"),
        (lambda b, p: b, "A row of two probabilities"),
        (lambda b, p: head(inputs=4), "stopped with"),
        (lambda b, p: two_stages()(b, p) and None, "return model"),
        ("recipe", "a function"),
    ],
}


# These need a model built anew for each try; the others are the answer itself.
BUILT = ("images.augment", "images.head", "images.together")


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
    assert set(exercises.names("images")[0]) == RIGHT.keys() == WRONG.keys()


def test_a_check_leaves_the_learners_model_alone():
    model = head()
    before = transfer.snapshot(model)
    exercises.judge("images.head", model)
    assert not transfer.what_moved(before, model)
