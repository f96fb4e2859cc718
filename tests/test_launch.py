"""The page that `make lab` opens: what it says, that it is written, and that its links lead on."""

import json
import re

import nbformat
import pytest
from test_browser import browser, console_errors, lab, shoot, wait  # noqa: F401

from course import cells, cli, launch, paths, progress


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A person who has solved nothing yet."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))


def words(page):
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page))


def test_a_beginner_is_led_to_the_first_chapter():
    page = launch.page()
    assert "Begin with 00 Start here" in words(page)
    for path in paths.chapters():
        assert page.count(f'href="../notebooks/{path.name}"') >= 1
    assert "&#10003;" not in page


def test_who_is_in_the_middle_goes_on_there_and_sees_what_is_left():
    before = launch.chapters()
    progress.note("images.preprocess")
    here = launch.chapters()
    place = [path.stem for path in paths.chapters()].index("01_images")
    name, minutes = next(each for each in before[place].open if each[0] == "images.preprocess")
    assert here[place].done == 1 and name not in dict(here[place].open)
    # The chapter counts as read, and the exercise as done.
    assert before[place].left - here[place].left == before[place].reading + minutes
    assert [each.left for each in here[:1]] == [each.left for each in before[:1]]
    said = words(launch.page())
    assert f"Go on with {here[place].title}" in said and f"1 of {here[place].total}" in said


def test_who_has_done_all_is_told_so():
    for names in progress.asked().values():
        for name in names:
            progress.note(name)
    page = launch.page()
    assert "You have solved all exercises and questions." in page
    assert page.count("&#10003;") == len(paths.chapters()) and "is open there" not in page


def test_exercises_are_read_in_the_order_and_with_the_minutes_of_their_file(content):
    assert list(cells.registered(content / "small.py").items()) == [
        (("exercise", "small.range"), 1),
        (("exercise", "small.head"), 5),
        (("exercise", "small.last_one"), 20),
        (("question", "small.once"), 1),
        (("question", "small.fair"), 1),
    ]
    assert cells.registered(content / "none.py") == {}


@pytest.mark.parametrize("path", paths.chapters(), ids=lambda path: path.stem)
def test_each_chapter_says_how_long_it_takes(path):
    chapter = next(each for each in launch.chapters() if each.link.endswith(path.name))
    assert 10 <= chapter.reading <= 120 and chapter.total >= 5
    asked = dict(progress.asked())[path.stem]
    assert [name for name, _ in chapter.open] == asked


def test_a_class_s_folder_has_its_handout(tmp_path, monkeypatch):
    (tmp_path / "handout").mkdir()
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path / "notebooks")
    assert launch.chapters() == [] and "<h1>" in launch.page()
    cell = nbformat.v4.new_markdown_cell("# 01 *Mine* <b>\n\nAbout 20 minutes.")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "handout" / "01_mine.ipynb")
    (found,) = launch.chapters()
    assert found.link == "../handout/01_mine.ipynb" and (found.reading, found.total) == (20, 0)
    assert "01 *Mine* &lt;b&gt;" in launch.page()


def test_it_is_a_notebook_that_shows_itself_again(tmp_path):
    file = launch.write(tmp_path / "build" / "start.ipynb")
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    (cell,) = notebook.cells
    assert cell.outputs[0]["data"]["text/html"] == launch.page()
    progress.note("start.count")
    launch.write(file)
    assert "1 of" in file.read_text(encoding="utf8")
    shown = []
    exec(cell.source.replace("launch.show()", "shown.append(launch.page())"), {"shown": shown})
    assert shown == [launch.page()]


def test_where_nothing_can_be_written_the_first_chapter_opens(tmp_path, monkeypatch, capsys):
    (tmp_path / "build").write_text("a file in its place")
    monkeypatch.setattr(launch.write, "__defaults__", (tmp_path / "build" / "start.ipynb",))
    assert launch.opened() == f"notebooks/{paths.chapters()[0].name}"
    assert "No page of your progress" in capsys.readouterr().err


def test_the_command_says_where_it_opens(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path / "notebooks")
    monkeypatch.setattr(launch.write, "__defaults__", (tmp_path / "build" / "start.ipynb",))
    assert cli.main(["start"]) == 0
    said = capsys.readouterr().out
    assert "/lab/tree/build/start.ipynb" in said and (tmp_path / "build" / "start.ipynb").exists()


def test_its_links_open_chapters_in_jupyterlab(lab, browser, tmp_path_factory):  # noqa: F811
    """A page in a Lab of its own: as a beginner sees it, and again after something was solved."""
    # The newest: this process may have opened a Lab for other tests.
    labs = tmp_path_factory.getbasetemp().glob("lab[0-9]*")
    folder = max(labs, key=lambda each: int(each.name.removeprefix("lab")))
    file = launch.write(folder / "build" / "start.ipynb")
    browser.get(f"{lab}/lab/tree/build/start.ipynb?reset")
    link = "css selector", ".jp-OutputArea h3 a"
    first = wait(lambda: browser.find_elements(*link), 90, "the page")[0]
    shoot(browser, "start")
    assert len(browser.find_elements("css selector", ".jp-OutputArea progress")) == len(
        paths.chapters()
    )
    first.click()
    path = "return window.jupyterapp?.shell.currentWidget?.context?.path"
    chapter = f"notebooks/{paths.chapters()[0].name}"
    wait(lambda: browser.execute_script(path) == chapter, 60, "the first chapter")
    assert json.loads(file.read_text(encoding="utf8"))["cells"][0]["outputs"]
    assert console_errors(browser) == []
