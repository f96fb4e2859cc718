"""Each check meets the untouched stub, right answers, and the classic wrong ones."""


import numpy as np
import pandas as pd
import pytest
from exercise_cases import shortcomings

from course import exercises
from helpers import transfer
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


def compiled_too_early(model):
    model.compile("sgd", "mse")
    transfer.unfreeze_from(model, "block5_conv1")
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
    "start.count": [66, 64 + 2],
    "start.freeze": [frozen_in_start("bends"), frozen_by_position],
    "start.cut": [cut_after("bends"), cut_by_layers],
    "start.pairs": [ahead_by_zip, ahead_by_numpy],
    "start.source": [
        lambda: source(lambda points, arm, radius: arm + 4 * (radius > 0.6)),
        lambda: source(which_arm, epochs=25),
    ],
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
BUILT = ("start.source", "images.augment", "images.head", "images.together")


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


@pytest.mark.parametrize("name", RIGHT)
def test_exercises_and_their_examples_lack_nothing(name):
    assert shortcomings(name, RIGHT[name], WRONG[name]) == []


@pytest.mark.parametrize("chapter", ["start", "images"])
def test_every_exercise_is_tried(chapter):
    assert set(exercises.names(chapter)[0]) <= RIGHT.keys() & WRONG.keys()


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
