"""Exercises and questions of the chapter on how far to move: fine-tuning well, and adapters."""

from unittest import mock

import numpy as np
import pandas as pd

from course.exercises import NO_MODEL, exercise, question
from helpers import training, transfer
from helpers.ready import keras

RATE = 0.01
BODY = ("low", "middle", "high")


def _model(seed=0):
    """Four dense layers, built at once: the bodies low, middle, high, and a head."""
    training.set_seed(seed)
    layers = [keras.layers.Dense(6, activation="tanh", name=name) for name in BODY]
    head = keras.layers.Dense(2, activation="softmax", name="head")
    stack = keras.Sequential([keras.Input((5,)), *layers, head])
    return keras.Model(stack.inputs[0], stack.outputs[0])


def _examples(n=32):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, 5)).astype("float32")
    return x, (x[:, 0] > 0).astype("int32")


def _fit(model, epochs=1):
    """Train by whole batches in a fixed order."""
    model.fit(*_examples(), epochs=epochs, batch_size=32, shuffle=False, verbose=0)


def _moved_kernels(before, model):
    """How far each layer's first weight went."""
    after = {layer.name: layer.weights[0].numpy() for layer in model.layers if layer.weights}
    return {name: float(np.abs(after[name] - before[name]).max()) for name in after}


def _kernels(model):
    return {layer.name: layer.weights[0].numpy().copy() for layer in model.layers if layer.weights}


# ------------------------------------------------------------------ 1


@exercise(
    "how_far.count",
    "Rank times what goes in plus what comes out: this is why adapters fit into an e-mail.",
    minutes=3,
    level="easy",
    function="count(shape, rank)",
    hints=(
        "LoRA adds two kernels, A and B. Which shapes must they have, so that A times B has the "
        "shape of the old one?",
        "Only the last number of the shape is what comes out. All the others belong to A, which "
        "ends in `rank` instead.",
        "A has the old shape with its last number replaced by the rank; B goes from the rank to "
        "the last number. Multiply each shape out (`np.prod`) and add the two.",
    ),
)
def count(answer):
    cases = {
        ((100, 20), 4): 480,
        ((3, 3, 256, 256), 4): 10240,
        ((3, 3, 64, 32), 2): 1216,
        ((20666, 100), 4): 83064,
    }
    for (shape, rank), right in cases.items():
        given = answer(shape, rank)
        if given == right:
            continue
        where = f"for the shape {shape} and rank {rank}"
        if given == int(np.prod(shape)):
            return f"That counts the frozen kernel itself {where}: which two are trained instead?"
        if given == rank * (shape[-2] + shape[-1]):
            return f"The 3 x 3 places are missing {where}: A has one for each of them, has it not?"
        if given == right + shape[-1]:
            return f"You counted the biases as well {where}: does LoRA have any of its own?"
        if given == 2 * rank * int(np.prod(shape[:-1])):
            return f"B is as large as A in your count {where}: what goes into B, and what out?"
        return f"Not {given:,} {where}: write down the shapes of A and B first. What are they?"
    return None


# ------------------------------------------------------------------ 2


@exercise(
    "how_far.restore",
    "Two trials with the same settings end at the same weights: now a difference means something.",
    minutes=5,
    level="easy",
    function="trial(model, start, x, y)",
    hints=(
        "Weights are one thing that a training leaves behind. What does an optimiser remember?",
        "`set_weights` puts the old weights back. Adam keeps two numbers for each weight beside "
        "them, which a new optimiser does not have.",
        "Inside the function: first set the weights, then compile with a new optimiser, then fit; "
        "return the model.",
    ),
)
def restore(answer):
    x, y = _examples()
    model = _model()
    start = [weight.copy() for weight in model.get_weights()]
    model.compile(keras.optimizers.Adam(RATE), "sparse_categorical_crossentropy")
    ends, begun, original = [], [], keras.Model.fit

    def watching(self, *args, **kwargs):
        begun.append(self.get_weights())
        return original(self, *args, **kwargs)

    for _ in range(2):
        training.set_seed(3)
        with mock.patch.object(keras.Model, "fit", watching):
            given = answer(model, [weight.copy() for weight in start], x, y)
        if not isinstance(given, keras.Model):
            return NO_MODEL
        ends.append(given.get_weights())
    if _apart(ends[0], start) == 0:
        return "The weights are those of the start: where does the training come in?"
    if _apart(*ends) < 1e-6:
        return None
    if begun and _apart(begun[-1], start) > 0:
        return "The second trial went on where the first ended: which weights should it start from?"
    return (
        "The weights were restored, and still the second trial ends elsewhere: what does Adam "
        "remember of the first one?"
    )


