"""What makes many small trainings quick and repeatable: seeds, endless batches, fresh weights."""

import random
import weakref
from functools import cache

import numpy as np

from helpers.data import Examples
from helpers.ready import keras, tf

_graphs = weakref.WeakKeyDictionary()  # of the models that `predict` was asked about


def set_seed(seed: int) -> None:
    """Seed Python, NumPy, Keras and TensorFlow."""
    keras.utils.set_random_seed(seed)


def seed_lightly(seed: int) -> None:
    """Seed what Keras draws fresh weights and dropout from: Python's generator, and NumPy's.

    `set_seed` also seeds TensorFlow, which then forgets the graphs that it has prepared: half a
    second, or several with a large network, before each of a hundred trainings.
    """
    random.seed(seed)
    np.random.seed(seed)


def batches(examples: Examples, size: int, seed: int) -> tf.data.Dataset:
    """Shuffled batches without end, for `fit(..., steps_per_epoch=n, shuffle=False)`.

    Keras then counts all steps as one epoch. With a handful of examples, a thousand epochs of one
    step each would spend their time on beginning and ending epochs.

    Args:
        examples: each pass over them is shuffled anew.
        size: examples per batch; the last batch of a pass may be smaller.
        seed: of the shuffling. TensorFlow's global seed plays no part.

    Example:
        >>> stream = batches(Examples(np.arange(3), np.array([0, 1, 0])), size=2, seed=0)
        >>> [len(x) for x, _ in stream.take(4)]
        [2, 1, 2, 1]
    """
    x, y = tf.convert_to_tensor(examples.x), tf.convert_to_tensor(examples.y)
    return _stream(x.shape[1:], x.dtype, y.dtype)(x, y, size, seed)


@cache
def _stream(shape, x_type, y_type):
    """A graph that makes the batches of `batches` from inputs of one shape and type."""

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, *shape), x_type),
            tf.TensorSpec((None,), y_type),
            tf.TensorSpec((), "int64"),
            tf.TensorSpec((), "int64"),
        ],
        autograph=False,
    )
    def stream(x, y, size, seed):
        # `shuffle` mixes in the seed of its graph. In here that is this constant, outside it is
        # the global seed, which would have to be set again for each training (see seed_lightly).
        tf.random.set_seed(1)
        examples = tf.data.Dataset.from_tensor_slices((x, y))
        return examples.shuffle(tf.size(y, "int64"), seed=seed).batch(size).repeat()

    return stream


def reset_weights(model: keras.Model, seed: int) -> keras.Model:
    """Give a compiled model new random weights and an empty optimiser, in place.

    Building and compiling it anew would do the same, only slower: the compiled graph is kept.
    The seed also decides the dropout and augmentation that follow; `batches` has its own for the
    shuffling.
    """
    seed_lightly(seed)
    fresh = keras.models.clone_model(model)
    return restore(model, [variable.numpy() for variable in fresh.variables])


def restore(model: keras.Model, values: list[np.ndarray]) -> keras.Model:
    """Put `values` into all variables of a compiled model, and empty its optimiser.

    Args:
        model: compiled; its learning rate stays.
        values: one array for each of `model.variables`, in that order.
    """
    for variable, value in zip(model.variables, values, strict=True):
        variable.assign(value)
    for variable in model.optimizer.variables:
        if "learning_rate" not in variable.path:
            variable.assign(keras.ops.zeros_like(variable))
    return model


def predict(model: keras.Model, x: np.ndarray, batch_size: int = 128) -> np.ndarray:
    """Probabilities of shape (n, classes), or whatever the model returns, in batches.

    A compiled model trains and predicts again and again, so a graph pays; others run eagerly.

    Args:
        model: runs with `training=False`.
        x: inputs of shape (n, ...).
        batch_size: examples at a time.
    """
    forward = _graph(model) if getattr(model, "compiled", False) else model
    return np.concatenate(
        [
            keras.ops.convert_to_numpy(forward(x[i : i + batch_size], training=False))
            for i in range(0, len(x), batch_size)
        ]
    )


def _graph(model):
    """A compiled model as one graph for batches of any size, kept as long as the model is.

    `model.predict` makes a graph for the first size and another for the second, and TensorFlow
    warns when a few models do so.
    """
    if model.run_eagerly or len(getattr(model, "inputs", None) or []) != 1:
        return model
    (given,), (output,) = model.inputs, model.outputs
    kept_for, forward = _graphs.get(model, (None, None))
    if kept_for is None or kept_for() is not output:  # a layer may have been added since
        reference = weakref.ref(model)  # the graph must not keep its own key alive

        @tf.function(input_signature=[tf.TensorSpec((None, *given.shape[1:]), given.dtype)])
        def forward(x):
            return reference()(x, training=False)

        _graphs[model] = weakref.ref(output), forward
    return lambda x, training: forward(x)


def accuracy(model: keras.Model, examples: Examples) -> float:
    """Share of examples whose likeliest class is the right one, 0 to 1."""
    return float((predict(model, examples.x).argmax(axis=1) == examples.y).mean())
