"""Exercises and questions of the first page."""

import numpy as np

from course.exercises import exercise, question
from helpers import transfer
from helpers.ready import keras, tf


@exercise(
    "start.count",
    "64 weights and 2 biases: 66 numbers, learned from ten points.",
    minutes=2,
    level="easy",
    hints=(
        "Draw the head: 32 inputs on the left, two outputs on the right. How many lines join them?",
        "Each line is a weight. A Dense layer also adds one number to each of its outputs.",
        "Inputs times outputs gives the weights; then add one bias for each output.",
    ),
)
def count(answer):
    if isinstance(answer, bool) or not isinstance(answer, int):
        return "The answer is a whole number: can you write it as one, or as a small sum?"
    if answer == 66:
        return None
    if answer == 64:
        return "Those are the weights: what does each column of a Dense layer add at the end?"
    if answer in (33, 32):
        return "That would do for one output: how many columns does softmax over two colours need?"
    if answer > 1000:
        return "That counts the backbone, too: which of its weights learn while it is frozen?"
    return "How many inputs does each column of the head see, how many columns are there?"


@exercise(
    "start.freeze",
    "Only `bends` is frozen; the layers after it still learn.",
    minutes=3,
    level="easy",
    hints=(
        "The cell under *Borrow frozen features* freezes a whole model: with which attribute?",
        "Layers have that attribute, too, and `model.get_layer` finds one by its name.",
        "Set `trainable` of the layer called `bends`, of no other, and return the model.",
    ),
)
def freeze(answer):
    if not callable(answer):
        return "Is it a function that takes a model? Write `def freeze_bends(model): ...` first."
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(4, name="bends"),
            keras.layers.Dense(3, name="arms"),
            keras.layers.Dense(2, name="answer"),
        ]
    )
    returned = answer(model)
    if not isinstance(returned, keras.Model):
        return "Your function gave back no model: does it end in `return model`?"
    frozen = {layer.name for layer in returned.layers if not layer.trainable_weights}
    if frozen == {"bends"}:
        return None
    if not frozen:
        return "Every layer still learns: which attribute of a layer tells Keras to leave it alone?"
    if not transfer.trained_parameters(returned):
        return "Now the whole model is frozen: can you reach one layer by its name alone?"
    return f"Frozen: {', '.join(sorted(frozen))}. Is that the layer asked for, and only that one?"


@exercise(
    "start.cut",
    "A frozen backbone that ends one layer earlier, with the weights that were learned.",
    minutes=5,
    level="medium",
    hints=(
        "The cell under *Borrow frozen features* cuts after `arms`: what does it hand to Keras?",
        "`keras.Model` takes where to begin and where to end: the model's input, and the output "
        "of the layer that you want to be the last.",
        "Use `model.get_layer` with the name of the layer that is wanted, then freeze the new "
        "model before you return it.",
    ),
)
def cut(answer):
    if not callable(answer):
        return "Is it a function that takes a model? Write `def cut(model): ...` first."
    rng = np.random.default_rng(0)
    network = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(6, activation="relu", name="bends"),
            keras.layers.Dense(4, activation="relu", name="arms"),
            keras.layers.Dense(3, activation="softmax", name="answer"),
        ]
    )
    network.set_weights([rng.normal(size=weight.shape) for weight in network.weights])
    points = rng.normal(size=(9, 2)).astype("float32")
    kernel, bias = (np.asarray(weight) for weight in network.weights[:2])
    wanted = np.maximum(points @ kernel + bias, 0)
    returned = answer(network)
    if isinstance(returned, keras.KerasTensor):
        return "That is the output of a layer, not a model: which call makes a model of two ends?"
    if not isinstance(returned, keras.Model):
        return "A model is wanted: does your function end in `return` and a `keras.Model`?"
    out = np.asarray(returned(points))
    if out.shape[-1] == 3:
        return "It still gives the answer of the source task: after which layer should it end?"
    if out.shape[-1] == 4:
        return "It ends after `arms`, as ours does: which layer comes before that one?"
    if out.shape != wanted.shape:
        return f"It gives {out.shape[-1]} features: how many does the layer `bends` give?"
    if not np.allclose(out, wanted, atol=1e-4):
        return "The shape is right and the numbers are not: is the layer a new one, untrained?"
    if transfer.trained_parameters(returned):
        return "The cut is right, but it may still learn: which flag does a backbone need?"
    return None


