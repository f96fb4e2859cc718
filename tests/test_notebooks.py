"""The form of the notebooks, which nbval does not see: it passes a notebook without outputs."""

import json
import re

import pytest

from course import paths

NOTEBOOKS = paths.chapters()
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


SHOWS = re.compile(r"\b(print|plots|figures|check|quiz|start)\b.*\(")
# What may differ from processor to processor: figures, tables, formatted numbers.
VARIES = re.compile(
    r"plots\.|figures\.|players\.|widgets\.|table\(|begin\(|mistakes\(|most_similar\(|round\("
    r"|:[,+]?\.\d|expect\("
)
# A printed result of training: another processor may round it otherwise. Versions are sanitised.
MEASURED = re.compile(r"±|draws? ahead|\d ?%|(?<![\d.])\d+\.\d+(?![\d.])")
PLACE = re.compile(r"/(home|root|tmp|work|Users)/|0x[0-9a-f]{6,}")


def of_execution(cell, source, tags, shown):
    """Whether it ran, and what came of it."""
    kinds = [output["output_type"] for output in cell["outputs"]]
    if SHOWS.search(source) and not cell["outputs"] and not re.search(r"^def ", source, re.M):
        yield "should show something and has no output"
    if "error" in kinds:
        yield "ends in an error"
    if any(output.get("name") == "stderr" for output in cell["outputs"]):
        yield "wrote to standard error"
    if PLACE.search(json.dumps(cell["outputs"])):
        yield "shows a path or an address of one machine"
    if "widget-view" in json.dumps(cell["outputs"]) and "nbval-ignore-output" not in tags:
        yield "keeps a progress bar"


def of_source(cell, source, tags, shown):
    """What a cell should look like."""
    if len(source.splitlines()) > (40 if "recipe" in tags else 25):
        yield "has more than 25 lines"
    if re.search(r"^\s*[!%]", source, re.MULTILINE):
        yield "has a shell line or a magic"
    if "solution" in tags and not cell["metadata"].get("jupyter", {}).get("source_hidden"):
        yield "is a solution and not folded"
    if "solution" in tags and not source.startswith("# Solution\n"):
        yield "is a solution and shows more than that when it is folded"


def of_results(cell, source, tags, shown):
    """Numbers are shown, and claims are silent."""
    if re.search(r":\s*True\b", shown):
        yield "prints True for a result: show the number, and expect the claim"
    if "expect(" in source and re.search(r"\b(True|False)\b", shown):
        yield "expects a claim and prints a verdict as well"
    if "Here it is not so" in shown:
        yield "makes a claim that does not hold"
    for output in cell["outputs"]:
        alt = output.get("metadata", {}).get("image/png", {}).get("alt", "")
        if "image/png" in output.get("data", {}) and len(alt) < 20:
            yield "shows a figure without alt text"
    ignored = "nbval-ignore-output" in tags and cell["outputs"]
    if ignored and not VARIES.search(source):
        yield "ignores an output that is no figure, table, number or example"
    compared = {"nbval-ignore-output", "exact", "solution"}.isdisjoint(tags)
    if compared and not re.search(r"\bquiz\b", source) and MEASURED.search(shown):
        yield "prints a measurement and compares it: tag it nbval-ignore-output, or exact"


def faults(notebook: dict) -> list[str]:
    """What is wrong with the form of a notebook, a line each."""
    found, count = ["widget state is saved"] if "widgets" in notebook["metadata"] else [], 0
    for i, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] != "code":
            continue
        count += 1
        if cell["execution_count"] != count:
            found.append(f"cell {i} was executed as {cell['execution_count']}, not as {count}")
        source, tags = "".join(cell["source"]), cell["metadata"].get("tags", [])
        texts = [o.get("text", o.get("data", {}).get("text/plain", "")) for o in cell["outputs"]]
        shown = "\n".join("".join(text) for text in texts)
        for rule in (of_execution, of_source, of_results):
            found += [f"cell {i} {fault}" for fault in rule(cell, source, tags, shown)]
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_form(path):
    assert faults(json.loads(path.read_text(encoding="utf8"))) == []
    assert path.stat().st_size <= 4_000_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_chapter_starts_as_all_do_and_claims_something(path):
    cells = json.loads(path.read_text(encoding="utf8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert sum(f'dial, claims = chapter.start("{path.stem}")' in source for source in code) == 1
    assert sum("claims.expect(" in source for source in code) >= 3


@pytest.mark.parametrize(
    "path", [p for p in NOTEBOOKS if not p.name.startswith("00")], ids=lambda path: path.stem
)
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


def said(text):
    return {"output_type": "stream", "name": "stdout", "text": text}


def cell(source="print(1)", **changes):
    base = {"cell_type": "code", "source": source, "execution_count": 1, "metadata": {}}
    return {**base, "outputs": [said("1\n")], **changes}


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
        (cell(outputs=[said("frozen leads: True")]), "prints True for a result"),
        (cell(outputs=[said("frozen leads:\nTrue")]), "prints True for a result"),
        (cell("claims.expect(a > 1, 'b')\nprint(c)", outputs=[said("False")]), "a verdict as well"),
        (cell(outputs=[said("Here it is not so: a leads.")]), "does not hold"),
        (cell("print(1)", metadata={"tags": ["nbval-ignore-output"]}), "ignores an output"),
        (cell(outputs=[said("-17.2 points (-22.6 to -3.7)")]), "prints a measurement"),
        (cell(outputs=[said("85% of them are right")]), "prints a measurement"),
        (cell("answer = 3", metadata={"tags": ["solution"]}), "shows more than that"),
    ],
)
def test_each_fault_of_form_is_seen(broken, words):
    found = faults({"metadata": {}, "cells": [broken]})
    assert any(words in fault for fault in found), found
    assert faults({"metadata": {}, "cells": [cell()]}) == []
