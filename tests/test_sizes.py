"""Small means small: lines of the floors, lines of functions. These numbers may only fall."""

import ast

import pytest

from course import paths

CONTENT = {paths.EXERCISES / f"{topic}.py" for topic in paths.topics()}
LINES = {"helpers": 2798, "course": 4060}  # with docstrings, as measured last
# Rooms that came with later chapters and tools, each with a bound of its own.
ROOMS: dict[str, int] = {
    "course/intake/depth.py": 42,
    "start.py": 380,
    "course/site.py": 196,
    "helpers/engines.py": 117,
    "helpers/shift.py": 99,
    "helpers/ship.py": 186,
    "course/card.py": 127,
    "course/launch.py": 98,
    "course/merge.py": 125,
    "course/release.py": 99,
    "course/replace.py": 36,
    "course/update.py": 61,
    "course/review.py": 109,
}
LONGEST = 60
LONG, MANY = 40, 1  # so many functions may be longer than LONG, beside checks of exercises


def files(floor):
    apart = CONTENT | {paths.ROOT / room for room in ROOMS}
    return [file for file in sorted((paths.ROOT / floor).rglob("*.py")) if file not in apart]


def count(file):
    return len(file.read_text(encoding="utf8").splitlines())


def functions(file):
    """Name and lines of each function, with decorators and docstring."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            yield f"{file.relative_to(paths.ROOT)}: {node.name}", node.end_lineno - first + 1


@pytest.mark.parametrize("floor", LINES)
def test_a_floor_stays_small(floor):
    lines = {str(file.relative_to(paths.ROOT)): count(file) for file in files(floor)}
    assert sum(lines.values()) <= LINES[floor], lines


def test_a_room_keeps_its_bound():
    lines = {room: count(paths.ROOT / room) for room in ROOMS}
    assert not {room: length for room, length in lines.items() if length > ROOMS[room]}


def test_functions_do_one_thing():
    every = [file for floor in LINES for file in (paths.ROOT / floor).rglob("*.py")]
    found = {file: dict(functions(file)) for file in every}
    lines = {name: length for each in found.values() for name, length in each.items()}
    assert not {name: length for name, length in lines.items() if length > LONGEST}
    for file in CONTENT:
        lines = {name: length for name, length in lines.items() if name not in found[file]}
    long = {name: length for name, length in lines.items() if length > LONG}
    assert len(long) <= MANY, long
