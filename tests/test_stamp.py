"""The repository's address: in all places or in none; and what the set-up cell does on Colab."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest

from course import colab as colab_module
from course import paths, stamp

ROOT = paths.ROOT
PUBLIC = "https://github.com/some-group/transfer-learning"


@pytest.fixture
def root(tmp_path):
    """A copy of all that is stamped, whose address can be set."""
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    for name in ("README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def set_address(root, public):
    file = root / "pyproject.toml"
    text = re.sub(r"\[project\.urls\]\n(?:\w.*\n)*", "", file.read_text(encoding="utf8"))
    text += f'\n[project.urls]\nRepository = "{public}"\n' if public else ""
    file.write_text(text, encoding="utf8")


def content(root):
    files = [root / "README.md", *sorted((root / "notebooks").glob("*.ipynb"))]
    return {file.name: file.read_text(encoding="utf8") for file in files}


# ---------------------------------------------------------------- the course as it stands


def test_the_course_is_stamped_throughout():
    """If this fails, run `course stamp` after the address in pyproject.toml was changed."""
    assert stamp.stamp(write=False) == []


@pytest.mark.parametrize("path", paths.chapters(), ids=lambda path: path.stem)
def test_the_set_up_cell_is_the_first_that_runs(path):
    code = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    tags = [cell.metadata.get("tags", []) for cell in code]
    assert "setup" in tags[0] and not any("setup" in others for others in tags[1:])
    assert code[0].outputs == [] and code[0].execution_count == 1
    # Folded in JupyterLab; on Colab a title is all that is seen of it.
    assert code[0].metadata["jupyter"] == {"source_hidden": True}
    assert code[0].metadata["cellView"] == "form" and code[0].source.startswith("# @title ")


# ---------------------------------------------------------------- stamping


def test_an_address_goes_everywhere_and_comes_off_again(root):
    set_address(root, "")
    stamp.stamp(root)
    bare = content(root)
    assert stamp.stamp(root) == []
    assert all("colab.research.google.com" not in text for text in bare.values())

    set_address(root, PUBLIC)
    changed = stamp.stamp(root, write=False)
    assert {file.name for file in changed} == set(bare) and content(root) == bare
    assert stamp.stamp(root) == changed and stamp.stamp(root) == []
    colab = "https://colab.research.google.com/github/some-group/transfer-learning/blob/main"
    for name, text in content(root).items():
        assert f"{colab}/notebooks/{name.replace('README.md', '00_start_here.ipynb')})" in text
        assert len(re.findall(r"colab-badge\.svg", text)) == 1
    for path in (root / "notebooks").glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert "badge" in notebook.cells[0].metadata["tags"]
        assert f'address = "{PUBLIC}"' in path.read_text().replace('\\"', '"')

    # One place that keeps an old address is seen.
    other = root / "notebooks" / "00_start_here.ipynb"
    other.write_text(other.read_text().replace("some-group", "old-group"))
    assert stamp.stamp(root, write=False) == [other]

    set_address(root, "")
    stamp.stamp(root)
    assert content(root) == bare


def test_a_badge_only_where_colab_can_open_the_repository(root):
    set_address(root, "https://gitlab.example-school.org/group/course.git")
    stamp.stamp(root)
    for name, text in content(root).items():
        assert "colab-badge" not in text
        if name != "README.md":
            assert "https://gitlab.example-school.org/group/course" in text


def test_a_notebook_without_a_set_up_cell_gets_one(root):
    path = root / "notebooks" / "01_images.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [c for c in notebook.cells if "setup" not in c.metadata.get("tags", [])]
    nbformat.write(notebook, path)
    assert path in stamp.stamp(root)
    made = nbformat.read(path, as_version=4)
    nbformat.validate(made)
    place = next(i for i, cell in enumerate(made.cells) if cell.cell_type == "code")
    assert made.cells[place].source == stamp.setup_cell("")
    assert made.cells[place].metadata["jupyter"] == {"source_hidden": True}
    assert made.cells[place].metadata["cellView"] == "form"
    assert made.cells[place - 1].source.startswith("# 01 Images")
    assert stamp.stamp(root) == []


@pytest.mark.parametrize(
    "public",
    [
        "https://github.com/OWNER/transfer-learning-course",
        "https://github.com/<owner>/course",
        "https://example.org/group/course",
        "http://github.com/group/course",
        "https://github.com/group",
        "github.com/group/course",
        'https://github.com/group/course"',
    ],
)
def test_placeholders_and_other_addresses_are_refused(root, public, monkeypatch, capsys):
    set_address(root, public.replace('"', '\\"'))
    before = content(root)
    with pytest.raises(stamp.StampError, match="Repository in pyproject.toml is"):
        stamp.stamp(root)
    assert content(root) == before
    from course import cli as course

    monkeypatch.setattr(stamp.address, "__defaults__", (root,))
    assert course.main(["stamp"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_readme_without_a_place_is_refused(root):
    (root / "README.md").write_text("# Mine\n")
    with pytest.raises(stamp.StampError, match="README.md should have"):
        stamp.stamp(root)


# ---------------------------------------------------------------- the set-up cell


@pytest.mark.parametrize("public", ["", PUBLIC])
def test_the_cell_is_short_and_silent_here(tmp_path, public):
    source = stamp.setup_cell(public)
    assert len(source.splitlines()) <= 18 and max(map(len, source.splitlines())) <= 100
    without = {k: v for k, v in os.environ.items() if k != "COLAB_RELEASE_TAG"}
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=tmp_path, env=without, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_hides_a_package_is_named(tmp_path):
    (tmp_path / "course.py").write_text("x = 1")
    done = run_beside(tmp_path, stamp.setup_cell(""))
    named = f"ImportError: {tmp_path / 'course.py'} hides a package of the course: rename it."
    assert named in done


def test_helpers_of_another_course_are_named_by_any_import(tmp_path):
    (tmp_path / "helpers.py").write_text("x = 1")
    words = f"ImportError: 'helpers' is {tmp_path / 'helpers.py'} here, which hides the course's"
    assert words in run_beside(tmp_path, "from course import dials")
    (tmp_path / "helpers.py").rename(tmp_path / "other.py")
    assert run_beside(tmp_path, "from course import dials") == ""
    (tmp_path / "helpers").mkdir()  # a folder without __init__.py gives way to a package
    (tmp_path / "helpers" / "notes.txt").touch()
    assert run_beside(tmp_path, "from course import dials") == ""


def run_beside(folder, source):
    """Run Python in a folder, as a kernel does; what it writes to standard error."""
    environment = {k: v for k, v in os.environ.items() if k != "COLAB_RELEASE_TAG"}
    environment["PYTHONPATH"] = str(ROOT)
    ran = [sys.executable, "-c", source]
    return subprocess.run(ran, cwd=folder, env=environment, capture_output=True, text=True).stderr


@pytest.fixture
def colab(tmp_path, monkeypatch):
    """Runs the cell as if on Colab; returns the commands that it would have run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release")
    monkeypatch.setattr(sys, "path", list(sys.path))
    installed = {"tensorflow": "2.20.0", "numpy": "2.1.3", "ipywidgets": "7.7.1"}
    monkeypatch.setattr(importlib.metadata, "version", lambda name: installed[name])

    def run(public, upgrades=()):
        commands = []

        def record(command, check):
            assert check
            commands.append([str(word) for word in command])
            if "gensim>=4.4" in command:
                installed.update(dict.fromkeys(upgrades, "99"))

        monkeypatch.setattr(subprocess, "run", record)
        exec(stamp.setup_cell(public), {})
        return commands

    return run


