"""Exercises and questions of the images chapter."""

from contextlib import contextmanager
from unittest import mock

import numpy as np
import pandas as pd

from course.exercises import exercise, question
from helpers import transfer
from helpers.ready import keras, tf


def _small_vgg():
    """VGG's layer names on a model that builds at once."""
    layers = [keras.Input((16, 16, 3))]
    for block in (4, 5):
        layers += [
            keras.layers.Conv2D(4, 3, padding="same", name=f"block{block}_conv{i}") for i in (1, 2)
        ]
        layers.append(keras.layers.MaxPooling2D(name=f"block{block}_pool"))
    layers.append(keras.layers.GlobalAveragePooling2D(name="pooling"))
    stack = keras.Sequential(layers)
    return keras.Model(stack.inputs[0], stack.outputs[0])  # with an output to build upon


@contextmanager
def _watched(method, note):
    """Call `note(model, call)` in place of a method of all Keras models; `call()` goes on."""
    original = getattr(keras.Model, method)

    def watching(model, *args, **kwargs):
        return note(model, lambda: original(model, *args, **kwargs), *args)

    with mock.patch.object(keras.Model, method, watching):
        yield


def _flags(model):
    return {each.name: each.trainable for each in model._flatten_layers() if each.weights}


@exercise(
    "images.range",
    "Every backbone of the course takes pixels from 0 to 255, as files hold.",
    minutes=1,
    level="easy",
    hints=(
        "Look at the cell that printed the smallest and the largest value of a picture.",
        "A colour of a pixel is one byte: how many values has a byte, and which is the first?",
        "The preprocessing is the first layer of our backbones, so hand over what a file holds: "
        "the low end is 0, and the high end is one less than 2 to the power of 8.",
    ),
)
def pixel_range(answer):
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return "Two numbers are asked for, the smallest and the largest: can you write (low, high)?"
    low, high = (float(value) for value in answer)
    if (low, high) == (0, 255):
        return None
    if (low, high) == (0, 1):
        return "That is what a TF Hub module wants inside: who divides by 255, you or the backbone?"
    if (low, high) == (-1, 1):
        return "Keras's own MobileNetV2 scales to that inside: what range do the files hold?"
    if high == 256:
        return "A byte has 256 values, and the first of them is 0: what is the last?"
    return "Print the smallest and the largest value of a picture: what are they?"


@exercise(
    "images.freeze",
    "Block 5 learns, blocks below stay, and compile has read it.",
    minutes=5,
    level="medium",
    hints=(
        "Two things are needed: the right flags on the layers, and something that reads them.",
        "Each layer has a name and an attribute `trainable`; `transfer.unfreeze_from(model, name)` "
        "sets the flags of all layers by one name.",
        "First unfreeze from the first convolution of block 5, then `model.compile(optimiser, "
        "loss)`, then return the model, in this order.",
    ),
)
def freeze_all_but_block5(answer):
    if not callable(answer):
        return "Is it a function that takes a model? Write `def prepare(model): ...` first."
    model = _small_vgg()
    read = {}

    def note(compiled, call, *_):
        call()
        read[id(compiled)] = _flags(compiled)

    with _watched("compile", note):
        returned = answer(model)
    if not isinstance(returned, keras.Model):
        return "Your function gave back no model: does it end in `return model`?"
    learning = {layer.name for layer in returned.layers if layer.trainable_weights}
    if not learning:
        return "Nothing learns now: after freezing everything, which layers do you let go again?"
    if {"block4_conv1", "block4_conv2"} & learning:
        return "Block 4 still learns: where does the part begin that may change?"
    if learning == {"block5_conv1"}:
        return "Only the first convolution of block 5 learns: what about the layers behind it?"
    if learning != {"block5_conv1", "block5_conv2"}:
        return f"These learn: {', '.join(sorted(learning))}. Are they block 5, and all of it?"
    if not returned.compiled:
        return "The flags are right, but who reads them? Keras does so in `compile`: call it last."
    if read.get(id(returned), _flags(returned)) != _flags(returned):
        return "The flags changed after `compile` had read them: what has to be called again?"
    return None


