"""The verbs that every chapter shares: freeze, extract once, fit a head, fine-tune, compare.

Nothing here knows images, text or audio. Inputs come as `Splits`, features leave as `Arrays`.
"""

import difflib
import hashlib
import json
import os
import random
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from threadpoolctl import ThreadpoolController
from tqdm.auto import tqdm

from helpers import assets
from helpers.quiet import keras, tf

PARTS = ("train", "validation", "test")


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and Keras on TensorFlow."""
    keras.utils.set_random_seed(seed)


def progress(iterable, what: str, total: int | None = None):
    """A progress bar that leaves nothing behind; COURSE_PROGRESS=0 silences it."""
    return tqdm(iterable, desc=what, total=total, leave=False, disable=assets.quiet())


# --- data -----------------------------------------------------------------------------------


class Part(NamedTuple):
    """Inputs `x` of shape (n, ...) and integer labels `y` of shape (n,)."""

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Arrays:
    """The three parts of a task in memory: raw inputs, or features of a backbone."""

    train: Part
    validation: Part
    test: Part
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class Splits:
    """The three parts of a task as batched `tf.data` of (inputs, integer labels).

    The order is fixed: nothing is shuffled, so example i is the same picture, review or clip
    each time. `key` names the data for the features kept on disk; without a key none are kept.
    """

    train: tf.data.Dataset
    validation: tf.data.Dataset
    test: tf.data.Dataset
    class_names: tuple[str, ...]
    key: str | None = None

    def arrays(self) -> Arrays:
        """All inputs and labels in memory, in order."""
        return Arrays(*(_collect(getattr(self, part)) for part in PARTS), self.class_names)

    def map(self, function: Callable, key: str) -> "Splits":
        """The same task with `function(inputs)` applied; `key` says what the function does."""
        return Splits(
            *(getattr(self, part).map(lambda x, y: (function(x), y)) for part in PARTS),
            self.class_names,
            self.key and f"{self.key}/{key}",
        )


def _collect(dataset) -> Part:
    batches = list(dataset.as_numpy_iterator())
    return Part(*(np.concatenate(column) for column in zip(*batches, strict=True)))


def draw(part: Part, per_class: int, seed: int) -> Part:
    """`per_class` random examples of each class, without replacement.

    Raises:
        ValueError: a class has fewer examples than that.
    """
    rng = np.random.default_rng(seed)
    chosen = []
    for label in np.unique(part.y):
        of_class = np.flatnonzero(part.y == label)
        if len(of_class) < per_class:
            raise ValueError(
                f"Class {label} has {len(of_class)} examples, fewer than the {per_class} asked "
                "for: ask for fewer labels a class."
            )
        chosen.append(rng.choice(of_class, per_class, replace=False))
    order = rng.permutation(np.concatenate(chosen))
    return Part(part.x[order], part.y[order])


def batches(part: Part, size: int, seed: int) -> tf.data.Dataset:
    """Shuffled batches without end, for `fit(..., steps_per_epoch=n, shuffle=False)`.

    All steps are then one epoch to Keras. With a handful of examples, a thousand epochs of one
    step each would spend their time on beginning and ending epochs.

    Args:
        part: the examples; each pass over them is shuffled anew.
        size: examples a batch; the last batch of a pass may be smaller.
        seed: of the shuffling.
    """
    examples = tf.data.Dataset.from_tensor_slices(tuple(part))
    return _shuffled(examples, len(part.y), seed).batch(size).repeat()


def _shuffled(dataset, count, seed):
    """`dataset.shuffle(count, seed)`, whatever TensorFlow's global seed is at the moment.

    That method mixes the global seed in, and to set it again before each training is dear
    (see `_seed_lightly`).
    """
    made = tf.raw_ops.ShuffleDatasetV3(
        input_dataset=tf.data.experimental.to_variant(dataset),
        buffer_size=count,
        seed=seed,
        seed2=seed or 2**31 - 1,  # two zeros would ask for another order each time
        seed_generator=tf.raw_ops.DummySeedGenerator(),
        output_types=[spec.dtype for spec in dataset.element_spec],
        output_shapes=[spec.shape for spec in dataset.element_spec],
        reshuffle_each_iteration=True,
    )
    return tf.data.experimental.from_variant(made, dataset.element_spec)


# --- freezing -------------------------------------------------------------------------------


def freeze(model: keras.layers.Layer) -> keras.layers.Layer:
    """Freeze every weight of `model`; its batch normalisation then keeps its statistics too."""
    for each in model._flatten_layers():
        each.trainable = False
    return model


def unfreeze_from(model: keras.Model, layer: str, *, batch_norm: bool = False) -> keras.Model:
    """Let `layer` and all layers after it learn, and freeze those before it.

    Batch normalisation stays frozen, statistics included, unless `batch_norm` is true. Compile
    the model again afterwards: `compile` is what reads these settings.

    Raises:
        ValueError: the model has no layer of that name.
    """
    names = [each.name for each in model.layers]
    if layer not in names:
        near = difflib.get_close_matches(layer, names, n=3, cutoff=0.4) or names[-3:]
        raise ValueError(
            f"Model '{model.name}' has no layer '{layer}': near it are {', '.join(near)}; "
            "model.summary() lists them all."
        )
    unfreeze_all(model, batch_norm=batch_norm)
    for each in model.layers[: names.index(layer)]:
        each.trainable = False
    return model


def unfreeze_all(model: keras.Model, *, batch_norm: bool = False) -> keras.Model:
    """Let every layer learn; batch normalisation only if `batch_norm` is true."""
    # One by one: setting a value that the outer model already has would reach no layer.
    for each in model._flatten_layers():
        each.trainable = True
    for each in model._flatten_layers():
        if isinstance(each, keras.layers.BatchNormalization):
            each.trainable = batch_norm
        elif hasattr(each, "batch_norm"):  # a hub module normalises inside
            each.batch_norm = batch_norm
    return model


def snapshot(model: keras.layers.Layer) -> dict[str, np.ndarray]:
    """A copy of every weight and every batch-normalisation statistic, by path."""
    return {weight.path: weight.numpy().copy() for weight in _weights(model)}


def _weights(model):
    paths = [weight.path for weight in model.weights]
    if len(set(paths)) != len(paths):
        raise ValueError(
            f"Model '{model.name}' has two weights of the same path: give its layers names of "
            "their own."
        )
    return model.weights


@dataclass(frozen=True)
class Moved:
    """What changed between two snapshots; print it, or ask `weights` and `statistics`."""

    weights: tuple[str, ...]
    statistics: tuple[str, ...]
    all_weights: int
    all_statistics: int

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers in which anything moved, in order."""
        return tuple(dict.fromkeys(_layer(path) for path in self.weights + self.statistics))

    def __bool__(self):
        return bool(self.weights or self.statistics)

    def __str__(self):
        where = f", in {_shorten(self.layers)}" if self else ""
        text = f"{len(self.weights)} of {self.all_weights} weights moved"
        if self.all_statistics:
            text += (
                f", {len(self.statistics)} of {self.all_statistics} batch-normalisation "
                "statistics moved"
            )
        return text + where

    __repr__ = __str__


