"""Freezing, extracting once, heads, fine-tuning and comparing, on models of a few weights."""

import json

import numpy as np
import pandas as pd
import pytest

from helpers import transfer
from helpers.quiet import keras, tf
from helpers.transfer import Part, Splits


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))


def blobs(n, seed=0):
    """Two classes of 6 numbers that a line tells apart fairly well."""
    rng = np.random.default_rng(seed)
    y = np.arange(n, dtype="int32") % 2
    return Part((rng.normal(size=(n, 6)) + 1.2 * y[:, None]).astype("float32"), y)


def splits(key="blobs"):
    sets = (blobs(60, 1), blobs(20, 2), blobs(40, 3))
    datasets = [tf.data.Dataset.from_tensor_slices(tuple(part)).batch(16) for part in sets]
    return Splits(*datasets, class_names=("low", "high"), key=key)


def backbone():
    keras.utils.set_random_seed(7)
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8, name="first"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Dense(8, activation="relu", name="second"),
        ]
    )


def train(model, epochs=1):
    model = keras.Sequential([model, keras.layers.Dense(2, activation="softmax", name="out")])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(*blobs(60), epochs=epochs, verbose=0)


# --- freezing ---


def test_frozen_means_nothing_moves():
    model = transfer.freeze(backbone())
    before = transfer.snapshot(model)
    train(model)
    moved = transfer.what_moved(before, model)
    assert not moved and moved.layers == ()
    assert "0 of 6 weights moved, 0 of 2 batch-normalisation" in str(moved)


def test_unfreeze_from_moves_the_rest_but_no_statistics():
    model = transfer.unfreeze_from(backbone(), "norm")
    before = transfer.snapshot(model)
    train(model)
    assert transfer.what_moved(before, model).layers == ("second",)


def test_batch_norm_moves_when_asked():
    model = transfer.unfreeze_from(backbone(), "norm", batch_norm=True)
    before = transfer.snapshot(model)
    train(model)
    moved = transfer.what_moved(before, model)
    assert moved.layers == ("norm", "second") and len(moved.statistics) == 2


def test_unfreezing_after_freezing_reaches_every_layer():
    model = transfer.freeze(backbone())
    assert transfer.trained_parameters(model) == 0
    transfer.unfreeze_all(model, batch_norm=True)
    assert transfer.trained_parameters(model) == 6 * 8 + 8 + 16 + 8 * 8 + 8


def test_an_unknown_layer_is_told_with_its_neighbours():
    with pytest.raises(ValueError, match="has no layer 'secnd': near it are second"):
        transfer.unfreeze_from(backbone(), "secnd")


def test_snapshots_of_different_models_are_told_apart():
    other = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2, name="other")])
    with pytest.raises(ValueError, match="hold different weights"):
        transfer.what_moved(backbone(), other)


def test_a_snapshot_is_a_copy():
    model = backbone()
    before = transfer.snapshot(model)
    model.layers[0].kernel.assign(model.layers[0].kernel + 1)
    assert transfer.what_moved(before, model).layers == ("first",)


# --- extracting ---


class Counting(keras.layers.Layer):
    """Counts how often it is run, not traced."""

    def build(self, shape):
        self.runs = self.add_weight(name="runs", shape=(), trainable=False, initializer="zeros")

    def call(self, x):
        self.runs.assign_add(1.0)
        return 2 * x


def counting_model():
    x = keras.Input((6,))
    layer = Counting()
    return keras.Model(x, layer(x)), layer


def test_extract_runs_each_batch_once_and_then_never_again():
    model, layer = counting_model()
    features = transfer.extract(model, splits())
    assert layer.runs.numpy() == 4 + 2 + 3
    layer.runs.assign(0)
    again = transfer.extract(model, splits())
    assert layer.runs.numpy() == 0
    for part in transfer.PARTS:
        one, two = getattr(features, part), getattr(again, part)
        np.testing.assert_array_equal(one.x, two.x)
        np.testing.assert_array_equal(one.x, 2 * getattr(splits().arrays(), part).x)
        np.testing.assert_array_equal(one.y, two.y)


@pytest.mark.parametrize("change", ["weights", "data", "structure"])
def test_extract_notices_what_changed(change):
    model = backbone()
    before = transfer.extract(model, splits()).test.x
    if change == "weights":
        model.layers[0].kernel.assign(model.layers[0].kernel + 1)
    elif change == "structure":
        model = keras.Sequential([keras.Input((6,)), *model.layers, keras.layers.Rescaling(2.0)])
    data = splits().map(lambda x: x + 1, "plus one") if change == "data" else splits()
    assert not np.array_equal(transfer.extract(model, data).test.x, before)