def _apart(one, other):
    return max(np.abs(a - b).max() for a, b in zip(one, other, strict=True))


# ------------------------------------------------------------------ 3


@exercise(
    "how_far.rates",
    "Each layer takes its own step, as Howard and Ruder (2018) do it, measured and exact.",
    minutes=10,
    level="medium",
    function="by_depth(names, decay)",
    hints=(
        "`update_step` gets the learning rate as its last argument: that is the number to change, "
        "not the gradient.",
        "The factor of the last name is 1, that of the one before it `1 / decay`, and so on. A "
        "dictionary from name to factor helps.",
        "Look the variable's path up as the page does. Its layer is the last but one part of the "
        "path, `path.split('/')[-2]`. A layer without a factor keeps the whole rate.",
    ),
)
def rates(answer):
    optimizer = answer(list(BODY), 2.0)
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        return "Your function gave back no optimiser: does it end in `return` and an instance?"
    wanted = {"low": 0.25, "middle": 0.5, "high": 1.0, "head": 1.0}
    for steps in (1, 3):
        model = _model()
        before = _kernels(model)
        model.compile(answer(list(BODY), 2.0), "sparse_categorical_crossentropy")
        rate = float(model.optimizer.learning_rate)
        _fit(model, steps)
        far = _moved_kernels(before, model)
        if far["head"] == 0:
            return "The head does not move: what is the factor of a layer that is not in the list?"
        share = {name: far[name] / far["high"] for name in wanted} if far["high"] else {}
        if not share:
            return "The last layer of the list does not move: is its factor 1?"
        if abs(far["high"] / (rate * steps) - 1) > 0.3:
            return "The last of the names does not take Adam's whole step: is its factor 1?"
        if abs(share["low"] - 1) < 0.1:
            return (
                "All layers take the same step: did you scale the gradient? Adam divides by its "
                "size, so what else could be scaled?"
            )
        if share["low"] > 1.1:
            return "The first layer moves the most: which end of the list is nearest to the pixels?"
        if abs(share["low"] - wanted["low"]) > 0.08 or abs(share["middle"] - 0.5) > 0.12:
            return (
                f"With decay 2, `low` takes {share['low']:.2f} and `middle` {share['middle']:.2f} "
                "of the last layer's step: should it not be a quarter and a half?"
            )
    return None


# ------------------------------------------------------------------ 4


