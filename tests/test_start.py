"""start.py, and the Makefile which calls it: finding a Python, setting up, and each target."""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from course import paths

START = paths.ROOT / "start.py"
POSIX = pytest.mark.skipif(os.name == "nt", reason="the Pythons of this test are shell scripts")
MAKE = pytest.mark.skipif(not shutil.which("make"), reason="there is no make")


@pytest.fixture
def start(tmp_path, monkeypatch):
    """start.py as a module, over a folder of its own; what it would run is noted in `.ran`."""
    for name in ("PYTHON", "CONSTRAINTS", "EXTRAS", "START", "VENV", "CHAPTERS"):
        monkeypatch.delenv(name, raising=False)
    spec = importlib.util.spec_from_file_location("start", START)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("pyproject.toml", "requirements.txt", ".ci/install.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(paths.ROOT / name, tmp_path / name)
    module.ROOT, module.ran = tmp_path, []

    def call(*command, **environment):
        module.ran.append(([str(word) for word in command], environment))
        if "venv" in command:
            stamp = Path(command[-1], ".ready")
            stamp.parent.mkdir(parents=True, exist_ok=True)
            stamp.unlink(missing_ok=True)

    def ask(*command):
        if "course.launch" in command:
            return 0, "build/start.ipynb\n"
        if "--weakest" in command:
            return 0, "A=1 B=x,y\n"
        if "freeze" in command:
            return 0, "numpy==2.0\nhere @ file:///a b\n"
        if "--version" in command:
            return int(not Path(command[0]).parent.parent.exists()), "pip"
        return 0, "3.12 True"

    module.call, module.ask = call, ask
    module.attempt = lambda *words, **environment: call(*words, **environment) or 0
    return module


def commands(start):
    """What ran, without the set-up: the words after the Python."""
    return [words[1:] for words, _ in start.ran if not {"venv", ".ci/install.py"} & set(words)]


def installs(start):
    return [words for words, _ in start.ran if ".ci/install.py" in words]


def make_ready(start, extras="lab ship scale dev site"):
    folder = start.ROOT / ".venv"
    folder.mkdir()
    (folder / ".ready").write_text(extras)


# ---------------------------------------------------------------- the file itself


def test_an_old_python_can_read_it():
    text = START.read_text(encoding="utf8")
    tree = ast.parse(text, feature_version=(3, 8))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names
    assert text.isascii()  # whatever the console's encoding


def test_the_makefile_has_the_same_targets(start):
    text = (paths.ROOT / "Makefile").read_text(encoding="utf8")
    listed = re.search(r"TARGETS := ((?:.*\\\n)*.*)", text)[1].replace("\\\n", "").split()
    assert set(listed) == set(start.TARGETS)
    assert set(re.findall(r"^([a-z-]+):", text, re.M)) == set()  # no other ones


def test_every_target_and_setting_is_described(start, capsys):
    start.main([])
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in start.TARGETS)
    assert all(function.__doc__ for function in start.TARGETS.values())
    assert all(f"    {name}=" in start.__doc__ for name in start.SETTINGS)


def test_the_versions_are_those_of_the_package(start):
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text("utf8"))["project"]
    low, high = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project["requires-python"]).groups()
    assert start.FITTING == tuple(f"3.{minor}" for minor in range(int(low), int(high)))
    extras = list(project["optional-dependencies"])
    assert start.extras_of_the_course() == extras
    assert set(extras) <= set(start.EVERY)  # `make test` installs all of them


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nosuch"], "There is no target nosuch: the targets are lab, "),
        (["lab", "PYHTON=x"], "There is no setting PYHTON: the settings are PYTHON, "),
        (["clean", "all"], "clean takes no all."),
    ],
)
def test_a_slip_is_named(start, arguments, words):
    with pytest.raises(SystemExit, match=re.escape(words)):
        start.main(arguments)


# ---------------------------------------------------------------- finding a Python


def test_the_python_that_is_named_goes_first(start, monkeypatch):
    versions = {"/a/python": "3.10", "/b/python": "3.13", sys.executable: "3.12", "python3": "3.9"}
    monkeypatch.setattr(start, "version_of", lambda command: versions.get(command[0]))
    assert start.find_python() == ([sys.executable], "3.12")
    start.settings["PYTHON"] = "/a/python /b/python"
    assert start.find_python() == (["/b/python"], "3.13")


