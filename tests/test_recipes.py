"""The recipes that end the chapters: short, run without the course, and leave a saved model."""

import json
import os
import subprocess
import sys

import pytest

from course import paths

LINES = 40
# The setups of all recipes, in the folders where they belong; each leaves a folder of its own.
SETUPS = """
import json, os, sys

folders = []
for source in json.loads(sys.argv[1]):
    os.chdir(sys.argv[2])
    exec(source, {"__name__": "__main__"})
    folders.append(os.getcwd())
print("FOLDERS", json.dumps(folders))
"""
# All recipes, each in its folder. Here the course is not there, as on a learner's own computer.
RECIPES = """
import contextlib, io, json, os, sys, traceback

class NoCourse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("course", "helpers"):
            raise ModuleNotFoundError(f"a recipe needs {name}")

sys.meta_path.insert(0, NoCourse())
sys.path = [place for place in sys.path if place not in ("", sys.argv[2])]
said = []
for recipe, folder in json.loads(sys.argv[1]):
    os.chdir(folder)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            exec(compile(recipe, "recipe", "exec"), {"__name__": "__main__"})
            fault = ""
        except Exception:
            fault = traceback.format_exc()
    said.append([printed.getvalue(), fault])
print("SAID", json.dumps(said))
"""


def cells_tagged(path, tag):
    """The sources of the cells with a tag."""
    cells = json.loads(path.read_text(encoding="utf8"))["cells"]
    tagged = [cell for cell in cells if tag in cell["metadata"].get("tags", [])]
    return ["".join(cell["source"]) for cell in tagged]


CHAPTERS = [path for path in paths.chapters() if cells_tagged(path, "recipe")]


def run(source, *arguments, **settings):
    """Run Python in a process of its own, and return the JSON that it prints last."""
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, **settings}
    done = subprocess.run(
        [sys.executable, "-c", source, *arguments],
        env=environment, capture_output=True, text=True, timeout=900, check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1].partition(" ")[2])


def outcome(recipes, folders):
    """What each recipe prints, and its traceback or nothing, without the course."""
    pairs = json.dumps(list(zip(recipes, folders, strict=True)))
    return run(RECIPES, pairs, str(paths.ROOT), PYTHONPATH="")


@pytest.fixture(scope="module")
def ran():
    """What each recipe printed, its traceback, and the files that it made."""
    # The setups import what they need themselves: nothing else of the pages runs here.
    setups = json.dumps([cells_tagged(path, "recipe-setup")[0] for path in CHAPTERS])
    folders = run(SETUPS, setups, str(paths.NOTEBOOKS), PYTHONPATH=str(paths.ROOT))
    before = [set(os.listdir(folder)) for folder in folders]
    said = outcome([cells_tagged(path, "recipe")[0] for path in CHAPTERS], folders)
    made = [set(os.listdir(f)) - were for f, were in zip(folders, before, strict=True)]
    return dict(zip(CHAPTERS, zip(said, made, strict=True), strict=True))


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_recipe_runs_without_the_course(path, ran):
    (recipe,) = cells_tagged(path, "recipe")
    assert len(recipe.splitlines()) <= LINES
    (said, fault), made = ran[path]
    assert not fault, fault
    assert any(name.endswith(".keras") for name in made), f"no saved model among {made}"
    assert said.strip(), "the recipe prints no result"


def test_what_a_recipe_may_not_import_is_refused(tmp_path):
    ((_, fault),) = outcome(["import helpers.data"], [str(tmp_path)])
    assert "a recipe needs helpers" in fault
