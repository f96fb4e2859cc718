"""The hub layer: its weights count, freeze, learn, and survive saving."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers import transfer
from helpers.hub import HubLayer
from helpers.ready import keras, tf


class Normalising(tf.Module):
    """A module as TensorFlow Hub publishes them: convolution, batch normalisation, pooling."""

    def __init__(self):
        super().__init__()
        start = tf.random_normal_initializer(stddev=0.3, seed=1)
        self.kernel = tf.Variable(start((3, 3, 3, 4)), name="conv/kernel")
        self.gamma = tf.Variable(tf.ones(4), name="norm/gamma")
        self.beta = tf.Variable(tf.zeros(4), name="norm/beta")
        self.mean = tf.Variable(tf.zeros(4), name="norm/moving_mean", trainable=False)
        self.variance = tf.Variable(tf.ones(4), name="norm/moving_variance", trainable=False)

    @tf.function
    def __call__(self, inputs, training=False):
        x = tf.nn.conv2d(inputs, self.kernel, 1, "SAME")
        if training:
            mean, variance = tf.nn.moments(x, [0, 1, 2])
            self.mean.assign(0.9 * self.mean + 0.1 * mean)
            self.variance.assign(0.9 * self.variance + 0.1 * variance)
        else:
            mean, variance = self.mean + 0.0, self.variance + 0.0
        x = tf.nn.batch_normalization(x, mean, variance, self.beta, self.gamma, 1e-3)
        return tf.reduce_mean(tf.nn.relu(x), axis=[1, 2])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    module, path = Normalising(), tmp_path_factory.mktemp("module")
    images = tf.TensorSpec([None, None, None, 3], tf.float32, "inputs")
    for training in (False, True):
        module.__call__.get_concrete_function(images, training=training)
    tf.saved_model.save(module, str(path))
    return path


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.random((32, 8, 8, 3), dtype="float32")
    y = rng.integers(0, 2, 32)
    x[y == 1, :, :, 0] += 1
    return x, y


def classifier(layer):
    images = keras.Input((8, 8, 3))
    return keras.Model(images, keras.layers.Dense(2, activation="softmax")(layer(images)))


def train(model, data):
    """What two epochs move in the hub layer, and what in the whole model."""
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    layer, before_all = model.layers[1], transfer.snapshot(model)
    before = transfer.snapshot(layer)
    model.fit(*data, epochs=2, verbose=0)
    return transfer.what_moved(before, layer), transfer.what_moved(before_all, model)


def test_counts_every_variable_of_the_module(folder):
    layer = HubLayer(folder)
    assert layer.count_params() == 3 * 3 * 3 * 4 + 4 * 4
    assert [len(layer.trainable_weights), len(layer.non_trainable_weights)] == [0, 5]
    layer.trainable = True
    assert [len(layer.trainable_weights), len(layer.non_trainable_weights)] == [3, 2]


def test_a_plain_wrapper_never_learns(folder, data):
    """Why the layer exists: the usual wrapper trains its head only, without a word."""
    module = tf.saved_model.load(str(folder))
    wrapper = keras.layers.Lambda(lambda x: module(x))
    wrapper.trainable = True
    model = classifier(wrapper)
    variables = module.__call__.concrete_functions[0].variables
    before = [v.numpy() for v in variables]
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(*data, verbose=0)
    assert wrapper.count_params() == 0
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, variables, strict=True))


def test_frozen_moves_nothing(folder, data):
    layer, whole = train(classifier(HubLayer(folder)), data)
    assert not layer
    assert len(whole.weights) == 2  # the head's


def test_unfrozen_moves_weights_but_not_statistics(folder, data):
    model = classifier(HubLayer(folder, trainable=True))
    layer, _ = train(model, data)
    assert (len(layer.weights), len(layer.statistics)) == (3, 0)


def test_batch_norm_when_asked_moves_statistics_too(folder, data):
    model = classifier(HubLayer(folder, trainable=True, batch_norm=True))
    layer, _ = train(model, data)
    assert (len(layer.weights), len(layer.statistics)) == (3, 2)


def test_freezing_again_takes_effect_at_the_next_compile(folder, data):
    model = classifier(HubLayer(folder, trainable=True, batch_norm=True))
    train(model, data)
    transfer.freeze(model.layers[1])
    layer, _ = train(model, data)
    assert not layer


def test_transfer_verbs_reach_the_module(folder):
    model = classifier(HubLayer(folder))
    transfer.unfreeze_all(model, batch_norm=True)
    assert model.layers[1].batch_norm and model.layers[1].trainable
    transfer.unfreeze_all(model)
    assert not model.layers[1].batch_norm


def test_saves_and_loads_what_it_learned(folder, data, tmp_path):
    model = classifier(HubLayer(folder, trainable=True, batch_norm=True))
    train(model, data)
    model.save(tmp_path / "model.keras")
    back = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(back(data[0]), model(data[0]))
    assert back.layers[1].trainable and back.layers[1].batch_norm
    untrained = classifier(HubLayer(folder))
    assert not np.array_equal(untrained(data[0]), model(data[0]))


OPEN = """
import keras
try:
    keras.models.load_model("model.keras")
except Exception as error:
    print("not yet" if "HubLayer" in str(error) else error)
import helpers.hub
print(type(keras.models.load_model("model.keras").layers[1]).__name__)
"""


def test_another_program_needs_one_import_to_open_it(folder, tmp_path):
    classifier(HubLayer(folder)).save(tmp_path / "model.keras")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    run = [sys.executable, "-c", OPEN]
    done = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.split("\n")[:2] == ["not yet", "HubLayer"], done.stdout + done.stderr


def test_two_layers_of_one_module_share_nothing(folder):
    one, two = HubLayer(folder), HubLayer(folder)
    one.weights[0].assign(one.weights[0] + 1)
    assert not np.array_equal(one.weights[0], two.weights[0])


@pytest.mark.parametrize("fault", ["empty", "no variables", "cut short"])
def test_a_folder_without_a_module_is_named(folder, tmp_path, fault):
    if fault != "empty":
        (tmp_path / "saved_model.pb").write_bytes(
            (folder / "saved_model.pb").read_bytes()[: 100 if fault == "cut short" else None]
        )
    with pytest.raises(ValueError, match="holds no readable SavedModel.*give the folder"):
        HubLayer(tmp_path)


def test_a_module_without_call_is_named(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path))
    with pytest.raises(ValueError, match="cannot be called"):
        HubLayer(tmp_path)


def test_every_weight_and_statistic_of_the_bundled_mobilenet_learns():
    """One eager step of the real module: gradients reach all of it, and its statistics move."""
    layer = HubLayer("mobilenet-v2-feature-vector", profile="sample")
    assert layer.count_params() > 300_000 and transfer.trainable_parameter_count(layer) == 0
    transfer.unfreeze_all(layer, batch_norm=True)
    before = transfer.snapshot(layer)
    x = np.random.default_rng(0).random((4, 64, 64, 3), dtype="float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x, training=True) ** 2)
    gradients = tape.gradient(loss, layer.trainable_weights)
    keras.optimizers.Adam(1e-3).apply(gradients, layer.trainable_weights)
    moved = transfer.what_moved(before, layer)
    assert len(moved.weights) == moved.all_weights > 100
    assert len(moved.statistics) == moved.all_statistics > 50
