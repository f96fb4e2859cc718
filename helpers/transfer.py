"""The verbs that every chapter shares: freeze, prove it, extract once, fit a head, fine-tune.

Nothing here knows images, text or audio: data come and go as `helpers.data.Data`.
"""

import difflib
import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass, replace

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import ThreadpoolController

from helpers import disk, engines, training
from helpers.data import Data, Examples
from helpers.ready import keras

THREADS = ThreadpoolController()  # of all libraries that are loaded now
BATCH = 16  # examples per step of fine-tuning


def all_layers(model: keras.layers.Layer) -> list[keras.layers.Layer]:
    """`model` itself and every layer inside it, those of wrappers and custom layers as well.

    Setting `trainable` on an outer layer to the value that it has already reaches no inner one.
    """
    # Nothing public shows what is inside a wrapper or a custom layer.
    return model._flatten_layers()  # noqa: SLF001


def freeze(model: keras.layers.Layer) -> keras.layers.Layer:
    """Freeze every weight of `model`; its batch normalisation then keeps its statistics too."""
    for each in all_layers(model):
        each.trainable = False
    return model


def unfreeze_from(model: keras.Model, layer: str, *, batch_norm: bool = False) -> keras.Model:
    """Let `layer` and all layers after it learn, and freeze those before it.

    Batch normalisation stays frozen, statistics included, unless `batch_norm` is true. Compile
    the model afterwards, which is what reads these settings.

    Raises:
        ValueError: the model has no layer of that name.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="first")])
        >>> model.add(keras.layers.Dense(2, name="last"))
        >>> trainable_parameter_count(unfreeze_from(model, "last"))
        8
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
        freeze(each)
    return model


def unfreeze_all(model: keras.layers.Layer, *, batch_norm: bool = False) -> keras.layers.Layer:
    """Let every layer learn; batch normalisation only if `batch_norm` is true."""
    for each in all_layers(model):
        each.trainable = True
    for each in all_layers(model):
        if isinstance(each, keras.layers.BatchNormalization):
            each.trainable = batch_norm
        elif hasattr(each, "batch_norm"):  # HubLayer and its kin normalise inside
            each.batch_norm = batch_norm
    return model


def snapshot(model: keras.layers.Layer) -> dict[str, np.ndarray]:
    """A copy of every weight and every batch-normalisation statistic, by path.

    Raises:
        ValueError: two weights have the same path.
    """
    copies = {weight.path: weight.numpy().copy() for weight in model.weights}
    if len(copies) < len(model.weights):
        raise ValueError(f"Model '{model.name}' has two weights of one path: rename its layers.")
    return copies


@dataclass(frozen=True)
class Moved:
    """Paths of the weights and batch-normalisation statistics that differ, and counts of all."""

    weights: tuple[str, ...]
    statistics: tuple[str, ...]
    all_weights: int
    all_statistics: int

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers in which anything moved, in order."""
        # A path ends in the layer's own name and the weight's; outer models come before.
        moved = self.weights + self.statistics
        return tuple(dict.fromkeys(path.split("/")[-2:][0] for path in moved))

    def __bool__(self):
        return bool(self.weights or self.statistics)

    def __str__(self):
        names = self.layers
        where = ", ".join(names)
        if len(names) > 3:
            where = f"{names[0]} ... {names[-1]} ({len(names)} layers)"
        text = f"{len(self.weights)} of {self.all_weights} weights moved"
        if total := self.all_statistics:
            text += f", {len(self.statistics)} of {total} batch-normalisation statistics moved"
        return f"{text}, in {where}" if names else text

    __repr__ = __str__


def what_moved(before: dict | keras.layers.Layer, after: dict | keras.layers.Layer) -> Moved:
    """Which weights and which batch-normalisation statistics differ: the proof of freezing.

    Takes two snapshots, or a model in place of one, to be looked at now.

    Raises:
        ValueError: the two do not hold the same weights.
    """
    before, after = (x if isinstance(x, dict) else snapshot(x) for x in (before, after))
    if before.keys() != after.keys():
        odd = sorted(before.keys() ^ after.keys())
        raise ValueError(
            f"The snapshots hold different weights ({odd[0]} is in one): take both of one model."
        )
    statistics = [path for path in before if path.endswith(("moving_mean", "moving_variance"))]
    weights = [path for path in before if path not in statistics]

    def moved(paths):
        return tuple(p for p in paths if not np.array_equal(before[p], after[p], equal_nan=True))

    return Moved(moved(weights), moved(statistics), len(weights), len(statistics))


def trainable_parameter_count(model: keras.layers.Layer) -> int:
    """How many parameters training may change."""
    return int(sum(np.prod(weight.shape) for weight in model.trainable_weights))


