"""The repository around the course: workflows, forms, papers, git's settings, encodings."""

import ast
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import check_jsonschema
import nbformat
import pytest
import yaml
from click.testing import CliRunner

from course import paths

ROOT = paths.ROOT
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))


def read(name):
    return (ROOT / name).read_text(encoding="utf8")


@pytest.fixture
def start():
    """start.py as a module."""
    spec = importlib.util.spec_from_file_location("start", ROOT / "start.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands(workflow):
    """Each `run` line of a workflow."""
    jobs = yaml.safe_load(workflow.read_text(encoding="utf8"))["jobs"]
    for job in jobs.values():
        for step in job["steps"]:
            yield from step.get("run", "").splitlines()


# ---------------------------------------------------------------- workflows and forms

SCHEMAS = {
    "github-workflows": [*WORKFLOWS],
    "github-issue-forms": [GITHUB / "ISSUE_TEMPLATE" / f"{name}.yml" for name in ("fault", "page")],
    "github-issue-config": [GITHUB / "ISSUE_TEMPLATE" / "config.yml"],
    "dependabot": [GITHUB / "dependabot.yml"],
    "citation-file-format": [ROOT / "CITATION.cff"],
}


def validate(schema, *files):
    options = ["--builtin-schema", f"vendor.{schema}", "--default-filetype", "yaml"]
    return CliRunner().invoke(check_jsonschema.main, [*options, *map(str, files)])


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_file_has_the_form_that_its_reader_asks_for(schema, tmp_path):
    done = validate(schema, *SCHEMAS[schema])
    assert done.exit_code == 0, done.output
    broken = tmp_path / SCHEMAS[schema][0].name
    broken.write_text("version: [not, this]\n", encoding="utf8")
    assert validate(schema, broken).exit_code == 1


@pytest.mark.skipif(not shutil.which("actionlint"), reason="there is no actionlint on PATH")
def test_actionlint_finds_nothing():
    subprocess.run(["actionlint", *map(str, WORKFLOWS)], check=True)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_targets_only(workflow, start):
    found = list(commands(workflow))
    assert found
    for line in found:
        program, *words = shlex.split(line)
        assert program == "make" or [program, words.pop(0)] == ["python", "start.py"], line
        target, *rest = words
        assert target in start.TARGETS, line
        for word in rest:
            name, equals, _ = word.partition("=")
            assert not equals or name in start.SETTINGS or name.startswith("--"), line
            path = word.partition("=")[2] if name == "--ignore" else word
            if "/" in path or path == "tests":
                assert (ROOT / path).exists(), line


def test_the_versions_and_systems_that_are_promised(start):
    jobs = yaml.safe_load(read(".github/workflows/test.yml"))["jobs"]
    assert tuple(jobs["linux"]["strategy"]["matrix"]["python"]) == start.FITTING
    systems = jobs["elsewhere"]["strategy"]["matrix"]["system"]
    assert systems == ["windows-latest", "macos-latest"]
    colab = yaml.safe_load(read(".github/workflows/weekly.yml"))["jobs"]["colab"]["steps"]
    assert any(step.get("with", {}).get("python-version") in start.COLABS for step in colab)


def test_forms_ask_for_chapter_cell_and_machine():
    form = yaml.safe_load(read(".github/ISSUE_TEMPLATE/fault.yml"))
    asked = {each["id"]: each for each in form["body"]}
    assert {"chapter", "cell", "machine"} <= set(asked)
    assert "course doctor --json" in asked["machine"]["attributes"]["description"]


# ---------------------------------------------------------------- one version


def test_the_version_is_the_same_everywhere():
    version = tomllib.loads(read("pyproject.toml"))["project"]["version"]
    citation = yaml.safe_load(read("CITATION.cff"))
    newest = re.search(r"^## (\S+) \((\d{4}-\d\d-\d\d)\)$", read("CHANGELOG.md"), re.M)
    assert citation["version"] == newest[1] == version
    assert str(citation["date-released"]) == newest[2]


# ---------------------------------------------------------------- notebooks in git


@pytest.fixture
def clone(tmp_path):
    """A small repository with git's settings of the course, and one notebook."""
    folder = tmp_path / "a clone"
    folder.mkdir()
    for name in (".gitattributes", "nbdime_config.json"):
        shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "user.email", "a@b.c")
    git(folder, "config", "user.name", "a")
    write_notebook(folder, "a = 1", "b = 2")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def git(folder, *words, fails=False):
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, encoding="utf8")
    assert fails or done.returncode == 0, done.stderr
    return done.stdout