@exercise(
    "how_far.l2sp",
    "This is L2-SP as Li, Grandvalet and Davoine (2018) wrote it: both halves of it.",
    minutes=10,
    level="medium",
    hints=(
        "Your class has two sums: one of squared distances to the start, one of squared weights. "
        "Which variables belong in which?",
        "`self.get_layer('head').kernel` is a variable that `ops.square` takes as it is. "
        "`self.start` is a dictionary from a variable's path to its initial values.",
        "Call `super().compute_loss(...)` with all that you were given, then add `alpha` times "
        "the first sum over `self.trainable_variables` whose path is in `self.start`, and `beta` "
        "times the sum of the squared kernel of the head.",
    ),
)
def l2sp(answer):
    if not (isinstance(answer, type) and issubclass(answer, keras.Model)):
        return "Is it a class that begins with `class Pulled(keras.Model):`? Hand in the class."
    plain = _model()
    model = answer(plain.inputs[0], plain.outputs[0])
    body = [v for v in model.variables if "head" not in v.path]
    model.start = {v.path: v.numpy().copy() for v in body}
    x, y = _examples()

    def extra(alpha, beta):
        model.alpha, model.beta = alpha, beta
        model.compile("adam", "sparse_categorical_crossentropy")
        plain.compile("adam", "sparse_categorical_crossentropy")
        losses = [m.evaluate(x, y, batch_size=32, verbose=0) for m in (model, plain)]
        return losses[0] - losses[1]

    head = float(np.square(plain.get_layer("head").kernel.numpy()).sum())
    if abs(extra(0.0, 0.0)) > 1e-4:
        return "With alpha and beta 0 the loss is not the usual one: do you add to super's loss?"
    at_start = extra(1.0, 0.0)
    if at_start > 1e-3:
        return "At the start the pull should be 0: is the distance taken to the start, or to zero?"
    if abs(extra(0.0, 1.0)) < 1e-3:
        return "beta changes nothing: which layer is new, and should stay small?"
    for variable in body:
        variable.assign_add(np.full(variable.shape, 0.1, "float32"))
    far = 0.01 * sum(v.numpy().size for v in body)
    pull = extra(1.0, 0.0)
    if abs(pull / far - 1) > 0.02:
        if abs(pull * len(body) / far - 1) < 0.3 or pull < far / 10:
            return "The pull is too weak: do you take the sum of the squares, or their mean?"
        return (
            f"{far / 0.01:.0f} weights went 0.1 away each, which makes {far:.2f}: yours {pull:.2f}?"
        )
    decay = extra(0.0, 1.0)
    if abs(decay / head - 1) > 0.02:
        return "beta should count the head's kernel, and that alone: which variables are in it?"
    return None


# ------------------------------------------------------------------ 5


@exercise(
    "how_far.lora",
    "A and B learn, the head learns, and not one borrowed number moved.",
    minutes=8,
    level="medium",
    function="prepare(model)",
    hints=(
        "LoRA freezes the kernel of its own layer, and nothing else: what about the biases, and "
        "the layer `low`?",
        "A layer that is frozen as a whole freezes A and B with it. Single variables have a "
        "`trainable`, too.",
        "Enable LoRA on both layers first. Then go through all `model.variables` and let only "
        "those learn that have `lora` or `head` in their path. Compile last.",
    ),
)
def lora(answer):
    model = answer(_model())
    if not isinstance(model, keras.Model):
        return NO_MODEL
    on = {layer.name for layer in model.layers if getattr(layer, "lora_enabled", False)}
    if not {"middle", "high"} <= on:
        return f"LoRA is on in {', '.join(sorted(on)) or 'no layer'}: and in `middle` and `high`?"
    if on - {"middle", "high"}:
        return "LoRA is on in more than `middle` and `high`: which layers should learn through it?"
    if not model.compiled:
        return "Which call reads what may learn? Without `compile` nothing can be trained."
    before = transfer.snapshot(model)
    _fit(model, 4)
    moved = set(transfer.what_moved(before, model).weights)
    ends = {tuple(path.split("/")[-2:]) for path in moved}
    if any(name in on and what.endswith("kernel") for name, what in ends):
        return (
            "The large kernels learn again: did `trainable = True` come after `enable_lora`? Set "
            "the variables one by one."
        )
    for name in ("middle", "high"):
        pair = {what for layer, what in ends if layer == name and "lora" in what}
        if not pair:
            return (
                f"A and B of `{name}` did not move: was the layer frozen, or was the model "
                "compiled before LoRA was there?"
            )
    if ("head", "kernel") not in ends:
        return "The head does not learn: it is new, so should it not be free as a whole?"
    if biases := sorted(layer for layer, what in ends - {("head", "bias")} if what == "bias"):
        return f"Borrowed biases learn as well, in {', '.join(biases)}: who freezes those?"
    if any(layer == "low" for layer, _ in ends):
        return "`low` learns, without LoRA: which of its variables may change?"
    return None


# ------------------------------------------------------------------ 6


