"""The recipes that end the chapters: short, run without the course, and leave a saved model."""

import json
import os
import subprocess
import sys

import pytest

from course import paths

LINES = 40
# In the recipe's process the course is not there, as on a learner's own computer.
WITHOUT = """
import sys

class NoCourse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("course", "helpers"):
            raise ModuleNotFoundError(f"a recipe needs {name}")

sys.meta_path.insert(0, NoCourse())
sys.path = [place for place in sys.path if place not in ("", ROOT)]
exec(compile(open(RECIPE, encoding="utf8").read(), "recipe", "exec"), {"__name__": "__main__"})
"""


def cells_tagged(path, tag):
    """The sources of the cells with a tag."""
    cells = json.loads(path.read_text(encoding="utf8"))["cells"]
    tagged = [cell for cell in cells if tag in cell["metadata"].get("tags", [])]
    return ["".join(cell["source"]) for cell in tagged]


CHAPTERS = [path for path in paths.chapters() if cells_tagged(path, "recipe")]


def run(source, folder, **settings):
    """Run Python in a folder, and return what it prints."""
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, **settings}
    done = subprocess.run(
        [sys.executable, "-c", source],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_recipe_runs_without_the_course(path, tmp_path):
    (recipe,), (setup,) = (cells_tagged(path, tag) for tag in ("recipe", "recipe-setup"))
    assert len(recipe.splitlines()) <= LINES
    # The setup imports what it needs itself: nothing else of the page runs here.
    start = f"import os\nos.chdir({str(paths.NOTEBOOKS)!r})\n"
    where = "\nimport os\nprint('FOLDER', os.getcwd())\n"
    said = run(start + setup + where, tmp_path, PYTHONPATH=str(paths.ROOT), COURSE_PROFILE="sample")
    folder = said.rpartition("FOLDER ")[2].strip()
    file = tmp_path / "recipe.py"
    file.write_text(recipe, encoding="utf8")
    before = set(os.listdir(folder))
    head = f"ROOT, RECIPE = {str(paths.ROOT)!r}, {str(file)!r}\n"
    said = run(head + WITHOUT, folder, PYTHONPATH="")
    made = set(os.listdir(folder)) - before
    assert any(name.endswith(".keras") for name in made), f"no saved model among {made}"
    assert said.strip(), "the recipe prints no result"


def test_what_a_recipe_may_not_import_is_refused(tmp_path):
    (tmp_path / "recipe.py").write_text("import helpers.data")
    head = f"ROOT, RECIPE = {str(paths.ROOT)!r}, {str(tmp_path / 'recipe.py')!r}\n"
    with pytest.raises(AssertionError, match="a recipe needs helpers"):
        run(head + WITHOUT, tmp_path)
