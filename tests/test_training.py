"""Seeds, endless batches, fresh weights, predictions, on models of a few weights."""

import gc
import time
import weakref

import numpy as np
import pytest
from blobs import blobs

from helpers import training
from helpers.data import Examples
from helpers.ready import keras, tf


def orders(seed, n=10, size=10, count=2):
    stream = training.batches(Examples(np.arange(n), np.arange(n) % 2), size, seed)
    return [x.tolist() for x, _ in stream.take(count).as_numpy_iterator()]


# --- batches ---


def test_the_order_depends_on_the_seed_and_on_no_global_one():
    first = {seed: orders(seed) for seed in (0, 3)}
    assert first[0] != first[3]
    training.set_seed(77)
    assert {seed: orders(seed) for seed in (3, 0)} == first


def test_batches_leave_the_global_seed_as_it_was():
    def drawn(between):
        training.set_seed(5)
        between()
        return tf.random.uniform([3]).numpy().tolist()

    assert drawn(lambda: orders(1, n=9)) == drawn(lambda: None)


def test_each_pass_holds_every_example_in_a_new_order():
    passes = orders(4, count=50)
    assert all(sorted(each) == list(range(10)) for each in passes)
    assert len({tuple(each) for each in passes}) == 50


def test_the_last_batch_of_a_pass_is_smaller():
    stream = orders(0, n=5, size=2, count=9)
    assert [len(each) for each in stream] == [2, 2, 1] * 3
    assert sorted(sum(stream[:3], [])) == sorted(sum(stream[3:6], [])) == list(range(5))


@pytest.mark.parametrize(
    "x", [np.zeros((3, 4, 4, 3), "uint8"), np.array(["a", "b", "c"], object), np.ones((3, 2))]
)
def test_batches_keep_the_type_and_belong_to_their_labels(x):
    y = np.array([2, 0, 1], "int32")
    (got_x, got_y) = next(training.batches(Examples(x, y), 3, 0).as_numpy_iterator())
    assert got_x.dtype == x.dtype and got_y.dtype == y.dtype
    mixed = Examples(np.arange(40), np.arange(40) * 2)
    for got_x, got_y in training.batches(mixed, 7, 0).take(12).as_numpy_iterator():
        np.testing.assert_array_equal(2 * got_x, got_y)


def test_batches_are_as_fast_as_a_plain_shuffle():
    """Both in one run, in turns; the least processor time of each, and room for noise."""
    examples = blobs(100)

    def plain(seed):
        data = tf.data.Dataset.from_tensor_slices(tuple(examples))
        return data.shuffle(100, seed=seed).batch(16).repeat()

    def seconds(make):
        start = time.process_time()
        for _ in make(0).take(300):
            pass
        return time.process_time() - start

    ours, theirs = [], []
    for _ in range(8):
        ours.append(seconds(lambda seed: training.batches(examples, 16, seed)))
        theirs.append(seconds(plain))
    assert min(ours) < 1.5 * min(theirs)


# --- training again ---


def with_dropout():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4), keras.layers.Dropout(0.5)])
    model.add(keras.layers.Dense(2, activation="softmax"))
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    return model


def test_reset_weights_is_as_good_as_new():
    def run(model, seed):
        stream = training.batches(blobs(60), 8, seed)
        model.fit(stream, steps_per_epoch=16, shuffle=False, verbose=0)
        return model.get_weights()

    model = with_dropout()
    first = run(training.reset_weights(model, 3), 3)
    other = run(training.reset_weights(model, 4), 4)
    again = run(training.reset_weights(model, 3), 3)
    assert not np.array_equal(first[0], other[0])
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert model.optimizer.learning_rate.numpy() == np.float32(0.01)


def test_reset_weights_restarts_the_seeds_of_layers():
    model, x = with_dropout(), np.ones((4, 6), "float32")
    training.reset_weights(model, 3)
    first = np.array(model(x, training=True))
    assert not np.array_equal(model(x, training=True), first)
    training.reset_weights(model, 3)
    np.testing.assert_array_equal(model(x, training=True), first)


# --- predicting ---


def test_a_prediction_is_that_of_the_model_as_it_is_now():
    x = np.random.default_rng(0).normal(size=(5, 3))
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    for n in (1, 2, 5):
        assert np.allclose(training.predict(model, x[:n]), model.predict(x[:n], verbose=0))
    model.set_weights([weight + 1 for weight in model.get_weights()])
    assert np.allclose(training.predict(model, x), model.predict(x, verbose=0))
    model.add(keras.layers.Dense(4))
    model.compile("adam", "mse")
    assert training.predict(model, x, batch_size=2).shape == (5, 4)


def test_a_model_is_traced_once_and_can_be_forgotten():
    traces = []

    class Noting(keras.layers.Layer):
        def call(self, x):
            traces.append(1)
            return x

    model = keras.Sequential([keras.Input((3,)), Noting(), keras.layers.Dense(2)])
    model.compile("adam", "mse")
    traces.clear()
    for n in (1, 2, 5):
        training.predict(model, np.ones((n, 3), "float32"))
    assert len(traces) == 1
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_accuracy_is_the_share_of_right_predictions():
    identity = keras.Sequential([keras.Input((2,)), keras.layers.Identity()])
    examples = Examples(np.array([[1.0, 0], [0, 1], [1, 0], [1, 0]]), np.array([0, 1, 1, 0]))
    assert training.accuracy(identity, examples) == 0.75