def test_a_path_with_a_space_is_one_python(start, tmp_path):
    python = tmp_path / "my python.exe"
    python.touch(mode=0o755)
    start.settings["PYTHON"] = str(python)
    assert start.candidates() == [[str(python)]]


def test_windows_launcher_is_asked(start, monkeypatch):
    monkeypatch.setattr(start.os, "name", "nt")
    assert start.candidates()[-3:] == [["py", "-3.13"], ["py", "-3.12"], ["py", "-3.11"]]
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        ({}, "The course needs Python 3.11, 3.12 or 3.13, but found no Python that runs; install"),
        ({"python3": "3.10"}, "but python3 is 3.10; install one of them, or name yours: PYTHON=/"),
        ({"python3": "3.12 with 32 bits"}, "but python3 is 3.12 with 32 bits; install"),
    ],
)
def test_without_a_fitting_python_a_sentence_says_so(start, monkeypatch, versions, words):
    monkeypatch.setattr(start, "version_of", lambda command: versions.get(command[0]))
    with pytest.raises(SystemExit, match=re.escape(words)):
        start.main(["lab"])
    assert not start.ran


def test_what_a_python_says_of_itself(start):
    start.ask = lambda *command: (0, "3.12 False\n")
    assert start.version_of(["python"]) == "3.12 with 32 bits"
    start.ask = lambda *command: (1, "3.12 True\n")  # such as the shim of a version not chosen
    assert start.version_of(["python"]) is None
    start.ask = lambda *command: (0, "")
    assert start.version_of(["python"]) is None


def run(*command, folder=paths.ROOT, **environment):
    unset = ("PYTHON", "CONSTRAINTS", "EXTRAS", "START", "VENV", "CHAPTERS", "ARGS")
    unset += ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")  # of the make above
    given = {**{k: v for k, v in os.environ.items() if k not in unset}, **environment}
    return subprocess.run(
        command, cwd=folder, env=given, capture_output=True, encoding="utf8", timeout=60
    )


def test_this_python_is_asked_in_earnest(tmp_path):
    """Nothing is replaced here: the file itself and a real Python."""
    done = run(sys.executable, START, "setup", f"VENV={tmp_path}", PYTHON=str(tmp_path / "none"))
    assert done.returncode == 1
    assert "found no Python that runs; install one" in done.stderr
    code = f"import sys; sys.path.insert(0, {str(paths.ROOT)!r}); import start; "
    code += "print(start.find_python()[1])"
    assert run(sys.executable, "-c", code).stdout.strip().split(".") == [
        str(number) for number in sys.version_info[:2]
    ]


@POSIX
@MAKE
def test_make_looks_for_any_python(tmp_path):
    found = tmp_path / "bin"
    found.mkdir()
    for name in ("sh", "make"):
        (found / name).symlink_to(shutil.which(name))
    done = run("make", "lab", PATH=str(found))
    assert done.returncode == 2
    assert "found no Python that runs; install one of them, or name yours: make lab" in done.stderr
    for name, version in (("python3", "3.4"), ("python3.11", "3.11")):
        script = f'#!/bin/sh\n[ {version} = 3.11 ] && [ "$1" != -c ] && echo "$@"\n'
        script += f"[ {version} = 3.11 ]\n"
        (found / name).write_text(script)
        (found / name).chmod(0o755)
    done = run("make", "test", "ARGS=tests/test_data.py -x", PATH=str(found))
    assert done.stdout.split() == ["start.py", "test", "tests/test_data.py", "-x"]


@POSIX
@MAKE
def test_make_hands_settings_on(tmp_path):
    python = tmp_path / "a python"
    python.write_text('#!/bin/sh\n[ "$1" = -c ] || echo "$PYTHON|$CONSTRAINTS|$START"\n')
    python.chmod(0o755)
    done = run("make", "lab", f"PYTHON={python}", "CONSTRAINTS=", START="x.ipynb")
    assert done.stdout.strip() == f"{python}||x.ipynb"


def test_a_log_is_in_utf8():
    code = "import start; start.call(start.sys.executable, '-c', 'print(chr(0x2265))')"
    done = run(sys.executable, "-c", code, PYTHONIOENCODING="cp1252", PYTHONUTF8="0")
    assert done.returncode == 0 and done.stdout == "\u2265\n"


