"""How far the chapters' claims lie from their bounds, over other draws and other processors.

    python benchmarks/claims.py            all chapters; continues where it was interrupted
    python benchmarks/claims.py 01 03      only those whose name starts so
    python benchmarks/claims.py --weakest  the variables of `make test-portable`

Each chapter runs once under each setting below and notes both sides of every claim; the notes
stay in build/claims, one file for each setting and chapter, until the chapter or its dials are
newer (after a change of the packages, delete the folder). The table goes to docs/claims.md. A claim
nearer to its bound than two standard deviations is marked. Two cores take over an hour.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from nbclient.exceptions import CellExecutionError

from course import paths, run

NOTES = paths.ROOT / "build" / "claims"
SIGNS = {"Gt": ">", "GtE": "≥", "Lt": "<", "LtE": "≤", "Eq": "=", "NotEq": "≠"}
NEAR = 2  # standard deviations
PAGE = """\
# How firmly the claims stand

Made by `make claims`. Each chapter runs under {count} settings: {settings}.
The column "runs" says under how many of them a claim was met so far; `make claims` continues where
it was interrupted.

For each claim the table has the bound, the mean of what is compared with it, its standard
deviation (the variances over draws and over processors, added), the worst value, and the distance
between mean and bound in standard deviations of their difference. Claims nearer than {near} are
set in bold; "exact" never varied, and "one run" had no chance to; "no number" compares no two
numbers, so only whether it held is known.

{table}
"""


def settings() -> dict[str, dict[str, str]]:
    """Environment variables of each setting, and its `seed`, by what it is called."""
    one = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    found = {
        "as it is": {},
        **{f"draws from seed {seed}": {"seed": seed} for seed in (100, 200, 300, 400)},
        "without oneDNN": {"TF_ENABLE_ONEDNN_OPTS": "0"},
        "oneDNN with AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
        "oneDNN with SSE4.1": {"ONEDNN_MAX_CPU_ISA": "SSE41"},
        "OpenBLAS for Haswell": {"OPENBLAS_CORETYPE": "Haswell"},
        "one thread": dict.fromkeys(one, "1"),
    }
    if above := numpy_features():
        found["NumPy with AVX2"] = {"NPY_DISABLE_CPU_FEATURES": ",".join(above)}
    return found


def numpy_features() -> list[str]:
    """What NumPy uses here above AVX2 and can be told to leave alone."""
    features = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    return [name for name in features if "AVX512" in name or name == "X86_V4"]


def weakest() -> dict[str, str]:
    """All of them at once, as far as a chapter's committed outputs have to hold: one old core."""
    return {
        name: value
        for setting, variables in settings().items()
        for name, value in variables.items()
        if name != "seed" and setting != "oneDNN with SSE4.1"
    }


def measure(setting: str, environment: dict, path: Path) -> list[dict]:
    """The claims of one chapter under one setting, run now or noted before."""
    name = "".join(letter if letter.isalnum() else "-" for letter in setting)
    file = NOTES / f"{path.stem}.{name}.jsonl"
    sources = [path, paths.DIALS / f"{path.stem}.toml"]
    newest = max(each.stat().st_mtime for each in sources if each.exists())
    if not file.exists() or file.stat().st_mtime < newest:
        with tempfile.TemporaryDirectory() as scratch:
            part, variables = Path(scratch, "notes"), dict(environment)
            part.touch()
            if seed := variables.pop("seed", None):
                Path(scratch, path.stem).with_suffix(".toml").write_text(f"seed = {seed}\n", "utf8")
                variables["COURSE_DIALS"] = scratch
            elif variables:  # another processor: what this one computed would prove nothing
                variables["COURSE_CACHE"] = scratch
            print(f"{path.stem}: {setting}", flush=True)
            try:
                run.execute(path, COURSE_CLAIMS=str(part), COURSE_PROFILE="sample", **variables)
            except CellExecutionError as error:
                print(f"{path.stem} stopped: {error.ename}: {error.evalue}")
                return []
            NOTES.mkdir(parents=True, exist_ok=True)
            file.write_bytes(part.read_bytes())
    lines = file.read_text(encoding="utf8").splitlines()
    return [{"setting": setting, **json.loads(line)} for line in lines]


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """One row for each comparison of each claim, over all settings.

    Args:
        runs: columns setting, chapter, claim, holds, sides (as `course.claims` notes them).

    Returns:
        Columns chapter, claim, runs, bound, mean, std, worst, distance, marked.
    """
    rows = []
    for (chapter, claim), group in runs.groupby(["chapter", "claim"], sort=False):
        held = bool(group.holds.all())
        for sides in list(zip(*group.sides, strict=False)) or [()]:
            distance = _distance(sides, group.setting.to_numpy(), held)
            runs_of = group.setting.nunique()
            rows.append({"chapter": chapter, "claim": claim, "runs": runs_of, **distance})
    return pd.DataFrame(rows)


