"""Editions: what goes, what stays, what runs; and which exercise is at fault if a check fails."""

import copy
import importlib.util
import re
import shutil
import tomllib

import nbformat
import nbformat.v4 as new
import pytest
from bs4 import BeautifulSoup  # comes with nbconvert
from small import code, quiz, small_chapter, text

from course import cells, dials, editions, paths
from course import exercises as engine
from course.editions import notebook, slides

NOTEBOOKS = paths.chapters()
QUICK = paths.ROOT / "tests" / "dials"


def sources(notebook):
    return "\n".join(cell.source for cell in notebook.cells)


def read(path):
    return nbformat.read(path, as_version=4)


# ---------------------------------------------------------------- the real chapters


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_chapter_makes_all_editions(path):
    whole = read(path)
    places = notebook.pairs(whole, path.name)
    kinds = [kind for kind, _ in places]
    assert kinds.count("exercise") >= 2 and kinds.count("question") >= 3

    student = notebook.student(whole)
    folded = [place for _, place in places.values() if place is not None]
    assert len(student.cells) == len(whole.cells) - len(folded)
    assert not any("solution" in cell.metadata.get("tags", []) for cell in student.cells)
    begun = next(i for i, cell in enumerate(student.cells) if "## Exercises" in cell.source)
    texts = "\n".join(c.source for c in student.cells[begun:] if c.cell_type == "markdown")
    assert not re.search(r"\bsolution|folded (below|away)", texts)
    below = [cell for cell in student.cells[begun:] if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in below)
    assert [cell.get("outputs") for cell in student.cells[:begun]] == [
        cell.get("outputs") for cell in whole.cells[:begun]
    ]
    assert {editions.asked(cell) for cell in student.cells} - {None} == set(places)

    solved = notebook.solved(whole, path.name)
    assert [cell.id for cell in solved.cells] == [cell.id for cell in student.cells]
    assert not re.search(r"= \.\.\.$", sources(solved), re.MULTILINE)
    assert not any(cell.get("outputs") for cell in solved.cells)
    for found, (_, place) in places.items():
        if place is None:
            continue
        (there,) = [cell for cell in solved.cells if editions.asked(cell) == found]
        assert there.source == whole.cells[place].source.removeprefix("# Solution\n")
        assert "jupyter" not in there.metadata

    page = slides.page(slides.marked(whole, path.name), path.stem)
    assert 12 <= page.count("<section") <= 80
    from_elsewhere = [address for address in loaded(page) if slides.REVEAL not in address]
    assert all("mathjax" in address and "$$" in sources(whole) for address in from_elsewhere)
    assert "No description" not in page
    assert whole == read(path)  # made from a copy
    for made in (student, solved):
        nbformat.validate(made)


def loaded(page):
    """What a page loads from elsewhere: scripts, styles, pictures that are not in it."""
    tags = BeautifulSoup(page, "html.parser").find_all(["script", "link", "img", "iframe"])
    found = [tag.get("src") or tag.get("href") or "data:" for tag in tags]
    return [address for address in found if not address.startswith("data:")]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_exercise_of_a_chapter_can_be_left_out(path):
    whole = read(path)
    names = [name for kind, name in notebook.pairs(whole, path.name) if kind == "exercise"]
    for left_out in names:
        chosen = [name for name in names if name != left_out]
        made = notebook.choose(whole, chosen, path.name)
        kept = [name for kind, name in notebook.pairs(made, path.name) if kind == "exercise"]
        assert kept == chosen
        texts = [cell.source for cell in made.cells if cell.cell_type == "markdown"]
        before = [cell.source for cell in whole.cells if cell.cell_type == "markdown"]
        assert numbered(before) - numbered(texts) == 1, left_out
        headings = re.findall(r"^## .*", "\n".join(before), re.MULTILINE)
        assert re.findall(r"^## .*", "\n".join(texts), re.MULTILINE) == headings


def numbered(texts):
    return len(re.findall(r"^(?:\*\*|### )\d+\. ", "\n".join(texts), re.MULTILINE))


@pytest.mark.skipif(
    bool(shutil.which("chromedriver") and importlib.util.find_spec("selenium")),
    reason="test_browser.py runs the solved edition in JupyterLab",
)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_solved_edition_runs_and_every_check_passes(path, tmp_path):
    nbformat.write(notebook.solved(read(path), path.name), tmp_path / path.name)
    wrong = editions.check(tmp_path / path.name, COURSE_DIALS=str(QUICK))
    assert wrong == {}


