"""Sliders, menus and fields over plain functions: each shows what a still figure cannot.

A cell first calls the function itself, so the page makes sense without widgets; then `explore`
puts controls above the same function. Figures come as images with alt text in one HTML panel,
which works alike on ipywidgets 7.7 and 8 and in every front end; all controls work by keyboard.
"""

import contextlib
import html
import io
import traceback
from collections.abc import Callable
from pathlib import Path

from IPython.display import display

import course
import helpers
from helpers import plots

OURS = tuple(Path(package.__file__).parent for package in (course, helpers))


def panel_of(function: Callable, *args, **values) -> str:
    """What a function prints and draws, as HTML. An error becomes one sentence."""
    printed = io.StringIO()
    with plots.collect() as shown, contextlib.redirect_stdout(printed):
        try:
            function(*args, **values)
        except Exception as error:  # a wrong value must not silence the controls
            print(_sentence(error))
    text = html.escape(printed.getvalue().rstrip())
    style = "white-space: pre-wrap; word-break: normal"  # Lab would break within words
    return (f'<pre style="{style}">{text}</pre>' if text else "") + "".join(shown)


def _sentence(error):
    """The course's own errors are written for people; others say where they come from."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    ours = any(Path(where.filename).is_relative_to(folder) for folder in OURS)
    if isinstance(error, ValueError) and ours:
        return str(error)
    return f"{type(error).__name__}: {error} (line {where.lineno} of {where.name})"


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
    names = ", ".join(name.replace("_", " ") for name in controls)
    words = f"{title} In JupyterLab, run this cell to change: {names}.".strip()
    if not possible():
        print(words)
        return
    made = {name: _control(name, given) for name, given in controls.items()}
    for name, value in (start or {}).items():
        made[name].value = value

    def update(panel, *_):
        panel.value = panel_of(function, **{name: c.value for name, c in made.items()})

    _lay_out(title, list(made.values()), update, words)


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

    def update(panel, *_):
        for name, content in uploaded(button.value):
            panel.value = panel_of(function, name, content)

    _lay_out(title, [button], update, words)


def _lay_out(title, controls, update, words):
    """Title, controls, and a panel that follows them."""
    import ipywidgets

    panel = ipywidgets.HTML()
    panel.add_class("course-panel")
    for control in controls:
        control.observe(lambda change: update(panel), "value")
    update(panel)
    heading = [ipywidgets.HTML(f"<b>{html.escape(title)}</b>")] if title else []
    show(ipywidgets.VBox([*heading, *controls, panel]), words)


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


def _control(name, given):
    import ipywidgets

    several = isinstance(given, list | range) and len(given) > 0
    if several and all(isinstance(each, int | float) for each in given):
        control = ipywidgets.SelectionSlider(options=list(given))
    else:
        control = ipywidgets.interactive.widget_from_abbrev(given)
    if not isinstance(control, ipywidgets.DOMWidget):
        raise TypeError(
            f"The control {name} is {given!r}: give a list, a dictionary, (low, high), True, "
            "False or a text."
        )
    if isinstance(given, tuple):
        control.value = given[0]
    control.description, control.layout.width = name.replace("_", " "), "32em"
    control.style.description_width = "8em"
    if hasattr(control, "continuous_update"):  # redraw when a slider or a text is let go
        control.continuous_update = False
    return control
