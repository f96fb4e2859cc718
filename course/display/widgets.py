"""Sliders, menus and fields over plain functions: each shows what a still picture cannot.

A cell first calls the function itself, so the page makes sense without widgets; then `explore`
puts controls above the same function. Figures come as pictures with alt text in one HTML panel,
which works alike on ipywidgets 7.7 and 8 and in every front end; all controls work by keyboard.
"""

import contextlib
import html
import io
import traceback
from collections.abc import Callable
from pathlib import Path

from IPython.display import display

from helpers import plots

COURSE = Path(__file__).resolve().parents[2]  # errors raised in here are written for people


def picture_of(function: Callable, *args, **values) -> str:
    """What a function prints and draws, as HTML. An error becomes one sentence."""
    printed = io.StringIO()
    with plots.collect() as shown, contextlib.redirect_stdout(printed):
        try:
            function(*args, **values)
        except Exception as error:  # a wrong value must not silence the controls
            where = traceback.extract_tb(error.__traceback__)[-1]
            if isinstance(error, ValueError) and Path(where.filename).is_relative_to(COURSE):
                print(error)  # written for people: it says what, where and what to do
            else:
                print(f"{type(error).__name__}: {error} (line {where.lineno} of {where.name})")
    text = printed.getvalue().rstrip()
    style = "white-space: pre-wrap; word-break: normal"  # Lab would break within words
    lines = f'<pre style="{style}">{html.escape(text)}</pre>' if text else ""
    return lines + "".join(shown)


def explore(function: Callable, *, title: str = "", start: dict | None = None, **controls) -> None:
    """Put a control for each argument above a function that draws and prints.

    Args:
        function: called with one value for each control; it draws with `plots`, and prints.
        title: a line above the controls: what to look for.
        start: where controls stand at first, by argument; else at their first value.
        controls: for each argument of the function
            a list of numbers: a slider over just these; a list of words: a menu;
            a dictionary from words to values: a menu;
            a pair of numbers (low, high) or a triple with a step: a slider;
            True or False: a tick box; a text: a field to type in.

    Raises:
        TypeError: a control of none of these kinds.
    """
    made = {name: _control(name, given) for name, given in controls.items()}
    if not possible():
        print(_in_words(title, made))
        return
    import ipywidgets

    panel = ipywidgets.HTML()
    panel.add_class("course-panel")

    def update(*_):
        panel.value = picture_of(function, **{name: c.value for name, c in made.items()})

    for name, value in (start or {}).items():
        made[name].value = value
    for control in made.values():
        control.observe(update, "value")
    update()
    heading = [ipywidgets.HTML(f"<b>{html.escape(title)}</b>")] if title else []
    show(ipywidgets.VBox([*heading, *made.values(), panel]), _in_words(title, made))


def upload(function: Callable, accept: str, *, title: str) -> None:
    """A button that takes a file of the learner's own and hands it to a function.

    Args:
        function: called with (name, content) of the file; it draws with `plots`, and prints.
        accept: endings, such as ".png,.jpg".
        title: a line above the button.
    """
    words = f"{title} In JupyterLab, run this cell: a button takes your file ({accept})."
    if not possible():
        print(words)
        return
    import ipywidgets

    button = ipywidgets.FileUpload(accept=accept, multiple=False, description="Your file")
    panel = ipywidgets.HTML()

    def update(*_):
        for name, content in uploaded(button.value):
            panel.value = picture_of(function, name, content)

    button.observe(update, "value")
    heading = ipywidgets.HTML(f"<b>{html.escape(title)}</b>")
    show(ipywidgets.VBox([heading, button, panel]), words)


def uploaded(value) -> list[tuple[str, bytes]]:
    """Name and content of each uploaded file: ipywidgets 7 gives a dictionary, 8 a tuple."""
    if isinstance(value, dict):
        return [(name, bytes(file["content"])) for name, file in value.items()]
    return [(file["name"], bytes(file["content"])) for file in value]


def show(widget, words: str) -> None:
    """Display a widget, with `words` in its place where a front end has no widgets."""
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    bundle = {"application/vnd.jupyter.widget-view+json": view, "text/plain": words}
    display(bundle, raw=True)


def possible() -> bool:
    """Whether widgets can reach a front end: the package is there, and a kernel runs us."""
    try:
        import ipywidgets  # noqa: F401
        from IPython import get_ipython
    except ImportError:
        return False
    return getattr(get_ipython(), "kernel", None) is not None


def _in_words(title, made):
    names = ", ".join(name.replace("_", " ") for name in made)
    return f"{title} In JupyterLab, run this cell to change: {names}.".strip()


def _control(name, given):
    import ipywidgets

    plain = {
        "description": name.replace("_", " "),
        "style": {"description_width": "8em"},
        "layout": {"width": "32em"},
    }
    if isinstance(given, bool):
        return ipywidgets.Checkbox(value=given, **plain)
    if isinstance(given, str):
        return ipywidgets.Text(value=given, continuous_update=False, **plain)
    if isinstance(given, dict):
        return ipywidgets.Dropdown(options=list(given.items()), **plain)
    if isinstance(given, list | range) and given:
        if all(isinstance(each, int | float) for each in given):
            return ipywidgets.SelectionSlider(
                options=list(given), continuous_update=False, **plain
            )
        return ipywidgets.Dropdown(options=list(given), **plain)
    if isinstance(given, tuple) and len(given) in (2, 3):
        low, high, *step = given
        kind = ipywidgets.IntSlider
        if not all(isinstance(each, int) for each in given):
            kind = ipywidgets.FloatSlider
        settings = {"step": step[0]} if step else {}
        return kind(
            value=low, min=low, max=high, continuous_update=False, **settings, **plain
        )
    raise TypeError(
        f"The control {name} is {given!r}: give a list, a dictionary, (low, high), True, False "
        "or a text."
    )