# ---------------------------------------------------------------- a broken one is named


def test_what_does_not_pass_is_named(content, tmp_path, monkeypatch, capsys):
    """One run: a refused solution, one that stops, another cell that stops, a wrong answer."""
    first = f"from course import exercises\nexercises.__path__.append({str(content)!r})"
    whole = small_chapter("(0, 1)", first)
    whole.cells[9].source = whole.cells[9].source.replace("answer = 2", "answer = lost")
    whole.cells[3].source = "1 / 0"
    # A question that nobody answered is no fault.
    whole.cells += [quiz("small.once", "a")[0], *quiz("small.fair", "b")]
    whole.cells[11:13] = []
    for number, cell in enumerate(whole.cells):
        cell.id = f"c{number}"
    nbformat.write(notebook.solved(whole, "09"), tmp_path / "09_small.ipynb")
    wrong = editions.check(tmp_path / "09_small.ipynb")
    said = {
        "cell 3": "ZeroDivisionError: division by zero",
        "exercise small.range": "Not yet. Which numbers",
        "exercise small.head": "NameError: name 'lost' is not defined",
        "question small.fair": "Not quite.",
    }
    assert set(wrong) == set(said)
    assert all(wrong[name].startswith(words) for name, words in said.items())

    from course import cli as course

    monkeypatch.setattr(editions, "check", lambda path: wrong)
    assert course.main(["edition", "solved", "--out", str(tmp_path / "out"), "--check"]) == 1
    found = capsys.readouterr().out
    assert "09_small.ipynb" not in found and found.count("FAULT") == 4 * len(NOTEBOOKS)
    assert "exercise small.head does not pass: NameError" in found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda cells: cells.pop(5), "4 asks for the exercise 'small.range', which has no sol"),
        (lambda cells: cells.pop(4), "4 solves the exercise 'small.range', which has no"),
        (lambda cells: cells.insert(4, cells.pop(5)), "which has no stub above: add one"),
        (lambda cells: cells.insert(6, copy.deepcopy(cells[5])), "6 is a second solution of the"),
        (lambda cells: cells.insert(0, code("1", tags=["solution"])), "0 is tagged 'solution' and"),
        (lambda cells: cells[5].metadata.pop("tags"), "keep one, or tag it 'solution'."),
        (lambda cells: cells.pop(11), "11 solves the question 'small.once', which has no"),
    ],
)
def test_stubs_and_solutions_belong_together(change, words):
    whole = small_chapter()
    change(whole.cells)
    with pytest.raises(editions.EditionError, match=re.escape(words)) as error:
        notebook.solved(whole, "09_small.ipynb")
    assert str(error.value).startswith("09_small.ipynb: cell ") and "\n" not in str(error.value)


# ---------------------------------------------------------------- what is chosen


def test_an_exercise_goes_with_its_text_and_hints():
    made = notebook.choose(small_chapter(), ["range"], "09")
    assert "Head" not in sources(made) and "second paragraph" not in sources(made)
    assert "small.head" not in sources(made) and "## Quiz" in sources(made)

    made = notebook.choose(small_chapter(), ["small.head"], "09")
    assert "small.range" not in sources(made) and "Which?" not in sources(made)
    assert made.cells[2].source == "Prose.\n\n## Exercises\n\nHow it works."
    assert "# a preparation" in sources(made) and "**2. Head" in sources(made)
    with pytest.raises(editions.EditionError, match="'haed'.*did you mean head"):
        notebook.choose(small_chapter(), ["haed"], "09")


@pytest.fixture
def build(chapters, content):
    """Builds an edition of the small chapters."""

    def made(kind, out, **settings):
        return editions.build(kind, out, notebooks=chapters, content=content, **settings)

    return made


@pytest.fixture
def given(tmp_path):
    """Dials of an instructor's own for the small chapter."""
    (tmp_path / "given").mkdir()
    return tmp_path / "given" / "09_small.toml"


