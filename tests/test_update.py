"""A new release comes into a clone, or into a folder, and what an instructor changed stays."""

import os
import shutil
import subprocess
import sys

import nbformat
import nbformat.v4 as new
import pytest

from course import cli, paths, replace, update

pytest.importorskip("nbdime", reason="nbdime is not installed")
pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
DIALS = "labels = [5, 10]   # per class\nseeds = 5\nhints = true\n\nminutes = 30\n"
CELLS = {"title": "# 01 A", "load": "x = 1\ny = 2", "train": "fit(x)", "check": "check(y)"}


def git(folder, *words):
    done = subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def write_notebook(folder, cells, said="1"):
    """A notebook of cells by id, each with an output."""
    made = [
        new.new_code_cell(source, id=name, execution_count=i,
                          outputs=[new.new_output("stream", text=f"{name} {said}")])
        for i, (name, source) in enumerate(cells.items(), 1)
    ]  # fmt: skip
    nbformat.write(new.new_notebook(cells=made), folder / "notebooks" / "01_a.ipynb")


def sources(folder, name="01_a.ipynb"):
    notebook = nbformat.read(folder / "notebooks" / name, as_version=4)
    nbformat.validate(notebook)
    return {cell.id: cell.source for cell in notebook.cells}


def commit(folder, message):
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


@pytest.fixture
def origin(tmp_path, monkeypatch):
    """The published course."""
    for kind in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{kind}_NAME", "Somebody")
        monkeypatch.setenv(f"GIT_{kind}_EMAIL", "somebody@localhost")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    folder = tmp_path / "origin"
    for name in ("course", "notebooks/dials"):
        (folder / name).mkdir(parents=True)
    (folder / "course" / "paths.py").write_text("HERE = 1\n")
    (folder / "course" / "old.py").write_text("gone soon\n")
    (folder / "notebooks" / "dials" / "01_a.toml").write_text(DIALS)
    (folder / "model.bin").write_bytes(b"\0weights 1")
    (folder / ".gitignore").write_text("build/\n*.zip\n")
    write_notebook(folder, CELLS)
    git(tmp_path, "init", "--quiet", "--initial-branch", "main", str(folder))
    commit(folder, "first")
    return folder


@pytest.fixture
def hers(origin, tmp_path):
    """An instructor's clone."""
    folder = tmp_path / "hers"
    git(tmp_path, "clone", "--quiet", str(origin), str(folder))
    return folder


def release(origin, **changed):
    """A new release: a cell changed, another added, a file more, a file less."""
    write_notebook(origin, CELLS | {"train": "fit(x, epochs=2)", "more": "more()"} | changed, "2")
    (origin / "course" / "fresh.py").write_text("new = 1\n")
    (origin / "course" / "old.py").unlink(missing_ok=True)
    (origin / "model.bin").write_bytes(b"\0weights 2")
    commit(origin, "second")


def tree(folder):
    skipped = {".git"}
    files = [f for f in folder.rglob("*") if f.is_file() and not skipped & set(f.parts)]
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in files}


def backups():
    return sorted(paths.user_folder().glob("before-update-*"))


# ---------------------------------------------------------------- from the clone's remote


def test_a_clone_without_changes_becomes_the_release(origin, hers):
    release(origin)
    said = update.update(hers)
    assert tree(hers) == tree(origin) and git(hers, "status", "--porcelain") == ""
    assert git(hers, "rev-parse", "HEAD") == git(origin, "rev-parse", "HEAD")
    (backup,) = backups()
    assert said == [f"4 files changed. What was there before is in {backup}."]
    assert (backup / "course" / "old.py").exists() and (backup / "model.bin").exists()
    assert update.update(hers) == ["Nothing to do: the files are those of this release, and yours."]
    assert len(backups()) == 1


