"""Exercises and questions of the first page."""

import numpy as np

from course.exercises import NO_MODEL, exercise, question
from helpers import training, transfer
from helpers.data import Examples, sample_per_class
from helpers.ready import keras, tf


@exercise(
    "start.count",
    "36 weights and 3 biases: 39 numbers are all that the labelled points have to teach.",
    minutes=2,
    level="easy",
    hints=(
        "Draw the head: 12 inputs on the left, three outputs on the right. How many lines join "
        "them?",
        "Each line is a weight. A Dense layer also adds one number to each of its outputs.",
        "Inputs times outputs gives the weights; then add one bias for each output.",
    ),
)
def count(answer):
    if isinstance(answer, bool) or not isinstance(answer, int):
        return "The answer is a whole number: can you write it as one, or as a small sum?"
    if answer == 39:
        return None
    if answer == 36:
        return "Those are the weights: what does a Dense layer add at each of its outputs?"
    if answer == 26:
        return "That is the head for two colours: how many outputs does softmax over three need?"
    if answer in (12, 13):
        return "That would do for one output: how many does softmax over three colours need?"
    if answer > 400:
        return "That counts the backbone, too: which of its weights learn while it is frozen?"
    return "How many inputs does each output of the head see, and how many outputs are there?"


@exercise(
    "start.freeze",
    "Only `hidden1` stayed as it was: the flag says what should learn, and `compile` reads it.",
    minutes=4,
    level="easy",
    function="freeze_first(model)",
    hints=(
        "Under *Borrow frozen features* a whole model is frozen. Layers have the same attribute, "
        "and `model.get_layer` finds one by its name.",
        "The model was trained before. Which call makes Keras look at the flags again?",
        "Set `trainable` of the layer called `hidden1`, of no other; call `model.compile` with an "
        "optimiser and the loss of the page; return the model.",
    ),
)
def freeze(answer):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 2)).astype("float32"), np.arange(32) % 2
    model = _small(units=2)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, verbose=0)
    returned = answer(model)
    if not isinstance(returned, keras.Model):
        return NO_MODEL
    flags = [layer.name for layer in returned.layers if not layer.trainable]
    before = transfer.snapshot(returned)
    if returned.trainable_weights:  # Keras warns when there is nothing to learn
        returned.fit(x, y, epochs=3, verbose=0)
    moved = transfer.what_moved(before, returned).layers
    if set(moved) == {"hidden2", "output"} and flags == ["hidden1"]:
        return None
    if not moved:
        return "Now nothing learns any more: can you reach one layer by its name?"
    if flags == ["hidden1"]:
        return "The flag is set, and `hidden1` moved all the same: which call reads the flags?"
    if not flags:
        return "Every layer still learns: which attribute of a layer tells Keras to leave it alone?"
    return f"Frozen: {', '.join(flags)}. Is that the layer asked for, and only that one?"


def _small(units):
    """A network like that of the page, only narrower, with weights and biases that are not 0."""
    network = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(6, activation="relu", name="hidden1"),
            keras.layers.Dense(4, activation="relu", name="hidden2"),
            keras.layers.Dense(units, activation="softmax", name="output"),
        ]
    )
    rng = np.random.default_rng(1)
    network.set_weights([rng.normal(size=weight.shape) for weight in network.weights])
    return network


