"""The container of examples, and drawing from it."""

import subprocess
import sys

import numpy as np
import pytest
from blobs import task

from helpers.data import SPLITS, Data, Examples, sample_per_class


def test_map_changes_the_inputs_and_nothing_else():
    data = task()
    doubled = data.map(lambda x: 2 * x)
    assert isinstance(doubled, Data) and doubled.class_names == data.class_names
    for (name, new), (_, old) in zip(doubled.splits(), data.splits(), strict=True):
        assert name in SPLITS
        np.testing.assert_array_equal(new.x, 2 * old.x)
        np.testing.assert_array_equal(new.y, old.y)


def test_map_says_when_examples_got_lost():
    with pytest.raises(ValueError, match="each of the 60 examples of the train split.*59, 6"):
        task().map(lambda x: x[1:])


def test_splits_come_in_order():
    assert [(name, len(examples.y)) for name, examples in task().splits()] == [
        ("train", 60),
        ("validation", 20),
        ("test", 40),
    ]


def test_describe_counts_each_class():
    assert task().describe().splitlines() == [
        "train      30 low, 30 high",
        "validation 10 low, 10 high",
        "test       20 low, 20 high",
    ]
    few = Examples(np.zeros(2), np.zeros(2, int))
    assert "2 a, 0 b" in Data(few, few, few, ("a", "b")).describe()


def test_sample_per_class_is_balanced_seeded_and_never_repeats():
    examples = Examples(np.arange(60), np.arange(60) % 3)
    one, two = sample_per_class(examples, 5, seed=1), sample_per_class(examples, 5, seed=1)
    assert np.bincount(one.y).tolist() == [5, 5, 5] and len(set(one.x)) == 15
    np.testing.assert_array_equal(one.y, one.x % 3)
    np.testing.assert_array_equal(one.x, two.x)
    assert not np.array_equal(one.x, sample_per_class(examples, 5, seed=2).x)
    with pytest.raises(ValueError, match="Class 0 has 20 examples, fewer than the 21"):
        sample_per_class(examples, 21, seed=0)


def test_a_sample_is_the_one_that_was_always_drawn():
    """Results in the chapters rest on these draws."""
    examples = Examples(np.arange(20), np.arange(20) % 2)
    assert sample_per_class(examples, 3, seed=0).x.tolist() == [10, 12, 19, 17, 1, 18]


def test_data_and_statistics_need_no_tensorflow():
    code = (
        "import helpers.data, helpers.disk, helpers.compare, sys; "
        "print([n for n in ('tensorflow', 'keras') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