def _distance(sides, names, held):
    numbers = [None not in (side["value"], side["bound"]) for side in sides]
    if not any(numbers):
        return {"bound": "no number", "distance": np.nan, "marked": not held}
    values = np.array([side["value"] for side in sides], float)[numbers]
    bounds = np.array([side["bound"] for side in sides], float)[numbers]
    sign = sides[0]["sign"]
    margins = values - bounds if sign in ("Gt", "GtE") else bounds - values
    ordered = sign in ("Gt", "GtE", "Lt", "LtE")
    spread = _std(margins, names[numbers])
    exact = held if not ordered else spread == 0 and margins.mean() >= 0
    distance = np.inf if exact else margins.mean() / spread if ordered and spread else -np.inf
    return {
        "bound": f"{SIGNS.get(sign, sign)} {bounds.mean():.4g}",
        "mean": values.mean(),
        "std": _std(values, names[numbers]),
        "worst": values[margins.argmin()],
        "distance": distance,
        "marked": not held or distance < NEAR,
    }


def _std(values, names):
    """Of draws and of processors together: the variances of both add up."""
    usual = names == "as it is"
    drawn = np.char.startswith(names.astype(str), "draws")
    parts = [values[usual | drawn], values[~drawn]]
    return float(np.sqrt(sum(part.var(ddof=1) for part in parts if len(part) > 1)))


def missing(runs: pd.DataFrame, wanted: list[str]) -> list[str]:
    """Claims that were not met under each of the settings, a sentence for each."""
    found = []
    for (chapter, claim), group in runs.groupby(["chapter", "claim"], sort=False):
        if lacks := [setting for setting in wanted if setting not in set(group.setting)]:
            found.append(f"{chapter}: '{claim}' was not met under {', '.join(lacks)}.")
    return found


def page(table: pd.DataFrame, names: list[str]) -> str:
    """The summary as a page in Markdown."""
    head = ("chapter", "claim", "runs", "bound", "mean", "std", "worst", "distance")
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in table.to_dict("records"):
        far = row["distance"]
        numbers = ["" if pd.isna(row[n]) else f"{row[n]:.4g}" for n in ("mean", "std", "worst")]
        words = "" if np.isnan(far) else "exact" if np.isinf(far) and far > 0 else f"{far:.1f}"
        words = "one run" if words == "exact" and row["runs"] == 1 else words
        words = f"**{words or 'broken'}**" if row["marked"] else words
        claim = f"**{row['claim']}**" if row["marked"] else row["claim"]
        cells = (row["chapter"], claim, str(row["runs"]), row["bound"], *numbers, words)
        lines.append("| " + " | ".join(cells) + " |")
    listed = "\n".join(lines)
    return PAGE.format(count=len(names), settings=", ".join(names), near=NEAR, table=listed)


def main() -> None:
    """Run what has not run, and write the table."""
    parser = argparse.ArgumentParser(description="Measure how far claims lie from their bounds.")
    parser.add_argument("chapter", nargs="*", help="how the names start, for example 01")
    parser.add_argument("--weakest", action="store_true", help="print the weakest setting")
    chosen = parser.parse_args()
    if chosen.weakest:
        print(" ".join(f"{name}={value}" for name, value in weakest().items()))
        return
    starts = tuple(chosen.chapter) or ("",)
    chapters = [path for path in paths.chapters() if path.name.startswith(starts)]
    os.environ.pop("COURSE_DIALS", None)
    noted = [
        line
        for setting, environment in settings().items()
        for path in chapters
        for line in measure(setting, environment, path)
    ]
    runs = pd.DataFrame(noted, columns=["setting", "chapter", "claim", "holds", "sides"])
    table, names = summary(runs), list(settings())
    (paths.ROOT / "docs" / "claims.md").write_text(page(table, names), encoding="utf8")
    for sentence in missing(runs, names):
        print(sentence)
    near = table[table.marked]
    print(f"{len(table)} comparisons, {len(near)} nearer than {NEAR} standard deviations.")
    print(near.to_string(index=False) if len(near) else "See docs/claims.md.")


if __name__ == "__main__":
    main()
