"""LiteRT in place of Keras: only where it computes the same, and never in silence."""

import gc
from types import SimpleNamespace

import numpy as np
import pytest
from blobs import task

from helpers import engines, transfer
from helpers.ready import keras, tf

INPUTS = np.random.default_rng(0).normal(size=(11, 6)).astype("float32")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COURSE_PROGRESS", "1")


def clock(monkeypatch, *seconds):
    """Each batch takes so long, by the engine's watch."""
    ticks = iter([tick for each in seconds for tick in (0, each)])
    monkeypatch.setattr(engines, "PAYS", 0.0)
    monkeypatch.setattr(engines, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))


def network(last=None):
    keras.utils.set_random_seed(7)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8, activation="relu")])
    model.add(last or keras.layers.Dense(3))
    return model


def outputs(model, engine, size=4, version="one"):
    batches = [INPUTS[i : i + size] for i in range(0, len(INPUTS), size)]
    return np.concatenate(list(engines.run(model, batches, len(batches), engine, version)))


@pytest.fixture
def converted(monkeypatch):
    """The batches that LiteRT was given."""
    seen, convert = [], engines._convert

    def noting(*arguments):
        lite = convert(*arguments)
        return lambda batch: seen.append(len(batch)) or lite(batch)

    monkeypatch.setattr(engines, "_convert", noting)
    return seen


def test_litert_computes_what_keras_does_and_leaves_the_odd_batch_to_it(converted, capsys):
    model = network()
    found = outputs(model, "litert")
    np.testing.assert_allclose(found, model(INPUTS), rtol=1e-4, atol=1e-5)
    assert converted == [4, 4, 4]  # compared, timed, and then the second batch
    assert capsys.readouterr().out == f"{model.name} runs in LiteRT.\n"


def test_a_little_work_stays_in_keras(converted, capsys):
    outputs(network(), "auto")
    assert not converted and not capsys.readouterr().out


def test_much_work_goes_to_litert_where_that_is_faster(converted, monkeypatch, capsys):
    clock(monkeypatch, 9, 9, 1, 1, 1)  # two batches in Keras, the trial, two more
    model = network()
    np.testing.assert_allclose(outputs(model, "auto", 3), model(INPUTS), rtol=1e-4, atol=1e-5)
    assert converted == [3, 3, 3] and "runs in LiteRT" in capsys.readouterr().out


def test_a_slower_litert_is_not_taken(converted, monkeypatch, capsys):
    clock(monkeypatch, 1, 1, 9, 1, 1)
    outputs(network(), "auto", size=3)
    assert converted == [3, 3] and "LiteRT is not faster here" in capsys.readouterr().out


def test_on_a_gpu_keras_goes_on(converted, monkeypatch):
    monkeypatch.setattr(engines, "PAYS", -1.0)
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [f"{kind}:0"])
    outputs(network(), "auto")
    assert not converted


def test_a_litert_that_differs_is_not_believed(monkeypatch, capsys):
    convert = engines._convert
    monkeypatch.setattr(engines, "_convert", lambda *a: lambda x: 1.001 * convert(*a)(x))
    model = network()
    np.testing.assert_allclose(outputs(model, "litert"), model(INPUTS), rtol=1e-5, atol=1e-6)
    assert "runs in Keras: LiteRT is off by 1e-03." in capsys.readouterr().out


def test_what_litert_cannot_run_keras_runs(capsys):
    class Twice(keras.layers.Layer):
        def call(self, x):
            return tf.numpy_function(lambda each: 2 * each, [x], tf.float32)

        def compute_output_shape(self, shape):
            return shape

    model = network(Twice())
    np.testing.assert_allclose(outputs(model, "litert"), model(INPUTS), rtol=1e-5, atol=1e-6)
    assert "runs in Keras: LiteRT cannot run it" in capsys.readouterr().out


def test_the_graph_is_made_once_and_again_when_the_model_changed():
    traced = []

    class Noting(keras.layers.Layer):
        def call(self, x):
            traced.append(1)
            return x

    model, made = network(Noting()), []
    for version in ("one", "one", "two", None, None):
        traced.clear()
        outputs(model, "keras", version=version)
        made.append(len(traced))
    assert made == [1, 0, 1, 1, 1]


def test_a_kept_graph_keeps_no_model():
    model = network()
    outputs(model, "keras")
    before = len(engines._graphs)
    del model
    gc.collect()
    assert len(engines._graphs) < before


def test_an_unknown_engine_is_named():
    with pytest.raises(ValueError, match="no engine 'onnx': choose from auto, keras, litert"):
        outputs(network(), "onnx")


def test_extract_takes_an_engine(capsys):
    model = network()
    features = transfer.extract(model, task(), batch_size=16, engine="litert")
    assert "runs in LiteRT" in capsys.readouterr().out
    for (_, (x, _)), (_, (raw, _)) in zip(features.splits(), task().splits(), strict=True):
        np.testing.assert_allclose(x, model(raw), rtol=1e-4, atol=1e-5)
    again = transfer.extract(model, task(), engine="keras")  # the same features, kept
    np.testing.assert_array_equal(again.test.x, features.test.x)
