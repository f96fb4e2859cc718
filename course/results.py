"""The tables of the chapters, noted for `make run`, which shows them together at its end."""

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
        rows = pd.concat({(chapter, labels): table}, names=["chapter", "labels", "method"])
        rows.reset_index().to_json(file, orient="records", lines=True, mode="a")
    return table


def read(file: Path) -> pd.DataFrame:
    """All tables of a file below each other; empty if none was noted."""
    return pd.read_json(file, lines=True, dtype=False) if file.exists() else pd.DataFrame()
