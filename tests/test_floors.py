"""Three floors, one way: notebooks above course above helpers; read from the imports."""

import ast
import json

import pytest

from course import paths

NETWORK = {"requests", "urllib3", "urllib.request", "http.client", "http.server", "socket", "ssl"}
MACHINERY = {"ipywidgets", "nbformat", "nbclient", "nbconvert", "jinja2", "argparse", "selenium"}
# It answers on this machine's loopback, and asks nobody.
SERVES = {
    "helpers.ship": {
        "http.server", "http.server.BaseHTTPRequestHandler", "http.server.ThreadingHTTPServer"
    }
}  # fmt: skip
FILES = [file for floor in ("helpers", "course") for file in (paths.ROOT / floor).rglob("*.py")]
MODULES = {
    ".".join(file.relative_to(paths.ROOT).with_suffix("").parts).removesuffix(".__init__"): file
    for file in FILES
}
# Models are what the exercises are about, and the readers of files lie beside the models.
NEEDS_TENSORFLOW = {f"course.exercises.{topic}" for topic in paths.topics()} | {
    name for name in MODULES if f"{name}.".startswith("course.intake.")
}


def imported(source: str, package: str = "", *, later: bool = True) -> set[str]:
    """What a source imports, each with all that it may mean: `a.b` of `from a import b`.

    Args:
        source: Python.
        package: what relative imports start from.
        later: whether those within functions count.
    """
    tree, found = ast.parse(source), set()
    inner = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    skipped = set() if later else {id(node) for each in inner for node in ast.walk(each)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            up = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(up if node.level else []), *([node.module] if node.module else [])])
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return found


def of_module(name: str, *, later: bool = True) -> set[str]:
    """What a module of the course imports."""
    file = MODULES[name]
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    return imported(file.read_text(encoding="utf8"), package, later=later)


def reached(name: str) -> set[str]:
    """The course's own modules that come along when one is imported."""
    todo, seen = [name], set()
    while todo:
        module = todo.pop()
        # Importing a.b.c runs a and a.b first.
        parts = module.split(".")
        outer = {".".join(parts[:end]) for end in range(1, len(parts))}
        if module in MODULES and module not in seen:
            seen.add(module)
            todo += outer | of_module(module, later=False)
    return seen


def parts_of(names: set[str], wanted: set[str]) -> set[str]:
    """Those that are one of the wanted modules or lie in one."""
    return {n for n in names if any(n == w or n.startswith(f"{w}.") for w in wanted)}


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("helpers")])
def test_helpers_know_no_floor_above_and_no_network(name):
    wanted = {"course"} | NETWORK | MACHINERY
    assert parts_of(of_module(name), wanted) == SERVES.get(name, set())


@pytest.mark.parametrize("name", MODULES)
def test_tensorflow_comes_through_one_door(name):
    """`helpers.ready` starts it silently; whoever imports it first elsewhere lets it talk."""
    if name != "helpers.ready":
        assert parts_of(of_module(name), {"tensorflow", "keras", "tensorflow_hub"}) == set()


@pytest.mark.parametrize(
    "name",
    ["helpers.data", "helpers.disk", "helpers.assets", "helpers.plots"]
    + [n for n in MODULES if n.startswith("course") and n not in NEEDS_TENSORFLOW],
)
def test_what_needs_no_tensorflow_does_without(name):
    assert "helpers.ready" not in reached(name)


@pytest.mark.parametrize("path", paths.chapters(), ids=lambda path: path.stem)
def test_notebooks_stand_on_both_floors_and_on_public_names(path):
    cells = json.loads(path.read_text(encoding="utf8"))["cells"]
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        names = parts_of(imported("".join(cell["source"])), {"helpers", "course"})
        assert not [name for name in names if "._" in name], names
        assert not parts_of(names, {"course.cli", "course.fetch", "course.editions", "course.run"})


def test_no_room_reaches_back():
    """Modules do not import each other in a circle."""
    above = {
        name: {n for n in of_module(name, later=False) if n in MODULES and n != name}
        for name in MODULES
    }
    # A package offers what lies in it; only its modules' imports count.
    above = {n: set() if MODULES[n].name == "__init__.py" else a for n, a in above.items()}
    while free := [name for name, needs in above.items() if not needs & above.keys()]:
        for name in free:
            del above[name]
    assert above == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import a.b", {"a.b"}),
        ("from a import b, c", {"a", "a.b", "a.c"}),
        ("from . import b", {"p.q", "p.q.b"}),
        ("from ..r import b", {"p.r", "p.r.b"}),
        ("def f():\n    import a", set()),
    ],
)
def test_imports_are_read(source, found):
    assert imported(source, "p.q", later=False) == found
    assert imported(source, "p.q") >= found
