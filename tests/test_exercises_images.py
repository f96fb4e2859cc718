"""The checks of the chapter on images, fed with right answers and with classic wrong ones."""

import numpy as np
import pytest
from exercise_cases import closing_tests

from course import exercises
from helpers import training, transfer
from helpers.data import SPLITS, Data, Examples
from helpers.ready import keras

layers = keras.layers
# What `compile` keeps until it is called again shows in graphs only.
pytestmark = [
    pytest.mark.usefixtures("eager"), pytest.mark.graphs("recipe-1", "which call reads them")
]


def prepared(learning=("block4", "block5"), norms=False, compiled="last"):
    """A function for images.freeze: these blocks learn, with their BatchNormalization or not."""

    def answer(model):
        if compiled == "first":
            model.compile("sgd", "mse")
        model.trainable = True
        for layer in model.layers:
            norm = isinstance(layer, layers.BatchNormalization)
            layer.trainable = layer.name.startswith(tuple(learning)) and (norms or not norm)
        if compiled == "last":
            model.compile("sgd", "mse")
        return model

    return answer


def by_the_helper(model):
    transfer.unfreeze_from(model, "block4_conv1")
    model.compile("adam", "mae")
    return model


def frozen_whole(model):
    model.trainable = True
    for layer in model.layers:
        layer.trainable = False
    model.compile("sgd", "mse")
    return model


def outer_flag_lacks(model):
    for layer in model.layers:
        layer.trainable = layer.name.startswith(("block4", "block5"))
    model.compile("sgd", "mse")
    return model


def head(units=2, activation="softmax", inputs=(3, 3, 256), pooling=True):
    pool = [layers.GlobalAveragePooling2D()] if pooling else []
    end = layers.Dense(units, activation=activation)
    return keras.Sequential([keras.Input(inputs), *pool, end])


def augmentation(*steps):
    return keras.Sequential([keras.Input((None, None, 3)), *steps])


FLIP = ("horizontal",)


def in_place(images):
    images = np.asarray(images)
    if images.dtype.kind != "f":
        images = images.astype("float32")
    images /= 127.5
    images -= 1
    return images


def keras_own(images):
    return keras.applications.mobilenet_v2.preprocess_input(images.astype("float32"))


def choose(fit, rates, data, *, by="validation", report="test", tried=None, scale=1):
    models = {rate: fit(rate) for rate in (tried or rates)}

    def score(model, split):
        return model.evaluate(*getattr(data, split), verbose=0)[1]

    best = max(models, key=lambda rate: score(models[rate], by))
    return best, scale * score(models[best], report)


def choose_by_hand(fit, rates, data):
    best = (0, None, None)
    for rate in rates:
        model = fit(rate)
        right = training.accuracy(model, data.validation)
        if right > best[0]:
            best = (right, rate, model)
    return best[1], training.accuracy(best[2], data.test)


def wrong_choice(**settings):
    return lambda fit, rates, data: choose(fit, rates, data, **settings)


def join(one, two, *, axis=1, scale="train", splits=SPLITS, swap=False, labels=True):
    made = {}
    for name, (x, y) in one.splits():
        pair = [(one, x), (two, getattr(two, name).x)][:: -1 if swap else 1]
        if scale == "train":
            pair = [(task, part / task.train.x.std()) for task, part in pair]
        elif scale == "own":
            pair = [(task, part / part.std()) for task, part in pair]
        both = np.concatenate([part for _, part in pair], axis=axis) if name in splits else x
        made[name] = Examples(both, y if labels else 1 - y)
    return Data(**made, class_names=one.class_names)


def join_standardised(one, two):
    centred = [
        task.map(lambda x, t=task: (x - t.train.x.mean(0)) / t.train.x.std()) for task in (one, two)
    ]
    return join(*centred, scale=None)


def wrong_join(**settings):
    return lambda one, two: join(one, two, **settings)


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
    head = transfer.fit_head(Examples(training.predict(backbone, part.x), part.y))
    model = keras.Model(backbone.inputs[0], head(backbone.output))
    for layer in backbone.layers:
        layer.trainable = layer.name.startswith("block5")
    model.compile(keras.optimizers.SGD(1e-6), "sparse_categorical_crossentropy")
    model.fit(part.x, part.y, epochs=2, batch_size=4, verbose=0)
    return model


