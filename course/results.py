"""The tables of the chapters, noted for `make run`, which shows them together at its end."""

import json
import os
from pathlib import Path

import pandas as pd


def record(chapter: str, labels: int, table: pd.DataFrame) -> pd.DataFrame:
    """Note a table in the file COURSE_RESULTS, if there is one, and return the table.

    Args:
        chapter: the notebook's name without its ending.
        labels: training examples per class at which the table compares.
        table: one row per method, the methods in its index.
    """
    if file := os.environ.get("COURSE_RESULTS"):
        rows = json.loads(table.rename_axis("method").reset_index().to_json(orient="records"))
        with open(file, "a", encoding="utf8") as notes:
            for row in rows:
                notes.write(json.dumps({"chapter": chapter, "labels": labels, **row}) + "\n")
    return table


def read(file: Path) -> pd.DataFrame:
    """All tables of a file below each other; empty if none was noted."""
    lines = file.read_text(encoding="utf8").splitlines() if file.exists() else []
    return pd.DataFrame([json.loads(line) for line in lines])
