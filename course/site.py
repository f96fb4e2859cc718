"""The course as pages to read: build/site, made by Sphinx and myst-nb, offline.

    python -m course.site [DIR]    what notebooks and docs hold as committed; nothing is executed

The pages are laid out beside it, in build/site-source, as they lie in the repository, so that a
link which works in JupyterLab and on GitHub works on the site as well. docs/conf.py has settings.
"""

import ast
import base64
import hashlib
import importlib.util
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote

import jinja2
import nbformat

from course import paths, stamp
from course.editions import LINK

ROOT, DOCS = paths.ROOT, paths.ROOT / "docs"
FOLDS = {  # by tag of a cell: how the page folds it, and the words that open it
    "setup": ("hide-input", "Set-up for Colab"),
    "solution": ("hide-cell", "Solution"),
    "recipe-setup": ("hide-cell", "Files for the recipe"),
    "recipe-end": ("hide-cell", "Back to the course's folder"),
    "badge": ("remove-cell", ""),
}
MENDED = {  # in what the theme and myst-nb write: names for a screen reader, images when in sight
    '<summary aria-label="Toggle hidden content">': "<summary>",
    '<summary><span class="toctree': '<summary aria-label="Pages"><span class="toctree',
    "<img alt=": '<img loading="lazy" alt=',
}
SOUND = re.compile(r"data:audio/(\w+);base64,([\w+/=]+)")
WIDGET = re.compile(r"^widgets\.", re.MULTILINE), ("hide-input", "Code of the interactive figure")
API = "{name}\n{line}\n\n.. autoapimodule:: {name}\n   :members:\n"


def slug(title: str) -> str:
    """The anchor of a heading, as JupyterLab and GitHub's notebooks have it.

    Example:
        >>> slug("Wrong on purpose")
        'Wrong-on-purpose'
    """
    return title.replace(" ", "-")