def test_mapped_splits_have_a_key_of_their_own():
    data = splits().map(lambda x: x * 0, "nothing")
    assert data.key != splits().key and not data.arrays().train.x.any()


def test_data_without_a_key_leave_nothing_on_disk():
    transfer.extract(backbone(), splits(key=None))
    assert not (transfer.assets.cache_folder() / "features").exists()


def test_features_cut_short_on_disk_are_extracted_again():
    model, layer = counting_model()
    good = transfer.extract(model, splits())
    (file,) = (transfer.assets.cache_folder() / "features").iterdir()
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    layer.runs.assign(0)
    np.testing.assert_array_equal(transfer.extract(model, splits()).train.x, good.train.x)
    assert layer.runs.numpy() == 9


def test_a_disk_that_takes_nothing_costs_no_features(tmp_path, capsys):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert transfer.extract(backbone(), splits()).train.x.shape == (60, 8)
    assert "not kept on disk" in capsys.readouterr().out


# --- heads ---


def test_head_is_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    part, test = blobs(60), blobs(200, 9)
    centre = part.x.mean(axis=0)
    scale = ((part.x - centre) ** 2).mean() ** 0.5
    reference = LogisticRegression(C=0.05).fit((part.x - centre) / scale, part.y)
    expected = reference.predict_proba((test.x - centre) / scale)
    probabilities = transfer.predict(transfer.fit_head(part), test.x, batch_size=64)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_a_head_does_not_blow_up_weak_features():
    """Scaled one by one, 500 faint features of noise would drown the strong one that counts."""
    rng = np.random.default_rng(0)
    y = np.arange(410) % 2
    x = rng.normal(scale=0.1, size=(410, 500)).astype("float32")
    x[:, 0] = 4 * y + rng.normal(size=410)
    head = transfer.fit_head(Part(x[:10], y[:10]))
    assert transfer.accuracy(head, Part(x[10:], y[10:])) > 0.9


def test_a_head_takes_features_that_are_all_equal():
    head = transfer.fit_head(Part(np.ones((4, 3), "float32"), np.arange(4) % 2))
    np.testing.assert_allclose(transfer.predict(head, np.ones((1, 3), "float32")), 0.5)


def test_head_of_three_classes():
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    part = Part((rng.normal(size=(90, 3)) + 4 * np.eye(3)[y]).astype("float32"), y)
    head = transfer.fit_head(part)
    assert head.output_shape == (None, 3)
    assert transfer.accuracy(head, part) > 0.9


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (Part(np.zeros((4, 2, 2, 3)), np.arange(4) % 2), "pool the features first"),
        (Part(np.zeros((4, 3)), np.zeros(4, int)), "at least two classes"),
    ],
)
def test_a_head_says_what_it_cannot_take(part, words):
    with pytest.raises(ValueError, match=words):
        transfer.fit_head(part)


def test_mistakes_come_most_confident_first():
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]])
    assert transfer.mistakes(probabilities, np.array([1, 0, 0, 1])).tolist() == [0, 2, 1]


# --- training again ---


def test_start_over_is_as_good_as_new():
    def run(model, seed):
        stream = transfer.batches(blobs(60), 8, seed)
        model.fit(stream, steps_per_epoch=16, shuffle=False, verbose=0)
        return model.get_weights()

    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4), keras.layers.Dropout(0.5)])
    model.add(keras.layers.Dense(2, activation="softmax"))
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    first = run(transfer.start_over(model, 3), 3)
    other = run(transfer.start_over(model, 4), 4)
    again = run(transfer.start_over(model, 3), 3)
    assert not np.array_equal(first[0], other[0])
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert model.optimizer.learning_rate.numpy() == np.float32(0.01)


def test_fine_tuning_leaves_the_backbone_as_it_was_and_moves_its_copy():
    model = transfer.freeze(backbone())
    before = transfer.snapshot(model)
    tuner = transfer.FineTuner(model, 2, unfreeze="norm", epochs=2, learning_rate=0.01)
    tuned = tuner(blobs(60), 0)
    assert not transfer.what_moved(before, model)
    assert transfer.what_moved(before, tuner.copy).layers == ("second",)
    assert transfer.accuracy(tuned, blobs(200, 9)) > 0.8
    first = transfer.predict(tuned, blobs(8).x)
    np.testing.assert_array_equal(transfer.predict(tuner(blobs(60), 0), blobs(8).x), first)


def test_fine_tuning_starts_from_the_fitted_head():
    model, part = transfer.freeze(backbone()), blobs(60)
    tuned = transfer.fine_tune(model, part, unfreeze="second", epochs=1, learning_rate=0.0)
    head = transfer.fit_head(Part(transfer.predict(model, part.x), part.y))
    expected = transfer.predict(head, transfer.predict(model, part.x))
    np.testing.assert_allclose(transfer.predict(tuned, part.x), expected, atol=1e-5)