def test_dials_go_into_the_edition(build, given, tmp_path):
    given.write_text('exercises = ["head"]\nhints = false\n')
    build("student", tmp_path / "a", given=given.parent)
    made = (tmp_path / "a" / "dials" / "09_small.toml").read_text()
    assert made == (
        '# Small\nlabels = [5, 10]  # per class\nexercises = ["head"]  # or a list\nhints = false\n'
    )
    student = read(tmp_path / "a" / "09_small.ipynb")
    assert "small.range" not in sources(student) and student.cells[1].outputs

    given.write_text("labels = [1, 2, 3]\nseed = 7\n")
    build("student", tmp_path / "b", given=given.parent)
    changed = tomllib.loads((tmp_path / "b" / "dials" / "09_small.toml").read_text())
    assert changed == {"labels": [1, 2, 3], "exercises": "all", "hints": True, "seed": 7}
    student = read(tmp_path / "b" / "09_small.ipynb")
    assert "small.range" in sources(student) and not student.cells[1].outputs
    assert "Dials were changed" in (tmp_path / "b" / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "wrong", "words"),
    [
        ("09_small", "labels = 3", "should be a list"),
        ("09_small", "lables = [3]", "mean labels"),
        ("09_smal", "", "mean 09_small"),
    ],
)
def test_dials_at_fault_make_no_edition(build, given, tmp_path, name, wrong, words):
    given.with_stem(name).write_text(wrong)
    with pytest.raises((dials.DialError, editions.EditionError), match=words):
        build("solved", tmp_path / "c", given=given.parent)
    with pytest.raises(editions.EditionError, match="nowhere is no folder"):
        build("solved", tmp_path / "c", given=tmp_path / "nowhere")
    assert not (tmp_path / "c").exists()


def test_a_dataset_that_is_not_here_is_named(build, chapters, given, tmp_path, capsys):
    own = chapters / "dials" / "09_small.toml"
    own.write_text(own.read_text() + 'dataset = "drawings"\n')
    given.write_text("dataset = '/nowhere'\n")
    build("student", tmp_path / "a", given=given.parent)
    assert "Mind that the dataset of 09_small, /nowhere, is not on this" in capsys.readouterr().out
    given.write_text(f"dataset = '{tmp_path.as_posix()}'\n")
    build("student", tmp_path / "b", given=given.parent)
    assert capsys.readouterr().out == ""


def test_slides_with_other_dials_are_run_anew(build, chapters, content, given, tmp_path):
    whole = small_chapter(
        first=f"from course import dials, exercises\nexercises.__path__.append({str(content)!r})\n"
        f"from pathlib import Path\ndial = dials.read('09_small', None, Path({str(chapters)!r}, "
        "'dials'))\nprint('labels', dial.labels)"
    )
    whole.cells[1].metadata["slideshow"] = {"slide_type": "slide"}
    nbformat.write(whole, chapters / "09_small.ipynb")
    given.write_text('exercises = ["head"]')
    (page, _) = build("slides", tmp_path / "a", given=given.parent)
    assert "labels [5, 10]" not in page.read_text()  # the outputs that were there, still true
    given.write_text("labels = [7]")
    (page, _) = build("slides", tmp_path / "b", given=given.parent)
    assert "labels [7]" in page.read_text()
    whole.cells[1].source += "\n1 / 0"
    nbformat.write(whole, chapters / "09_small.ipynb")
    with pytest.raises(editions.EditionError, match="09_small.ipynb does not run .* ZeroDivision"):
        build("slides", tmp_path / "c", given=given.parent)


def test_an_exercise_that_is_in_no_file_is_named(build, content, tmp_path):
    file = content / "small.py"
    file.write_text(file.read_text().replace("small.head", "small.haed"))
    with pytest.raises(editions.EditionError, match="cell 7 asks .* 'small.head', which .* lacks"):
        build("student", tmp_path / "out")


@pytest.mark.parametrize("topic", paths.topics())
def test_the_names_in_a_file_are_those_that_it_registers(topic):
    exercises, questions = engine.names(topic)
    wanted = {("exercise", name) for name in exercises} | {("question", name) for name in questions}
    assert set(cells.registered(paths.EXERCISES / f"{topic}.py")) == wanted


def test_the_course_s_own_dials_can_all_be_merged(tmp_path):
    for own in sorted(paths.DIALS.glob("*.toml")):
        dial = dials.read(own.stem, [QUICK])
        merged = tomllib.loads(editions.merged(own, dial))
        quick = QUICK / own.name
        changed = tomllib.loads(quick.read_text()) if quick.exists() else {}
        assert merged == {**tomllib.loads(own.read_text()), **changed}


# ---------------------------------------------------------------- the folder


