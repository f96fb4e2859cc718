"""The repository's address, stamped into the badges and into the set-up cells of the notebooks.

It is set in one place, `Repository` of [project.urls] in pyproject.toml; `course stamp` carries it
to all others, and puts a set-up cell into a notebook that has none. As long as it is not set there
are no badges, and the set-up cell says what to do on Colab.
"""

import json
import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import nbformat

ROOT = Path(__file__).resolve().parent.parent
PLACEHOLDERS = {"owner", "user", "username", "org", "organisation", "organization", "your-name"}
BEGIN, END = "<!-- badge -->", "<!-- /badge -->"

# No magics, so that it is plain Python; and silent, since it does nothing but on Colab.
SETUP = """\
# On Colab, this fetches the course and installs what Colab lacks; elsewhere it does nothing.
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

if "google.colab" in sys.modules or os.environ.get("COLAB_RELEASE_TAG"):
    address = ADDRESS
    name = "transfer-learning-course"
    places = [Path(place) for place in (".", "..", name, f"drive/MyDrive/{name}")]
    here = [place for place in places if (place / "helpers" / "ready.py").is_file()]
    if not (here or address):
        raise FileNotFoundError(f"Upload the folder {name} to {Path.cwd()}, then run this again.")
    course = (here or [Path(name)])[0].resolve()
    if not here:
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", address, course], check=True)
    colabs = ("tensorflow", "numpy", "ipywidgets")
    kept = {each: importlib.metadata.version(each) for each in colabs}
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "gensim>=4.4"], check=True)
    subprocess.run([*pip, "--no-deps", "--editable", course], check=True)
    sys.path.insert(0, str(course))
    changed = [each for each in colabs if importlib.metadata.version(each) != kept[each]]
    assert not changed, f"pip changed {changed}: choose Runtime > Disconnect and delete runtime."
"""


class StampError(ValueError):
    """An address that cannot be stamped, or a place for it that is missing."""


def address(root: Path = ROOT) -> str:
    """The repository's public address; empty as long as it is not set.

    Raises:
        StampError: a placeholder, or not the https address of a repository.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf8"))["project"]
    given = project.get("urls", {}).get("Repository", "")
    if not given:
        return ""
    parts = urlsplit(given.removesuffix("/").removesuffix(".git"))
    words = set(parts.path.lower().split("/"))
    if (
        words & PLACEHOLDERS
        or "example" in parts.netloc.split(".")
        or re.search(r"[<>{}\s]", given)
    ):
        raise StampError(
            f"Repository in pyproject.toml is the placeholder {given}: put the public address "
            "there, or take the line away."
        )
    if parts.scheme != "https" or not parts.netloc or parts.path.count("/") < 2:
        raise StampError(
            f"Repository in pyproject.toml is {given}: it should be the https address of a "
            "repository, such as https://host/group/course."
        )
    return parts.geturl()


def setup_cell(public: str) -> str:
    """The source of the set-up cell for a repository's address, which may be empty."""
    return SETUP.replace("ADDRESS", json.dumps(public)).rstrip()


def badge(public: str, notebook: str) -> str:
    """The badge of a notebook, in Markdown; empty where Colab cannot open the repository."""
    github = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+)", public)
    if not github:
        return ""
    colab = "https://colab.research.google.com"
    target = f"{colab}/github/{github[1]}/blob/main/notebooks/{notebook}"
    return f"[![Open in Colab]({colab}/assets/colab-badge.svg)]({target})"


def stamp(root: Path = ROOT, *, write: bool = True) -> list[Path]:
    """Stamp the address everywhere and return the files that change by it, so none if all is well.

    Args:
        root: the folder of the course.
        write: False to look only.

    Raises:
        StampError: as of `address`; also if README.md has no place for a badge.
    """
    public, changed = address(root), {}
    readme = root / "README.md"
    text = readme.read_text(encoding="utf8")
    place = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if len(place.findall(text)) != 1:
        raise StampError(f"README.md should have {BEGIN}{END} once, where the badge goes: add it.")
    stamped = place.sub(lambda _: BEGIN + badge(public, "00_start_here.ipynb") + END, text)
    if stamped != text:
        changed[readme] = stamped
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        before = nbformat.writes(notebook)
        _stamp_notebook(notebook, public, path.name)
        if (after := nbformat.writes(notebook)) != before:
            changed[path] = after + "\n"
    if write:
        for file, content in changed.items():
            file.write_text(content, encoding="utf8")
    return list(changed)


def _stamp_notebook(notebook, public, name):
    cells = notebook.cells
    if not _tagged(cells, "setup"):
        cell = nbformat.v4.new_code_cell(setup_cell(public), id="setup")
        # On Colab pip may speak, and no one needs to compare that.
        cell.metadata = {
            "tags": ["setup", "nbval-ignore-output"],
            "jupyter": {"source_hidden": True},
        }
        title = next((i for i, c in enumerate(cells) if c.source.startswith("# ")), -1)
        cells.insert(title + 1, cell)
        _count_anew(cells)
    _tagged(cells, "setup")[0].source = setup_cell(public)
    for old in _tagged(cells, "badge"):
        cells.remove(old)
    if row := badge(public, name):
        cell = nbformat.v4.new_markdown_cell(row, id="badge")
        cell.metadata = {"tags": ["badge"]}
        cells.insert(0, cell)
    notebook.cells = [nbformat.from_dict(cell) for cell in cells]


def _tagged(cells, tag):
    return [cell for cell in cells if tag in cell.metadata.get("tags", [])]


def _count_anew(cells):
    """An executed notebook stays one: the new cell ran first, silently, all others after it."""
    code = [cell for cell in cells if cell.cell_type == "code"]
    new = _tagged(code, "setup")
    if any(cell.execution_count is None for cell in code if cell not in new):
        return
    for number, cell in enumerate(code, 1):
        cell.execution_count = number
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = number
