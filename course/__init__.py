"""The machinery of the course: dials, exercises, widgets, downloads, editions, the command."""

from importlib.util import find_spec
from pathlib import Path

_found, _ours = find_spec("helpers"), Path(__file__).resolve().parent.parent / "helpers"
if _found and _found.origin and not _ours.samefile(Path(_found.origin).parent):
    raise ImportError(
        f"'helpers' is {_found.origin} here, which hides the course's own in {_ours}: rename it, "
        "or run from another folder."
    )