def test_a_question_above_the_exercises_costs_no_outputs():
    whole = small_chapter()
    whole.cells[1:1] = [*quiz("small.fair", "a"), code("look()", "what came of it")]
    student = notebook.student(whole)
    assert "small.fair" in student.cells[1].source and student.cells[2].outputs
    assert not any(c.get("outputs") for c in student.cells[4:])
    whole.cells = [cell for cell in whole.cells if "## Exercises" not in cell.source]
    assert notebook.student(whole).cells[2].outputs


def test_a_handout_speaks_of_nothing_that_it_has_not(build, chapters, content, tmp_path):
    whole = small_chapter()
    whole.cells[2].source = (
        "Write into `notebooks/dials/09_small.toml`. Prose.\n\n"
        "    as.it is. here\n\n## Exercises\n\nReplace the dots. See `a.b`, and a folded solution. "
        "Run it.\nOpen the solution when you are done.\n\n**1. Range (1 minute, easy).** Which?"
    )
    nbformat.write(whole, chapters / "09_small.ipynb")
    (made, _) = build("student", tmp_path / "student")
    assert read(made).cells[2].source == (
        "Write into `dials/09_small.toml`. Prose.\n\n"
        "    as.it is. here\n\n## Exercises\n\nReplace the dots. Run it.\n\n\n"
        "**1. Range (1 minute, easy).** Which?"
    )
    (made, _) = build("solved", tmp_path / "solved")
    assert "a folded solution" in sources(read(made)) and "notebooks/" not in sources(read(made))