RIGHT = {
    "images.preprocess": [lambda x: x / 127.5 - 1, keras_own, layers.Rescaling(1 / 127.5, -1)],
    "images.freeze": [prepared(), by_the_helper],
    "images.augment": [
        lambda: augmentation(
            layers.RandomFlip("horizontal"), layers.RandomBrightness(0.2, value_range=(0, 255))
        ),
        lambda: layers.RandomFlip("horizontal"),
    ],
    "images.head": [
        lambda: head(),
        lambda: keras.Sequential(
            [
                keras.Input((3, 3, 256)),
                layers.Flatten(),
                layers.Dropout(0.5),
                layers.Dense(2),
                layers.Softmax(),
            ]
        ),
    ],
    "images.choose": [choose, choose_by_hand],
    "images.together": [join, join_standardised],
    "images.recipe": [two_stages(), by_the_tuner, two_models],
}

WRONG = {
    "images.preprocess": [
        (lambda x: x / 255, "That is 0 to 1"),
        (lambda x: x / 255 - 0.5, "1 wide"),
        (lambda x: 1 - x / 127.5, "White became -1"),
        (lambda x: keras_own(x)[..., ::-1], "Red and blue"),
        (lambda x: np.asarray(x) - 128, "whole numbers"),
        (lambda x: x - 128.0, "what becomes of 0"),
        (lambda x: (x - x.dtype.type(128) + 0.5) / 127.5, "uint8 does not"),
        (in_place, "came in have changed"),
        (lambda x: x.mean(-1) / 127.5 - 1, "The shape became"),
        ((-1, 1), "a function"),
    ],
    "images.freeze": [
        (prepared(learning=["block"]), "Block 3 still learns"),
        (frozen_whole, "Nothing learns now"),
        (outer_flag_lacks, "model itself is frozen"),
        (prepared(norms=True), "still learns, and its statistics"),
        (prepared(learning=["block5"]), "still frozen: block4_conv1, block4_conv2"),
        (prepared(compiled=None), "who reads them"),
        (prepared(compiled="first"), "what has to be called again"),
        (lambda m: prepared()(m) and None, "return model"),
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
            "No image was mirrored",
        ),
        ("flip", "Is it a Keras model or layer"),
    ],
    "images.head": [
        (lambda: head(1), "Softmax over one unit is always 1"),
        (lambda: head(1, "sigmoid"), "One sigmoid unit"),
        (lambda: head(2, None), "not probabilities yet"),
        (lambda: head(2, "sigmoid"), "do not add up to 1"),
        (lambda: head(10), "There are 10 columns"),
        (lambda: head(inputs=(256,), pooling=False), "does not take maps"),
        (lambda: head(pooling=False), "one vector of all places"),
        (lambda: head(2, "sigmoid"), "do not add up to 1"),
        ("Dense", "Is it a Keras model"),
    ],
    "images.choose": [
        (wrong_choice(by="test"), "The test set did the choosing"),
        (wrong_choice(by="train"), "know by heart"),
        (wrong_choice(report="validation"), "it flatters it"),
        (wrong_choice(report="train"), "does on the test images"),
        (wrong_choice(tried=[1e-5, 1e-4]), "2 of 4 rates were tried"),
        (wrong_choice(scale=100), "as a share"),
        (lambda *given: choose(*given)[0], "Two things are asked for"),
        (lambda fit, rates, data: ([fit(r) for r in rates], min(rates), 0.75)[1:], "for choosing"),
        (1e-4, "a function"),
    ],
    "images.together": [
        (lambda one, two: one, "4 + 3 per image"),
        (wrong_join(splits=["train"]), "validation has features of shape"),
        (wrong_join(scale=None), "who is heard"),
        (wrong_join(scale="own"), "Each split was scaled by itself"),
        (wrong_join(swap=True), "not those of the first"),
        (wrong_join(labels=False), "Rows or labels"),
        (lambda one, two: np.hstack([one.train.x, two.train.x]), "three splits"),
        ("join", "a function"),
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
BUILT = ("images.augment", "images.head")


(
    test_right_answers_pass,
    test_wrong_answers_are_told_what_is_wrong,
    test_exercises_and_their_examples_lack_nothing,
    test_every_exercise_is_tried,
) = closing_tests("images", RIGHT, WRONG, BUILT)


def test_a_check_leaves_the_learners_model_alone():
    model = head()
    before = transfer.snapshot(model)
    exercises.judge("images.head", model)
    assert not transfer.what_moved(before, model)
