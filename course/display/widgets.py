"""Sliders, menus and fields over plain functions: each shows what a still figure cannot.

A cell first calls the function itself, so the page makes sense without widgets; then `explore`
puts controls above the same function. Figures come as images with alt text in one HTML panel,
which works alike on ipywidgets 7.7 and 8 and in every front end; all controls work by keyboard.
"""

import contextlib
import functools
import html
import io
import traceback
from collections.abc import Callable

import ipywidgets
from IPython import get_ipython
from IPython.display import display

from helpers import plots


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
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    ours = frame.f_globals.get("__name__", "").startswith(("course.", "helpers."))
    if isinstance(error, ValueError) and ours:
        return str(error)
    return f"{type(error).__name__}: {error} (line {line} of {frame.f_code.co_name})"


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

    def make():
        made = {name: _control(name, given) for name, given in controls.items()}
        for name, value in (start or {}).items():
            made[name].value = value
        return _answered(made, functools.partial(panel_of, function))

    lay_out(title, make, words)


def upload(function: Callable, accept: str, *, title: str) -> None:
    """A button that takes a file of the learner's own and hands it to a function.

    Args:
        function: called with (name, content) of the file; it draws with `plots`, and prints.
        accept: endings, such as ".png,.jpg".
    """
    words = f"{title} In JupyterLab, run this cell: a button takes your file ({accept})."

    def answer(given):
        return "".join(panel_of(function, *file) for file in uploaded(given))

    def make():
        button = ipywidgets.FileUpload(accept=accept, multiple=False, description="Your file")
        return _answered({"given": button}, answer)

    lay_out(title, make, words)


def _answered(controls, answer):
    """Controls by argument, and a panel below them with the answer to what they are set to."""
    panel = ipywidgets.HTML()
    panel.add_class("course-panel")

    def update(_=None):
        panel.value = answer(**{name: control.value for name, control in controls.items()})

    for control in controls.values():
        control.observe(update, "value")
    update()
    return [*controls.values(), panel]


def lay_out(title: str, make: Callable[[], list[ipywidgets.Widget]], words: str) -> None:
    """Show what `make` returns below a title, or print `words` where there are no widgets."""
    if not possible():
        print(words)
        return
    parts = [ipywidgets.HTML(f"<b>{html.escape(title)}</b>")] if title else []
    parts += make()
    show(ipywidgets.VBox(parts) if len(parts) > 1 else parts[0], words)


def uploaded(value) -> list[tuple[str, bytes]]:
    """Name and content of each uploaded file: ipywidgets 7 gives a dictionary, 8 a tuple."""
    named = value.items() if isinstance(value, dict) else [(each["name"], each) for each in value]
    return [(name, bytes(file["content"])) for name, file in named]


def show(widget: ipywidgets.Widget, words: str) -> None:
    """Display a widget, with `words` in its place where a front end has no widgets."""
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    bundle = {"application/vnd.jupyter.widget-view+json": view, "text/plain": words}
    display(bundle, raw=True)


def possible() -> bool:
    """Whether widgets can reach a front end: a kernel runs us."""
    return getattr(get_ipython(), "kernel", None) is not None


def _control(name, given):
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
