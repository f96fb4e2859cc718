"""A chapter is added by adding files: everything finds it, and no file is edited."""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap

import nbformat
import nbformat.v4 as new
import pytest
from small import code, quiz, solution, stub, text

from course import editions, paths

CONTENT = '''
from course.exercises import exercise, question


@exercise("x.sum", "Two and two.", minutes=2, level="easy", hints=("One.", "Two.", "Three."))
def total(answer):
    return None if answer == 4 else "What are two and two?"


question("x.why", "Why?", "b", a=("So.", "It is not so."), b=("It is.", "It is so."))
'''
FIRST = """\
import json
from course import dials, exercises
from course.claims import Claims

dial = dials.read("09_x")
claims = Claims(dial.chapter, binding=not dial.changed)
claims.expect(dial.pace > 1, "the pace is above one")
print("pace", dial.pace, list(dial.draws))
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of what the course is made of, with one more chapter."""
    root = tmp_path_factory.mktemp("tree")
    unwanted = shutil.ignore_patterns("__pycache__", "*.ipynb")
    for name in ("course", "helpers", "notebooks", "benchmarks"):
        shutil.copytree(paths.ROOT / name, root / name, ignore=unwanted)
    shutil.copytree(paths.ROOT / "tests", root / "tests", ignore=unwanted)
    for name in ("pyproject.toml", "README.md", "conftest.py"):
        shutil.copy(paths.ROOT / name, root)
    before = {file: file.read_bytes() for file in root.rglob("*") if file.is_file()}
    yield add_chapter(root)
    assert {file: file.read_bytes() for file in before} == before


def add_chapter(root):
    """The files of a chapter, and no others."""
    cells = [
        text("# 09 X: a small one"),
        code(FIRST, slideshow={"slide_type": "slide"}),
        text("## Exercises\n\n**1. Sum (2 minutes, easy).** Two and two?"),
        code('exercises.begin("x", dial)'),
        stub("x.sum"),
        solution("x.sum", "4"),
        *quiz("x.why", "b"),
    ]
    nbformat.write(new.new_notebook(cells=cells), root / "notebooks" / "09_x.ipynb")
    dials = ["pace = 3  # how fast", "seeds = 2  # draws", "hints = false  # none"]
    dials.append('exercises = "all"  # or names')
    (root / "notebooks" / "dials" / "09_x.toml").write_text("\n".join(dials))
    (root / "course" / "exercises" / "x.py").write_text(CONTENT)
    return root