@exercise(
    "images.augment",
    "It changes pictures in training only, and never turns a dog over.",
    minutes=5,
    level="medium",
    hints=(
        "Keras has a layer for each of the two wishes; their names begin with `Random`.",
        "`RandomFlip` takes the direction as its argument, and `RandomBrightness` how far it may "
        "go, as a share.",
        "RandomBrightness believes that pixels lie between 0 and 255 unless `value_range` says "
        "otherwise: say so all the same, and put both layers into one `keras.Sequential`.",
    ),
)
def augment(answer):
    if not isinstance(answer, keras.Layer):
        return "Is it a Keras model or layer? `keras.Sequential([...])` of random layers makes one."
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (8, 32, 32, 3)).astype("float32")
    pictures[:, :16] /= 4  # the upper half is dark, so that turning over can be seen
    still = np.asarray(answer(pictures, training=False))
    if still.shape != pictures.shape:
        return f"The shape became {still.shape[1:]}: can the augmented picture keep its size?"
    if not np.allclose(still, pictures, atol=1e-3):
        return "Pictures change even with training=False: should a test picture be augmented?"
    changed = np.concatenate([np.asarray(answer(pictures, training=True)) for _ in range(6)])
    originals = np.concatenate([pictures] * 6)
    if np.allclose(changed, originals, atol=1e-3):
        return "Nothing changes in training: which of `keras.layers.Random...` have you added?"
    if changed.min() < -1 or changed.max() > 256:
        return "Some pixels leave 0 to 255: which layer brightens, and what is its `value_range`?"
    upper, lower = changed[:, :16].mean((1, 2, 3)), changed[:, 16:].mean((1, 2, 3))
    if (upper > lower).any():
        return "Some pictures stand on their heads: have you seen a dog like that? Flip which way?"
    mirrored = np.abs(changed - originals[:, :, ::-1]).mean((1, 2, 3))
    same = np.abs(changed - originals).mean((1, 2, 3))
    if not (mirrored < same).any():
        return "No picture was mirrored: a dog may look left or right, so which flip fits?"
    return None


@exercise(
    "images.head",
    "Two columns, one for each class, and every row adds up to 1.",
    minutes=3,
    level="easy",
    hints=(
        "A head is one layer: which one gives each output a weight for every input?",
        "`keras.Input` wants the shape of one example, without the number of examples.",
        "One `Dense` layer with a unit for each class, and the activation that makes the units "
        "vie with each other, so that they add up to 1.",
    ),
)
def head(answer):
    if not isinstance(answer, keras.Model):
        return "Is it a Keras model? `keras.Sequential([...])` with one Dense layer makes one."
    features = np.random.default_rng(0).normal(size=(5, 128)).astype("float32")
    try:
        out = np.asarray(answer(features, training=False))
    except (ValueError, tf.errors.InvalidArgumentError):
        return "It does not take features of shape (n, 128): what does `keras.Input` say?"
    if out.ndim != 2:
        return f"Its answer has the shape {out.shape}: should not one row per vector come out?"
    if out.shape[1] == 1:
        if np.allclose(out, 1):
            return "Softmax over one unit is always 1: what is left to choose? Give it two."
        return "One unit with a sigmoid could do, but a softmax has one for each class: how many?"
    if out.shape[1] != 2:
        return f"There are {out.shape[1]} columns: how many classes are there?"
    if (out < 0).any() or (out > 1).any():
        return "These are not probabilities yet: which activation turns scores into them?"
    if not np.allclose(out.sum(1), 1, atol=1e-4):
        return "The two do not add up to 1: sigmoid asks each alone, so which one lets them vie?"
    return None


@exercise(
    "images.choose",
    "Validation chooses, test reports, and each is looked at for one thing.",
    minutes=5,
    level="easy",
    hints=(
        "Which of the two sets of pictures is there for choosing, and which for reporting?",
        "`max` can look for the key with the largest value: it has an argument `key`.",
        "Take the name that is best on the validation pictures, then look that one name up among "
        "the test accuracies, and return both, the name first.",
    ),
)
def choose(answer):
    if not callable(answer):
        return "Is it a function of two dictionaries, validation and test accuracy by model?"
    validation = {"small": 0.80, "middle": 0.84, "large": 0.82}
    test = {"small": 0.83, "middle": 0.79, "large": 0.81}
    chosen = answer(dict(validation), dict(test))
    if not isinstance(chosen, tuple) or len(chosen) != 2:
        return "Two things are asked for: the name of the model and the accuracy to report."
    name, reported = chosen
    if name == "small":
        return "The test set did the choosing: what is then left to tell how good the choice is?"
    if name != "middle":
        return "Which model did best on the pictures that are there for choosing?"
    if reported == validation["middle"]:
        return "The validation score chose the model, so it flatters it: which pictures are unseen?"
    if reported != test["middle"]:
        return "Which number says how the chosen model does on pictures that nobody chose by?"
    return None