def extract(
    backbone: keras.Model, data: Data, *, batch_size=32, engine="auto", limit_bytes=2 * 10**9
) -> Data:
    """Run a frozen backbone over every example once: float32 features (n, ...) replace the inputs.

    The features of each split stay on disk, in the folder `features` of the cache, under a hash of
    the inputs and of the backbone's structure and weights; so with more labels only the training
    split runs anew. They are believed only if the first two of each split, run again, agree.

    Args:
        backbone: from a batch of inputs to a batch of features; runs with `training=False`.
        data: inputs of shape (n, ...) in each split.
        batch_size: examples at a time.
        engine: "keras", "litert", or "auto", which chooses: see `engines.run`.
        limit_bytes: of all features on disk; those unused for longest are deleted.
    """
    structure, inputs = _structure(backbone), {name: x for name, (x, _) in data.splits()}
    files = _features_files(backbone, structure, inputs) if structure else {}
    features = _read_features(files, backbone, inputs)
    if missing := {name: x for name, x in inputs.items() if name not in features}:
        features |= _run(backbone, missing, batch_size, engine, structure)
        if files:
            _keep_features({files[name]: features[name] for name in missing}, limit_bytes)
    splits = {name: Examples(features[name], y) for name, (_, y) in data.splits()}
    return replace(data, **splits)


def _run(backbone, inputs, batch_size, engine, structure):
    """Features of all examples, split after split."""
    pieces = [
        x[i : i + batch_size] for x in inputs.values() for i in range(0, len(x) or 1, batch_size)
    ]
    batches, features, done = disk.progress(pieces, "features"), None, 0
    for made in engines.run(backbone, batches, len(pieces), engine, structure):
        if features is None:
            features = disk.array((sum(map(len, pieces)), *made.shape[1:]), "float32")
        features[done : done + len(made)] = made
        done += len(made)
    ends = np.cumsum([len(x) for x in inputs.values()])[:-1]
    return dict(zip(inputs, np.split(features, ends), strict=True))


def _features_files(backbone, structure, inputs):
    """Where the features of each split belong."""
    folder = disk.cache_folder() / "features"
    weights = [weight.numpy() for weight in backbone.weights]
    network = joblib.hash(["features 6", keras.__version__, structure, weights])
    keys = {name: joblib.hash([network, x], coerce_mmap=True) for name, x in inputs.items()}
    return {name: folder / f"{key}.npy" for name, key in keys.items()}


def _structure(backbone):
    """What computes the features, as text, or None if the backbone cannot be described.

    Without what changes no feature: how it is trained, and the numbers in automatic names, since
    the same cell makes `functional_3` and then `functional_7`.
    """
    try:
        config = json.dumps(keras.saving.serialize_keras_object(backbone), default=str)
    except (NotImplementedError, TypeError, ValueError) as error:
        print(f"Features are not kept on disk: {backbone.name} cannot be described ({error}).")
        return None
    lookups = keras.layers.TextVectorization, keras.layers.StringLookup
    words = [each.get_vocabulary() for each in all_layers(backbone) if isinstance(each, lookups)]
    training_only = ("compile_config", "trainable")
    kept = json.loads(config, object_hook=lambda x: {k: x[k] for k in x if k not in training_only})
    return re.sub(r'_\d+"', '"', json.dumps(kept)) + json.dumps(words)


def _read_features(files, backbone, inputs):
    """The features that are whole on disk, if a fresh run of two examples of each split agrees."""
    features = {}
    for name, file in files.items():
        with suppress(OSError, ValueError, EOFError):  # absent, cut short, or of another form
            large = file.stat().st_size > disk.IN_MEMORY
            found = np.load(file, mmap_mode="r" if large else None)
            if len(found) == len(inputs[name]):
                features[name] = found
            os.utime(file)  # used just now; fails where the folder is read-only
    if not features:
        return {}
    asked = np.concatenate([inputs[name][:2] for name in features])
    fresh = keras.ops.convert_to_numpy(backbone(asked, training=False))
    if any(each.shape[1:] != fresh.shape[1:] for each in features.values()):
        return {}
    kept = np.concatenate([each[:2] for each in features.values()])
    allowed = 1e-4 * np.abs(kept).max(initial=1e-30)  # batches of other sizes round differently
    return features if np.allclose(fresh, kept, 0, allowed, equal_nan=True) else {}


def _keep_features(features, limit_bytes):
    """Write features to the files that are their keys."""
    if (size := sum(each.nbytes for each in features.values())) > limit_bytes:
        print(f"Features are not kept: {size / 1e6:,.0f} MB is more than the limit.")
        return
    try:
        for file, each in features.items():
            disk.write_atomic(file, lambda to, each=each: np.save(to, each))
    except OSError as error:
        # A full or read-only disk costs the saving, not the features.
        print(f"Features are not kept on disk ({error.strerror}: {file.parent}).")
    disk.evict(file.parent, limit_bytes)


