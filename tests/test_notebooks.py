"""The form of the notebooks, which nbval does not see: it passes a notebook without outputs."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
STEPS = [
    "Look at the data",
    "Start from scratch",
    "Borrow frozen features",
    "Fine-tune",
    "Compare",
    "Look inside",
    "Wrong on purpose",
    "Exercises",
    "Quiz",
    "What to take away",
]


def faults(notebook: dict) -> list[str]:
    """What is wrong with the form of a notebook, a line each."""
    found, count = [], 0
    if "widgets" in notebook["metadata"]:
        found.append("widget state is saved")
    for i, cell in enumerate(notebook["cells"]):
        source, tags = "".join(cell["source"]), cell["metadata"].get("tags", [])
        if cell["cell_type"] != "code":
            continue
        count += 1
        outputs = json.dumps(cell["outputs"])
        if cell["execution_count"] != count:
            found.append(f"cell {i} was executed as {cell['execution_count']}, not as {count}")
        if len(source.splitlines()) > 25:
            found.append(f"cell {i} has more than 25 lines")
        if re.search(r"^\s*[!%]", source, re.MULTILINE):
            found.append(f"cell {i} has a shell line or a magic")
        if re.search(r"\b(print|plots|check|quiz|report)\b.*\(", source) and not cell["outputs"]:
            if not re.search(r"^def ", source, re.MULTILINE):
                found.append(f"cell {i} should show something and has no output")
        if any(o["output_type"] == "error" for o in cell["outputs"]):
            found.append(f"cell {i} ends in an error")
        if any(o.get("name") == "stderr" for o in cell["outputs"]):
            found.append(f"cell {i} wrote to standard error")
        if re.search(r"/(home|root|tmp|work|Users)/|0x[0-9a-f]{6,}", outputs):
            found.append(f"cell {i} shows a path or an address of one machine")
        if "widget-view" in outputs and "nbval-ignore-output" not in tags:
            found.append(f"cell {i} keeps a progress bar")
        for output in cell["outputs"]:
            if "image/png" in output.get("data", {}):
                alt = output["metadata"].get("image/png", {}).get("alt", "")
                if len(alt) < 20:
                    found.append(f"cell {i} shows a figure without alt text")
        if "nbval-ignore-output" in tags and "plots." not in source and len(outputs) > 2:
            if not re.search(r"compare\(|round\(|mistakes\(|most_similar\(|begin\(", source):
                found.append(f"cell {i} ignores an output that is no figure, table or example")
        if "solution" in tags and not cell["metadata"].get("jupyter", {}).get("source_hidden"):
            found.append(f"cell {i} is a solution and not folded")
        if "solution" in tags and not source.startswith("# Solution\n"):
            found.append(f"cell {i} is a solution and shows more than that when it is folded")
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_form(path):
    assert faults(json.loads(path.read_text(encoding="utf8"))) == []


@pytest.mark.parametrize("path", NOTEBOOKS[1:], ids=lambda path: path.stem)
def test_a_chapter_takes_the_same_steps(path):
    cells = json.loads(path.read_text(encoding="utf8"))["cells"]
    prose = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    headings = [line[3:] for line in prose.splitlines() if line.startswith("## ")]
    assert [heading for heading in headings if heading in STEPS] == STEPS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_stub_says_not_started_and_every_solution_is_right(path):
    cells = json.loads(path.read_text(encoding="utf8"))["cells"]
    solved = 0
    for i, cell in enumerate(cells):
        source = "".join(cell["source"])
        said = "".join("".join(o.get("text", "")) for o in cell.get("outputs", []))
        if "exercises.check(" in source:
            solution = "solution" in cell["metadata"].get("tags", [])
            assert said.startswith("Correct." if solution else "Not started."), f"cell {i}"
            solved += solution
    assert solved >= 5


BAR = {"output_type": "display_data", "data": {"application/vnd.jupyter.widget-view+json": {}}}
BARE_FIGURE = {"output_type": "display_data", "data": {"image/png": ""}, "metadata": {}}


def cell(source="print(1)", **changes):
    output = {"output_type": "stream", "name": "stdout", "text": "1\n"}
    base = {"cell_type": "code", "source": source, "execution_count": 1, "metadata": {}}
    return {**base, "outputs": [output], **changes}


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (cell(outputs=[], execution_count=None), "executed as None"),
        (cell(outputs=[]), "has no output"),
        (cell("\n".join(["x = 1"] * 26)), "more than 25 lines"),
        (cell("!pip install x"), "shell line"),
        (cell("%nosuchmagic"), "magic"),
        (cell(outputs=[{"output_type": "error", "ename": "E"}]), "ends in an error"),
        (cell(outputs=[{"output_type": "stream", "name": "stderr", "text": "W"}]), "standard err"),
        (cell(outputs=[{"output_type": "stream", "name": "stdout", "text": "/home/me/x"}]), "path"),
        (cell(outputs=[BAR]), "progress bar"),
        (cell(outputs=[BARE_FIGURE]), "without alt text"),
        (cell(metadata={"tags": ["nbval-ignore-output"]}), "ignores an output"),
        (cell(metadata={"tags": ["solution"]}), "not folded"),
        (cell("answer = 3", metadata={"tags": ["solution"]}), "shows more than that"),
    ],
)
def test_each_fault_of_form_is_seen(broken, words):
    found = faults({"metadata": {}, "cells": [broken]})
    assert any(words in fault for fault in found), found
    assert faults({"metadata": {}, "cells": [cell()]}) == []
