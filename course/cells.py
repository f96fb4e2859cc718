"""What the cells of a notebook ask for: exercises and questions, by name."""

import ast
from contextlib import suppress
from pathlib import Path

CALLS = {"exercises.check": "exercise", "exercises.quiz": "question"}
MINUTES = {"exercise": 5, "question": 1}  # where none are named


def asked(source: str) -> tuple[str, str] | None:
    r"""What a code cell checks: ("exercise" or "question", its name), or None.

    Example:
        >>> asked('answer = ...\nexercises.check("images.freeze", answer)')
        ('exercise', 'images.freeze')
    """
    with suppress(SyntaxError):
        for node in ast.walk(ast.parse(source)):
            kind = isinstance(node, ast.Call) and CALLS.get(ast.unparse(node.func))
            if kind and node.args and isinstance(node.args[0], ast.Constant):
                return kind, node.args[0].value
    return None


def registered(file: Path) -> dict[tuple[str, str], int]:
    """The exercises and questions of a file of course/exercises, in order, with their minutes.

    The file, which may be missing, is read and not run.
    """
    found = {}
    for node in ast.walk(ast.parse(file.read_text(encoding="utf8"))) if file.is_file() else ():
        kind = isinstance(node, ast.Call) and getattr(node.func, "id", "")
        if kind in MINUTES and isinstance(node.args[0], ast.Constant):
            given = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
            found[kind, node.args[0].value] = given.get("minutes", MINUTES[kind])
    return found
