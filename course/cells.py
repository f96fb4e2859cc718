"""What the cells of a notebook ask for: exercises and questions, by name."""

import ast
import re
from pathlib import Path

CALLS = {"exercises.check": "exercise", "exercises.quiz": "question"}


def asked(source: str) -> tuple[str, str] | None:
    r"""What a code cell checks: ("exercise" or "question", its name), or None.

    Example:
        >>> asked('answer = ...\nexercises.check("images.freeze", answer)')
        ('exercise', 'images.freeze')
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        kind = isinstance(node, ast.Call) and CALLS.get(ast.unparse(node.func))
        if kind and node.args and isinstance(node.args[0], ast.Constant):
            return kind, node.args[0].value
    return None


def registered(file: Path) -> list[tuple[str, str]]:
    """The exercises and questions of a file of course/exercises, in order, without running it."""
    if not file.is_file():
        return []
    text = file.read_text(encoding="utf8")
    return re.findall(r'^@?(exercise|question)\(\s*"([\w.]+)"', text, re.MULTILINE)