def fit_head(examples: Examples, seed: int = 0, *, C: float = 0.05) -> keras.Model:
    """Train a softmax layer on frozen features to its optimum.

    The model goes from features (n, d) to probabilities (n, classes). With an L2 penalty it is
    multinomial logistic regression, which scikit-learn's L-BFGS solves in milliseconds. For the
    fit the features are centred and divided by one common scale, so that `C` means the same for
    every backbone; both are then folded into the layer.

    Args:
        examples: features of shape (n, d) and labels.
        seed: changes nothing, as there is one optimum; `compare.learning_curve` gives one to all.
        C: scikit-learn's inverse of the penalty: a larger C follows the examples more closely.

    Raises:
        ValueError: the features are not vectors, there is one class only, or one has no example.

    Example:
        >>> head = fit_head(Examples(np.array([[0.0], [1.0]]), np.array([0, 1])), C=1e4)
        >>> training.predict(head, np.array([[0.0], [1.0]])).argmax(axis=1).tolist()
        [0, 1]
    """
    kernel, bias = head_weights(examples, C)
    layer = keras.layers.Dense(kernel.shape[1], activation="softmax", name="head")
    head = keras.Sequential([keras.Input(examples.x.shape[1:]), layer])
    head.set_weights([kernel, bias])
    return head


def head_weights(examples: Examples, C: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Kernel (d, classes) and bias (classes,) of `fit_head`, without a model around them.

    Raises:
        ValueError: the features are not vectors, there is one class only, or one has no example.
    """
    x, y = examples
    if x.ndim != 2:
        raise ValueError(f"A head takes vectors (n, d), not {x.shape}: pool the features first.")
    if len(found := np.unique(y)) < 2:
        raise ValueError("Every label is the same: a head needs at least two classes.")
    if not np.array_equal(found, range(len(found))):  # output i of the head is class i
        raise ValueError(f"The labels are {found.tolist()}: give examples of each class from 0 on.")
    centre = x.mean(axis=0, dtype="float64")
    # One scale for all: a scale for each feature, from a few examples, mostly amplifies noise.
    scale = np.sqrt(np.square(x - centre).mean()) or 1.0
    regression = LogisticRegression(C=C, max_iter=2000)
    with THREADS.limit(limits=1):  # a fit is too short to share: threads would wait in turns
        regression.fit((x - centre) / scale, y)
    kernel = regression.coef_.T / scale
    bias = regression.intercept_ - centre @ kernel
    if kernel.shape[1] == 1:  # two classes share one column: softmax wants one each
        kernel, bias = np.hstack([-kernel / 2, kernel / 2]), np.hstack([-bias / 2, bias / 2])
    return kernel, bias


class FineTuner:
    """Two-stage fine-tuning (Howard and Ruder, 2018): first the head, then both.

    Stage one runs the frozen backbone once and fits the head to its optimum on the features.
    Stage two unfreezes a copy of the backbone from one layer on, but no batch normalisation, and
    trains it together with the head at a small learning rate.

    Call the tuner with (examples, seed). The next call trains the same model again, so take what
    you need from it before.

    Args:
        backbone: from inputs to feature vectors (n, d).
        class_count: how many classes the labels have.
        unfreeze: name of the first layer that learns in stage two; None for all of them.
        epochs: passes over the examples in stage two.
        learning_rate: of Adam in stage two.

    Raises:
        ValueError: the backbone has no layer called `unfreeze`.
    """

    def __init__(self, backbone, class_count, *, unfreeze=None, epochs=5, learning_rate=1e-4):
        self.backbone, self.epochs = backbone, epochs
        self.copy = keras.models.clone_model(backbone)
        self.copy.set_weights(backbone.get_weights())
        unfreeze_from(self.copy, unfreeze or self.copy.layers[0].name)
        self.head = keras.layers.Dense(class_count, activation="softmax", name="head")
        inputs = keras.Input(backbone.input_shape[1:])
        self.model = keras.Sequential([inputs, self.copy, self.head])
        optimizer = keras.optimizers.Adam(learning_rate)
        loss = "sparse_categorical_crossentropy"
        # Steps in one go of the graph, which divide all steps; one by one costs up to twice.
        self.model.compile(optimizer, loss, metrics=["accuracy"], steps_per_execution=epochs)
        self._values = [variable.numpy() for variable in self.model.variables]

    def __call__(self, examples: Examples, seed: int = 0) -> keras.Model:
        """Fine-tune from the start on `examples`; the seed decides their order."""
        training.seed_lightly(seed)
        training.restore(self.model, self._values)
        features = training.predict(self.backbone, examples.x)
        self.head.set_weights(fit_head(Examples(features, examples.y)).get_weights())
        steps = self.epochs * -(-len(examples.y) // BATCH)
        stream = training.batches(examples, BATCH, seed)
        self.model.fit(stream, steps_per_epoch=steps, shuffle=False, verbose=0)
        return self.model
