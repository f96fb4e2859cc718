"""Dials: what a chapter takes from its file, what goes before it, and what is told of faults."""

import re

import pytest

from course import cells, dials, paths

CHAPTERS = [path.stem for path in paths.chapters()]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of dials that goes before the course's own."""
    monkeypatch.setenv("COURSE_DIALS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_chapter_has_dials_each_with_a_comment(chapter):
    own = paths.DIALS / f"{chapter}.toml"
    lines = [line for line in own.read_text(encoding="utf8").splitlines() if "=" in line]
    assert all("#" in line for line in lines) and len(lines) >= 5
    assert vars(dials.read(chapter)).keys() >= {"labels", "seeds", "minutes", "hints", "exercises"}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_quick_dials_change_known_dials_only(chapter, monkeypatch):
    usual = vars(dials.read(chapter))
    monkeypatch.setenv("COURSE_DIALS", str(paths.ROOT / "tests" / "dials"))
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
        ("sedes = 2", "has a dial 'sedes': did you mean seeds"),
        ("seed = -1", "a whole number from 0 on"),
        ('seeds = "two"', "seeds is 'two', and should be a whole number from 1 on"),
        ("seeds = 0", "a whole number from 1 on"),
        ("seeds = true", "a whole number from 1 on"),
        ("labels = [10, 5]", "a list of growing whole numbers"),
        ("labels = []", "a list of growing whole numbers"),
        ("labels = [5, 20]", "table of 01_images is 10, which is none of labels"),
        ("hints = 1", "true or false"),
        ('exercises = "some"', '"all" or a list of names'),
        ("dataset = 3", "a name or a path"),
        ("labels = [5, true]", "a list of growing whole numbers"),
        ('dataset = ""', "a name or a path"),
        ("seeds = 2.5", "a whole number from 1 on"),
        ("seeds = ", "is no TOML file"),
        ("seeds = 2,5", "is no TOML file"),
        ("seeds: 2", "is no TOML file"),
        ("seeds = 2\nseeds = 3", "is no TOML file"),
        ("hints = True", "true and false in small letters"),
        ("dataset = my_images", "Texts stand in plain quotation marks"),
        ("dataset = \u201cimages\u201d", "plain quotation marks"),
        (r'dataset = "C:\Users\me\images"', "paths in single ones"),
        (r'dataset = "C:\temp\new"', "write a path with backslashes in single quotation marks"),
    ],
)
def test_faults_are_told_in_one_sentence(folder, text, words):
    (folder / "01_images.toml").write_text(text, encoding="utf8")
    with pytest.raises(dials.DialError, match=".") as error:
        dials.read("01_images")
    assert words in str(error.value) and "\n" not in str(error.value).strip()


def test_a_share_stays_a_share(folder):
    for text in ("recall = 1.5", "recall = -0.1", 'recall = "0.9"', "recall = true"):
        (folder / "03_audio.toml").write_text(text)
        with pytest.raises(dials.DialError, match="should be a share from 0 to 1"):
            dials.read("03_audio")
    (folder / "03_audio.toml").write_text("recall = 1")
    assert dials.read("03_audio").recall == 1


def test_files_of_windows_editors_are_read(folder):
    file = folder / "01_images.toml"
    path = r"dataset = 'C:\temp\new'"
    for content in (
        b"\xef\xbb\xbfseeds = 2\r\n",  # Notepad
        "seeds = 2\n".encode("utf-16"),  # PowerShell
        f"seeds = 2\n{path}\n".encode(),
    ):
        file.write_bytes(content)
        assert dials.read("01_images").seeds == 2
    assert dials.read("01_images").dataset == r"C:\temp\new"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", 'dataset = "für"'.encode("cp1252")])
def test_bytes_that_are_no_text_are_told(folder, content):
    (folder / "01_images.toml").write_bytes(content)
    with pytest.raises(dials.DialError, match="is no TOML file: save it as UTF-8"):
        dials.read("01_images")


def test_what_was_changed_is_known(folder):
    file = folder / "01_images.toml"
    for text, changed in (
        ("", ()),
        ("hints = false\nminutes = 3\nexercises = []", ()),
        ("steps = 200", ()),
        ("seeds = 2\nseed = 10", ("seed", "seeds")),
    ):
        file.write_text(text.replace("200", str(dials.load(paths.DIALS / file.name)["steps"])))
        assert dials.read("01_images").changed == changed
    assert dials.read("01_images").draws == range(10, 12)


def test_folders_may_be_named(folder, tmp_path):
    (folder / "01_images.toml").write_text("seeds = 2")
    usual = dials.load(paths.DIALS / "01_images.toml")["seeds"]
    assert dials.read("01_images").seeds == 2
    assert dials.read("01_images", folders=[]).seeds == usual
    own = tmp_path / "own"
    own.mkdir()
    (own / "09_x.toml").write_text("pace = 3\nwords = ['a']")
    assert dials.read("09_x", own=own).pace == 3
    (folder / "09_x.toml").write_text("words = []")
    with pytest.raises(dials.DialError, match="words is .., and should be a list"):
        dials.read("09_x", own=own)


def test_an_unknown_chapter_and_a_folder_that_is_none_are_told(monkeypatch, tmp_path):
    with pytest.raises(dials.DialError, match="no dials for '1': the chapters are 00_start_here"):
        dials.read("1")
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("COURSE_DIALS", "~")  # as a file of settings, not a shell, writes it
    (tmp_path / "01_images.toml").write_text("seeds = 2")
    assert dials.read("01_images").seeds == 2
    monkeypatch.setenv("COURSE_DIALS", str(tmp_path / "none"))
    with pytest.raises(dials.DialError, match="which is no folder: name one, or unset it"):
        dials.read("01_images")


def test_the_dials_on_the_instructors_page_fit(folder):
    page = (paths.ROOT / "docs" / "instructors.md").read_text(encoding="utf8")
    (text,) = re.findall(r"`workshop/(\w+)\.toml`:\n\n```toml\n(.*?)```", page, re.DOTALL)
    (folder / f"{text[0]}.toml").write_text(text[1])
    dial = dials.read(text[0])
    names = cells.registered(paths.EXERCISES / f"{paths.topic(text[0])}.py")
    chosen = {("exercise", f"{paths.topic(text[0])}.{name}") for name in dial.exercises}
    assert chosen and chosen <= set(names) and dial.changed
