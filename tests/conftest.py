"""Fixtures that several tests share: a small chapter of their own, figures that are kept."""

import sys

import nbformat
import nbformat.v4 as new
import pytest
from small import CONTENT, small_chapter, text

from course import exercises
from helpers import plots


@pytest.fixture
def content(tmp_path):
    """A folder with one file of exercises, which the engine finds."""
    folder = tmp_path / "content"
    folder.mkdir()
    (folder / "small.py").write_text(CONTENT)
    exercises.__path__.append(str(folder))
    yield folder
    exercises.__path__.remove(str(folder))
    sys.modules.pop("course.exercises.small", None)


@pytest.fixture
def chapters(tmp_path):
    """A folder of two notebooks that link to each other, with dials for one of them."""
    folder = tmp_path / "course" / "notebooks"
    (folder / "dials").mkdir(parents=True)
    (tmp_path / "course" / "docs").mkdir()
    (tmp_path / "course" / "docs" / "a picture.png").write_bytes(b"png")
    nbformat.write(small_chapter(), folder / "09_small.ipynb")
    other = [
        text("[badge](https://x.y)", tags=["badge"]),
        text("# 10\n[dials](dials/09_small.toml)"),
    ]
    nbformat.write(new.new_notebook(cells=other), folder / "10_other.ipynb")
    dials = '# Small\nlabels = [5, 10]  # per class\nexercises = "all"  # or a list\nhints = true\n'
    (folder / "dials" / "09_small.toml").write_text(dials)
    return folder


@pytest.fixture
def eager(request):
    """Steps without graphs: where models are small and trained briefly, making them takes longest.

    A marker `graphs(*words)` of the module names tests that need them all the same.
    """
    from helpers.ready import tf  # here, as most tests need no TensorFlow

    marker = request.node.get_closest_marker("graphs")
    words = marker.args if marker else ()
    if not any(word in request.node.name for word in words):
        tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def drawn(monkeypatch):
    """Figures that would be shown, with their alt texts."""
    kept = []
    monkeypatch.setattr(plots, "show", lambda figure, alt: kept.append((figure, alt)))
    return kept
