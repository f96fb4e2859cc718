"""When the world changes: eight shifts of images, two ways to map features back, a test for drift.

Each is a few lines of NumPy, and chapter 05 writes them out. Images are (n, height, width, 3),
0 to 255; features are (n, d).
"""

from collections.abc import Callable

import numpy as np


def _blur(x):
    from scipy.ndimage import gaussian_filter

    sigma = x.shape[2] / 40  # pixels: the same look at any size
    return gaussian_filter(x.astype("float32"), (0, sigma, sigma, 0))


SHIFTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "clean": lambda x: x,
    "grey": lambda x: np.repeat(x.mean(axis=3, keepdims=True), 3, axis=3),
    "moonlight": lambda x: x * np.array([0.3, 0.4, 0.65]),  # blue stays
    "haze": lambda x: 0.4 * x + 0.6 * 200,
    "noise": lambda x: x + np.random.default_rng(0).normal(0, 35, x.shape),
    "blur": _blur,
    "negative": lambda x: 255 - x,
    "on its side": lambda x: np.rot90(x, axes=(1, 2)),
}


def shifted(x: np.ndarray, name: str) -> np.ndarray:
    """Images as another world would show them: uint8 (n, height, width, 3).

    `name` is one of `SHIFTS`; "on its side" swaps height and width. Noise is the same in each call.

    Raises:
        ValueError: no such shift, or these are no images.

    Example:
        >>> shifted(np.full((1, 2, 2, 3), 55, "uint8"), "negative").max().item()
        200
    """
    if name not in SHIFTS:
        raise ValueError(f"There is no shift '{name}': choose one of {', '.join(SHIFTS)}.")
    if np.ndim(x) != 4 or np.shape(x)[3] != 3:
        raise ValueError(f"Give images of shape (n, height, width, 3), not {np.shape(x)}.")
    return np.clip(np.round(SHIFTS[name](x)), 0, 255).astype("uint8")


def standardise(x: np.ndarray, like: np.ndarray | None = None) -> np.ndarray:
    """Features (n, d) minus the mean and divided by the deviation of each column of `like`.

    With each world standardised by its own unlabelled examples, this is the idea of AdaBN (Li et
    al., 2016). `like` is `x` itself if None. A column that never changes becomes 0.
    """
    like = x if like is None else like
    deviation = like.std(axis=0)
    return (x - like.mean(axis=0)) / np.where(deviation > 1e-6, deviation, np.inf)


def coral(source: np.ndarray, target: np.ndarray, ridge: float = 1.0) -> np.ndarray:
    """Source features (n, d) with the mean and the covariance of the target's (Sun et al., 2016).

    Train the head on what comes back, and use it on the target's features as they are.

    `ridge` times the target's mean variance is added to all variances, since with few examples
    the small ones are mostly noise; with 0 the covariances agree exactly, if n > d.
    """
    added = ridge * target.var(axis=0).mean() * np.eye(target.shape[1])
    whiten = _power(np.cov(source.T) + added, -0.5)
    colour = _power(np.cov(target.T) + added, 0.5)
    return (source - source.mean(axis=0)) @ whiten @ colour + target.mean(axis=0)


def _power(covariance, exponent):
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.maximum(values, 1e-12) ** exponent) @ vectors.T


def drift(reference: np.ndarray, window: np.ndarray) -> float:
    """How surprising the window would be if the world were still the reference's: a p-value.

    A two-sample Kolmogorov-Smirnov test per column; the smallest p-value times the number of
    columns (Bonferroni), at most 1. Below 0.05 is an alarm, and one of twenty would be false.

    `reference` holds scores (n,) or features (n, d) of examples that the head was *not* trained
    on, `window` those of the examples that came in lately.

    Raises:
        ValueError: the two have different columns, or one is empty or has a value that is NaN.
    """
    from scipy.stats import ks_2samp

    one, other = (np.asarray(x, float) for x in (reference, window))
    whole = all(len(x) and not np.isnan(x).any() for x in (one, other))
    if not whole or one.shape[1:] != other.shape[1:]:
        raise ValueError(f"Cannot compare {one.shape} and {other.shape}: give (n, d) without NaN.")
    pvalues = ks_2samp(*(x.reshape(len(x), -1) for x in (one, other)), method="asymp").pvalue
    return float(min(1.0, np.min(pvalues) * np.size(pvalues)))
