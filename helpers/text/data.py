"""Read reviews from one layout: a CSV file in UTF-8 with the columns text, label and split."""

from pathlib import Path

import pandas as pd

from helpers import assets
from helpers.data import SPLITS, Data, Examples


def load(dataset: str | Path = "film-reviews", *, per_class: int = 1) -> Data:
    """Reviews as `x` (object array of str, shape (n,)) and their classes as `y` (int32).

    Class names are in alphabetical order, numbers by value; the table has text, label and split.

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
        if not table.split.isin(SPLITS).all():
            raise ValueError
    except FileNotFoundError:
        raise ValueError(f"There is no file {path}: check the name.") from None
    except (ValueError, KeyError, OSError) as error:  # another encoding, no CSV, a folder
        raise ValueError(
            f"{path} is no CSV file in UTF-8 with the columns text, label and split (train, "
            f"validation or test; {type(error).__name__}): let course.intake.texts read it first."
        ) from None
    names = sorted(set(table.label), key=_order)
    table = table.assign(label=pd.Categorical(table.label, names).codes.astype("int32"))
    parts = [table[table.split == split] for split in SPLITS]
    counts = {name: int((parts[0].label == i).sum()) for i, name in enumerate(names)}
    if min(counts.values(), default=0) < per_class:
        raise ValueError(
            f"{dataset} has for training {counts}, and {per_class} of each class are asked for: "
            "ask for fewer labels per class, or add reviews."
        )
    examples = [Examples(part.text.to_numpy(object), part.label.to_numpy()) for part in parts]
    return Data(*examples, tuple(names), pd.concat(parts, ignore_index=True))


def _order(label):
    number = label.replace(".", "", 1).removeprefix("-").isdecimal()
    return not number, float(label) if number else 0, label
