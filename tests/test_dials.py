"""Dials: what a chapter takes from its file, what goes before it, and what is told of faults."""

import pytest

from course import dials

CHAPTERS = ["00_start_here", "01_images", "02_text", "03_audio"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of dials that goes before the course's own."""
    monkeypatch.setenv("COURSE_DIALS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_chapter_has_dials_each_with_a_comment(chapter):
    own = dials.OWN / f"{chapter}.toml"
    lines = [line for line in own.read_text(encoding="utf8").splitlines() if "=" in line]
    assert all("#" in line for line in lines) and len(lines) >= 5
    assert vars(dials.read(chapter)).keys() >= {"labels", "seeds", "minutes", "hints", "exercises"}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_quick_dials_change_known_dials_only(chapter, monkeypatch):
    usual = vars(dials.read(chapter))
    monkeypatch.setenv("COURSE_DIALS", str(dials.OWN.parents[1] / "tests" / "dials"))
    quick = vars(dials.read(chapter))
    assert quick.keys() == usual.keys() and quick != usual


def test_what_is_nearer_goes_first(folder, monkeypatch):
    (folder / "01_images.toml").write_text("seeds = 2")
    beside = folder / "work" / "dials"
    beside.mkdir(parents=True)
    (beside / "01_images.toml").write_text("seeds = 3\nsteps = 7")
    monkeypatch.chdir(folder / "work")
    dial = dials.read("01_images")
    assert (dial.seeds, dial.steps, dial.table) == (2, 7, 10)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed = 2", "has a dial 'seed': did you mean seeds"),
        ('seeds = "two"', "seeds is 'two', and should be a whole number from 1 on"),
        ("seeds = 0", "a whole number from 1 on"),
        ("seeds = true", "a whole number from 1 on"),
        ("labels = [10, 5]", "a list of growing whole numbers"),
        ("labels = []", "a list of growing whole numbers"),
        ("labels = [5, 20]", "table of 01_images is 10, which is none of labels"),
        ("hints = 1", "true or false"),
        ('exercises = "some"', '"all" or a list of names'),
        ("dataset = 3", "a name or a path"),
        ("seeds = ", "is no TOML file"),
    ],
)
def test_faults_are_told_in_one_sentence(folder, text, words):
    (folder / "01_images.toml").write_text(text)
    with pytest.raises(dials.DialError, match=".") as error:
        dials.read("01_images")
    assert words in str(error.value) and "\n" not in str(error.value).strip()


def test_bytes_that_are_no_text_are_told(folder):
    (folder / "01_images.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(dials.DialError, match="is no TOML file"):
        dials.read("01_images")


def test_an_unknown_chapter_and_a_folder_that_is_none_are_told(monkeypatch, tmp_path):
    with pytest.raises(dials.DialError, match="no dials for '1': the chapters are 00_start_here"):
        dials.read("1")
    monkeypatch.setenv("COURSE_DIALS", str(tmp_path / "none"))
    with pytest.raises(dials.DialError, match="which is no folder: name one, or unset it"):
        dials.read("01_images")