# --- comparing ---


def test_draw_is_balanced_seeded_and_never_repeats():
    part = Part(np.arange(60), np.arange(60) % 3)
    one, two = transfer.draw(part, 5, seed=1), transfer.draw(part, 5, seed=1)
    assert np.bincount(one.y).tolist() == [5, 5, 5] and len(set(one.x)) == 15
    np.testing.assert_array_equal(one.x, two.x)
    assert not np.array_equal(one.x, transfer.draw(part, 5, seed=2).x)
    with pytest.raises(ValueError, match="Class 0 has 20 examples, fewer than the 21"):
        transfer.draw(part, 21, seed=0)


def test_label_curve_and_compare(tmp_path, monkeypatch):
    data = transfer.Arrays(blobs(60, 1), blobs(20, 2), blobs(80, 3), ("low", "high"))
    curve = transfer.label_curve(transfer.fit_head, data, [2, 20], range(3), method="head")
    flat = transfer.label_curve(
        lambda part, seed: transfer.fit_head(part, strength=1e-9), data, [20], [0], method="flat"
    )
    assert list(curve.labels) == [2, 2, 2, 20, 20, 20]
    assert curve.accuracy.between(0, 1).all() and (curve.parameters == 14).all()
    monkeypatch.setenv("COURSE_RESULTS", str(tmp_path / "results"))
    table = transfer.compare(pd.concat([curve, flat]), 20, chapter="test")
    at = curve[curve.labels == 20].accuracy
    assert table.loc["head", "accuracy"] == pytest.approx(100 * at.mean(), abs=0.06)
    assert table.loc["head", "spread"] == pytest.approx(100 * at.std(), abs=0.06)
    rows = [json.loads(line) for line in (tmp_path / "results").read_text().splitlines()]
    assert [(r["chapter"], r["method"], r["labels"]) for r in rows] == [
        ("test", "head", 20),
        ("test", "flat", 20),
    ]
    with pytest.raises(ValueError, match=r"No curve has 7 labels a class: choose from \[2, 20\]"):
        transfer.compare(curve, 7)


def test_a_shuffle_asks_for_no_global_seed():
    """The order is that of `set_seed(seed)` and `shuffle(n, seed=seed)`, whatever was set."""
    part = Part(np.arange(10), np.arange(10) % 2)

    def order(seed):
        stream = transfer.batches(part, 10, seed).take(2)
        return [x.tolist() for x, _ in stream.as_numpy_iterator()]

    for seed in (0, 3):
        transfer.set_seed(seed)
        plain = tf.data.Dataset.range(10).shuffle(10, seed=seed).batch(10).repeat().take(2)
        expected = [x.tolist() for x in plain.as_numpy_iterator()]
        assert order(seed) == expected
        transfer.set_seed(77)
        assert order(seed) == expected
    assert expected[0] != expected[1]


def test_a_prediction_is_that_of_the_model_as_it_is_now():
    x = np.random.default_rng(0).normal(size=(5, 3))
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    for n in (1, 2, 5):
        assert np.allclose(transfer.predict(model, x[:n]), model.predict(x[:n], verbose=0))
    model.set_weights([weight + 1 for weight in model.get_weights()])
    assert np.allclose(transfer.predict(model, x), model.predict(x, verbose=0))
    model.add(keras.layers.Dense(4))
    model.compile("adam", "mse")
    assert transfer.predict(model, x, batch_size=2).shape == (5, 4)


def test_a_curve_of_heads_is_the_label_curve_without_models():
    rng = np.random.default_rng(0)
    parts = []
    for count in (40, 20):
        y = np.arange(count, dtype="int32") % 2
        parts.append(Part((rng.normal(size=(count, 5)) + y[:, None]).astype("float32"), y))
    data = transfer.Arrays(parts[0], parts[1], parts[1], ("a", "b"))
    fast = transfer.head_curve(data, [3, 9], range(2), method="heads")
    slow = transfer.label_curve(transfer.fit_head, data, [3, 9], range(2), method="heads")
    assert fast.equals(slow[fast.columns])


def test_a_label_curve_keeps_what_was_believed():
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    part = transfer.Part(rng.normal(y[:, None], 0.5, (40, 3)), y)
    data, kept = transfer.Arrays(part, part, part, ("a", "b")), {}
    rows = transfer.label_curve(transfer.fit_head, data, [2, 5], [0, 1], method="m", keep=kept)
    assert list(kept) == [("m", row.labels, row.seed) for row in rows.itertuples()]
    for row in rows.itertuples():
        believed = kept["m", row.labels, row.seed]
        assert believed.shape == (40, 2)
        assert row.accuracy == (believed.argmax(axis=1) == y).mean()