@exercise(
    "how_far.merge",
    "A plain model, no larger than before, that answers as the one with LoRA does.",
    minutes=8,
    level="hard",
    function="merge(model, plain)",
    hints=(
        "What LoRA computes is one kernel: the old one, plus A times B. So the plain layer of "
        "the same name needs just that kernel.",
        "Keras' attribute `layer.kernel` of a layer with LoRA is that sum. `layer.get_weights()` "
        "is not: it lists the parts one by one.",
        "For each layer that has weights, set those of the plain layer of the same name to "
        "`[layer.kernel, layer.bias]`. Or let `save_weights` do it, which writes merged kernels.",
    ),
)
def merge(answer):
    model, plain = _model(), _model(seed=5)
    for name in ("middle", "high"):
        model.get_layer(name).enable_lora(2)
    rng = np.random.default_rng(2)
    for variable in model.variables:
        if "lora" in variable.path:
            variable.assign(rng.normal(0, 0.5, variable.shape).astype("float32"))
    x, _ = _examples()
    expected = np.asarray(model(x))
    parts = model.get_layer("high").weights[0].numpy().copy()
    merged = answer(model, plain)
    if not isinstance(merged, keras.Model):
        return NO_MODEL
    if any(getattr(layer, "lora_enabled", False) for layer in merged.layers):
        return "The model that came back still has LoRA in it: should it not be the plain one?"
    got = np.asarray(merged(x))
    if np.allclose(got, expected, atol=1e-5):
        if not np.allclose(np.asarray(model(x)), expected, atol=1e-5):
            return "Right, but the model with LoRA answers otherwise now: can it be left alone?"
        return None
    if np.allclose(merged.get_layer("high").weights[0].numpy(), parts, atol=1e-6):
        return "The kernels are the old ones, without A times B: which attribute has the sum?"
    if np.allclose(got, np.asarray(_model(seed=5)(x)), atol=1e-6):
        return "The plain model did not change: where do the merged kernels go?"
    return "The two models answer differently: compare them layer by layer. Which one is left out?"


# ------------------------------------------------------------------ 7


@exercise(
    "how_far.schedule",
    "Head first, then one layer more in each stage, and each stage compiled anew.",
    minutes=10,
    level="medium",
    function="unfreeze(model, x, y, stages)",
    hints=(
        "Write down which layers learn in stage 1, in stage 2, in stage 3. The head is in all of "
        "them.",
        "`model.layers` begins with the input. Those that have `weights` can be counted from the "
        "end: `[-stage:]`.",
        "In a loop over the stages: set `trainable` of every layer with weights, to true for the "
        "last ones only; compile; fit. All three belong inside the loop.",
    ),
)
def schedule(answer):
    model, stages = _model(), []
    original = keras.Model.fit

    def watching(self, *args, **kwargs):
        flags = {layer.name for layer in self.layers if layer.trainable_weights}
        before = _kernels(self)
        history = original(self, *args, **{**kwargs, "verbose": 0})
        moved = {name for name, far in _moved_kernels(before, self).items() if far}
        stages.append((flags, moved))
        return history

    x, y = _examples()
    with mock.patch.object(keras.Model, "fit", watching):
        returned = answer(model, x, y, 3)
    if not isinstance(returned, keras.Model):
        return NO_MODEL
    wanted = [{"head"}, {"head", "high"}, {"head", "high", "middle"}]
    if len(stages) != 3:
        return f"`fit` was called {len(stages)} times for three stages: once in each, is it not?"
    for number, ((flags, moved), right) in enumerate(zip(stages, wanted, strict=True), 1):
        if flags == right and moved != right:
            names = ", ".join(sorted(moved)) or "nothing"
            return (
                f"In stage {number} the flags are right, and {names} moved: which call reads the "
                "flags again?"
            )
        if flags == right:
            continue
        if "head" not in flags:
            return f"In stage {number} the head is frozen: should it ever stop learning?"
        if number == 1 and len(flags) == 4:
            return "Everything learns from the start: where do the layers begin to come in?"
        if "low" in flags:
            return f"In stage {number} `low` learns: from which end are layers released?"
        return f"In stage {number} these learn: {', '.join(sorted(flags))}. Is that one layer more?"
    return None


# ------------------------------------------------------------------ 8


