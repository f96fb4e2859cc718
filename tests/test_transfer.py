"""Freezing, extracting once, heads and fine-tuning, on models of a few weights."""

import doctest
import importlib
import os

import numpy as np
import pytest
from blobs import blobs, task

from helpers import disk, training, transfer
from helpers.data import SPLITS, Data, Examples
from helpers.ready import keras


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))


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
    assert transfer.trainable_parameter_count(model) == 0
    transfer.unfreeze_all(model, batch_norm=True)
    assert transfer.trainable_parameter_count(model) == 6 * 8 + 8 + 16 + 8 * 8 + 8


def test_an_unknown_layer_is_named_with_its_neighbours():
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


def test_all_layers_reaches_into_wrappers_and_custom_layers():
    class Block(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = [keras.layers.Dense(2, name="in_list"), keras.layers.BatchNormalization()]

        def call(self, x):
            return self.inner[1](self.inner[0](x))

    wrapped = keras.layers.TimeDistributed(keras.layers.Dense(3, name="wrapped"))
    model = keras.Sequential([keras.Input((4, 5)), wrapped, Block()])
    names = [each.name for each in transfer.all_layers(model)]
    assert names[0] == model.name and {"wrapped", "in_list"} <= set(names)
    model.layers[1].inner[0].trainable = False  # the outer layers still say True
    transfer.unfreeze_all(model)
    trainable = {each.name: each.trainable for each in transfer.all_layers(model)}
    assert trainable["in_list"] and not trainable[model.layers[1].inner[1].name]
    transfer.freeze(model)
    assert not any(each.trainable for each in transfer.all_layers(model))


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


def runs_of(layer):
    """How often a layer ran since this was last asked; its count is a weight, so it goes to 0."""
    count = int(layer.runs.numpy())
    layer.runs.assign(0)
    return count


def kept():
    folder = disk.cache_folder() / "features"
    return sorted(folder.iterdir()) if folder.exists() else []


def test_extract_runs_each_batch_once_and_then_two_examples_only():
    model, layer = counting_model()
    features = transfer.extract(model, task(), batch_size=16)
    assert runs_of(layer) == 4 + 2 + 3
    again = transfer.extract(model, task(), batch_size=16)
    assert runs_of(layer) == 1
    assert features.class_names == again.class_names == ("low", "high")
    for name in SPLITS:
        one, two, raw = getattr(features, name), getattr(again, name), getattr(task(), name)
        assert one.x.dtype == two.x.dtype == "float32"
        np.testing.assert_array_equal(one.x, two.x)
        np.testing.assert_array_equal(one.x, 2 * raw.x)
        np.testing.assert_array_equal(one.y, raw.y)
        np.testing.assert_array_equal(two.y, raw.y)


def test_the_same_cell_run_twice_reads_what_is_kept():
    """Each run numbers the automatic names of Keras differently; the features are the same."""

    def cell():
        keras.utils.set_random_seed(7)
        x = keras.Input((6,))
        inner = keras.Sequential([keras.Input((6,)), keras.layers.Dense(6)])
        layer = Counting()
        y = keras.layers.Add()([layer(inner(x)), keras.ops.tanh(x)])
        model = keras.Model(x, y)
        features = transfer.extract(model, task())
        return model.name, runs_of(layer), features.test.x

    first, second = cell(), cell()
    assert first[0] != second[0] and (first[1], second[1]) == (2 + 1 + 2, 1)
    np.testing.assert_array_equal(first[2], second[2])
    assert len(kept()) == len(SPLITS)


def test_with_more_labels_only_the_training_split_runs_anew():
    model, layer = counting_model()
    data = task()
    fewer = transfer.replace(data, train=Examples(data.train.x[:10], data.train.y[:10]))
    transfer.extract(model, fewer)
    runs_of(layer)
    features = transfer.extract(model, data)
    assert runs_of(layer) == 2 + 1  # the batches of train, and two examples of each other split
    for name in SPLITS:
        np.testing.assert_array_equal(getattr(features, name).x, 2 * getattr(data, name).x)


@pytest.mark.parametrize("change", ["frozen", "compiled", "labels"])
def test_what_changes_no_feature_reads_what_is_kept(change):
    model, layer = counting_model()
    data = task()
    transfer.extract(model, data)
    runs_of(layer)
    if change == "frozen":
        transfer.freeze(model)
    elif change == "compiled":
        model.compile("adam", "mse")
    else:
        data = transfer.replace(data, train=Examples(data.train.x, 1 - data.train.y))
    assert transfer.extract(model, data).train.y[0] == data.train.y[0]
    assert runs_of(layer) == 1


@pytest.mark.parametrize("change", ["weights", "data", "last example", "structure", "setting"])
def test_extract_notices_what_changed(change):
    model, data = backbone(), task()
    before = transfer.extract(model, data).test.x
    if change == "weights":
        model.layers[2].bias.assign(model.layers[2].bias + 1)
    elif change == "structure":
        model = keras.Sequential([keras.Input((6,)), *model.layers, keras.layers.Rescaling(2.0)])
    elif change == "setting":
        model.layers[2].activation = keras.activations.tanh
    elif change == "data":
        data = data.map(lambda x: x + 1)
    else:
        data.test.x[-1] += 1
    after = transfer.extract(model, data).test.x
    np.testing.assert_allclose(after, training.predict(model, data.test.x), atol=1e-5)
    assert not np.array_equal(after, before)


def test_an_edited_function_never_gets_old_features():
    model, layer = counting_model()
    prepare = lambda x: x + 1  # noqa: E731
    one = transfer.extract(model, task().map(prepare))
    prepare = lambda x: x - 1  # noqa: E731
    two = transfer.extract(model, task().map(prepare))
    np.testing.assert_allclose(one.test.x - two.test.x, 4, atol=1e-5)


def test_texts_are_told_apart_by_where_they_end():
    reads = keras.layers.StringLookup(vocabulary=["ab", "a", "b"])
    x = keras.Input((2,), dtype="string")
    model = keras.Model(x, reads(x))

    def extracted(*texts):
        examples = Examples(np.array([texts], object), np.array([0]))
        return transfer.extract(model, Data(examples, examples, examples, ("only",))).train.x

    assert extracted("ab", "").tolist() == [[1, 0]]
    assert extracted("a", "b").tolist() == [[2, 3]]
    reads.set_vocabulary(["b", "a"])
    assert extracted("a", "b").tolist() == [[2, 1]]
    assert len(kept()) == 3


def test_a_layer_of_the_same_name_with_other_code_is_run_again():
    def defined(factor):
        class Scale(keras.layers.Layer):
            def call(self, x):
                return factor * x

        return keras.Sequential([keras.Input((6,)), Scale()])

    transfer.extract(defined(2.0), task())
    features = transfer.extract(defined(2.01), task())
    np.testing.assert_allclose(features.test.x, 2.01 * task().test.x, rtol=1e-5)
    assert len(kept()) == len(SPLITS)  # of one configuration: the new features took the place


@pytest.mark.parametrize("fault", ["cut short", "nothing", "another form", "other length"])
def test_a_file_that_cannot_be_believed_is_extracted_again(fault):
    model, layer = counting_model()
    good = transfer.extract(model, task())
    file = max(kept(), key=lambda each: each.stat().st_size)  # of the training split
    if fault == "cut short":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    elif fault == "nothing":
        file.write_bytes(b"nothing")
    elif fault == "another form":
        with open(file, "wb") as to:
            np.savez(to, train=good.train.x)
    else:
        np.save(file, np.load(file)[:-1])
    runs_of(layer)
    np.testing.assert_array_equal(transfer.extract(model, task()).train.x, good.train.x)
    assert runs_of(layer) == 2 + 1
    transfer.extract(model, task())
    assert runs_of(layer) == 1  # a good file has taken its place


def test_large_features_are_read_from_their_file_piece_by_piece(monkeypatch):
    monkeypatch.setattr(disk, "IN_MEMORY", 100)
    one, two = (transfer.extract(backbone(), task()) for _ in range(2))
    for (_, (made, _)), (_, (read, _)) in zip(one.splits(), two.splits(), strict=True):
        assert isinstance(made, np.memmap) and isinstance(read, np.memmap)
        np.testing.assert_array_equal(made, read)
    assert transfer.fit_head(two.train).output_shape == (None, 2)
    files = [file for file in disk.cache_folder().rglob("*") if file.is_file()]
    assert [file.suffix for file in files] == [".npy"] * len(SPLITS)


def test_features_unused_for_longest_go_beyond_the_limit():
    model, layer = counting_model()
    sets = [task().map(lambda x, add=add: x + add) for add in range(3)]
    limit = int(2.5 * 120 * 6 * 4)
    for age, data in enumerate(sets[:2]):
        before = kept()
        transfer.extract(model, data, limit_bytes=limit)
        runs_of(layer)
        for file in set(kept()) - set(before):
            os.utime(file, (age + 1, age + 1))
    transfer.extract(model, sets[0])  # used again
    runs_of(layer)
    transfer.extract(model, sets[2], limit_bytes=limit)
    runs_of(layer)
    assert len(kept()) == 2 * len(SPLITS)
    for data, forward_calls in zip((sets[0], sets[2], sets[1]), (1, 1, 5), strict=True):
        transfer.extract(model, data)
        assert runs_of(layer) == forward_calls


def test_a_read_only_folder_is_still_read(monkeypatch):
    model, layer = counting_model()
    transfer.extract(model, task())
    runs_of(layer)

    def read_only(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "utime", read_only)
    transfer.extract(model, task())
    assert runs_of(layer) == 1


def test_features_larger_than_the_limit_are_not_kept(capsys):
    assert transfer.extract(backbone(), task(), limit_bytes=100).train.x.shape == (60, 8)
    assert not kept() and "more than the limit" in capsys.readouterr().out


def test_a_disk_that_takes_nothing_costs_no_features(tmp_path, capsys):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert transfer.extract(backbone(), task()).train.x.shape == (60, 8)
    assert "not kept on disk" in capsys.readouterr().out


def test_a_full_disk_costs_no_features(monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    assert transfer.extract(backbone(), task()).train.x.shape == (60, 8)
    assert "not kept on disk (No space left" in capsys.readouterr().out and not kept()


def test_a_backbone_that_cannot_be_described_is_run_each_time(capsys):
    class Odd(keras.Model):
        def call(self, x):
            return 3 * x

        def get_config(self):
            raise NotImplementedError("no configuration")

    np.testing.assert_allclose(transfer.extract(Odd(), task()).test.x, 3 * task().test.x)
    assert "cannot be described (no configuration)" in capsys.readouterr().out and not kept()


# --- heads ---


def test_head_is_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    examples, test = blobs(60), blobs(200, 9)
    centre = examples.x.mean(axis=0)
    scale = ((examples.x - centre) ** 2).mean() ** 0.5
    reference = LogisticRegression(C=0.05).fit((examples.x - centre) / scale, examples.y)
    expected = reference.predict_proba((test.x - centre) / scale)
    probabilities = training.predict(transfer.fit_head(examples), test.x, batch_size=64)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_a_head_does_not_blow_up_weak_features():
    """Scaled one by one, 500 faint features of noise would drown the strong one that counts."""
    rng = np.random.default_rng(0)
    y = np.arange(410) % 2
    x = rng.normal(scale=0.1, size=(410, 500)).astype("float32")
    x[:, 0] = 4 * y + rng.normal(size=410)
    head = transfer.fit_head(Examples(x[:10], y[:10]))
    assert training.accuracy(head, Examples(x[10:], y[10:])) > 0.9


def test_a_head_takes_features_that_are_all_equal():
    head = transfer.fit_head(Examples(np.ones((4, 3), "float32"), np.arange(4) % 2))
    np.testing.assert_allclose(training.predict(head, np.ones((1, 3), "float32")), 0.5)


def test_head_of_three_classes():
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    examples = Examples((rng.normal(size=(90, 3)) + 4 * np.eye(3)[y]).astype("float32"), y)
    head = transfer.fit_head(examples)
    assert head.output_shape == (None, 3)
    assert training.accuracy(head, examples) > 0.9


@pytest.mark.parametrize(
    ("examples", "words"),
    [
        (Examples(np.zeros((4, 2, 2, 3)), np.arange(4) % 2), "pool the features first"),
        (Examples(np.zeros((4, 3)), np.zeros(4, int)), "at least two classes"),
        (Examples(np.eye(4), np.array([0, 2, 0, 2])), r"The labels are \[0, 2\]: give examples of"),
    ],
)
def test_a_head_says_what_it_cannot_take(examples, words):
    with pytest.raises(ValueError, match=words):
        transfer.fit_head(examples)


# --- fine-tuning ---


def test_fine_tuning_leaves_the_backbone_as_it_was_and_moves_its_copy():
    model = transfer.freeze(backbone())
    before = transfer.snapshot(model)
    tuner = transfer.FineTuner(model, 2, unfreeze="norm", epochs=2, learning_rate=0.01)
    tuned = tuner(blobs(60), 0)
    assert not transfer.what_moved(before, model)
    assert transfer.what_moved(before, tuner.copy).layers == ("second",)
    assert training.accuracy(tuned, blobs(200, 9)) > 0.8
    first = training.predict(tuned, blobs(8).x)
    np.testing.assert_array_equal(training.predict(tuner(blobs(60), 0), blobs(8).x), first)


def test_fine_tuning_starts_from_the_fitted_head():
    model, examples = transfer.freeze(backbone()), blobs(60)
    tuned = transfer.FineTuner(model, 2, unfreeze="second", epochs=1, learning_rate=0.0)(examples)
    head = transfer.fit_head(Examples(training.predict(model, examples.x), examples.y))
    expected = training.predict(head, training.predict(model, examples.x))
    np.testing.assert_allclose(training.predict(tuned, examples.x), expected, atol=1e-5)


@pytest.mark.parametrize("room", ["data", "disk", "ready", "training", "transfer", "compare"])
def test_the_examples_in_docstrings_hold(room):
    assert doctest.testmod(importlib.import_module(f"helpers.{room}")).failed == 0