@exercise(
    "start.pairs",
    "Draw by draw: the difference within a pair is free of the luck that both share.",
    minutes=5,
    level="medium",
    hints=(
        "Both lists are in the order of the draws, so the first of each belong together.",
        "`zip(frozen, scratch)` gives the pairs; take the difference within each.",
        "The first number is the mean of these differences times 100, the second counts how many "
        "of them are above 0.",
    ),
)
def pairs(answer):
    if not callable(answer):
        return "Is it a function of two lists? Write `def ahead(frozen, scratch): ...` first."
    frozen, scratch = [0.9, 0.8, 0.7, 0.9, 0.6], [0.7, 0.85, 0.6, 0.5, 0.65]
    returned = answer(list(frozen), list(scratch))
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        return "Two numbers are asked for: by how many points, and in how many draws?"
    points, draws = (float(value) for value in returned)
    if np.isclose(points, -12):
        return "It says that scratch is ahead: what is taken from what?"
    if np.isclose(points, 0.12):
        return "That is a share: how many points of a hundred is it?"
    if np.isclose(points, 5):
        return "That compares the best draws: is the luckiest draw what you can expect?"
    if not np.isclose(points, 12):
        return "Take the difference within each draw first: what is the mean of those?"
    if draws == 5:
        return "Frozen is not ahead in all five: were the lists sorted, so that pairs were parted?"
    if np.isclose(draws, 0.6):
        return "That is the share of the draws: how many of them is it?"
    if draws == 2:
        return "In two draws scratch is ahead: which way round is the question?"
    if draws != 3:
        return "Count the draws in which the difference is above 0: how many are there?"
    return None


def _colours(n, seed):
    """The target task of the page: points on four arms, two of each colour."""
    rng = np.random.default_rng(seed)
    arm = (np.arange(n) % 4).astype("int32")
    radius = rng.uniform(0.15, 1, n)
    angle = 5 * radius + arm * np.pi / 2 + rng.normal(0, 0.14, n)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return transfer.Part(points.astype("float32"), arm // 2)


@exercise(
    "start.source",
    "Your own source taught the network this world; the colours were only names for it.",
    minutes=10,
    level="hard",
    hints=(
        "What did the network have to see to answer *which arm?*, and what for *left or right?*",
        "Ask something that changes from arm to arm, and perhaps along an arm, too: `source.y` "
        "knows the arm of each point, and `source.x` how far out it is.",
        "Make new labels for `source.x`, such as the arm and whether the point lies in the inner "
        "or the outer half: eight classes. `pretrain` takes them; then cut after `arms` and "
        "freeze, as above.",
    ),
)
def own_source(answer):
    if not isinstance(answer, keras.Model):
        return "A backbone is wanted: a `keras.Model` from points to features. Is it one?"
    pool, test = _colours(2000, 1), _colours(2000, 2)
    try:
        x, seen = (transfer.predict(answer, part.x, 2000) for part in (pool, test))
    except (ValueError, tf.errors.InvalidArgumentError):
        return "It does not take points of shape (n, 2): does it begin where the network begins?"
    if x.ndim != 2 or not np.isfinite(x).all():
        return f"Its features have the shape {x.shape}: is it one row of numbers a point?"
    if np.allclose(x.sum(axis=1), 1, atol=1e-3) and x.min() >= 0:
        return "These are the probabilities of an answer: after which layer should it be cut?"
    if transfer.trained_parameters(answer):
        return "It may still learn: what does a backbone need before it is lent?"
    biases = [weight for weight in answer.weights if weight.path.endswith("bias")]
    if biases and not any(np.any(weight.numpy()) for weight in biases):
        return "All its biases are 0, as in the beginning: was this very network ever trained?"
    right = []
    for seed in range(5):
        kernel, bias = transfer.head_weights(transfer.draw(transfer.Part(x, pool.y), 20, seed), 1.0)
        right.append(((seen @ kernel + bias).argmax(axis=1) == test.y).mean())
    score = np.mean(right)
    if score < 0.75:
        return (
            f"With 20 labels a colour {score:.0%} are right, hardly more than without a source: "
            "could your question be answered without seeing the spirals?"
        )
    if score < 0.85:
        return (
            f"With 20 labels a colour {score:.0%} are right: which finer question would make the "
            "network look closer?"
        )
    return None


question(
    "start.why",
    "Why does the frozen network do so well with ten points?",
    "b",
    a=(
        "It has more weights.",
        "Both have the same architecture. The frozen one even learns fewer numbers.",
    ),
    b=(
        "Its features already separate the arms; the head only names them.",
        "The shape of the world came from the source task, and ten points are enough for names.",
    ),
    c=(
        "It was trained longer on the ten points.",
        "Its head was fitted in milliseconds. Time on the target is not what made it good.",
    ),
)
question(
    "start.frozen",
    "How do you make sure that a layer is frozen?",
    "c",
    a=(
        "Set `trainable = False`; that is enough.",
        "It usually is, until you forget to compile again, or a layer keeps statistics.",
    ),
    b=(
        "Look whether the loss goes down.",
        "It goes down with a frozen backbone, too: the head learns.",
    ),
    c=(
        "Compare its weights before and after training.",
        "What did not move was frozen. `what_moved` does this for a whole model.",
    ),
)
question(
    "start.hurt",
    "When is a pretrained network likely to hurt?",
    "a",
    a=(
        "When its source has little to do with your task.",
        "Left or right was learned without a fault, and those features stayed behind scratch.",
    ),
    b=(
        "When you have very few labels.",
        "That is where a good source helps most: look at the left end of the label curve.",
    ),
    c=(
        "When the source had more classes than the target.",
        "Ours had four, the target two, and it helped. More classes often make richer features.",
    ),
)
