"""What makes many small trainings quick and repeatable: seeds, endless batches, fresh weights."""

import random
import weakref
from functools import cache

import numpy as np

from helpers import engines
from helpers.data import Examples
from helpers.ready import keras, tf


def set_seed(seed: int) -> None:
    """Seed Python, NumPy, Keras and TensorFlow."""
    keras.utils.set_random_seed(seed)


def seed_lightly(seed: int) -> None:
    """Seed what Keras draws fresh weights and dropout from: Python's generator, and NumPy's.

    `set_seed` also seeds TensorFlow, which then forgets the graphs that it has prepared: up to
    seconds before each of a hundred trainings.
    """
    random.seed(seed)
    np.random.seed(seed)


def batches(examples: Examples, size: int, seed: int) -> tf.data.Dataset:
    """Shuffled batches without end, for `fit(..., steps_per_epoch=n, shuffle=False)`.

    Keras then counts all steps as one epoch: a thousand epochs of one step each would spend their
    time on beginning and ending epochs. Each pass over the examples is shuffled anew, by `seed`
    and no global one; a batch has `size` examples, the last of a pass perhaps fewer.

    Example:
        >>> stream = batches(Examples(np.arange(3), np.array([0, 1, 0])), size=2, seed=0)
        >>> [len(x) for x, _ in stream.take(4)]
        [2, 1, 2, 1]
    """
    x, y = tf.convert_to_tensor(examples.x), tf.convert_to_tensor(examples.y)
    return _stream(x.shape[1:], x.dtype, y.dtype)(x, y, size, seed)


@cache
def _stream(shape, x_type, y_type):
    number, labels = tf.TensorSpec((), "int64"), tf.TensorSpec((None,), y_type)
    inputs = tf.TensorSpec((None, *shape), x_type)

    @tf.function(input_signature=[inputs, labels, number, number], autograph=False)
    def stream(x, y, size, seed):
        # `shuffle` mixes in the seed of its graph. In here that is this constant, outside it is
        # the global seed, which would have to be set again for each training (see seed_lightly).
        tf.random.set_seed(1)
        examples = tf.data.Dataset.from_tensor_slices((x, y))
        return examples.shuffle(tf.size(y, "int64"), seed=seed).batch(size).repeat()

    return stream


def reset_weights(model: keras.Model, seed: int) -> keras.Model:
    """Give a compiled model new random weights and an empty optimiser, in place.

    Building and compiling it anew would do the same, only slower: the compiled graph is kept. The
    seed also decides the dropout and augmentation that follow; `batches` has its own.
    """
    seed_lightly(seed)
    fresh = keras.models.clone_model(model)
    return restore(model, [variable.numpy() for variable in fresh.variables])


def restore(model: keras.Model, values: list[np.ndarray]) -> keras.Model:
    """Assign `values` to the variables of a compiled model, and empty its optimiser."""
    for variable, value in zip(model.variables, values, strict=True):
        variable.assign(value)
    for variable in model.optimizer.variables:
        if "learning_rate" not in variable.path:
            variable.assign(keras.ops.zeros_like(variable))
    return model


def predict(model: keras.Model, x: np.ndarray, batch_size: int = 128) -> np.ndarray:
    """Outputs for inputs of shape (n, ...), with `training=False`: probabilities (n, classes).

    A compiled model trains and predicts again and again, so a graph pays; others run eagerly.
    """
    forward = _graph(model) if getattr(model, "compiled", False) else model
    starts = range(0, len(x), batch_size)
    outputs = (forward(x[i : i + batch_size], training=False) for i in starts)
    return np.concatenate([keras.ops.convert_to_numpy(output) for output in outputs])


def _graph(model):
    """A compiled model as one graph for batches of any size; `model.predict` makes one for each."""
    if model.run_eagerly or len(getattr(model, "inputs", None) or []) != 1:
        return model
    (given,), (output,) = model.inputs, model.outputs
    spec = tf.TensorSpec((None, *given.shape[1:]), given.dtype)
    # A layer may be added later: then the model has another output.
    forward = engines.graph(model, spec, weakref.ref(output))
    return lambda x, training: forward(x)


def accuracy(model: keras.Model, examples: Examples) -> float:
    """Share of examples whose likeliest class is the right one, 0 to 1."""
    return float((predict(model, examples.x).argmax(axis=1) == examples.y).mean())
