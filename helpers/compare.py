"""Compare methods fairly: the same random draws for all, paired differences, the test's error."""

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

    Each seed draws other examples; all methods draw the same ones for the same seed and budget,
    so their curves can be compared pair by pair.

    Args:
        fit: trains on examples with a seed and returns a Keras model.
        data: what to draw from (`train`) and what to test on (`test`).
        budgets: numbers of labels per class.
        seeds: one training for each.
        method: the name of the curve.
        positive: the class whose recall is reported.
        batch_size: examples that are tested at a time.
        probabilities: whether to keep what each model predicts for the test split.

    Returns:
        One row per training: method, labels (per class), seed, accuracy and recall (0 to 1),
        parameters (trainable ones), seconds; if asked, probabilities, an array of shape
        (n, classes).

    Raises:
        ValueError: a class has fewer examples than a budget.
    """
    from helpers import training, transfer  # here, as statistics need no TensorFlow

    rows = []
    runs = [(budget, seed) for budget in budgets for seed in seeds]
    for budget, seed in progress(runs, method):
        chosen = sample_per_class(data.train, budget, seed)
        start = time.perf_counter()
        model = fit(chosen, seed)
        seconds = time.perf_counter() - start
        predicted = training.predict(model, data.test.x, batch_size)
        row = {"method": method, "labels": budget, "seed": seed}
        row |= _scores(predicted.argmax(axis=1), data.test.y, positive)
        row |= {"parameters": transfer.trainable_parameter_count(model), "seconds": seconds}
        rows.append(row | ({"probabilities": predicted} if probabilities else {}))
    return pd.DataFrame(rows)


def head_curve(
    data: Data, budgets: Iterable[int], seeds: Iterable[int], *, method: str, positive: int = 1
) -> pd.DataFrame:
    """Compute `learning_curve(fit_head, ...)` without a model around each head, in half a second.

    Returns:
        The same rows and columns as `learning_curve`.

    Raises:
        ValueError: a class has fewer examples than a budget.
    """
    from helpers.transfer import head_weights

    rows = []
    for budget, seed in [(budget, seed) for budget in budgets for seed in seeds]:
        chosen = sample_per_class(data.train, budget, seed)
        start = time.perf_counter()
        kernel, bias = head_weights(chosen)
        seconds = time.perf_counter() - start
        row = {"method": method, "labels": budget, "seed": seed}
        row |= _scores((data.test.x @ kernel + bias).argmax(axis=1), data.test.y, positive)
        rows.append(row | {"parameters": kernel.size + bias.size, "seconds": seconds})
    return pd.DataFrame(rows)


def _scores(predictions, labels, positive):
    found = predictions[labels == positive] == positive
    return {
        "accuracy": float((predictions == labels).mean()),
        "recall": float(found.mean()) if len(found) else float("nan"),
    }


def table(curves: pd.DataFrame, labels: int) -> pd.DataFrame:
    """The methods side by side at one budget: means over the seeds, standard deviation, cost.

    Args:
        curves: rows of `learning_curve`, those of several methods one after the other.
        labels: the budget, in labels per class.

    Returns:
        One row per method: accuracy (mean, %), std (of the accuracy over seeds, in points),
        recall (mean, %), parameters (trainable ones), seconds (mean, per training).

    Raises:
        ValueError: no curve has that budget.
    """
    groups = _at(curves, labels).groupby("method", sort=False)
    return pd.DataFrame(
        {
            "accuracy": 100 * groups.accuracy.mean(),
            "std": 100 * groups.accuracy.std(ddof=1),
            "recall": 100 * groups.recall.mean(),
            "parameters": groups.parameters.first(),
            "seconds": groups.seconds.mean(),
        }
    ).round({"accuracy": 1, "std": 1, "recall": 1, "seconds": 2})


def _at(curves, labels):
    rows = curves[curves.labels == labels]
    if rows.empty:
        raise ValueError(
            f"No curve has {labels} labels per class: choose from {sorted(set(curves.labels))}."
        )
    return rows


@dataclass(frozen=True, eq=False)
class Gain:
    """How far one method is ahead of another, draw by draw; print it, or take its numbers.

    Attributes:
        differences: accuracy of the better minus that of the worse, in percentage points, shape
            (draws,), in the order of the seeds.
    """

    differences: np.ndarray

    @property
    def mean(self) -> float:
        """Mean difference, in points."""
        return float(self.differences.mean())

    @property
    def std(self) -> float:
        """Standard deviation of the differences over the draws, in points; NaN for one draw."""
        return float(self.differences.std(ddof=1)) if self.draws > 1 else float("nan")

    @property
    def ahead(self) -> int:
        """In how many draws the better one has the higher accuracy; a tie does not count."""
        return int((self.differences > 0).sum())

    @property
    def draws(self) -> int:
        """How many draws were compared."""
        return len(self.differences)

    def __str__(self):
        low, high = self.differences.min(), self.differences.max()
        return (
            f"{self.mean:+.1f} points ({self.ahead} of {self.draws} draws ahead, "
            f"{low:+.1f} to {high:+.1f})"
        )

    __repr__ = __str__


def accuracy_gain(curves: pd.DataFrame, better: str, worse: str, labels: int) -> Gain:
    """How many points of test accuracy `better` is ahead of `worse`, paired by seed.

    The same seed draws the same examples for every method, so the difference within a draw is
    free of the luck of the draw.

    Args:
        curves: rows of `learning_curve`, in any order.
        better, worse: names of two methods.
        labels: the budget, in labels per class.

    Raises:
        ValueError: no curve has that budget, a method is not among them, or the two were not
            trained once with each of the same seeds.

    Example:
        >>> rows = [("a", 10, 0, 0.5), ("a", 10, 1, 0.6), ("b", 10, 1, 0.8), ("b", 10, 0, 0.6)]
        >>> curves = pd.DataFrame(rows, columns=["method", "labels", "seed", "accuracy"])
        >>> accuracy_gain(curves, "b", "a", labels=10)
        +15.0 points (2 of 2 draws ahead, +10.0 to +20.0)
    """
    rows = _at(curves, labels)
    accuracies = []
    for method in (better, worse):
        of_method = rows[rows.method == method].set_index("seed").accuracy.sort_index()
        if of_method.empty:
            raise ValueError(
                f"No curve with {labels} labels per class is called {method!r}: choose from "
                f"{', '.join(map(repr, rows.method.unique()))}."
            )
        if not of_method.index.is_unique:
            raise ValueError(
                f"{method!r} has two rows with {labels} labels per class and the same seed: give "
                "each curve once, and each method a name of its own."
            )
        accuracies.append(of_method)
    one, two = accuracies
    if one.index.tolist() != two.index.tolist():
        raise ValueError(
            f"{better!r} was trained with the seeds {one.index.tolist()} and {worse!r} with "
            f"{two.index.tolist()}: only draws with the same seed can be compared."
        )
    return Gain(100 * (one.to_numpy() - two.to_numpy()))


def standard_error(accuracy: float, n: int) -> float:
    """Standard error of an accuracy that was measured on `n` test examples, in points.

    Args:
        accuracy: 0 to 1.
        n: examples in the test split.

    Raises:
        ValueError: the accuracy is outside 0 to 1, or there is no example.

    Example:
        >>> round(standard_error(0.8, 1000), 2)
        1.26
    """
    if not 0 <= accuracy <= 1 or n < 1:
        raise ValueError(
            f"An accuracy from 0 to 1 and at least one example are needed, not {accuracy} and {n}."
        )
    return float(100 * np.sqrt(accuracy * (1 - accuracy) / n))


def mistakes(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Positions of the wrong predictions, the most confident first.

    Args:
        probabilities: shape (n, classes).
        labels: integers, shape (n,).

    Returns:
        Integers, shape (mistakes,).

    Example:
        >>> mistakes(np.array([[0.6, 0.4], [0.1, 0.9], [0.3, 0.7]]), np.array([1, 0, 1])).tolist()
        [1, 0]
    """
    predictions = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predictions != labels)
    return wrong[np.argsort(-probabilities[wrong, predictions[wrong]], kind="stable")]
