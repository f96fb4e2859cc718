"""What a person solved: kept in a folder of the person's own, and never lost without a word."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from course import cells, paths, progress


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    progress._say_once.cache_clear()
    return tmp_path / "home"


def test_it_is_kept_with_the_day_and_forgotten(home, capsys):
    assert progress.solved() == {}
    progress.note("images.range")
    progress.note("text.head")
    progress.note("images.range")
    day = date.today().isoformat()
    assert progress.solved() == {"images.range": day, "text.head": day}
    assert list(home.glob("*.json")) == [home / "progress.json"] == [progress.file()]
    progress.forget()
    progress.forget()
    assert progress.solved() == {} and capsys.readouterr().out == ""


def test_it_lies_outside_a_cache_that_others_share(home, tmp_path):
    progress.note("images.range")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("content", ["{", "[]", "\x00"])
def test_a_file_that_cannot_be_read_is_left_and_named_once(home, capsys, content):
    home.mkdir()
    progress.file().write_text(content)
    for _ in range(2):
        assert progress.solved() == {}
        progress.note("images.range")
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2 and all(str(progress.file()) in line for line in said)
    assert progress.file().read_text() == content
    progress.forget()
    progress.note("images.range")
    assert "images.range" in progress.solved()


def test_a_folder_that_cannot_be_written_to_costs_the_note_and_a_sentence(home, capsys):
    home.write_text("a file in its place")
    for name in ("images.range", "images.head"):
        progress.note(name)
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "set COURSE_HOME to a folder that you may write to" in said


def test_two_notebooks_at_once_lose_nothing(home):
    code = "from course import progress; [progress.note(f'{0}.{{i}}') for i in range(20)]"
    environment = {**os.environ, "PYTHONPATH": str(paths.ROOT)}
    running = [
        subprocess.Popen([sys.executable, "-c", code.format(name)], env=environment)
        for name in ("a", "b")
    ]
    assert [each.wait() for each in running] == [0, 0]
    assert len(progress.solved()) == 40


def test_a_person_s_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_HOME", "~/mine")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert paths.user_folder() == tmp_path / "mine"
    monkeypatch.delenv("COURSE_HOME")
    assert paths.user_folder().is_absolute() and "transfer-learning" in str(paths.user_folder())
    # A container with a number for a user, and without a home.
    monkeypatch.setattr(paths.platformdirs, "user_data_path", lambda *_, **__: Path("~/.local"))
    assert paths.user_folder().is_absolute()


def test_what_each_chapter_asks_is_read_from_its_cells():
    asked = progress.asked()
    assert list(asked) == [path.stem for path in paths.chapters()]
    for path in paths.chapters():
        assert len(asked[path.stem]) == len(set(asked[path.stem])) >= 5
        assert {name.partition(".")[0] for name in asked[path.stem]} == {paths.topic(path.stem)}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('x = 1\nexercises.check("a.b", x, own=False)', ("exercise", "a.b")),
        ('exercises.quiz("a.c")', ("question", "a.c")),
        ('# exercises.check("a.b")\nprint("exercises.quiz(1)")', None),
        ("exercises.check(name, x)", None),
        ("%magic", None),
    ],
)
def test_cells_are_read_as_python(source, found):
    assert cells.asked(source) == found


def test_a_chapter_is_about_what_its_exercises_are_named_after(tmp_path):
    for name in ("fine_tuning", "fine", "__init__"):
        (tmp_path / f"{name}.py").touch()
    assert paths.topics(tmp_path) == ["fine", "fine_tuning"]
    assert paths.topic("04_fine_tuning_at_depth", tmp_path) == "fine_tuning"
    assert paths.topic("05_fine", tmp_path) == "fine"
    assert paths.topic("06_finer", tmp_path) == "finer"
    assert paths.chapter_of("images") == "01_images" and paths.chapter_of("none") is None


def test_the_bar():
    assert progress.bar(0, 0) == "[--------------------] 0 of 0 solved"
    assert progress.bar(3, 3, width=3) == "[###] 3 of 3 solved"