def test_her_cells_dials_editions_and_progress_stay(origin, hers):
    """A dirty tree is the usual one."""
    write_notebook(hers, {"mine": "hello()"} | CELLS | {"check": "check(y, 3)"}, "hers")
    dials = hers / "notebooks" / "dials" / "01_a.toml"
    dials.write_text(DIALS.replace("30", "45").replace("seeds = 5", "seeds = 4"))
    (hers / "workshop").mkdir()
    (hers / "workshop" / "01_a.toml").write_text("seeds = 3\n")
    (paths.user_folder()).mkdir()
    (paths.user_folder() / "progress.json").write_text("{}")
    release(origin)
    (origin / "notebooks" / "dials" / "01_a.toml").write_text(
        DIALS.replace("[5, 10]", "[5, 20]").replace("seeds = 5", "seeds = 9")
    )
    commit(origin, "third")
    said = update.update(hers)
    assert len(said) == 1 and ".yours" not in said[0]
    assert sources(hers) == {
        "mine": "hello()", **CELLS, "check": "check(y, 3)", "train": "fit(x, epochs=2)",
        "more": "more()",
    }  # fmt: skip
    assert list(sources(hers))[0] == "mine"
    assert dials.read_text() == (
        DIALS.replace("30", "45").replace("[5, 10]", "[5, 20]").replace("seeds = 5", "seeds = 4")
    )
    assert (hers / "workshop" / "01_a.toml").read_text() == "seeds = 3\n"
    assert (paths.user_folder() / "progress.json").read_text() == "{}"
    assert not list(hers.rglob("*.yours*"))


def test_a_cell_that_both_changed_is_named_and_both_are_kept(origin, hers):
    write_notebook(hers, CELLS | {"load": "x = 100\ny = 2", "check": "check(y, 3)"})
    before = (hers / "notebooks" / "01_a.ipynb").read_bytes()
    release(origin, load="x = 1\ny = 200")
    said = update.update(hers)
    assert said[0] == (
        "notebooks/01_a.ipynb: you and the release changed cell load (x = 100). The release's is "
        "in place, yours is in notebooks/01_a.yours.ipynb."
    )
    assert sources(hers)["load"] == "x = 1\ny = 200" and sources(hers)["check"] == "check(y, 3)"
    assert (hers / "notebooks" / "01_a.yours.ipynb").read_bytes() == before
    assert (backups()[0] / "notebooks" / "01_a.ipynb").read_bytes() == before
    # Hers is no chapter, and the next release does not complain of the same cell again.
    assert [path.name for path in paths.chapters(hers / "notebooks")] == ["01_a.ipynb"]
    release(origin, load="x = 1\ny = 200", train="fit(x, epochs=3)")
    assert len(update.update(hers)) == 1 and sources(hers)["train"] == "fit(x, epochs=3)"
    assert sources(hers)["check"] == "check(y, 3)"


@pytest.mark.parametrize(
    ("mine", "theirs", "cell"),
    [
        ({"load": None}, {"load": "x = 5"}, "load (x = 5)"),
        ({"load": "mine()"}, {"load": None}, "load (mine())"),
        ({"twin": "mine()"}, {"twin": "theirs()"}, "twin (mine())"),
    ],
)
def test_a_cell_that_one_deleted_and_the_other_changed(origin, hers, mine, theirs, cell):
    cells = {name: source for name, source in (CELLS | mine).items() if source is not None}
    write_notebook(hers, cells)
    wanted = {name: source for name, source in (CELLS | theirs).items() if source is not None}
    write_notebook(origin, wanted)
    commit(origin, "second")
    assert f"changed cell {cell}. The release's is in place" in update.update(hers)[0]
    assert sources(hers) == wanted and sources(hers, "01_a.yours.ipynb") == cells


def test_cells_that_both_added_at_one_place_stay(origin, hers):
    """Also where she ran the notebook, so that all outputs are others."""
    first, *others = CELLS.items()
    write_notebook(hers, dict([first, ("mine", "hello()"), *others]), "hers")
    write_notebook(origin, dict([first, ("theirs", "review()"), *others][:-1]), "new")
    commit(origin, "second")
    assert len(update.update(hers)) == 1
    assert set(sources(hers)) == {"title", "mine", "theirs", "load", "train"}
    assert list(sources(hers))[0] == "title" and list(sources(hers))[-2:] == ["load", "train"]
    outputs = [c.outputs for c in nbformat.read(hers / "notebooks" / "01_a.ipynb", 4).cells]
    assert all(len(each) == 1 for each in outputs)


def test_a_cell_that_the_merge_would_lose_is_named(origin, hers, monkeypatch):
    import nbdime

    write_notebook(hers, {"mine": "hello()"} | CELLS)
    release(origin)
    monkeypatch.setattr(nbdime, "merge_notebooks", lambda old, hers, theirs, args: (theirs, []))
    assert "changed cell mine (hello())" in update.update(hers)[0]
    assert sources(hers, "01_a.yours.ipynb")["mine"] == "hello()"