def what_moved(before: dict | keras.layers.Layer, after: dict | keras.layers.Layer) -> Moved:
    """Which weights and which batch-normalisation statistics differ: the proof of freezing.

    Args:
        before, after: snapshots, or a model to be looked at now.

    Raises:
        ValueError: the two do not hold the same weights.
    """
    before = before if isinstance(before, dict) else snapshot(before)
    after = after if isinstance(after, dict) else snapshot(after)
    if before.keys() != after.keys():
        odd = sorted(before.keys() ^ after.keys())
        raise ValueError(
            f"The two snapshots hold different weights ({odd[0]} is in one only): take both of "
            "the same model."
        )
    statistics = [path for path in before if _is_statistic(path)]
    weights = [path for path in before if not _is_statistic(path)]

    def moved(paths):
        return tuple(p for p in paths if not np.array_equal(before[p], after[p], equal_nan=True))

    return Moved(moved(weights), moved(statistics), len(weights), len(statistics))


def _is_statistic(path):
    return path.endswith(("moving_mean", "moving_variance"))


def _layer(path):
    """The layer's own name: outer models come before it, the weight's name after."""
    return path.split("/")[-2:][0]


def _shorten(names, most=3):
    if len(names) <= most:
        return ", ".join(names)
    return f"{names[0]} ... {names[-1]} ({len(names)} layers)"