def folded(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with marks on what the page folds: set-up, solutions, code behind a widget."""
    for cell in notebook.cells:
        tags = cell.metadata.setdefault("tags", [])
        how = next((FOLDS[tag] for tag in tags if tag in FOLDS), None)
        if cell.cell_type == "code" and WIDGET[0].search(cell.source):
            how = WIDGET[1]
        if how:
            tags.append(how[0])
            cell.metadata["mystnb"] = {"code_prompt_show": how[1], "code_prompt_hide": how[1]}
    return notebook


def card(path: Path, notebook: nbformat.NotebookNode) -> dict[str, str | None]:
    """What the front page says of a chapter: its title, its minutes, its first figure."""
    text = next(cell.source for cell in notebook.cells if cell.source.startswith("# "))
    number, name, question = re.match(r"# (\d*) ?([^:\n]*):? ?(.*)", text).groups()
    minutes = re.search(r"(\d+) minutes", text)
    figures = [
        (output, cell.metadata.get("tags", []))
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    figure = figures[0][0] if figures else None
    kept = next((output for output, tags in figures if "readme-picture" in tags), None)
    return {
        "document": f"notebooks/{path.stem}",
        "title": f"{number} {name}".strip(),
        "question": question[:1].upper() + question[1:],
        "minutes": minutes and minutes[1],
        "image": figure and figure.data["image/png"],
        "alt": figure and figure.metadata["image/png"]["alt"],
        "picture": kept and f"docs/{path.stem}.png",
        "picture_alt": kept and kept.metadata["image/png"]["alt"],
    }


def mended(text: str, folder: Path, pages: set[Path]) -> str:
    """Markdown in which links to files beside `pages` lead to the repository, or are words alone.

    Links start from `folder`.
    """
    address = stamp.address()

    def link(match):
        sign, words, target = match.groups()
        name = unquote(target.partition("#")[0])
        file = (folder / name).resolve()
        if not name or re.match(r"[a-z]+:", name) or file in pages or not file.exists():
            return match[0]  # what is nowhere stays, and Sphinx names it
        where = file.relative_to(ROOT).as_posix()
        return f"{sign}[{words}]({address}/blob/main/{where})" if address else words

    return LINK.sub(link, text)


def stage(to: Path) -> None:
    """Lay out for Sphinx: chapters, docs, what the README says, the front page, the helpers."""
    shutil.rmtree(to, ignore_errors=True)
    images = list(DOCS.glob("*.png"))
    pages = {*paths.chapters(), *images, *DOCS.glob("*.md"), ROOT / "data" / "README.md"}

    def write(name, text, folder=ROOT):
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        (to / name).write_text(mended(text, folder, pages), encoding="utf8")

    cards = []
    for page in pages - set(images):
        name, text = page.relative_to(ROOT), page.read_text(encoding="utf8")
        if page.suffix == ".ipynb":
            notebook = nbformat.reads(text, as_version=4)
            cards.append(card(page, notebook))
            text = nbformat.writes(folded(notebook))
        write(name, text, page.parent)
    for image in images:
        shutil.copy(image, to / "docs")
    cards.sort(key=lambda each: each["document"])
    for each in filter(lambda each: each["image"], cards):
        (to / f"{each['document']}.png").write_bytes(base64.b64decode(each["image"]))
    readme = re.split(r"^(?=## )", (ROOT / "README.md").read_text(encoding="utf8"), flags=re.M)
    write("setup.md", "# Set up\n\n" + "".join(p for p in readme if re.match("## (?!Chapters)", p)))
    front = (DOCS / "index.md.j2").read_text(encoding="utf8")
    others = sorted(page.stem for page in DOCS.glob("*.md") if f"docs/{page.stem}\n" not in front)
    write("index.md", jinja2.Template(front).render(chapters=cards, others=others))
    rows = [(DOCS / "api.md").read_text(encoding="utf8")]
    for name, about in modules().items():
        write(f"docs/api/{name}.rst", API.format(name=name, line="=" * len(name)))
        rows.append(f"- [`{name}`](api/{name}.rst): {about}")
    write("docs/api.md", "\n".join(rows))


def modules() -> dict[str, str]:
    """Modules of helpers that no package offers itself, with the first line of their docstrings."""
    found = {}
    for file in sorted((ROOT / "helpers").rglob("*.py")):
        package = file.parent / "__init__.py"
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if name != "helpers" and f"{name} import" not in package.read_text(encoding="utf8"):
            words = ast.get_docstring(ast.parse(file.read_text(encoding="utf8")))
            found[name] = words.partition("\n")[0].rstrip(":")
    return found


def finish(out: Path) -> None:
    """Name what opens by a click, put sounds into files, and drop files that no page needs."""

    def sound(match):
        content = base64.b64decode(match[2])
        name = f"_images/{hashlib.sha256(content).hexdigest()[:16]}.{match[1]}"
        (out / name).write_bytes(content)
        return up + name

    for page in out.rglob("*.html"):
        up, text = "../" * (len(page.relative_to(out).parts) - 1), page.read_text(encoding="utf8")
        for before, after in MENDED.items():
            text = text.replace(before, after)
        page.write_text(SOUND.sub(sound, text), encoding="utf8")
    for unused in out.rglob("*.map"):
        unused.unlink()
    # The theme draws its icons by a font, and again by this script of 1.5 MB: the font will do.
    (out / "_static" / "scripts" / "fontawesome.js").write_text("", encoding="utf8")


def main(out: Path) -> int:
    """Build the site anew in a folder; the exit status of Sphinx, for which warnings are errors."""
    if not importlib.util.find_spec("myst_nb"):
        print("The site needs Sphinx: pip install --editable '.[site]'.", file=sys.stderr)
        return 1
    from sphinx.cmd.build import build_main

    source, kept = (out.with_name(f"{out.name}-{part}") for part in ("source", "doctrees"))
    stage(source)
    shutil.rmtree(out, ignore_errors=True)
    options = ["-W", "--keep-going", "-q", "-E", "-c", str(DOCS), "-d", str(kept)]
    status = build_main([*options, str(source), str(out)])
    if not status:
        finish(out)
        print(f"The site is in {out}: open index.html there.")
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if sys.argv[1:] else ROOT / "build" / "site").absolute()))