@pytest.fixture
def run(tree, tmp_path):
    """Runs Python in the copy; returns what it prints."""

    def done(*arguments, **environment):
        made = {"PYTHONPATH": str(tree), "COURSE_HOME": str(tmp_path / "home"), **environment}
        ran = subprocess.run(
            [sys.executable, *arguments],
            cwd=tree,
            env={**os.environ, **made},
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    return done


def test_run_finds_it(tree, run, tmp_path):
    said = run("-m", "course.run", "09", COURSE_CLAIMS=str(tmp_path / "claims"))
    assert "09_x: " in said
    page = (tree / "build" / "09_x.html").read_text(encoding="utf8")
    assert "pace 3 [0, 1]" in page and "Correct. Two and two." in page
    assert json.loads((tmp_path / "claims").read_text())["sides"][0]["value"] == 3


def test_its_dials_are_read_and_checked(run, tmp_path):
    (tmp_path / "09_x.toml").write_text("pace = 0")
    ask = "from course import dials\ntry: print(dials.read('09_x').pace)\n"
    ask += "except dials.DialError as error: print(error)"
    assert run("-c", ask) == "3\n"
    assert "a whole number from 1 on" in run("-c", ask, COURSE_DIALS=str(tmp_path))


def test_its_exercises_answer_and_are_counted(run):
    solve = "from course import exercises, progress\nexercises.check('x.sum', 4)\n"
    solve += "exercises.begin('x')\nexercises.check('x.sum', 5)\nprint(progress.asked()['09_x'])"
    said = run("-c", solve)
    assert "Correct. Two and two." in said and "1 of 2 solved" in said
    assert "Not yet. What are two and two?" in said and "Stuck?" not in said  # by its dials
    assert "['x.sum', 'x.why']" in said
    assert re.search(r"09_x +\[#{10}-{10}\] 1 of 2 solved", run("-m", "course", "progress"))


@pytest.mark.parametrize("kind", ["student", "solved", "slides"])
def test_editions_hold_it(run, tmp_path, kind):
    out = tmp_path / kind
    assert "1 chapters are in" in run("-m", "course", "edition", kind, "--out", str(out)).replace(
        "1 chapter is in", "1 chapters are in"
    )
    file = out / ("09_x.slides.html" if kind == "slides" else "09_x.ipynb")
    page = file.read_text(encoding="utf8")
    assert "09_x" in page and ("answer = 4" in page) == (kind == "solved")
    assert kind == "slides" or (out / "dials" / "09_x.toml").is_file()


def test_tests_and_measurements_collect_it(run):
    tests = ("test_browser", "test_notebooks", "test_dials", "test_editions", "test_exercise_pages")
    files = [f"tests/{name}.py" for name in tests]
    said = run("-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files)
    for name in tests:
        assert re.search(rf"{name}.py::\w+\[.*(09_x|x)\b.*\]", said), name
    look = "import sys; sys.path.insert(0, 'benchmarks')\nimport claims\n"
    look += "print([path.stem for path in claims.paths.chapters()])"
    assert "['09_x']" in run("-c", look)


def test_a_class_needs_no_notebooks(tree, run, tmp_path):
    """What they hold beside a handout are the solutions."""
    notebook, away = tree / "notebooks" / "09_x.ipynb", tmp_path / "09_x.ipynb"
    shutil.move(notebook, away)
    try:
        said = run("-c", "from course import exercises\nexercises.check('x.sum', 5)")
        assert "Not yet. What are two and two?" in said and "Stuck?" not in said  # by its dials
        assert "0 of 2 solved" in run("-m", "course", "progress")
    finally:
        shutil.move(away, notebook)


def test_an_exercise_is_added_as_the_page_says(tree, run, tmp_path):
    """Each thing that may be forgotten is named; then the exercise is there. It comes last."""
    page = (paths.ROOT / "docs" / "instructors.md").read_text(encoding="utf8")
    section = page.partition("## A new exercise")[2].partition("\n## ")[0]
    blocks = [textwrap.dedent(b) for b in re.findall(r" +```(?:python)?\n(.*?)```", section, re.S)]
    check, heading, stub, answer, _ = (block.replace("start.", "x.").strip() for block in blocks)
    path, file = tree / "notebooks" / "09_x.ipynb", tree / "course" / "exercises" / "x.py"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-2:-2] = [text(heading), code(stub)]

    def fault():
        nbformat.write(notebook, path)
        with pytest.raises(editions.EditionError) as error:
            editions.build("student", tmp_path / "x", notebooks=path.parent, content=file.parent)
        return str(error.value)

    named = [fault()]
    notebook.cells.insert(-2, code(answer))
    named.append(fault())
    notebook.cells[-3].metadata["tags"] = ["solution"]
    named.append(fault())
    shown = re.findall(r"^- `.*?(cell .*)`$", section.replace("start.", "x."), re.M)
    for line, like in zip(named, [shown[1], shown[0], shown[2]], strict=True):
        like = like.replace("course/exercises/x.py", str(file))
        assert re.sub(r"cell \d+", "", line).endswith(re.sub(r"cell \d+", "", like)), line
    file.write_text(file.read_text() + "\n\n" + check + "\n")
    out = tmp_path / "solved"
    assert "every check passes" in run(
        "-m", "course", "edition", "solved", "--out", str(out), "--check"
    )