@exercise(
    "images.together",
    "Two methods, the same draws, several of them: now the difference means something.",
    minutes=10,
    level="medium",
    hints=(
        "Joined features are longer vectors: each picture keeps its row, and the columns of both "
        "backbones stand side by side.",
        "`np.concatenate([a, b], axis=1)` joins columns. Do it for `train` and for `test`, and "
        "put the results into `transfer.Part` and `transfer.Arrays`.",
        "Call `transfer.label_curve` twice with the same budgets and the same seeds, once for the "
        "joined features and once for those of one backbone, each with a `method` name of its "
        "own; `pd.concat` makes one table of the two.",
    ),
)
def together(answer):
    if not isinstance(answer, pd.DataFrame):
        return "Is it one table? `transfer.label_curve` returns a table, and `pd.concat` joins two."
    lacking = [c for c in ("method", "labels", "seed", "accuracy") if c not in answer.columns]
    if lacking:
        return (
            f"There is no column {lacking[0]}: is this the summary, where one line should stand "
            "for each training?"
        )
    draws = {
        name: set(zip(rows.labels, rows.seed, strict=True))
        for name, rows in answer.groupby("method")
    }
    if len(draws) < 2:
        return "There is one method only: compared with what is it good?"
    if answer.labels.nunique() < 2:
        return "There is one number of labels only: how many points does a curve need?"
    if answer.seed.nunique() < 3:
        return (
            f"There are {answer.seed.nunique()} draws: how would you tell skill from luck with "
            "fewer than three?"
        )
    if len(set(map(frozenset, draws.values()))) > 1:
        return "The methods learned from different draws: which seeds and budgets has each?"
    if (answer.accuracy > 1).any():
        return "Some accuracies are above 1: does the course keep shares, or per cent?"
    fewest = answer[answer.labels == answer.labels.min()]
    if (fewest.accuracy == 1).all():
        return "All are perfect with the fewest labels: on which pictures were they tested?"
    first, *others = (
        rows.set_index(["labels", "seed"]).accuracy.sort_index().to_numpy()
        for _, rows in answer.groupby("method")
    )
    if any(np.array_equal(first, other) for other in others):
        return "Two methods agree to the last digit: did both get the same features?"
    return None


def _red_or_blue():
    """Sixteen small pictures: those of class 0 are reddish, those of class 1 bluish."""
    rng = np.random.default_rng(0)
    y = np.arange(16, dtype="int32") % 2
    tint = np.where(y[:, None] == 0, (180, 120, 60), (60, 120, 180))
    x = rng.normal(tint[:, None, None], 30, (16, 16, 16, 3))
    return transfer.Part(np.clip(x, 0, 255).astype("float32"), y)


def _by_layer(model):
    """The weights of each layer by its name, wherever in the model it stands."""
    return {
        each.name: [weight.numpy().copy() for weight in each.weights]
        for each in model._flatten_layers(recursive=True)
        if each.name.startswith("block") and each.weights
    }


def _changed(before, after):
    return {
        name
        for name in before.keys() & after.keys()
        if any(not np.array_equal(a, b) for a, b in zip(before[name], after[name], strict=True))
    }


