"""The repository's address, stamped into the badges and into the set-up cells of the notebooks.

It is set in one place, `Repository` of [project.urls] in pyproject.toml; `course stamp` carries it
to all others, and puts a set-up cell into a notebook that has none. As long as it is not set there
are no badges, and the set-up cell says what to do on Colab.
"""

import re
import tomllib
from pathlib import Path

import jinja2
import nbformat

from course import paths

BADGE = re.compile("(?<=<!-- badge -->).*?(?=<!-- /badge -->)", re.DOTALL)


class StampError(ValueError):
    """An address that cannot be stamped, or a place for it that is missing."""


def address(root: Path = paths.ROOT) -> str:
    """The repository's public address; empty as long as it is not set.

    Raises:
        StampError: a placeholder, or not the https address of a repository.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf8"))["project"]
    given = project.get("urls", {}).get("Repository", "")
    public = given.removesuffix("/").removesuffix(".git")
    placeholder = re.search(r"//example\.|/owner/", given, re.IGNORECASE)
    if given and (placeholder or not re.fullmatch(r"https://[\w.-]+(/[\w.~-]+){2,}", public)):
        raise StampError(
            f"Repository in pyproject.toml is {given}: put the public https address there, such "
            "as https://host/group/course, or take the line away."
        )
    return public


def setup_cell(public: str) -> str:
    """The source of the set-up cell for a repository's address, which may be empty."""
    text = Path(__file__).with_name("setup_cell.j2").read_text(encoding="utf8")
    return jinja2.Template(text).render(address=public)


def badge(public: str, notebook: str) -> str:
    """The badge of a notebook, in Markdown; empty where Colab cannot open the repository."""
    github = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+)", public)
    colab = "https://colab.research.google.com"
    target = github and f"{colab}/github/{github[1]}/blob/main/notebooks/{notebook}"
    return f"[![Open in Colab]({colab}/assets/colab-badge.svg)]({target})" if github else ""


def stamp(root: Path = paths.ROOT, *, write: bool = True) -> list[Path]:
    """Stamp the address everywhere and return the files that change by it, so none if all is well.

    With `write` False it only looks.

    Raises:
        StampError: as of `address`; also if README.md has no place for a badge.
    """
    public, chapters, readme = address(root), paths.chapters(root / "notebooks"), root / "README.md"
    text = readme.read_text(encoding="utf8")
    if len(BADGE.findall(text)) != 1:
        marks = "<!-- badge --><!-- /badge -->"
        raise StampError(f"README.md should have {marks} once, where the badge goes: add it.")
    stamped = {readme: BADGE.sub(lambda _: badge(public, chapters[0].name), text)}
    for path in chapters:
        notebook = nbformat.read(path, as_version=4)
        before = nbformat.writes(notebook)
        _stamp_notebook(notebook, public, path.name)
        if (after := nbformat.writes(notebook)) != before:
            stamped[path] = after + "\n"
    changed = {file: to for file, to in stamped.items() if file.read_text(encoding="utf8") != to}
    for file, content in changed.items() if write else ():
        file.write_text(content, encoding="utf8")
    return list(changed)


def _stamp_notebook(notebook, public, name):
    tagged = {tag: c for c in notebook.cells for tag in c.metadata.get("tags", [])}
    setup = tagged.get("setup")
    if not setup:  # on Colab pip may speak, and no one needs to compare that
        tags = {"tags": ["setup", "nbval-ignore-output"]}
        setup = nbformat.v4.new_code_cell(id="setup", metadata=tags)
        first = next((i for i, c in enumerate(notebook.cells) if c.source.startswith("# ")), -1)
        notebook.cells.insert(first + 1, setup)
    # Folded in JupyterLab, and on Colab, where its title stays.
    setup.metadata |= {"jupyter": {"source_hidden": True}, "cellView": "form"}
    setup.source = setup_cell(public)
    notebook.cells = [cell for cell in notebook.cells if cell is not tagged.get("badge")]
    if row := badge(public, name):
        tags = {"tags": ["badge"]}
        notebook.cells.insert(0, nbformat.v4.new_markdown_cell(row, id="badge", metadata=tags))
