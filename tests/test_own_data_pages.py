"""What pages say and count where the data are a person's own, of any number of classes."""

import ast
import re

import nbformat
import pytest

from course import dials, paths

STEMS = [path.stem for path in paths.chapters() if path.stem in paths.known()]
CHAPTERS = [stem for stem in STEMS if "dataset" in vars(dials.read(stem, folders=[]))]


def cells(chapter):
    notebook = nbformat.read(paths.NOTEBOOKS / f"{chapter}.ipynb", as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_table_says_of_which_class_its_recall_is(chapter):
    for source in (source for source in cells(chapter) if "compare.table(" in source):
        named = re.search(r'rename\(columns=\{"recall": f"recall of \{', source)
        assert named or re.search(r'drop\(columns=\S*"recall"', source), source


@pytest.mark.parametrize("chapter", [c for c in CHAPTERS if not c.startswith("03")])
def test_chance_and_heads_follow_the_number_of_classes(chapter):
    """Chapter 03 always has two classes, one kind of sound against the others."""
    own = [source for source in cells(chapter) if "data.class_names" in source or "data." in source]
    assert own
    for source in own:
        assert "chance=0.5" not in source
        assert not re.search(r"negative, positive = |no, yes = ", source)


def test_chapter_03_prints_the_name_of_the_class_that_is_sought():
    calls = [node for s in cells("03_audio") for node in ast.walk(ast.parse(s)) if is_print(node)]
    words = [part.value for call in calls for part in ast.walk(call) if is_text(part)]
    assert len(words) > 20 and not [each for each in words if "cough" in each]


def is_print(node):
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"


def is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