@exercise(
    "images.recipe",
    "The head settled first, then block 5 adapted by small steps, and the rest stayed as it was.",
    minutes=20,
    level="hard",
    hints=(
        "Write down the two stages first. What may move in each, and how large are the steps?",
        "Stage one: leave the backbone frozen, put a softmax layer on it, compile, fit. Stage "
        "two: change the flags, compile once more with a small rate, fit again.",
        "`keras.Sequential([backbone, layers.Dense(2, activation='softmax')])` is the model of "
        "both stages; `transfer.unfreeze_from(backbone, ...)` stands between them, followed by a "
        "second `compile` with `keras.optimizers.Adam(1e-4)`.",
    ),
)
def recipe(answer):
    if not callable(answer):
        return "Is it a function? Write `def recipe(backbone, part): ...` and hand in its name."
    transfer.set_seed(0)
    backbone, part = transfer.freeze(_small_vgg()), _red_or_blue()
    start = _by_layer(backbone)
    stages, pixels, swapped = [], [], []

    def note(model, call, *inputs):
        before, rate = _by_layer(model), None
        if inputs and isinstance(inputs[0], np.ndarray) and inputs[0].ndim == 4:
            pixels.append(inputs[0].max())
            if len(inputs) > 1 and np.array_equal(inputs[0], part.x):
                swapped.append(np.array_equal(np.ravel(inputs[1]), 1 - part.y))
        settled = False
        if model.built:  # called as it is: `predict` would trace one more graph each time
            guesses = np.asarray(model(part.x, training=False)).argmax(axis=-1)
            settled = (guesses == part.y).mean() > 0.9
        history = call()
        rate = float(np.asarray(model.optimizer.learning_rate))
        stages.append((_changed(before, _by_layer(model)), settled, rate))
        return history

    with _watched("fit", note):
        model = answer(backbone, part)
    if not isinstance(model, keras.Model):
        return "Your function gave back no model: does it end in `return model`?"
    out = np.asarray(model(part.x, training=False))
    if out.ndim == 2 and out.shape[1] == 1 and np.allclose(out, 1):
        return "Softmax over one unit is always 1: what is left to choose? Give the head two."
    if out.shape != (16, 2) or not np.allclose(out.sum(axis=1), 1, atol=1e-3):
        return "A row of two probabilities a picture is wanted: what does the head end in?"
    if pixels and max(pixels) <= 1.5:
        return "Your pixels end at 1: who rescales them in this course, you or the backbone?"
    now = _by_layer(model)
    moved = _changed(start, now)
    if len(start.keys() & now.keys()) < len(start):
        return "The backbone is not in your model: on whose features does the head stand?"
    if any(swapped):
        return "Every label is the other one in your training: which class is 0, and which is 1?"
    return _fault_of_stages(moved, stages, _flags(model))


def _fault_of_stages(moved, stages, flags):
    if any(name.startswith("block4") for name in moved):
        return "Block 4 moved as well: was the base frozen, and which layers were to be let go?"
    if not moved and any(flags[name] for name in flags if name.startswith("block5")):
        return (
            "The flags say that block 5 learns, and yet it did not move: when were the flags set, "
            "and which call reads them?"
        )
    if not moved:
        return "Nothing in the backbone moved, so the features are as borrowed: where is stage two?"
    if len(moved) < 2:
        return f"Only {moved.pop()} moved: what about the other convolution of block 5?"
    second = next((i for i, (changed, *_) in enumerate(stages) if changed), None)
    if second is None:
        return None  # a training loop of their own: it cannot be watched
    if second == 0 and not stages[0][1]:
        return (
            "The backbone moved under a head of random weights: what should have settled before "
            "it is let go?"
        )
    if max(rate for changed, _, rate in stages if changed) > 5e-4:
        return (
            "Stage two takes steps as large as training from scratch does: what becomes of what "
            "the backbone knows?"
        )
    return None


question(
    "images.once",
    "Why can the features be extracted once and then kept?",
    "b",
    a=(
        "Because the head is small.",
        "A small head is quick to train, but that is not why the features stay the same.",
    ),
    b=(
        "Because a frozen backbone answers the same for the same picture.",
        "Its weights and statistics do not move, so running it again buys nothing.",
    ),
    c=(
        "Because augmentation makes up for it.",
        "On the contrary: augmented pictures are new each time and want a new run.",
    ),
)
question(
    "images.rate",
    "Why is the learning rate of fine-tuning so small?",
    "a",
    a=(
        "Large steps would destroy what the backbone knows before the head can use it.",
        "You have measured it: with a large rate, the borrowed features were gone.",
    ),
    b=(
        "Because there are few pictures.",
        "Few pictures call for fewer steps and more restraint, but scratch used a large rate too.",
    ),
    c=(
        "Because block 5 has many weights.",
        "The step is taken for each weight; how many there are does not set its size.",
    ),
)
question(
    "images.fair",
    "A friend reports 99 %, choosing among forty models by their test accuracy. What is wrong?",
    "c",
    a=(
        "Nothing: the test pictures were never trained on.",
        "They were not trained on, but they were chosen by, forty times.",
    ),
    b=(
        "Forty models are too few.",
        "More models would make it worse: the luckiest of many looks ever better.",
    ),
    c=(
        "The test set did the choosing, so its score is too good.",
        "Choose on the validation set, and look at the test set once.",
    ),
)