def test_the_status_of_what_ran_is_kept():
    spec = "import start; start.call(start.sys.executable, '-c', 'raise SystemExit(7)')"
    assert run(sys.executable, "-c", spec).returncode == 7


# ---------------------------------------------------------------- setting up


def test_a_first_set_up(start, capsys):
    start.main(["lab"])
    assert "Setting up .venv with" in capsys.readouterr().out
    made, installed, _ = [words for words, _ in start.ran]
    assert made[1:4] == ["-m", "venv", "--clear"]
    extras = [each for each in start.extras_of_the_course() if each in start.LEARNERS]
    assert installed[1:] == [".ci/install.py", "requirements.txt", f".[{','.join(extras)}]"]
    assert (start.ROOT / ".venv" / ".ready").read_text().split() == extras


def test_the_environment_may_lie_elsewhere(start, tmp_path, capsys):
    elsewhere = tmp_path.parent / "elsewhere"
    start.main(["setup", f"VENV={elsewhere}"])
    assert f"Setting up {elsewhere} with" in capsys.readouterr().out
    assert (elsewhere / ".ready").exists()


def test_what_is_ready_is_left_alone_until_something_changes(start):
    make_ready(start)
    start.main(["test"])
    assert not installs(start)
    for name in ("pyproject.toml", "requirements.txt", ".ci/install.py"):
        later = (start.ROOT / ".venv" / ".ready").stat().st_mtime + 5
        os.utime(start.ROOT / name, (later, later))
        start.ran.clear()
        start.main(["lint"])
        assert len(installs(start)) == 1, name
        assert not [words for words, _ in start.ran if "venv" in words]  # the environment stays
        os.utime(start.ROOT / ".venv" / ".ready", (later, later))


def test_extras_are_added_and_kept(start):
    make_ready(start, "lab")
    start.main(["lint"])
    assert installs(start)[0][-1] == f".[{','.join(start.extras_of_the_course())}]"
    start.ran.clear()
    start.main(["lab"])  # needs less
    assert not installs(start)


def test_only_extras_that_exist_are_installed(start):
    file = start.ROOT / "pyproject.toml"
    file.write_text('[project.optional-dependencies]\nlab = ["x"]\nnew = []\n[tool.x]\na = []\n')
    start.main(["setup"])
    assert installs(start)[0][-1] == ".[lab]"
    start.main(["setup", "EXTRAS=new"])
    assert installs(start)[1][-1] == ".[lab,new]"


def test_an_optional_extra_that_cannot_be_installed_keeps_nobody_out(start, capsys):
    start.attempt = lambda *words: start.ran.append(([str(w) for w in words], {})) or 1
    start.main(["setup"])
    assert [words[-1] for words in installs(start)] == [".[lab,ship,scale]", ".[lab]"]
    assert "Now without the extras ship, scale" in capsys.readouterr().out
    assert (start.ROOT / ".venv" / ".ready").read_text().split() == ["lab", "no-ship", "no-scale"]
    start.ran.clear()
    start.main(["setup"])  # not tried each time
    assert not installs(start)
    start.main(["setup", "EXTRAS=ship"])  # but when it is asked for
    assert [words[-1] for words in installs(start)] == [".[lab,ship]"]


def test_a_failed_install_is_tried_again(start):
    whole = start.call

    def fail(*command, **environment):
        whole(*command, **environment)
        if ".ci/install.py" in command:
            sys.exit(3)

    start.call, start.attempt = fail, lambda *command: 3
    with pytest.raises(SystemExit) as error:
        start.main(["lab"])
    assert error.value.code == 3
    assert not (start.ROOT / ".venv" / ".ready").exists()


def test_constraints(start):
    start.main(["lab", "CONSTRAINTS="])
    assert installs(start)[0][2] == ""
    with pytest.raises(SystemExit, match="CONSTRAINTS names none.txt, which is not there"):
        start.main(["lab", "CONSTRAINTS=none.txt"])


# ---------------------------------------------------------------- targets


