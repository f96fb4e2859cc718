"""Compare methods fairly: the same random draws for all, paired differences, the test's error."""

import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.data import Data, Examples, sample_per_class
from helpers.disk import progress


def learning_curve(
    fit: Callable[[Examples, int], object],
    data: Data,
    budgets: Iterable[int],
    seeds: Iterable[int],
    *,
    method: str,
    positive: int = 1,
    batch_size: int = 128,
    probabilities: bool = False,
) -> pd.DataFrame:
    """Train with few and with many labels, several times each, and test each time.

    All methods draw the same examples of `data.train` for the same seed and budget, so that their
    curves can be compared pair by pair. One row per training: method, labels (per class), seed,
    accuracy and recall (0 to 1), parameters (trainable ones), seconds.

    Args:
        fit: trains on examples with a seed and returns a Keras model.
        data: the splits; `validation` is not touched.
        budgets: numbers of labels per class.
        seeds: one training for each, with every budget.
        method: the name of the curve.
        positive: the class whose recall is reported.
        batch_size: examples that are tested at a time.
        probabilities: whether to keep what each model predicts for the test split, (n, classes).

    Raises:
        ValueError: a class has fewer examples than a budget.
    """
    from helpers import training, transfer  # here, as statistics need no TensorFlow

    curve = _curve(
        fit, lambda model: training.predict(model, data.test.x, batch_size),
        transfer.trainable_parameter_count, data, budgets, seeds, method, positive,
    )
    return curve if probabilities else curve.drop(columns="probabilities")


def head_curve(
    data: Data, budgets: Iterable[int], seeds: Iterable[int], *, method: str, positive: int = 1
) -> pd.DataFrame:
    """The table of `learning_curve(fit_head, ...)`, without a model around each head: faster.

    Raises:
        ValueError: a class has fewer examples than a budget.
    """
    from helpers.transfer import head_weights

    curve = _curve(
        lambda examples, seed: head_weights(examples), lambda head: data.test.x @ head[0] + head[1],
        lambda head: head[0].size + head[1].size, data, budgets, seeds, method, positive,
    )
    return curve.drop(columns="probabilities")


def _curve(fit, predict, parameters, data, budgets, seeds, method, positive):
    rows, labels = [], data.test.y
    for budget, seed in progress(list(itertools.product(budgets, seeds)), method):
        chosen = sample_per_class(data.train, budget, seed)
        start = time.perf_counter()
        model = fit(chosen, seed)
        seconds = time.perf_counter() - start
        outputs = predict(model)
        right = outputs.argmax(axis=1) == labels
        recall = pd.Series(right[labels == positive]).mean()  # NaN if there is none of that class
        row = (method, budget, seed, right.mean(), recall, parameters(model), seconds, outputs)
        rows.append(row)
    columns = "method labels seed accuracy recall parameters seconds probabilities"
    return pd.DataFrame(rows, columns=columns.split())


def table(curves: pd.DataFrame, labels: int) -> pd.DataFrame:
    """The methods side by side at one budget: means over the seeds, standard deviation, cost.

    Takes rows of `learning_curve`, those of several methods one after the other, and gives one
    row per method: accuracy (mean, %), std (of the accuracy, in points), recall (mean, %),
    parameters (trainable ones), seconds (mean, per training).

    Raises:
        ValueError: no curve has that budget.
    """
    groups = _at(curves, labels).groupby("method", sort=False)
    means = groups[["accuracy", "recall", "parameters", "seconds"]].mean()
    means.insert(1, "std", groups.accuracy.std(ddof=1))
    means[["accuracy", "std", "recall"]] *= 100
    rounded = means.round({"accuracy": 1, "std": 1, "recall": 1, "seconds": 2})
    return rounded.astype({"parameters": int})


def _at(curves, labels):
    rows = curves[curves.labels == labels]
    if rows.empty:
        raise ValueError(
            f"No curve has {labels} labels per class: choose from {sorted(set(curves.labels))}."
        )
    return rows


@dataclass(frozen=True, eq=False)
class Gain:
    """How far one method is ahead of another, in percentage points; print it, or take a number.

    `differences` has one entry per draw, in the order of the seeds; `std` is their standard
    deviation (NaN for one draw), `ahead` counts those above zero: a tie is not ahead.
    """

    differences: np.ndarray
    mean: float
    std: float
    ahead: int
    draws: int

    def __str__(self):
        low, high = self.differences.min(), self.differences.max()
        draws = f"{self.ahead} of {self.draws} draws ahead"
        return f"{self.mean:+.1f} points ({draws}, {low:+.1f} to {high:+.1f})"

    __repr__ = __str__


def accuracy_gain(curves: pd.DataFrame, better: str, worse: str, labels: int) -> Gain:
    """How many points of test accuracy `better` is ahead of `worse`, paired by seed.

    The same seed draws the same examples for every method; seeds that one of them lacks do not
    count. `curves` are rows of `learning_curve` in any order, `better` and `worse` two of their
    methods, `labels` a budget per class.

    Raises:
        ValueError: no curve has that budget or that method, or the two have no seed in common, or
            one of them twice.

    Example:
        >>> rows = [("a", 10, 0, 0.5), ("a", 10, 1, 0.6), ("b", 10, 1, 0.8), ("b", 10, 0, 0.6)]
        >>> curves = pd.DataFrame(rows, columns=["method", "labels", "seed", "accuracy"])
        >>> accuracy_gain(curves, "b", "a", labels=10)
        +15.0 points (2 of 2 draws ahead, +10.0 to +20.0)
    """
    rows = _at(curves, labels)
    one, two = (_by_seed(rows, method, labels) for method in (better, worse))
    points = 100 * (one - two).dropna()
    if points.empty:
        raise ValueError(
            f"{better!r} was trained with the seeds {one.index.tolist()} and {worse!r} with "
            f"{two.index.tolist()}: only draws with the same seed can be compared."
        )
    mean, std, ahead = float(points.mean()), float(points.std()), int((points > 0).sum())
    return Gain(points.to_numpy(), mean, std, ahead, len(points))


def _by_seed(rows, method, labels):
    found = rows[rows.method == method].set_index("seed").accuracy.sort_index()
    if found.empty:
        raise ValueError(
            f"No curve with {labels} labels per class is called {method!r}: choose from "
            f"{', '.join(map(repr, rows.method.unique()))}."
        )
    if not found.index.is_unique:
        raise ValueError(
            f"{method!r} has two rows with {labels} labels per class and the same seed: give each "
            "curve once, and each method its own name."
        )
    return found


def standard_error(accuracy: float, n: int) -> float:
    """Standard error, in points, of an accuracy (0 to 1) that was measured on `n` examples.

    Raises:
        ValueError: the accuracy is outside 0 to 1, or there is no example.

    Example:
        >>> round(standard_error(0.8, 1000), 2)
        1.26
    """
    if not 0 <= accuracy <= 1 or n < 1:
        raise ValueError(f"Give an accuracy from 0 to 1 and n of at least 1, not {accuracy}, {n}.")
    return float(100 * np.sqrt(accuracy * (1 - accuracy) / n))


def mistakes(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Positions (integers) of the wrong predictions, the most confident first.

    `probabilities` have the shape (n, classes), `labels` (n,).

    Example:
        >>> mistakes(np.array([[0.6, 0.4], [0.1, 0.9], [0.3, 0.7]]), np.array([1, 0, 1])).tolist()
        [1, 0]
    """
    predictions = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predictions != labels)
    return wrong[np.argsort(-probabilities[wrong, predictions[wrong]], kind="stable")]