def test_on_colab_it_fetches_the_course_and_what_is_lacking(colab, tmp_path):
    clone, gensim, package = colab(PUBLIC)
    name = "transfer-learning-course"
    assert clone == ["git", "clone", "--quiet", "--depth", "1", PUBLIC, name]
    assert sys.path[0] == str(tmp_path / name)
    assert gensim[1:4] == package[1:4] == ["-m", "pip", "install"]
    # The module that stands in for the fetched one here installs the folder that it lies in.
    assert gensim[-1] == "gensim>=4.4" and package[-3:] == ["--no-deps", "--editable", str(ROOT)]
    for command in (gensim, package):
        assert not {"tensorflow", "numpy", "ipywidgets", "--upgrade"} & set(command)


@pytest.mark.parametrize("place", ["transfer-learning-course", "drive/MyDrive", "."])
def test_a_folder_that_is_there_is_used(colab, tmp_path, place):
    folder = tmp_path / place
    if place == "drive/MyDrive":
        folder = folder / "transfer-learning-course"
    (folder / "course").mkdir(parents=True)
    (folder / "course" / "colab.py").touch()
    for public in ("", PUBLIC):
        assert len(colab(public)) == 2 and sys.path[0] == str(folder)


def test_without_an_address_it_says_what_to_do(colab):
    with pytest.raises(FileNotFoundError, match="Upload the folder transfer-learning-course to"):
        colab("")


def test_a_package_of_colab_s_that_changed_is_named(colab):
    with pytest.raises(RuntimeError, match=r"pip changed \['numpy'\]: choose Runtime"):
        colab(PUBLIC, upgrades=["numpy"])


def test_what_installs_on_colab_needs_nothing_but_python():
    code = "import sys; from course import colab; print(*{m.split('.')[0] for m in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) <= {*sys.stdlib_module_names, "__main__", "course"}
    assert colab_module.ROOT == ROOT
