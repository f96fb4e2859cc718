"""Widgets are a thin skin: what a function draws and prints stands in the panel, on 7.7 and 8."""

from datetime import UTC, datetime

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest

from course import exercises, progress
from course.display import widgets
from helpers import plots

SHOWN = []


@pytest.fixture(autouse=True)
def kernel(monkeypatch):
    """As in a notebook, with what is displayed kept."""
    SHOWN.clear()
    monkeypatch.setattr(widgets, "possible", lambda: True)
    monkeypatch.setattr(widgets, "display", lambda bundle, raw: SHOWN.append(bundle))


def draw(labels, method="frozen", grid=False):
    figure, axis = plt.subplots(figsize=(2, 1))
    axis.plot(np.arange(labels))
    plots.show(figure, f"A line of {labels} points, {method}")
    print("labels", labels, "<grid>" if grid else "")


def box():
    """The box that was displayed last."""
    return _by_id(SHOWN[-1])


def _by_id(bundle):
    model = bundle["application/vnd.jupyter.widget-view+json"]["model_id"]
    try:
        registry = ipywidgets.widgets.widget._instances  # 8
    except AttributeError:
        registry = ipywidgets.Widget.widgets  # 7
    return registry[model]


def test_moving_a_control_draws_anew():
    widgets.explore(draw, title="How many?", labels=[5, 10, 20], method=["frozen", "tuned"])
    heading, labels, method, panel = box().children
    assert "How many?" in heading.value
    assert isinstance(labels, ipywidgets.SelectionSlider)
    assert isinstance(method, ipywidgets.Dropdown)
    assert 'alt="A line of 5 points, frozen"' in panel.value and "labels 5" in panel.value
    labels.value = 20
    assert 'alt="A line of 20 points, frozen"' in panel.value
    method.value = "tuned"
    assert 'alt="A line of 20 points, tuned"' in panel.value
    assert panel.value.count("<img") == 1


@pytest.mark.parametrize(
    ("given", "kind", "first"),
    [
        ([1, 2, 3], "SelectionSlider", 1),
        (["a", "b"], "Dropdown", "a"),
        ({"one": 1, "two": 2}, "Dropdown", 1),
        ((0, 5), "IntSlider", 0),
        ((0.0, 1.0, 0.05), "FloatSlider", 0.0),
        (True, "Checkbox", True),
        ("a good film", "Text", "a good film"),
        (range(2, 9, 2), "SelectionSlider", 2),
    ],
)
def test_each_kind_of_control(given, kind, first):
    seen = []
    widgets.explore(lambda value: seen.append(value), value=given)
    assert type(box().children[0]).__name__ == kind
    assert seen == [first]


def test_controls_start_where_they_are_told_to():
    widgets.explore(draw, start={"labels": 10}, labels=[5, 10])
    assert "A line of 10 points" in box().children[-1].value


def test_a_control_of_no_kind_is_told():
    with pytest.raises(TypeError, match="The control labels is None: give a list"):
        widgets.explore(draw, labels=None)


def test_an_error_in_the_function_stands_in_the_panel_and_the_controls_live_on():
    def fail(number):
        print(1 / number)

    widgets.explore(fail, number=[0, 4])
    number, panel = box().children
    assert "ZeroDivisionError: division by zero" in panel.value
    number.value = 4
    assert "0.25" in panel.value


def test_what_is_printed_is_no_markup_and_nothing_is_displayed_beside():
    before = len(SHOWN)
    assert "&lt;grid&gt;" in widgets.panel_of(draw, 3, grid=True)
    assert len(SHOWN) == before and not plt.get_fignums()


def test_front_ends_without_widgets_get_words(monkeypatch, capsys):
    widgets.explore(draw, title="How many?", labels=[5, 10])
    words = "How many? In JupyterLab, run this cell to change: labels."
    assert SHOWN[-1]["text/plain"] == words
    monkeypatch.setattr(widgets, "possible", lambda: False)
    widgets.explore(draw, title="How many?", labels=[5, 10])
    widgets.upload(print, ".png", title="Yours.")
    said = capsys.readouterr().out
    assert words in said and "Yours. In JupyterLab, run this cell: a button takes your file" in said


@pytest.mark.parametrize(
    "value",
    [
        {"dog.png": {"metadata": {"name": "dog.png"}, "content": b"abc"}},  # ipywidgets 7
        ({"name": "dog.png", "type": "image/png", "size": 3, "content": memoryview(b"abc")},),  # 8
    ],
)
def test_an_uploaded_file_is_read_in_both_versions(value):
    assert widgets.uploaded(value) == [("dog.png", b"abc")]


def test_an_uploaded_file_is_answered():
    widgets.upload(lambda name, content: print(name, len(content)), ".png", title="Your image")
    _, button, panel = box().children
    assert button.accept == ".png" and panel.value == ""
    file = {"name": "dog.png", "type": "image/png", "size": 3, "content": b"abc"}
    file["last_modified"] = datetime.now(UTC)
    new = (file,) if isinstance(button.value, tuple) else {"dog.png": file}
    button.set_trait("value", new)  # read-only in 7.7, where the front end sets it
    assert "dog.png 3" in panel.value


def test_an_error_written_for_people_stands_alone_and_others_name_their_line():
    def refuse(number):
        if number:
            widgets.explore(draw, start={"labels": 3}, nothing=None)
        plots.show(None, alt="")

    assert "TypeError: The control nothing is None" in widgets.panel_of(refuse, 1)
    page = widgets.panel_of(refuse, 0)
    assert "A figure needs a text" in page and "ValueError" not in page

    def foreign():
        int("word")

    assert "ValueError: invalid literal" in widgets.panel_of(foreign)
    assert "of foreign)" in widgets.panel_of(foreign)


def test_a_question_has_buttons_and_explains_each(content, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    exercises.quiz("small.once")
    listed, buttons, answer = box().children
    assert isinstance(buttons, ipywidgets.RadioButtons) and buttons.value is None
    assert "Why <code>once</code>?" in listed.value and answer.value == ""
    assert 'exercises.quiz("small.once", "a")' in SHOWN[-1]["text/plain"]
    buttons.value = "a"
    assert "Not quite." in answer.value and progress.solved() == {}
    buttons.value = "b"
    assert "Right." in answer.value and list(progress.solved()) == ["small.once"]
