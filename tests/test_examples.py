"""The examples in docstrings do what they say."""

import doctest
import importlib

import pytest

from course import paths

FLOORS = [paths.ROOT / "helpers", paths.ROOT / "course"]
FILES = [file for floor in FLOORS for file in sorted(floor.rglob("*.py"))]
MODULES = [
    ".".join(file.relative_to(paths.ROOT).with_suffix("").parts).removesuffix(".__init__")
    for file in FILES
    if ">>>" in file.read_text(encoding="utf8")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0 and result.attempted > 0
