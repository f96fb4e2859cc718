"""Setting up: pip's settings reach uv; where uv cannot, pip installs."""

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from course import paths


@pytest.fixture
def install():
    place = paths.ROOT / ".ci" / "install.py"
    spec = importlib.util.spec_from_file_location("install", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_pip_knows_reaches_uv(install):
    lines = """:env:.index-url='https://near/simple'
global.cert='/etc/ssl/ca.crt'
global.extra-index-url='https://a/simple https://b/simple'
global.find-links='/wheels /more'
global.index-url='https://far/simple'
global.no-color='true'
download.timeout='1'"""
    assert install.pip_settings(lines) == {
        "UV_DEFAULT_INDEX": "https://near/simple",
        "SSL_CERT_FILE": "/etc/ssl/ca.crt",
        "UV_INDEX": "https://a/simple https://b/simple",
        "UV_FIND_LINKS": "/wheels,/more",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }
    assert install.pip_settings("") == {}


@pytest.mark.parametrize(
    ("uv_is_there", "uv_returns", "used"),
    [(True, 0, ["uv"]), (True, 1, ["uv", "pip"]), (False, 0, ["pip"])],
)
def test_pip_installs_where_uv_cannot(
    install, tmp_path, monkeypatch, capsys, uv_is_there, uv_returns, used
):
    ran = []

    def run(command, **_):
        ran.append([str(word) for word in command])
        return SimpleNamespace(stdout="", returncode=uv_returns if "uv" in command[0] else 0)

    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(subprocess, "run", run)
    if uv_is_there:
        (tmp_path / ("uv.exe" if sys.platform == "win32" else "uv")).touch()
    assert install.main("c.txt", ".[lab]") == 0
    whole = [command for command in ran if ".[lab]" in command]
    assert ["uv" if "uv" in command[0] else "pip" for command in whole] == used
    ends = ["--constraint", "c.txt", "--editable", ".[lab]"]
    assert all(command[-4:] == ends for command in whole)
    assert ("now pip tries" in capsys.readouterr().err) == (uv_returns == 1)


def test_no_constraints_take_the_newest(install, tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(
        subprocess,
        "run",
        lambda command, **_: ran.append(command) or SimpleNamespace(stdout="", returncode=0),
    )
    install.main("", ".[lab]")
    assert "--constraint" not in ran[-1]


def test_the_readme_lists_every_variable_of_the_environment():
    files = [f for floor in ("course", "helpers") for f in (paths.ROOT / floor).rglob("*.py")]
    read = {name for f in files for name in re.findall(r'"(COURSE_[A-Z]+)"', f.read_text("utf8"))}
    readme = (paths.ROOT / "README.md").read_text(encoding="utf8")
    internal = {"COURSE_RESULTS", "COURSE_CLAIMS"}  # set by the course's own commands
    assert set(re.findall(r"^\| `(COURSE_[A-Z]+)`", readme, re.M)) == read - internal


def test_every_pin_fits_every_python_that_is_promised():
    """A system's Python 3.11 may be 3.11.2, as Debian's is."""
    text = (paths.ROOT / "requirements.txt").read_text(encoding="utf8")
    pins = dict(line.split("==") for line in text.splitlines() if "==" in line)
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    unfit, seen = {}, 0
    for found in importlib.metadata.distributions():
        if pins.get(canonicalize_name(found.name)) != found.version:
            continue
        seen += 1
        asked = SpecifierSet(found.metadata.get("Requires-Python") or "")
        if not all(asked.contains(python) for python in ("3.11.0", "3.12.0", "3.13.0")):
            unfit[found.name] = str(asked)
    assert not unfit
    assert seen  # with CONSTRAINTS= some are newer, never all