def write_notebook(folder, *sources):
    new = nbformat.v4
    cells = []
    for number, source in enumerate(sources):
        shown = new.new_output("stream", text=f"an output of {source}\n")
        cells.append(new.new_code_cell(source, id=f"c{number}", outputs=[shown]))
    nbformat.write(new.new_notebook(cells=cells), folder / "x.ipynb")


def set_up_git(folder, start):
    """What `make git` does to a clone, with the Python of this test."""
    start.set_up = lambda *extras: Path(sys.executable)
    start.call = lambda *words: words[0] == "git" and git(folder, *words[1:])
    start.main(["git"])


def test_git_shows_a_notebook_cell_by_cell(clone, start):
    set_up_git(clone, start)
    write_notebook(clone, "a = 10", "b = 2")
    shown = git(clone, "diff")
    assert "a = 10" in shown and "/cells/0/source" in shown
    assert "an output of" not in shown and '"cell_type"' not in shown


def test_a_merge_keeps_a_notebook_whole(clone, start):
    set_up_git(clone, start)
    git(clone, "checkout", "-qb", "other")
    write_notebook(clone, "a = 10", "b = 2")
    git(clone, "commit", "-qam", "other")
    git(clone, "checkout", "-q", "main")
    write_notebook(clone, "a = 20", "b = 3")
    git(clone, "commit", "-qam", "main")
    git(clone, "merge", "other", fails=True)
    merged = nbformat.read(clone / "x.ipynb", as_version=4)
    nbformat.validate(merged)
    assert "<<<<<<<" in merged.cells[0].source and merged.cells[1].source == "b = 3"


def test_without_its_driver_git_merges_as_ever(clone):
    write_notebook(clone, "a = 10", "b = 2")
    assert '"a = 10"' in git(clone, "diff")


def test_data_keep_their_bytes_and_text_its_line_ends(clone, tmp_path):
    mixed = b"one\r\ntwo\nthree\r\n"
    (clone / "data").mkdir()
    (clone / "data" / "mixed.txt").write_bytes(mixed)
    (clone / "page.py").write_bytes(b"one\ntwo\n")
    git(clone, "add", ".")
    git(clone, "commit", "-qm", "data")
    out = tmp_path / "windows"
    git(tmp_path, "clone", "-q", "-c", "core.autocrlf=true", str(clone), str(out))
    assert (out / "data" / "mixed.txt").read_bytes() == mixed
    assert (out / "page.py").read_bytes() == b"one\ntwo\n"


def test_the_hook_runs_what_make_lint_runs():
    config = ROOT / ".pre-commit-config.yaml"
    command = [sys.executable, "-m", "pre_commit", "validate-config", str(config)]
    subprocess.run(command, check=True)
    (hook,) = yaml.safe_load(read(config))["repos"][0]["hooks"]
    assert "start.py lint" in hook["entry"]


# ---------------------------------------------------------------- any system's encoding

TEXT = {"read_text": 0, "write_text": 1}  # where the encoding stands among the arguments