@exercise(
    "how_far.budget",
    "Validation chooses among those that fit, and the test set is looked at once.",
    minutes=5,
    level="easy",
    function="choose(table, budget)",
    hints=(
        "Two things decide, one after the other: which rows may be chosen at all, and which of "
        "those is best.",
        "`table.groupby('method')` gives the mean over the draws, which is what to compare.",
        "Keep the rows whose `numbers` are at most the budget, take the mean of each method, "
        "choose by `validation` (`idxmax`), and return its name and its mean `test`.",
    ),
)
def budget(answer):
    rows = [
        ("frozen", 514, (80, 81, 82), (84, 84, 84)),
        ("biases", 1282, (83, 83, 80), (80, 80, 80)),
        ("LoRA", 31234, (84, 82, 86), (82, 83, 84)),
        ("adapter", 14362, (90, 78, 78), (86, 86, 86)),
        ("whole block", 1770754, (88, 88, 88), (87, 87, 87)),
    ]
    table = pd.DataFrame(
        [
            (name, n, draw, v, t)
            for name, n, vs, ts in rows
            for draw, (v, t) in enumerate(zip(vs, ts, strict=True))
        ],
        columns=["method", "numbers", "draw", "validation", "test"],
    )
    given = answer(table.copy(), 50_000)
    if not isinstance(given, tuple) or len(given) != 2:
        return "Two things are asked for: the method, and the accuracy to report."
    method, accuracy = given
    if method == "whole block":
        return "That is the best of all, and it trains 1.8 million numbers: what is the budget?"
    if method == "adapter":
        if answer(table[table.draw > 0].copy(), 50_000)[0] == "adapter":
            return "The test set did the choosing: what is left to tell how good the choice is?"
        return "That method won one draw by luck: what is its mean over all draws?"
    if method != "LoRA":
        return "Which method within the budget has the best mean on the validation set?"
    if abs(accuracy - 84) < 1e-6:
        return "That is the validation accuracy, by which it was chosen: which one is unseen?"
    if abs(accuracy - 83) > 1e-6:
        return "The method is right: is the number the mean of its test accuracies?"
    if answer(table.copy(), 600)[0] != "frozen":
        return "With a budget of 600 numbers only one method is left: does yours choose that?"
    return None


question(
    "how_far.adam",
    "Predict, then look at Wrong on purpose: the gradients of a layer are multiplied by 0.1 before "
    "Adam gets them. How far does the layer move in the first step?",
    "c",
    a=("a tenth as far", "So it is with plain SGD. Adam divides each gradient by its own size."),
    b=("a hundredth as far", "Adam squares gradients, but it takes the root of them again."),
    c=(
        "as far as before",
        "Adam divides the gradient by its own running size, and a factor stands in both.",
    ),
)
question(
    "how_far.loaded",
    "Predict, then look: you load kept weights into a model with LoRA and train on. What happens "
    "to A and B?",
    "a",
    a=(
        "they stay at zero",
        "Keras loads the merged kernel and sets A and B to zero; the gradient of each is a "
        "product with the other, so both are zero for ever.",
    ),
    b=("they go on from where they were", "They were merged into the kernel when it was saved."),
    c=("they start at random, as new ones do", "That would be right, and you must do it yourself."),
)
question(
    "how_far.tie",
    "Method A reaches 90.4 % ± 1.1 and B 90.0 % ± 1.3 over five draws; A is ahead in three of "
    "them. A trains 60 times as many numbers. What do you report?",
    "b",
    a=("A is better", "Three of five draws is what a coin does."),
    b=(
        "they tie, and B is smaller",
        "The difference is smaller than its own spread; the size is a fact.",
    ),
    c=(
        "B is better",
        "On accuracy they tie. What speaks for B is its size, and that is another column.",
    ),
)
question(
    "how_far.which",
    "Your labels come from one hospital, the model will serve others, and the old task must go on "
    "working. Where do you begin?",
    "a",
    a=(
        "frozen, then LP-FT with a pull to the start",
        "Labels from a part of the world teach large steps that hold only there.",
    ),
    b=(
        "all weights from a random head",
        "On the toy it lost most outside of all that borrow, and half of the source.",
    ),
    c=("from scratch, to be fair to the other hospitals", "That knows nothing outside the labels."),
)