@exercise(
    "start.join",
    "Ten features in this small network: what the first layer found, beside what the second made "
    "of it.",
    minutes=6,
    level="medium",
    function="both_layers(model)",
    hints=(
        "The cell under *Borrow frozen features* cuts after one layer: what are the two things "
        "that it hands to `keras.Model`?",
        "`model.get_layer(name).output` is what one layer gives. `layers.concatenate` takes a "
        "list of two of them and gives one.",
        "Give `keras.Model` the input of the network, and the two outputs joined; then freeze "
        "the new model before you return it.",
    ),
)
def join(answer):
    network = _small(units=3)
    points = np.random.default_rng(0).normal(size=(9, 2)).astype("float32")
    returned = answer(network)
    if isinstance(returned, keras.KerasTensor):
        return "That is an output, not a model: which call makes a model from inputs to outputs?"
    if not isinstance(returned, keras.Model):
        return "A model is wanted: does your function end in `return` and a `keras.Model`?"
    out = returned(points)
    if isinstance(out, list | tuple):
        return "It has two outputs: which layer of Keras puts them side by side into one?"
    out = np.asarray(out)
    kernels = [np.asarray(weight) for weight in network.weights]
    first = np.maximum(points @ kernels[0] + kernels[1], 0)
    second = np.maximum(first @ kernels[2] + kernels[3], 0)
    if out.shape[-1] in (6, 4):
        return f"It has {out.shape[-1]} features, those of one hidden layer: where is the other?"
    if out.shape != (9, 10):
        return f"It gives {out.shape[-1]} features: the hidden layers of this network have 6 and 4."
    pairs = [np.hstack([first, second]), np.hstack([second, first])]
    if not any(np.allclose(out, pair, atol=1e-4) for pair in pairs):
        return "The shape is right and the numbers are not: are these new layers, untrained?"
    if transfer.trainable_parameter_count(returned):
        return "The features are right, but it may still learn: which flag does a backbone need?"
    return None


@exercise(
    "start.pairs",
    "Within a pair both methods share the luck of the draw, so the difference is free of it.",
    minutes=5,
    level="medium",
    function="ahead(frozen, scratch)",
    hints=(
        "Both lists are in the order of the draws, so the first of each belong together.",
        "`zip(frozen, scratch)` gives the pairs; take the difference within each.",
        "The first number is the mean of these differences times 100, the second counts how many "
        "of them are above 0.",
    ),
)
def pairs(answer):
    frozen, scratch = [0.9, 0.8, 0.7, 0.9, 0.6], [0.7, 0.85, 0.6, 0.5, 0.65]
    returned = answer(list(frozen), list(scratch))
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        return "Two numbers are asked for: by how many percentage points, and in how many draws?"
    points, draws = (float(value) for value in returned)
    if np.isclose(points, -12):
        return "It says that scratch is ahead: what is taken from what?"
    if np.isclose(points, 0.12):
        return "That is a fraction: how many percentage points is it?"
    if np.isclose(points, 5):
        return "That compares the best draws: is the luckiest draw what you can expect?"
    if not np.isclose(points, 12):
        return "Take the difference within each draw first: what is the mean of those?"
    if draws == 5:
        return "Frozen is not ahead in all five: were the lists sorted, so that pairs came apart?"
    if np.isclose(draws, 0.6):
        return "That is a fraction of the draws: how many of them is it?"
    if draws == 2:
        return "In two draws scratch is ahead: which way round is the question?"
    if draws != 3:
        return "Count the draws in which the difference is above 0: how many are there?"
    return None


LEAST = 0.95  # of scratch, with as many labels, the best question is right for 94 %


def _spirals(n, seed):
    """The points of the page, and the answers to its three questions."""
    rng = np.random.default_rng(seed)
    arm, radius = np.arange(n) % 4, rng.uniform(0.15, 1, n)
    angle = 5 * radius + arm * np.pi / 2 + rng.normal(0, 0.14, n)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    two, outer = arm >= 2, radius > 0.575
    labels = {"two arms": two, "outer half": outer, "swapped": two != outer}
    return points.astype("float32"), {name: y.astype("int32") for name, y in labels.items()}