def trained_parameters(model: keras.layers.Layer) -> int:
    """How many numbers training may change."""
    return int(sum(np.prod(weight.shape) for weight in model.trainable_weights))


# --- frozen features ------------------------------------------------------------------------


def extract(backbone: keras.Model, splits: Splits) -> Arrays:
    """Run a frozen backbone over every example once and keep what comes out.

    The features stay on disk under a key of the backbone (structure and weights) and the data,
    so a second call reads them back. Delete `assets.cache_folder() / "features"` to forget them.

    Args:
        backbone: any model from a batch of inputs to a batch of features; it runs with
            `training=False`.
        splits: the data.

    Returns:
        float32 features of shape (n, ...) and int labels of shape (n,), for each part.
    """
    file = splits.key and _features_folder() / f"{_key(backbone, splits.key)}.npz"
    if file and (kept := _read(file)):
        return Arrays(*kept, splits.class_names)

    @tf.function(reduce_retracing=True)
    def forward(x):
        return backbone(x, training=False)

    parts = []
    for name in PARTS:
        dataset = getattr(splits, name)
        total = dataset.cardinality().numpy()
        features, labels = [], []
        for x, y in progress(dataset, f"features of {name}", total if total >= 0 else None):
            features.append(forward(x).numpy())
            labels.append(y.numpy())
        parts.append(Part(np.concatenate(features), np.concatenate(labels)))
    if file:
        _write(file, parts)
    return Arrays(*parts, splits.class_names)


def _features_folder():
    return assets.cache_folder() / "features"


def _key(backbone, data_key):
    digest = hashlib.sha256(backbone.to_json().encode())
    digest.update(f"{data_key} keras {keras.__version__}".encode())
    for weight in backbone.weights:
        digest.update(np.ascontiguousarray(weight.numpy()).data)
    return digest.hexdigest()[:24]


def _read(file):
    try:
        with np.load(file) as kept:
            return [Part(kept[f"{part}_x"], kept[f"{part}_y"]) for part in PARTS]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # absent, or cut short by a crash: extract again


def _write(file, parts):
    columns = {
        f"{name}_{axis}": getattr(part, axis)
        for name, part in zip(PARTS, parts, strict=True)
        for axis in ("x", "y")
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".part", delete=False) as part:
            np.savez(part, **columns)
        os.replace(part.name, file)
    except OSError as error:
        # A full or read-only disk costs the saving, not the features.
        print(f"Features are not kept on disk ({error.strerror}: {file.parent}).")


# --- heads ----------------------------------------------------------------------------------


def fit_head(part: Part, seed: int = 0, *, strength: float = 0.05) -> keras.Model:
    """A softmax layer trained on frozen features to its optimum.

    A Dense softmax layer with an L2 penalty is multinomial logistic regression: a convex
    problem, which scikit-learn's L-BFGS solves exactly in milliseconds. For the fit the features
    are centred and divided by one common scale, so that `strength` means the same for every
    backbone; both are folded into the layer, so the head takes the features as they are.

    Args:
        part: features of shape (n, d) and labels.
        seed: kept for the common form of all `fit` functions; the optimum does not depend on it.
        strength: how far the fit may follow the examples (scikit-learn's C: the inverse of the
            penalty).

    Returns:
        A Keras model from (n, d) features to (n, classes) probabilities.

    Raises:
        ValueError: the features are not vectors, or there is one class only.
    """
    kernel, bias = head_weights(part, strength)
    head = keras.Sequential(
        [
            keras.Input(part.x.shape[1:]),
            keras.layers.Dense(kernel.shape[1], activation="softmax", name="head"),
        ]
    )
    head.set_weights([kernel, bias])
    return head


