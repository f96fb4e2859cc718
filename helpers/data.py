"""One container from the file to the figure: examples in NumPy arrays, in three splits."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

SPLITS = ("train", "validation", "test")


class Examples(NamedTuple):
    """Inputs `x` of shape (n, ...) and integer labels `y` of shape (n,)."""

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True, eq=False)
class Data:
    """The three splits of a task in memory: raw inputs, or features of a backbone.

    `class_names` gives the name of each label. `table`, where the data came from files, has one
    row per example in the order train, validation, test, and at least columns `split` and `label`.

    Example:
        >>> few = Examples(np.array([[1.0], [2.0]]), np.array([0, 1]))
        >>> data = Data(few, few, few, ("cats", "dogs")).map(lambda x: 10 * x)
        >>> data.train.x.tolist(), data.describe().splitlines()[0]
        ([[10.0], [20.0]], 'train      1 cats, 1 dogs')
    """

    train: Examples
    validation: Examples
    test: Examples
    class_names: tuple[str, ...]
    table: pd.DataFrame | None = None

    def splits(self) -> Iterator[tuple[str, Examples]]:
        """Pairs of name and examples: train, validation, test."""
        return ((name, getattr(self, name)) for name in SPLITS)

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> "Data":
        """The same task with `function(x)` in place of the inputs x, shape (n, ...), of each split.

        Raises:
            ValueError: the function returns more or fewer than n outputs.
        """
        mapped = {}
        for name, (x, y) in self.splits():
            mapped[name] = Examples(np.asarray(function(x)), y)
            if (shape := mapped[name].x.shape)[:1] != (len(y),):
                raise ValueError(
                    f"The function must return one output for each of the {len(y)} examples of "
                    f"the {name} split, and returned an array of shape {shape}."
                )
        return replace(self, **mapped)

    def describe(self) -> str:
        """One line per split: how many examples each class has."""
        lines = []
        for name, (_, y) in self.splits():
            counts = np.bincount(y, minlength=len(self.class_names))
            named = zip(counts, self.class_names, strict=True)
            lines.append(f"{name:<10} " + ", ".join(f"{count} {each}" for count, each in named))
        return "\n".join(lines)


def sample_per_class(examples: Examples, count: int, seed: int) -> Examples:
    """`count` random examples of each class, without replacement, in random order.

    Raises:
        ValueError: a class has fewer examples than that.

    Example:
        >>> examples = Examples(np.arange(6), np.array([0, 0, 0, 1, 1, 1]))
        >>> sorted(sample_per_class(examples, 2, seed=0).y.tolist())
        [0, 0, 1, 1]
    """
    rng = np.random.default_rng(seed)
    chosen = []
    for label in np.unique(examples.y):
        of_class = np.flatnonzero(examples.y == label)
        if len(of_class) < count:
            raise ValueError(
                f"Class {label} has {len(of_class)} examples, fewer than the {count} asked for: "
                "ask for fewer labels per class."
            )
        chosen.append(rng.choice(of_class, count, replace=False))
    order = rng.permutation(np.concatenate(chosen))
    return Examples(examples.x[order], examples.y[order])