def test_links_and_pictures_go_along(build, chapters, tmp_path):
    written = build("student", tmp_path / "out")
    assert [path.name for path in written] == ["09_small.ipynb", "10_other.ipynb"]
    assert "(10_other.ipynb)" in read(written[0]).cells[0].source
    assert "![one](linked/docs/a%20picture.png)" in read(written[0]).cells[0].source
    assert (tmp_path / "out" / "linked" / "docs" / "a picture.png").read_bytes() == b"png"
    assert "jupyter lab" in (tmp_path / "out" / "README.md").read_text()
    assert "[dials](dials/09_small.toml)" in read(written[1]).cells[0].source
    assert len(read(written[1]).cells) == 1

    (page, _) = build("slides", tmp_path / "slides")
    assert page.name == "09_small.slides.html"
    assert 'href="10_other.slides.html"' in page.read_text()
    (chapters.parent / "docs" / "a picture.png").unlink()
    with pytest.raises(editions.EditionError, match="09_small.ipynb links to .*, which is not"):
        build("student", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_folder_in_use_is_not_written_to(build, chapters, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "10_other.ipynb").write_text("mine")
    with pytest.raises(editions.EditionError, match="out is not empty.*--force"):
        build("solved", out)
    assert (out / "10_other.ipynb").read_text() == "mine"
    build("solved", out, force=True)
    assert read(out / "10_other.ipynb").cells
    kept = "10_other.before-1"
    assert (out / f"{kept}.ipynb").read_text() == "mine"
    assert f"it is kept as {kept}.ipynb" in capsys.readouterr().out

    (out / "10_other.ipynb").write_text("mine, too")
    build("solved", out, force=True)
    assert (out / "10_other.before-2.ipynb").read_text() == "mine, too"
    assert (out / f"{kept}.ipynb").read_text() == "mine"
    before = sorted(out.rglob("*"))
    build("solved", out, force=True)  # what nobody changed is not kept twice
    assert sorted(out.rglob("*")) == before

    for own in (chapters, chapters / "deeper", chapters.parent):
        with pytest.raises(editions.EditionError, match="holds the course itself"):
            build("solved", own, force=True)
    with pytest.raises(editions.EditionError, match="is a file"):
        build("solved", out / "README.md")


def test_the_command(tmp_path, capsys):
    from course import cli as course

    assert course.main(["edition", "student", "--out", str(tmp_path / "s")]) == 0
    assert f"{len(NOTEBOOKS)} chapters are in" in capsys.readouterr().out
    for arguments, words in [
        (["studnet", "--out", "x"], "no edition 'studnet': did you mean student?"),
        (["solved", "--out", str(tmp_path / "s")], "is not empty"),
        (["student", "--out", str(tmp_path / "t"), "--check"], "--check is for the solved"),
        (["student", "--out", str(tmp_path / "t"), "--reveal", "x"], "--reveal is for slides"),
        (["slides", "--out", str(tmp_path / "t"), "--reveal", "x"], "has no dist/reveal.js"),
    ]:
        assert course.main(["edition", *arguments]) == 1
        said = capsys.readouterr().err
        assert words in said and said.count("\n") == 1
    assert not (tmp_path / "t").exists()


# ---------------------------------------------------------------- slides


def figure(alt):
    picture = new.new_output("display_data", {"image/png": "aGk="}, metadata={"image/png": alt})
    return new.new_code_cell("plots.secret()", outputs=[picture])


def test_marked_cells_are_shown_and_no_others():
    whole = new.new_notebook(
        cells=[
            text("# Title", slideshow={"slide_type": "slide"}),
            text("## Not on a slide"),
            code("shown = 1", "said", slideshow={"slide_type": "fragment"}),
            code("also_shown = 1", slideshow={"slide_type": "-"}),
            text("## Second", slideshow={"slide_type": "slide"}),
            text("For the speaker", slideshow={"slide_type": "notes"}),
        ]
    )
    page = slides.page(slides.marked(whole, "x"), "x")
    assert page.count("<section") == 4  # reveal.js wants a stack for each slide
    assert "Title" in page and "also_shown" in page and '<aside class="notes">' in page
    assert "Not on a slide" not in page
    assert page.index("Title") < page.index("said") < page.index("Second")


def test_without_marks_headings_and_figures_make_slides():
    alt = 'A curve that <rises> "fast"'
    whole = new.new_notebook(
        cells=[
            text("# Title\n\nIts question."),
            text("Prose."),
            code("secret = 1"),
            text("End of a part."),
            text("## Heading\n\nIts text."),
            figure({"alt": alt}),
        ]
    )
    page = slides.page(slides.marked(whole, "x"), "x")
    assert page.count("<section") == 2 + 3
    for words in ("Title", "Its question", "Heading", "Its text"):
        assert words in page
    assert "Prose." not in page and "secret" not in page and "End of a part" not in page
    for each in (page, slides.whole_page(whole)):
        assert [tag["alt"] for tag in BeautifulSoup(each, "html.parser").find_all("img")] == [alt]


def test_words_stand_for_widgets_on_slides():
    view = "application/vnd.jupyter.widget-view+json"
    bundle = {view: {"model_id": "x"}, "text/plain": "Drag the slider."}
    shown = new.new_code_cell("explore()", outputs=[new.new_output("display_data", bundle)])
    shown.metadata["slideshow"] = {"slide_type": "slide"}
    page = slides.page(slides.marked(new.new_notebook(cells=[shown]), "x"), "x")
    assert "Drag the slider." in page and view not in page


def test_slides_say_what_they_need_and_do_without_a_network(build, tmp_path):
    (page, _) = build("slides", tmp_path / "far")
    assert f"need reveal.js, which should come from {slides.REVEAL}" in page.read_text()
    assert slides.REVEAL in (tmp_path / "far" / "README.md").read_text()

    release = tmp_path / "release"
    (release / "dist").mkdir(parents=True)
    (release / "dist" / "reveal.js").write_text("window.Reveal = 1")
    (page, _) = build("slides", tmp_path / "n", reveal=str(release))
    assert (tmp_path / "n" / "reveal.js" / "dist" / "reveal.js").exists()
    assert set(loaded(page.read_text())) == {
        "linked/docs/a%20picture.png",
        "reveal.js/dist/reveal.css",
        "reveal.js/dist/theme/white.css",
        "reveal.js/dist/reveal.js",
        "reveal.js/plugin/notes/notes.js",
    }
    assert "no network" in (tmp_path / "n" / "README.md").read_text()

    (page, _) = build("slides", tmp_path / "c", reveal="https://class.local/reveal/"
    )
    assert 'src="https://class.local/reveal/dist/reveal.js"' in page.read_text()


def test_a_notebook_that_skips_everything_is_refused(build, chapters, tmp_path):
    skipped = new.new_notebook(cells=[text("# T", slideshow={"slide_type": "skip"})])
    nbformat.write(skipped, chapters / "10_other.ipynb")
    with pytest.raises(editions.EditionError, match="10_other.ipynb has nothing for a slide"):
        build("slides", tmp_path / "out")
    nbformat.write(new.new_notebook(cells=[code("1")]), chapters / "10_other.ipynb")
    with pytest.raises(editions.EditionError, match="10_other.ipynb has nothing"):
        build("slides", tmp_path / "out")