def test_lines_and_files_that_both_changed(origin, hers):
    dials, model = hers / "notebooks" / "dials" / "01_a.toml", hers / "model.bin"
    dials.write_text("no dials any more\n")
    model.write_bytes(b"\0mine")
    (hers / "course" / "fresh.py").write_text("mine = 1\n")
    (hers / "course" / "old.py").write_text("still wanted\n")
    (origin / "notebooks" / "dials" / "01_a.toml").write_text(DIALS.replace("seeds = 5", "seeds=9"))
    release(origin)
    said = "\n".join(update.update(hers))
    for name in ("notebooks/dials/01_a.toml", "model.bin", "course/fresh.py"):
        assert f"{name}: you and the release changed the file." in said
    assert "course/old.py: the release drops it, but you changed it: it stays." in said
    assert "seeds=9" in dials.read_text() and b"weights 2" in model.read_bytes()
    assert dials.with_name("01_a.yours.toml").read_text() == "no dials any more\n"
    assert (hers / "model.yours.bin").read_bytes() == b"\0mine"
    assert (hers / "course" / "fresh.yours.py").read_text() == "mine = 1\n"
    assert (hers / "course" / "old.py").read_text() == "still wanted\n"


def test_an_earlier_file_beside_is_not_written_over(origin, hers):
    (hers / "model.yours.bin").write_bytes(b"\0older")
    (hers / "model.bin").write_bytes(b"\0mine")
    release(origin)
    assert "yours is in model.yours2.bin" in update.update(hers)[0]
    assert (hers / "model.yours.bin").read_bytes() == b"\0older"


def test_her_commits_stay_and_the_next_release_knows_what_came_before(origin, hers):
    write_notebook(hers, CELLS | {"check": "check(y, 3)"})
    commit(hers, "mine")
    mine = git(hers, "rev-parse", "HEAD")
    release(origin)
    update.update(hers)
    assert git(hers, "rev-parse", "HEAD") == mine
    assert sources(hers)["check"] == "check(y, 3)" and sources(hers)["more"] == "more()"
    commit(hers, "release two and mine")
    release(origin, more="more(2)")
    assert len(update.update(hers)) == 1 and sources(hers)["more"] == "more(2)"
    assert sources(hers)["check"] == "check(y, 3)" and not list(hers.rglob("*.yours*"))


def test_a_notebook_that_is_none_any_more_is_kept_whole(origin, hers):
    (hers / "notebooks" / "01_a.ipynb").write_text("{ broken")
    release(origin)
    assert "01_a.ipynb: you and the release changed the file." in update.update(hers)[0]
    assert (hers / "notebooks" / "01_a.yours.ipynb").read_text() == "{ broken"
    assert sources(hers)["more"] == "more()"


# ---------------------------------------------------------------- from a folder or a zip file


def test_a_zip_file_comes_in_without_a_network(origin, hers, tmp_path):
    write_notebook(hers, CELLS | {"check": "check(y, 3)"})
    for number, more in enumerate(("more()", "more(2)")):
        release(origin, more=more)
        packed = tmp_path / f"release-{number}.zip"
        git(origin, "archive", "--prefix=course-1.1/", f"--output={packed}", "HEAD")
        said = update.update(hers, packed)
        assert len(said) == 1, said
        assert sources(hers)["more"] == more and sources(hers)["check"] == "check(y, 3)"
    assert not list(hers.rglob("*.yours*"))


def test_a_folder_comes_into_a_folder_whose_beginning_nobody_knows(origin, tmp_path):
    """What differs is kept beside, as nobody can know who changed it."""
    folder = tmp_path / "unpacked"
    shutil.copytree(origin, folder, ignore=shutil.ignore_patterns(".git"))
    write_notebook(folder, CELLS | {"check": "check(y, 3)"})
    release(origin)
    (origin / "build").mkdir()
    (origin / "build" / "junk").touch()
    said = update.update(folder, origin)
    assert any("01_a.ipynb: you and the release changed the file" in line for line in said)
    assert sources(folder, "01_a.yours.ipynb")["check"] == "check(y, 3)"
    assert sources(folder) == sources(origin) and not (folder / "build").exists()


