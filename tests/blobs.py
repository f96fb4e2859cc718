"""Two classes of points that a line tells apart fairly well: data for models of a few weights."""

import numpy as np

from helpers.data import Data, Examples


def blobs(n, seed=0):
    """`n` examples of 6 numbers, the classes alternating."""
    rng = np.random.default_rng(seed)
    y = np.arange(n, dtype="int32") % 2
    return Examples((rng.normal(size=(n, 6)) + 1.2 * y[:, None]).astype("float32"), y)


def task():
    """60, 20 and 40 examples."""
    return Data(blobs(60, 1), blobs(20, 2), blobs(40, 3), ("low", "high"))