PYTEST = ["-m", "pytest", "-n", "3", "--dist", "loadfile", "--no-loadscope-reorder", "--nbval"]
LINT = [["-m", "ruff", "check", "--quiet", "."], ["data/recipes/catalogue.py", "--check"]]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run"], [["-m", "course.run"]]),
        (["run", "01"], [["-m", "course.run", "01"]]),
        (["test"], [*LINT, [*PYTEST, "tests", "notebooks"]]),
        (["test", "tests/test_data.py", "-x"], [*LINT, [*PYTEST, "tests/test_data.py", "-x"]]),
        (["test-portable"], [[*PYTEST, "notebooks"]]),
        (["lint"], LINT),
        (["notebooks", "02"], [["-m", "course.run", "--in-place", "02"]]),
        (["site"], [["-m", "course.site"]]),
        (["bench"], [["benchmarks/bench.py"]]),
        (["claims", "01"], [["benchmarks/claims.py", "01"]]),
        (["catalogue"], [["data/recipes/catalogue.py", "--write"]]),
        (["course", "doctor", "--json"], [["-m", "course", "doctor", "--json"]]),
        (["setup"], []),
    ],
)
def test_a_target_runs(start, arguments, expected):
    make_ready(start)
    start.main(arguments)
    assert commands(start) == expected


def test_lab_opens_the_page_of_the_chapters(start, monkeypatch):
    make_ready(start)

    def opened(*arguments):
        start.ran.clear()
        start.main(["lab", *arguments])
        return commands(start)[0][3].removeprefix("--LabApp.default_url=/lab/tree/")

    assert opened() == "build/start.ipynb"
    monkeypatch.setattr(start, "ask", lambda *command: (1, ""))  # the page cannot be made
    assert opened() == "notebooks"
    assert opened("START=docs/x.md") == "docs/x.md"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no root")
@pytest.mark.parametrize(("user", "asked"), [(0, True), (1000, False)])
def test_lab_opens_in_a_container_too(start, monkeypatch, user, asked):
    monkeypatch.setattr(start.os, "geteuid", lambda: user)
    make_ready(start)
    start.main(["lab"])
    assert ("--allow-root" in commands(start)[-1]) == asked


def test_the_weakest_processor_is_in_the_environment(start):
    make_ready(start)
    start.main(["test-portable"])
    assert start.ran[-1][1] == {"A": "1", "B": "x,y"}


def test_colab_has_an_environment_of_its_own(start):
    pins = start.ROOT / "tests" / "colab-requirements.txt"
    pins.parent.mkdir()
    pins.touch()
    start.main(["test-colab", "CHAPTERS=notebooks/01_images.ipynb"])
    made, installed, ran = start.ran
    assert made[0][-1] == str(start.ROOT / "build" / "colab")
    assert installed[0][-1] == str(pins)
    assert ran[0][1:] == ["-m", "pytest", "--nbval", "notebooks/01_images.ipynb"]
    assert ran[1] == {"COLAB_RELEASE_TAG": "as-on-colab"}
    start.ran.clear()
    start.main(["test-colab", "notebooks/02_text.ipynb"])
    assert [words[-1] for words, _ in start.ran] == ["notebooks/02_text.ipynb"]


def test_colab_takes_no_python_3_11(start):
    (start.ROOT / "tests").mkdir()
    (start.ROOT / "tests" / "colab-requirements.txt").touch()
    start.ask = lambda *command: (0, "3.11 True")
    with pytest.raises(SystemExit, match="needs Python 3.12 or 3.13, but .* is 3.11"):
        start.main(["test-colab"])


def test_constraints_are_written_whole_or_not_at_all(start):
    before = (start.ROOT / "requirements.txt").read_bytes()
    old = start.ROOT / "build" / "newest" / "old"
    old.mkdir(parents=True)
    whole = start.ask
    start.ask = lambda *command: (1, "") if "freeze" in command else whole(*command)
    with pytest.raises(SystemExit, match="stays as it was"):
        start.main(["constraints"])
    assert (start.ROOT / "requirements.txt").read_bytes() == before
    assert not old.exists()  # what is there is of another day
    start.ask = whole
    start.main(["constraints"])
    assert all(words[2] == "" for words in installs(start))
    written = (start.ROOT / "requirements.txt").read_bytes().decode().splitlines()
    assert written[0].startswith("# The exact versions CI ran with")
    assert written[1:] == ["numpy==2.0", "here @ file:///a b"]


def test_clean_deletes_what_was_made(start):
    make_ready(start)
    (start.ROOT / "build" / "x").mkdir(parents=True)
    start.main(["clean"])
    start.main(["clean"])  # nothing there is fine
    kept = {"pyproject.toml", "requirements.txt", ".ci"}
    assert {each.name for each in start.ROOT.iterdir()} == kept
