"""Exercises and questions of the images chapter."""

import numpy as np

from helpers import transfer
from helpers.exercises import exercise, question
from helpers.quiet import keras, tf


def _small_vgg():
    """VGG's layer names on a model that builds at once."""
    layers = [keras.Input((16, 16, 3))]
    for block in (4, 5):
        layers += [
            keras.layers.Conv2D(4, 3, padding="same", name=f"block{block}_conv{i}") for i in (1, 2)
        ]
        layers.append(keras.layers.MaxPooling2D(name=f"block{block}_pool"))
    layers.append(keras.layers.GlobalAveragePooling2D(name="pooling"))
    return keras.Sequential(layers)


@exercise("images.range", "Every backbone of the course takes pixels from 0 to 255, as files hold.")
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


@exercise("images.freeze", "Block 5 learns, blocks below stay, and compile has read it.")
def freeze_all_but_block5(answer):
    if not callable(answer):
        return "Is it a function that takes a model? Write `def prepare(model): ...` first."
    model = _small_vgg()
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
    before = transfer.snapshot(returned)
    returned.fit(np.ones((4, 16, 16, 3), "float32"), np.ones((4, 4), "float32"), verbose=0)
    moved = {layer for layer in transfer.what_moved(before, returned).layers}
    if moved - {"block5_conv1", "block5_conv2"}:
        return "Block 4 moved in training: did you compile before you froze it?"
    return None


@exercise("images.augment", "It changes pictures in training only, and never turns a dog over.")
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


@exercise("images.head", "Two columns, one for each class, and every row adds up to 1.")
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


@exercise("images.choose", "Validation chooses, test reports, and each is looked at for one thing.")
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