def head_weights(part: Part, strength: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Kernel (d, classes) and bias (classes,) of `fit_head`, without a model around them.

    For a widget, which fits dozens of heads while a slider moves.

    Raises:
        ValueError: the features are not vectors, or there is one class only.
    """
    if part.x.ndim != 2:
        raise ValueError(
            f"A head takes vectors of shape (n, d), not {part.x.shape}: pool the features first."
        )
    if len(np.unique(part.y)) < 2:
        raise ValueError(
            "Every label is the same: a head needs examples of at least two classes."
        )
    centre = part.x.mean(axis=0, dtype="float64")
    # One scale for all: a scale for each feature, from a few examples, mostly amplifies noise.
    scale = np.sqrt(np.square(part.x - centre).mean()) or 1.0
    regression = LogisticRegression(C=strength, max_iter=2000)
    with _threads().limit(limits=1):  # a fit is too short to share: threads would wait in turns
        regression.fit((part.x - centre) / scale, part.y)
    kernel = regression.coef_.T / scale
    bias = regression.intercept_ - centre @ kernel
    if kernel.shape[1] == 1:  # two classes share one column: softmax wants one each
        kernel, bias = np.hstack([-kernel / 2, kernel / 2]), np.hstack([-bias / 2, bias / 2])
    return kernel, bias


@cache
def _threads():
    return ThreadpoolController()  # looks through all libraries once


def predict(model: keras.Model, x: np.ndarray, batch_size: int = 128) -> np.ndarray:
    """Probabilities of shape (n, classes), in batches.

    A compiled model trains and predicts again and again, so its graph pays; others run eagerly.
    """
    forward = _graph(model) if getattr(model, "compiled", False) else model
    return np.concatenate(
        [
            keras.ops.convert_to_numpy(forward(x[i : i + batch_size], training=False))
            for i in range(0, len(x), batch_size)
        ]
    )


def _graph(model):
    """A compiled model as one graph for batches of any size.

    `model.predict` makes one for the first size and another for the second, and TensorFlow
    remarks on it when a few models do so.
    """
    if model.run_eagerly or len(getattr(model, "inputs", None) or []) != 1:
        return model
    (given,), (answer,) = model.inputs, model.outputs
    kept = getattr(model, "graph_of_any_size", None)
    if kept is None or kept.answer is not answer:  # a layer may have been added since

        @tf.function(input_signature=[tf.TensorSpec((None, *given.shape[1:]), given.dtype)])
        def forward(x):
            return model(x, training=False)

        kept = model.graph_of_any_size = SimpleNamespace(answer=answer, forward=forward)
    return lambda x, training: kept.forward(x)


def accuracy(model: keras.Model, part: Part) -> float:
    """Share of examples whose likeliest class is the right one, 0 to 1."""
    return float((predict(model, part.x).argmax(axis=1) == part.y).mean())


def mistakes(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Positions of the wrong predictions, the most confident first."""
    guesses = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(guesses != labels)
    return wrong[np.argsort(-probabilities[wrong, guesses[wrong]], kind="stable")]


# --- training again and again ---------------------------------------------------------------


def _seed_lightly(seed):
    """Seed what Keras draws fresh weights and dropout from: Python's generator, and NumPy's.

    `set_seed` would seed TensorFlow, too, which then forgets the graphs that it has made ready
    to run: half a second, or several with a large network, before each of a hundred trainings.
    """
    random.seed(seed)
    np.random.seed(seed)


def start_over(model: keras.Model, seed: int) -> keras.Model:
    """Give a compiled model new random weights and an empty optimiser, in place.

    Building and compiling anew would do the same, only slower: the compiled graph is reused.
    The seed also decides the dropout and augmentation that follow; that of the shuffling goes to
    `batches`.
    """
    _seed_lightly(seed)
    fresh = keras.models.clone_model(model)
    return _restore(model, [variable.numpy() for variable in fresh.variables])


def _restore(model, values):
    for variable, value in zip(model.variables, values, strict=True):
        variable.assign(value)
    for variable in model.optimizer.variables:
        if "learning_rate" not in variable.path:
            variable.assign(keras.ops.zeros_like(variable))
    return model


class FineTuner:
    """Two-stage fine-tuning (Howard and Ruder, 2018): first the head alone, then both, gently.

    Stage one runs the frozen backbone once and fits the head to its optimum on the features.
    Stage two unfreezes the backbone from one layer on and trains it together with the head at
    a small learning rate. The backbone that is given stays as it was: a copy learns.

    Call the tuner with (part, seed). The compiled copy is used again by the next call, so take
    what you need from the model (`accuracy`, `predict`, `snapshot`) before you call again.

    Args:
        backbone: from inputs to feature vectors (n, d).
        class_count: how many classes the labels have.
        unfreeze: name of the first layer that learns in stage two; None for all of them.
        batch_norm: whether batch-normalisation layers learn and move their statistics.
        epochs: passes over the examples in stage two.
        learning_rate: of Adam in stage two.
        batch_size: examples a step.
    """

    def __init__(
        self,
        backbone,
        class_count,
        *,
        unfreeze=None,
        batch_norm=False,
        epochs=5,
        learning_rate=1e-4,
        batch_size=16,
    ):
        self.backbone, self.epochs, self.batch_size = backbone, epochs, batch_size
        copy = keras.models.clone_model(backbone)
        copy.set_weights(backbone.get_weights())
        if unfreeze is None:
            unfreeze_all(copy, batch_norm=batch_norm)
        else:
            unfreeze_from(copy, unfreeze, batch_norm=batch_norm)
        self.copy = copy
        self.head = keras.layers.Dense(class_count, activation="softmax", name="head")
        self.model = keras.Sequential([keras.Input(backbone.input_shape[1:]), copy, self.head])
        self.model.compile(
            keras.optimizers.Adam(learning_rate),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        self._values = [variable.numpy() for variable in self.model.variables]

    def __call__(self, part: Part, seed: int = 0) -> keras.Model:
        _seed_lightly(seed)
        _restore(self.model, self._values)
        head = fit_head(Part(predict(self.backbone, part.x), part.y))
        self.head.set_weights(head.get_weights())
        steps = self.epochs * -(-len(part.y) // self.batch_size)
        stream = batches(part, self.batch_size, seed)
        self.model.fit(stream, steps_per_epoch=steps, shuffle=False, verbose=0)
        return self.model


def fine_tune(backbone: keras.Model, part: Part, *, seed: int = 0, **settings) -> keras.Model:
    """One two-stage fine-tuning of a copy of `backbone`; settings as for `FineTuner`."""
    class_count = int(part.y.max()) + 1
    return FineTuner(backbone, class_count, **settings)(part, seed)


# --- comparing ------------------------------------------------------------------------------


def label_curve(
    fit: Callable[[Part, int], keras.Model],
    data: Arrays,
    budgets: Iterable[int],
    seeds: Iterable[int],
    *,
    method: str,
    positive: int = 1,
    batch_size: int = 128,
    keep: dict | None = None,
) -> pd.DataFrame:
    """Train with few and with many labels, several times each, and test each time.

    Each seed draws other examples; all methods draw the same ones for the same seed and
    budget, so their curves can be compared pair by pair.

    Args:
        fit: trains on a part with a seed and returns the model.
        data: what to draw from (`train`) and what to test on (`test`).
        budgets: numbers of labels a class.
        seeds: one training for each.
        method: the name of the curve.
        positive: the class whose recall is reported.
        batch_size: examples that are tested at a time.
        keep: where given, what each model believed of the test examples is put here, by
            (method, labels, seed): probabilities of shape (n, classes).

    Returns:
        One row for each training: method, labels (a class), seed, accuracy and recall (0 to 1),
        parameters (numbers trained), seconds.
    """
    rows = []
    runs = [(budget, seed) for budget in budgets for seed in seeds]
    for budget, seed in progress(runs, method):
        chosen = draw(data.train, budget, seed)
        start = time.perf_counter()
        model = fit(chosen, seed)
        seconds = time.perf_counter() - start
        believed = predict(model, data.test.x, batch_size)
        if keep is not None:
            keep[method, budget, seed] = believed
        guesses = believed.argmax(axis=1)
        rows.append(
            {
                "method": method,
                "labels": budget,
                "seed": seed,
                "accuracy": float((guesses == data.test.y).mean()),
                "recall": float((guesses[data.test.y == positive] == positive).mean()),
                "parameters": trained_parameters(model),
                "seconds": seconds,
            }
        )
    return pd.DataFrame(rows)


def head_curve(
    data: Arrays, budgets: Iterable[int], seeds: Iterable[int], *, method: str
) -> pd.DataFrame:
    """`label_curve` of `fit_head`, without models around the heads: dozens in half a second.

    Returns:
        One row for each head: method, labels (a class), seed, accuracy (0 to 1).
    """
    rows = []
    for budget in budgets:
        for seed in seeds:
            kernel, bias = head_weights(draw(data.train, budget, seed))
            guesses = (data.test.x @ kernel + bias).argmax(axis=1)
            accuracy = float((guesses == data.test.y).mean())
            rows.append({"method": method, "labels": budget, "seed": seed, "accuracy": accuracy})
    return pd.DataFrame(rows)


def compare(curves: pd.DataFrame, labels: int, chapter: str | None = None) -> pd.DataFrame:
    """The methods side by side at one budget: mean over seeds, spread, cost.

    Args:
        curves: rows of `label_curve`, those of several methods one after the other.
        labels: the budget, in labels a class.
        chapter: where given, the table is also noted for the summary that `make run` prints.

    Returns:
        One row a method: accuracy (mean, %), spread (standard deviation over seeds, points),
        recall (mean, %), parameters trained, seconds a training (mean).

    Raises:
        ValueError: no curve has that budget.
    """
    rows = curves[curves.labels == labels]
    if rows.empty:
        raise ValueError(
            f"No curve has {labels} labels a class: choose from {sorted(set(curves.labels))}."
        )
    groups = rows.groupby("method", sort=False)
    table = pd.DataFrame(
        {
            "accuracy": 100 * groups.accuracy.mean(),
            "spread": 100 * groups.accuracy.std(ddof=1),
            "recall": 100 * groups.recall.mean(),
            "parameters": groups.parameters.first(),
            "seconds": groups.seconds.mean(),
        }
    ).round({"accuracy": 1, "spread": 1, "recall": 1, "seconds": 2})
    if chapter:
        _note_results(chapter, labels, table)
    return table


def _note_results(chapter, labels, table):
    """Append the table to the file that `make run` collects results from."""
    if file := os.environ.get("COURSE_RESULTS"):
        with open(file, "a", encoding="utf8") as lines:
            for row in table.reset_index().to_dict("records"):
                lines.write(json.dumps({"chapter": chapter, "labels": labels, **row}) + "\n")


def margin(curves: pd.DataFrame, better: str, worse: str, labels: int) -> float:
    """How many points of accuracy `better` is ahead of `worse`, mean over the seeds."""
    at = curves[curves.labels == labels].groupby("method").accuracy.mean()
    return float(100 * (at[better] - at[worse]))
