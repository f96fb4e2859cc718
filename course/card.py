"""The transfer card: one page that a learner takes away from a chapter, from the run she made.

A chapter's cell keeps what was measured (`keep`), `course card 01` makes the page of it. Its parts
are those of a model card (Mitchell et al. 2019), as far as a run can fill them in; what only a
person can say stands open on the page, to be written into it.
"""

import json
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import jinja2
import numpy as np
import pandas as pd

from course import paths
from helpers import assets, compare, disk, plots
from helpers.data import Data

COLUMNS = ["method", "labels", "seed", "accuracy", "recall", "parameters", "seconds"]
TEMPLATE = Path(__file__).with_name("card.html.j2")


class CardError(ValueError):
    """No run to make a card of, or one that cannot be read."""


def file(chapter: str) -> Path:
    """Where the run of a chapter is kept, in a folder of the person's own."""
    return paths.user_folder() / "runs" / f"{chapter}.json"


def keep(
    dial: SimpleNamespace,
    data: Data,
    curves: pd.DataFrame,
    labels: int,
    *,
    borrowed: list[str],
    threshold: tuple[float, str] | None = None,
) -> None:
    """Keep what a chapter measured, in place of an earlier run, and say how to see it.

    Args:
        dial, data: the chapter's dials, and the splits, for classes and counts.
        curves: rows of `compare.learning_curve`, measured on the test split.
        labels: per class, at which the card compares.
        borrowed: names of assets; a path of the learner's own is kept as it is.
        threshold: a probability from which on the answer is yes, and how it was chosen.
    """
    run = {
        "chapter": dial.chapter,
        "date": date.today().isoformat(),
        "profile": assets.profile(),
        "own": list(dial.changed),
        "dataset": str(dial.dataset),
        "classes": list(data.class_names),
        "counts": {name: np.bincount(y, minlength=len(data.class_names)).tolist()
                   for name, (_, y) in data.splits()},
        "labels": int(labels),
        "curves": json.loads(curves.reindex(columns=COLUMNS).to_json(orient="records")),
        "borrowed": [_borrowed(name) for name in borrowed],
        "threshold": threshold and [float(threshold[0]), threshold[1]],
    }
    try:
        disk.write_atomic(file(dial.chapter), json.dumps(run).encode())
        print(f"Kept. In a terminal, 'course card {dial.chapter[:2]}' makes a page of your run.")
    except OSError as error:
        print(f"Your run cannot be kept ({error}): set COURSE_HOME to a folder that you may write.")


def _borrowed(name):
    try:
        asset = assets.about(name)
        return {key: getattr(asset, key) for key in ("name", "what", "size", "licence", "origin")}
    except assets.AssetError:
        return {"name": name, "what": "your own", "size": "", "licence": "look it up", "origin": ""}


def read(start: str) -> dict:
    """The run that is kept of the chapter whose name starts so, such as "01".

    Raises:
        CardError: there is no such chapter or no run of it, or its file cannot be read.
    """
    found = [chapter for chapter in paths.known() if chapter.startswith(start)]
    if len(found) != 1:
        raise CardError(f"Which chapter is '{start}'? Choose one of {', '.join(paths.known())}.")
    try:
        return json.loads(file(found[0]).read_text(encoding="utf8"))
    except FileNotFoundError:
        raise CardError(
            f"No run of {found[0]} is kept yet: run its cells up to the one with 'card.keep' (a "
            "chapter without it makes no card)."
        ) from None
    except (OSError, ValueError) as error:
        raise CardError(f"{file(found[0])}: {error}; run the chapter again.") from error


def write(start: str, out: Path | None = None) -> Path:
    """Write a chapter's card to `out`, or into the person's own folder, and return its file."""
    run = read(start)
    out = (out or paths.user_folder() / "cards" / f"{run['chapter']}.html").expanduser()
    disk.write_atomic(out, page(run).encode())
    return out


def page(run: dict) -> str:
    """The card as HTML that needs no other file."""
    curves, at, n = pd.DataFrame(run["curves"]), run["labels"], sum(run["counts"]["test"])
    curves = curves.astype({"recall": float, "seconds": float})  # where they were not measured
    table = compare.table(curves, at)
    table["error"] = [compare.standard_error(each / 100, n) for each in table.accuracy]
    best = table.accuracy.idxmax()
    with plots.collect() as shown:
        alt = f"Test accuracy against labels per class of {', '.join(table.index)}."
        plots.learning_curve(curves, alt=alt, at=at)
    draws = curves[curves.labels == at].groupby("method").seed.apply(sorted)
    same = [m for m in table.index if m != best and draws[m] == draws[best]]  # these can be paired
    gains = {method: compare.accuracy_gain(curves, best, method, at) for method in same}
    near = [method for method, gain in gains.items() if gain.ahead < gain.draws]
    template = jinja2.Template(TEMPLATE.read_text(encoding="utf8"), autoescape=True)
    return template.render(
        run=run, table=table, best=best, n=n, figure=shown[0], draws=draws, near=near,
        behind=[method for method in same if method not in near],
    )  # fmt: skip
