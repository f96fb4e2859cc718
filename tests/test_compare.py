"""Learning curves, the gain of one method over another, the error of a test set, mistakes."""

import numpy as np
import pandas as pd
import pytest
from blobs import blobs, task

from helpers import compare, transfer
from helpers.data import Data, Examples


def curves(**accuracies):
    """Rows of three draws at 10 labels per class, and others at 2 that must not count."""
    rows = [
        {"method": method, "labels": labels, "seed": seed, "accuracy": value if labels > 2 else 0.0}
        for method, values in accuracies.items()
        for labels in (2, 10)
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


# --- the gain ---


def test_the_gain_is_the_mean_difference_within_draws():
    gain = compare.accuracy_gain(
        curves(frozen=[0.8, 0.7, 0.9], scratch=[0.6, 0.72, 0.6]), "frozen", "scratch", 10
    )
    np.testing.assert_allclose(gain.differences, [20, -2, 30])
    assert gain.mean == pytest.approx(16) and (gain.ahead, gain.draws) == (2, 3)
    assert gain.std == pytest.approx(np.std([20, -2, 30], ddof=1))
    assert str(gain) == "+16.0 points (2 of 3 draws ahead, -2.0 to +30.0)"


def test_the_gain_takes_the_draws_that_both_had():
    rows = curves(a=[0.5, 0.6, 0.7], b=[0.9, 0.6, 0.8])
    gain = compare.accuracy_gain(rows[(rows.method == "a") | (rows.seed < 2)], "b", "a", 10)
    np.testing.assert_allclose(gain.differences, [40, 0], atol=1e-9)
    assert (gain.ahead, gain.draws) == (1, 2)


def test_the_gain_pairs_by_seed_in_whatever_order_the_rows_are():
    rows = curves(a=[0.5, 0.6, 0.7], b=[0.9, 0.6, 0.8])
    for state in range(5):
        gain = compare.accuracy_gain(rows.sample(frac=1, random_state=state), "b", "a", 10)
        np.testing.assert_allclose(gain.differences, [40, 0, 10], atol=1e-9)
    assert gain.ahead == 2  # a tie is not ahead


def test_the_gain_of_the_worse_is_negative():
    rows = curves(a=[0.5, 0.6], b=[0.7, 0.7])
    assert str(compare.accuracy_gain(rows, "a", "b", 10)).startswith("-15.0 points (0 of 2 draws")


def test_one_draw_has_a_gain_but_no_standard_deviation():
    gain = compare.accuracy_gain(curves(a=[0.5], b=[0.6]), "b", "a", 10)
    assert gain.mean == pytest.approx(10) and np.isnan(gain.std) and gain.draws == 1


@pytest.mark.parametrize(
    ("change", "methods", "labels", "words"),
    [
        (lambda c: c.assign(seed=c.seed + 9 * (c.method == "a")), ("b", "a"), 10, "same seed"),
        (lambda c: pd.concat([c, c]), ("b", "a"), 10, "'b' has two rows.*same seed"),
        (lambda c: c, ("b", "c"), 10, "is called 'c': choose from 'a', 'b'"),
        (lambda c: c, ("b", "a"), 7, r"No curve has 7 labels per class: choose from \[2, 10\]"),
    ],
)
def test_draws_that_cannot_be_paired_are_named(change, methods, labels, words):
    rows = change(curves(a=[0.5, 0.6, 0.7], b=[0.9, 0.6, 0.8]))
    with pytest.raises(ValueError, match=words):
        compare.accuracy_gain(rows, *methods, labels)


# --- curves ---


def test_a_learning_curve_and_its_table():
    data = Data(blobs(60, 1), blobs(20, 2), blobs(80, 3), ("low", "high"))
    curve = compare.learning_curve(transfer.fit_head, data, [2, 20], range(3), method="head")
    flat = compare.learning_curve(
        lambda examples, seed: transfer.fit_head(examples, C=1e-9), data, [20], [0], method="flat"
    )
    assert list(curve.labels) == [2, 2, 2, 20, 20, 20] and list(curve.seed) == [0, 1, 2] * 2
    assert curve.accuracy.between(0, 1).all() and (curve.parameters == 14).all()
    table = compare.table(pd.concat([curve, flat]), 20)
    assert list(table.index) == ["head", "flat"]
    assert list(table) == ["accuracy", "std", "recall", "parameters", "seconds"]
    at = curve[curve.labels == 20]
    assert table.loc["head", "accuracy"] == pytest.approx(100 * at.accuracy.mean(), abs=0.06)
    assert table.loc["head", "std"] == pytest.approx(100 * at.accuracy.std(), abs=0.06)
    assert table.loc["head", "recall"] == pytest.approx(100 * at.recall.mean(), abs=0.06)
    with pytest.raises(ValueError, match=r"No curve has 7 labels per class: choose from \[2, 20\]"):
        compare.table(curve, 7)


def test_every_method_sees_the_same_draws():
    seen = {"one": [], "two": []}

    def noting(name):
        def fit(examples, seed):
            seen[name].append((seed, examples.x.tolist()))
            return transfer.fit_head(examples)

        return fit

    for name in seen:
        compare.learning_curve(noting(name), task(), [3, 5], [0, 1], method=name)
    assert seen["one"] == seen["two"] and [seed for seed, _ in seen["one"]] == [0, 1, 0, 1]


def test_recall_is_that_of_the_class_asked_for():
    data = task()
    kept = compare.learning_curve(
        transfer.fit_head, data, [4], [0], method="m", positive=0, probabilities=True
    )
    predictions, labels = kept.probabilities[0].argmax(axis=1), data.test.y
    assert kept.recall[0] == (predictions[labels == 0] == 0).mean()


def test_a_learning_curve_keeps_the_probabilities():
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    examples = Examples(rng.normal(y[:, None], 0.5, (40, 3)), y)
    data = Data(examples, examples, examples, ("a", "b"))
    ask = (transfer.fit_head, data, [2, 5], [0, 1])
    assert "probabilities" not in compare.learning_curve(*ask, method="m")
    rows = compare.learning_curve(*ask, method="m", probabilities=True)
    assert len(rows) == 4
    for row in rows.itertuples():
        assert row.probabilities.shape == (40, 2)
        assert row.accuracy == (row.probabilities.argmax(axis=1) == y).mean()


def test_a_curve_of_heads_is_the_learning_curve_without_models():
    fast = compare.head_curve(task(), iter([3, 9]), iter(range(2)), method="heads")  # read once
    slow = compare.learning_curve(transfer.fit_head, task(), [3, 9], range(2), method="heads")
    assert list(fast) == list(slow)
    assert fast.drop(columns="seconds").equals(slow.drop(columns="seconds"))


# --- the test set ---


def test_the_standard_error_of_a_test_set():
    assert compare.standard_error(0.8, 1000) == pytest.approx(1.2649, abs=1e-4)
    assert compare.standard_error(1.0, 10) == 0
    draws = np.random.default_rng(0).binomial(200, 0.7, 20_000) / 2
    assert compare.standard_error(0.7, 200) == pytest.approx(draws.std(), rel=0.02)
    for wrong in ((80.0, 1000), (-0.1, 10), (0.5, 0)):
        with pytest.raises(ValueError, match="from 0 to 1 and n of at least 1"):
            compare.standard_error(*wrong)


def test_mistakes_come_most_confident_first():
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]])
    assert compare.mistakes(probabilities, np.array([1, 0, 0, 1])).tolist() == [0, 2, 1]
    assert compare.mistakes(probabilities, np.array([0, 1, 1, 1])).tolist() == []
