"""Read reviews from one layout: a CSV file in UTF-8 with the columns text, label and split."""

from pathlib import Path

import pandas as pd

from helpers import assets
from helpers.data import SPLITS, Data, Examples


def load(dataset: str | Path = "film-reviews", *, per_class: int = 1) -> Data:
    """Reviews as `x` (object array of str, shape (n,)) and their classes as `y` (int32).

    Args:
        dataset: "film-reviews", or the path of a CSV file as above.
        per_class: how many training reviews each class must have.

    Raises:
        ValueError: the file is missing or no such CSV, or a class has too few training reviews.

    Example:
        >>> load().class_names
        ('negative', 'positive')
    """
    path = assets.path(dataset) if dataset == "film-reviews" else Path(dataset).expanduser()
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)[["text", "label", "split"]]
    except FileNotFoundError:
        raise ValueError(f"There is no file {path}: check the name.") from None
    except (ValueError, KeyError, OSError) as error:  # another encoding, no CSV, a folder
        raise ValueError(
            f"{path} is no CSV file in UTF-8 with the columns text, label and split "
            f"({type(error).__name__}): let course.intake.texts read it first."
        ) from None
    names = sorted(set(table.label), key=_order)
    parts = [table[table.split == split] for split in SPLITS]
    counts = parts[0].label.value_counts().reindex(names, fill_value=0)
    if not names or counts.min() < per_class:
        some = f"{counts.min()} of the class {counts.idxmin()!r}" if names else "0"
        raise ValueError(
            f"{dataset} gives {some} for training, and {per_class} are asked for: ask for fewer "
            "labels per class, or add reviews."
        )
    y = {name: label for label, name in enumerate(names)}
    examples = [Examples(x.text.to_numpy(object), x.label.map(y).to_numpy("int32")) for x in parts]
    return Data(*examples, tuple(names), pd.concat(parts, ignore_index=True))


def _order(label):
    """Numbers by value, then words in alphabetical order."""
    number = label.replace(".", "", 1).removeprefix("-").isdecimal()
    return not number, float(label) if number else 0, label
