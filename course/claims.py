"""What the text of a chapter claims, asserted beside it.

On the course's own data and dials a broken claim is an error. On a learner's own it is a
sentence: nothing went wrong, here it is only not so.
"""

import ast
import inspect
import json
import linecache
import os
from typing import Any


class Claims:
    """The claims of one chapter.

    Args:
        chapter: its name, such as "01_images".
        binding: whether a broken claim is an error: on the course's own data, dials and profile.

    Example:
        >>> claims = Claims("01_images", binding=False)
        >>> claims.expect(3 > 2, "three is more than two")
        >>> claims.expect(2 > 3, "two is more than three")
        Here it is not so: two is more than three.
    """

    def __init__(self, chapter: str, *, binding: bool = True):
        self.chapter, self.binding = chapter, binding

    def expect(self, condition: Any, text: str) -> None:
        """Say nothing while `condition` holds.

        Where COURSE_CLAIMS names a file, both sides of the comparison are noted in it, and a
        broken claim stops nothing.

        Args:
            condition: best a comparison written here, such as `gap > 10`: then its distance from
                the bound can be measured (`make claims`).
            text: what the chapter says.

        Raises:
            AssertionError: the condition does not hold, and the claim is binding.
        """
        if file := os.environ.get("COURSE_CLAIMS"):
            line = {"chapter": self.chapter, "claim": text, "holds": bool(condition)}
            line["sides"] = _sides(inspect.currentframe().f_back)
            with open(file, "a", encoding="utf8") as notes:
                notes.write(json.dumps(line) + "\n")
        elif not condition and self.binding:
            raise AssertionError(f"The chapter claims that {text}, and here it is not so.")
        elif not condition:
            print(f"Here it is not so: {text}.")


def _sides(frame):
    """Each comparison in the call that a frame is at: its source, operator, and both values."""
    where = inspect.getframeinfo(frame).positions
    if not (source := "".join(linecache.getlines(frame.f_code.co_filename))):
        return []
    call = ast.parse(ast.get_source_segment(source, where), mode="eval").body
    first = [*call.args, *(word.value for word in call.keywords if word.arg == "condition")][0]
    found = []
    for each in first.values if isinstance(first, ast.BoolOp) else [first]:
        parts = [each.left, *each.comparators] if isinstance(each, ast.Compare) else []
        for left, sign, right in zip(parts, getattr(each, "ops", []), parts[1:], strict=False):
            bound = {"value": _number(left, frame), "bound": _number(right, frame)}
            sources = {"left": ast.unparse(left), "right": ast.unparse(right)}
            found.append({"sign": type(sign).__name__, **sources, **bound})
    return found


def _number(node, frame):
    """The value of an expression at a frame as a float; None if it is no single number."""
    code = compile(ast.Expression(node), "<claim>", "eval")
    try:
        return float(eval(code, {**frame.f_globals, **frame.f_locals}))
    except (TypeError, ValueError):
        return None