def without_encoding(source):
    """Lines that read, write or decode text as this computer happens to."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        given = {each.arg: each.value for each in node.keywords}
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        plain = name in TEXT and len(node.args) <= TEXT[name]
        text = isinstance(given.get("text"), ast.Constant) and given["text"].value is True
        if (plain or text or "universal_newlines" in given) and "encoding" not in given:
            yield node.lineno


def test_text_without_encoding_is_found():
    calls = {
        "path.read_text()": 1,
        "path.write_text(x)": 1,
        "subprocess.run(c, text=True)": 1,
        "path.read_text('utf8')": 0,
        "path.write_text(x, encoding='utf8')": 0,
        "subprocess.run(c, text=True, encoding='utf8')": 0,
        "figure.text(1, 2, text='x')": 0,
    }
    assert {call: len(list(without_encoding(call))) for call in calls} == calls


def test_text_has_an_encoding():
    """`open` is looked at by ruff (PLW1514); tests write and read ASCII where they name none."""
    folders = ("course", "helpers", "benchmarks", "data/recipes", ".ci")
    files = [ROOT / "start.py", *(file for f in folders for file in (ROOT / f).rglob("*.py"))]
    found = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in files
        for line in without_encoding(file.read_text(encoding="utf8"))
    ]
    assert not found


# ---------------------------------------------------------------- the container


def instructions():
    """Instruction and words of each line of the Dockerfile, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", read("Dockerfile"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def test_the_container_has_a_python_that_fits_and_runs_targets(start):
    given = dict(instructions())
    version = re.match(r"python:(3\.\d+)-", given["FROM"])[1]
    assert version in start.FITTING
    runs = [each for name, words in instructions() if name == "RUN" for each in words.split("&& ")]
    targets = [shlex.split(each)[2] for each in runs if each.startswith("python start.py")]
    assert targets and set(targets) <= set(start.TARGETS)
    copied = given["WORKDIR"], given["USER"]
    assert copied == ("/home/learner", "1000")  # a number, as Kubernetes asks for
    script = re.search(r"/opt/course/([\w./]+)", given["ENTRYPOINT"])[1]
    assert (ROOT / script).is_file()


def test_the_container_leaves_out_what_was_made():
    left_out = read(".dockerignore").split()
    assert {".git", ".venv", "build"} <= set(left_out)
    for name in ("start.py", "pyproject.toml", "requirements.txt", ".ci", "notebooks", "data"):
        assert name not in left_out


@pytest.mark.skipif(not shutil.which("hadolint"), reason="there is no hadolint on PATH")
def test_hadolint_finds_nothing():
    subprocess.run(["hadolint", str(ROOT / "Dockerfile")], check=True)


@pytest.mark.skipif(os.name == "nt", reason="a container runs Linux")
def test_a_learner_gets_a_handout_of_her_own_once(tmp_path):
    course, home = tmp_path / "a course", tmp_path / "home"
    for folder in (course / "handout", course / ".ci", home):
        folder.mkdir(parents=True)
    (course / "handout" / "00.ipynb").touch()
    shutil.copy(ROOT / ".ci" / "container.sh", course / ".ci" / "container.sh")

    def start_container(*command):
        words = ["sh", str(course / ".ci" / "container.sh"), *command]
        given = {**os.environ, "HOME": str(home)}
        return subprocess.run(words, env=given, capture_output=True, encoding="utf8")

    assert start_container("pwd").stdout.strip() == str(home / "transfer-learning")
    mine = home / "transfer-learning" / "00.ipynb"
    mine.write_text("mine", encoding="utf8")
    (course / "handout" / "01.ipynb").touch()
    assert start_container("sh", "-c", "exit 3").returncode == 3
    assert mine.read_text(encoding="utf8") == "mine"


# ---------------------------------------------------------------- what the pages tell people to run

PAGES = ("README.md", "CONTRIBUTING.md", "docs/instructors.md", ".github/PULL_REQUEST_TEMPLATE.md")


def told(page):
    """Each command of make or start.py on a page, without its comment."""
    text = read(page)
    blocks = "\n".join(re.findall(r"```(?:sh|bash)?\n(.*?)```", text, re.S)).splitlines()
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    for line in [*blocks, *inline]:
        line = re.sub(r"^(\w+=\S+ )+", "", line.partition(" #")[0].strip())
        if re.match(r"make [a-z]|python3? start\.py \w", line):
            yield line.replace("python3 ", "python ", 1).removeprefix("python ")


@pytest.mark.parametrize("page", PAGES)
def test_commands_on_a_page_exist(page, start):
    lines = [line for line in told(page) if line.split()[1] != "x"]
    assert lines
    for line in lines:
        target, *words = shlex.split(line)[1:]
        assert target in start.TARGETS, line
        for word in words:
            name, equals, value = word.partition("=")
            assert not equals or name in start.SETTINGS or name.startswith("-"), line
            file = value if name == "START" else word
            if re.match(r"(tests|notebooks)/", file):
                assert (ROOT / file).exists(), line


def test_files_that_pages_link_to_exist():
    for page in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "CODE_OF_CONDUCT.md"):
        for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", read(page)):
            assert (ROOT / link).exists(), f"{page}: {link}"