# ---------------------------------------------------------------- faults


def test_without_a_network_nothing_changes(origin, hers, capsys, monkeypatch):
    before = tree(hers)
    release(origin)
    origin.rename(origin.with_name("away"))
    monkeypatch.setattr(update.update, "__defaults__", (hers, None))
    assert cli.main(["update"]) == 1
    said = capsys.readouterr().err
    assert "git fetch failed" in said and "give the release as a folder or a zip file" in said
    assert "Traceback" not in said and tree(hers) == before and backups() == []


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda place: place.write_bytes(b"no zip"), "cannot be read"),
        (lambda place: place.mkdir(), "holds no course: nothing was changed"),
        (lambda place: None, "cannot be read"),
    ],
)
def test_what_is_no_release_is_refused(hers, tmp_path, make, words):
    before = tree(hers)
    make(place := tmp_path / "given")
    with pytest.raises(update.UpdateError, match=words):
        update.update(hers, place)
    assert tree(hers) == before


def test_a_folder_that_is_no_clone_and_a_branch_that_follows_none(hers, tmp_path):
    (tmp_path / "plain").mkdir()
    with pytest.raises(update.UpdateError, match="is no git clone: give the release"):
        update.update(tmp_path / "plain")
    git(hers, "checkout", "--quiet", "-b", "own")
    with pytest.raises(update.UpdateError, match="follows no remote one"):
        update.update(hers)


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_fault_half_way_leaves_all_as_it_was(origin, hers, monkeypatch, fault):
    write_notebook(hers, CELLS | {"load": "mine()"})
    (hers / "model.bin").write_bytes(b"\0mine")
    before, head = tree(hers), git(hers, "rev-parse", "HEAD")
    release(origin, load="theirs()")
    real, count = replace.disk.write_atomic, []

    def write(path, content):
        count.append(path)
        if len(count) == 4:
            raise fault
        real(path, content)

    monkeypatch.setattr(replace.disk, "write_atomic", write)
    with pytest.raises((update.UpdateError, KeyboardInterrupt)):
        update.update(hers)
    assert len(count) > 4 and tree(hers) == before and git(hers, "rev-parse", "HEAD") == head
    monkeypatch.setattr(replace.disk, "write_atomic", real)
    assert len(update.update(hers)) == 3
    assert sources(hers)["load"] == "theirs()"


def test_killed_half_way_the_same_command_completes_it(origin, hers):
    """Nobody can tidy up after a kill: the backup is whole, and each file is old or new."""
    write_notebook(hers, CELLS | {"load": "mine()", "check": "check(y, 3)"})
    before = tree(hers)
    release(origin, load="theirs()")
    code = f"""
import os
from pathlib import Path
from course import replace, update
real, count = replace.disk.write_atomic, []
def write(path, content):
    count.append(path)
    if len(count) == 3:
        os._exit(9)
    real(path, content)
replace.disk.write_atomic = write
update.update(Path({str(hers)!r}))
"""
    environment = {**os.environ, "PYTHONPATH": str(paths.ROOT)}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 9
    assert tree(hers) != before
    (backup,) = backups()
    assert all(before[name] == content for name, content in tree(backup).items())
    assert {"model.bin", "notebooks/01_a.ipynb", "course/old.py"} <= set(tree(backup))
    update.update(hers)
    assert sources(hers)["load"] == "theirs()" and sources(hers)["check"] == "check(y, 3)"
    kept = [
        hers / "notebooks" / "01_a.yours.ipynb",
        *(b / "notebooks/01_a.ipynb" for b in backups()),
    ]
    assert any(k.exists() and k.read_bytes() == before["notebooks/01_a.ipynb"] for k in kept)
    assert (hers / "course" / "fresh.py").exists() and not (hers / "course" / "old.py").exists()
    assert update.update(hers)[0].startswith("Nothing to do")


def test_a_clone_that_cannot_be_written_to_is_finished_later(origin, hers):
    release(origin)
    (hers / ".git" / "index.lock").touch()
    with pytest.raises(update.UpdateError, match="The files are in place, but git reset failed"):
        update.update(hers)
    (hers / ".git" / "index.lock").unlink()
    update.update(hers)
    assert git(hers, "status", "--porcelain") == ""
    assert git(hers, "rev-parse", "HEAD") == git(origin, "rev-parse", "HEAD")