@exercise(
    "start.source",
    "A source that has to tell arms and halves apart: all three questions follow from its answer.",
    minutes=15,
    level="hard",
    hints=(
        "What must a network have seen to answer *two arms*, and what for *outer half*? Which "
        "classes would make it look at both?",
        "`source.y` is the arm of each point, `outer_half(source.x, source.y)` says in which half "
        "it lies. Two numbers can be made into one label.",
        "Eight classes: the arm, plus 4 in the outer half. `pretrain` takes them. Now the "
        "questions follow from the answer itself; *Which layer?* shows where to cut then.",
    ),
)
def own_source(answer):
    if not isinstance(answer, keras.Model):
        return "A backbone is wanted: a `keras.Model` from points to features. Is it one?"
    (pool, labels), (test, wanted) = _spirals(2000, 1), _spirals(2000, 3)
    try:
        x, seen = (training.predict(answer, points, 2000) for points in (pool, test))
    except (ValueError, tf.errors.InvalidArgumentError):
        return "It does not take points of shape (n, 2): does it begin where the network begins?"
    if x.ndim != 2 or not np.isfinite(x).all():
        return f"Its features have the shape {x.shape}: is it one row of numbers for each point?"
    if transfer.trainable_parameter_count(answer):
        return "It may still learn: what does a backbone need before others build on it?"
    biases = [weight for weight in answer.weights if weight.path.endswith("bias")]
    if biases and not any(np.any(weight.numpy()) for weight in biases):
        return "All its biases are 0, as in the beginning: was this very network ever trained?"
    scores = {name: _mean_score(x, y, seen, wanted[name]) for name, y in labels.items()}
    said = ", ".join(f"{name} {score:.0%}" for name, score in scores.items())
    failed = {name for name, score in scores.items() if score < LEAST}
    if not failed:
        return None
    if "swapped" not in failed:
        return (
            f"{said}. It knows one question and no other: were these the colours themselves, of "
            "which you would have a few only?"
        )
    return (
        f"{said}. All three would follow from one finer question: does your source ask it, and "
        "is the network cut where it is answered?"
    )


def _mean_score(x, y, seen, wanted):
    """Accuracy of heads on 20 labels per class, in the mean over five draws."""
    right = []
    for seed in range(5):
        kernel, bias = transfer.head_weights(sample_per_class(Examples(x, y), 20, seed), 20)
        right.append(((seen @ kernel + bias).argmax(axis=1) == wanted).mean())
    return np.mean(right)


question(
    "start.why",
    "Why does the frozen network do so well with a handful of points?",
    "b",
    a=(
        "It has more weights.",
        "Both have the same architecture. The frozen one even learns fewer numbers.",
    ),
    b=(
        "Its features already separate the arms; the head only has to name them.",
        "Where the arms lie came from the source task, and a few points are enough for names.",
    ),
    c=(
        "It was trained longer on these points.",
        "Its head was fitted in milliseconds. Time spent on the target is not what made it good.",
    ),
)
question(
    "start.frozen",
    "How do you make sure that a layer is frozen?",
    "c",
    a=(
        "Set `trainable = False`; that is enough.",
        "Only until you forget to compile again: then the old setting stays in force.",
    ),
    b=(
        "Look whether the loss goes down.",
        "It goes down with a frozen backbone, too: the head learns.",
    ),
    c=(
        "Compare its weights before and after training.",
        "What did not move was frozen. `what_moved` compares all weights of a model.",
    ),
)
question(
    "start.hurt",
    "When is a frozen backbone likely to be worse than training from scratch?",
    "a",
    a=(
        "When its source task did not need the distinctions that yours needs.",
        "*Left or right* has the same points as the target, and its features stayed far behind.",
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
question(
    "start.compile",
    "The fine-tuned model has been trained. You set `trainable = False` for its backbone and call "
    "`fit` again, without `compile`. How many of its six weight arrays move?",
    "c",
    a=(
        "None.",
        "The head was never frozen. And was the new flag read?",
    ),
    b=(
        "Two: those of the head.",
        "That would be so after `compile`. Without it `fit` goes on as it was compiled before.",
    ),
    c=(
        "All six.",
        "`fit` goes on as it was compiled, and says nothing. Compile again after each change.",
    ),
)
question(
    "start.untrained",
    "The backbone is replaced by one of the same shape that was never trained, and frozen. With "
    "the most labels on *two arms*, where does it come in?",
    "a",
    a=(
        "Far behind all others.",
        "Its features are random bends. What helped was what the source taught, and not the "
        "architecture.",
    ),
    b=(
        "Level with training from scratch.",
        "Scratch can change all its layers; here only the head learns, on random features.",
    ),
    c=(
        "Level with the pretrained backbone: enough labels make up for it.",
        "A head can only weigh the features that are there, however many labels it has.",
    ),
)
