"""Exercises that answer: checks of what a learner made, hints, quiz questions, progress.

Each file beside this one holds the exercises of one chapter; the first part of a name says which:
"images.freeze" stands in `images.py`. A check gets the learner's object and returns nothing where
it is right, or one sentence that asks the question which leads on.
"""

import difflib
import importlib
import io
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from course import dials, paths, progress
from course import review as spaced
from helpers import plots

LEVELS = ("easy", "medium", "hard")
NO_MODEL = "Your function gave back no model: does it end in `return model`?"


@dataclass(frozen=True)
class Verdict:
    """`state` is "not started", "correct" or "not yet"; `message` says why."""

    state: str
    message: str

    def __str__(self):
        return f"{self.state.capitalize()}. {self.message}".strip()


@dataclass(frozen=True)
class Exercise:
    """An exercise: its check, what is said when it is solved, and what a learner may ask for."""

    name: str
    check: Callable[[Any], str | None]
    praise: str
    minutes: int
    level: str
    hints: tuple[str, ...]
    function: str


_exercises: dict[str, Exercise] = {}
_questions: dict[str, spaced.Question] = {}


def exercise(
    name: str, praise: str, *, minutes: int = 5, level: str = "medium", hints=(), function: str = ""
):
    """Register a check. It may raise: a fault in the learner's code becomes a message.

    Args:
        name: topic and exercise, such as "images.freeze" in the file images.py.
        praise: said when it is solved: what was shown by it.
        minutes: how long it takes, about.
        level: "easy", "medium" or "hard".
        hints: three, each of which gives away a little more; none is the solution.
        function: how the function begins that is asked for, such as "freeze(model)"; what cannot
            be called is then answered before the check. Empty where no function is asked for.

    Raises:
        ValueError: another level, or a name that belongs into another file.
    """
    if level not in LEVELS:
        raise ValueError(f"{name} has the level {level!r}: choose one of {', '.join(LEVELS)}.")

    def register(check):
        if check.__module__ != f"{__name__}.{name.partition('.')[0]}":
            raise ValueError(f"{name} stands in {check.__module__}: begin its name as the file's.")
        _exercises[name] = Exercise(name, check, praise, minutes, level, tuple(hints), function)
        return check

    return register


def question(name: str, text: str, right: str, **options: tuple[str, str]) -> None:
    """Register a quiz question; each option is (its text, why it is right or wrong).

    Raises:
        ValueError: none of the options has the letter `right`.
    """
    if right not in options:
        raise ValueError(f"The right answer of {name} is {right!r}, which is none of its options.")
    _questions[name] = spaced.Question(text, options, right)


def judge(name: str, answer: Any) -> Verdict:
    """What the check of exercise `name` says about an answer.

    Raises:
        ValueError: there is no such exercise.
    """
    asked = _find(_exercises, name, "exercise")
    if answer is ...:
        return Verdict("not started", "Replace the three dots by your answer, then run this again.")
    if asked.function and not callable(answer):
        begin = f"Is it a function? Write `def {asked.function}: ...` and hand in its name."
        return Verdict("not yet", begin)
    try:
        # What the learner's code prints while it is tried would bury the verdict.
        with redirect_stdout(io.StringIO()):
            fault = asked.check(answer)
    except Exception as error:  # whatever the learner's code does wrong is the learner's lesson
        fault = f"Your answer stopped with {type(error).__name__}: {error}"
    return Verdict("not yet", fault) if fault else Verdict("correct", asked.praise)


def check(name: str, answer: Any, *, own: bool = True) -> None:
    """Print what the check says: not started, not yet and why, or correct; hints lie below.

    Args:
        answer: what the learner made; three dots where nothing was.
        own: whether it is the learner's own. The folded solutions are not: nothing is noted.

    Raises:
        ValueError: there is no such exercise.
    """
    verdict, hints = judge(name, answer), _exercises[name].hints
    print(verdict)
    if verdict.state == "correct" and own:
        progress.note(name)
    elif verdict.state != "correct" and hints and _hints_wanted(name.partition(".")[0]):
        plots.show_html(_ladder(hints), f'Stuck? exercises.hint("{name}") gives a first hint.')


def _hints_wanted(topic):
    with suppress(dials.DialError):  # the chapter itself says so when it begins
        if chapter := paths.chapter_of(topic):
            return getattr(dials.read(chapter), "hints", True)
    return True


def _ladder(hints):
    """Hints folded into each other: the second can be opened when the first is read."""
    page = ""
    for number, text in reversed(list(enumerate(hints, 1))):
        title = "A hint" if number == 1 else "Another hint"
        summary = f"<summary>{title} ({number} of {len(hints)})</summary>"
        page = f"<details>{summary}<p>{spaced.marked(text)}</p>{page}</details>"
    return page


def hint(name: str, number: int = 1) -> None:
    """Print one hint; `number` is 1 for the gentlest.

    Raises:
        ValueError: there is no such exercise, or no such hint.
    """
    hints = _find(_exercises, name, "exercise").hints
    if not 1 <= number <= len(hints):
        raise ValueError(f"{name} has {len(hints)} hints: give a number from 1 to {len(hints)}.")
    print(f"Hint {number} of {len(hints)}: {hints[number - 1]}")


def quiz(name: str, choice: Any = ...) -> None:
    """Show a question with buttons to choose by, or judge the option chosen.

    Where there are no widgets the question is printed, with how to answer it.

    Raises:
        ValueError: there is no such question.
    """
    asked = _find(_questions, name, "question")
    if choice is ...:
        spaced.show({name: asked})
    else:
        print(asked.reply(choice))


def review(topic: str) -> None:
    """Show questions of the chapters before again, if some are due: see `course.review.due`."""
    due = {name: _find(_questions, name, "question") for name in spaced.due(topic)}
    if due:
        spaced.show(due, title="From the chapters before, to answer again or to skip:")


def begin(topic: str, dial: SimpleNamespace | None = None) -> None:
    """Show the exercises of a chapter: minutes, level, which are solved, and which fit the time.

    They have the numbers that they have on the page, also where some are left out.

    Args:
        topic: the first part of the exercises' names, such as "images".
        dial: the chapter's dials: `exercises` says which are set, `minutes` how long there is.

    Raises:
        ValueError: there are no such exercises.
    """
    known, questions = names(topic)
    chosen = getattr(dial, "exercises", "all")
    wanted = known if chosen == "all" else [e if "." in e else f"{topic}.{e}" for e in chosen]
    for name in wanted if known else [topic]:
        _find(_exercises, name, "exercise")
    solved, rows, until = progress.solved(), [], 0
    for number, each in enumerate(map(_exercises.get, known), 1):
        if each.name in wanted:
            until += each.minutes
            title = f"{number}. {each.name.partition('.')[2].replace('_', ' ')}"
            late = " (if time is left)" if until > getattr(dial, "minutes", until) else ""
            mark = "&#10003; solved" if each.name in solved else "open"
            rows.append((title, each.minutes, each.level + late, mark))
    shown = [name for name in known if name in wanted] + list(questions)
    done = sum(name in solved for name in shown)
    plots.show_html(_overview(rows, done, len(shown)), progress.bar(done, len(shown)))


def _overview(rows, done, total):
    head = "".join(f"<th>{title}</th>" for title in ("exercise", "minutes", "level", "yours"))
    body = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows)
    label = f"{done} of {total} exercises and questions solved"
    bar = f'<progress value="{done}" max="{total}" aria-label="{label}"></progress> {label}'
    return f"<p>{bar}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def names(topic: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The exercises and the questions about a topic, in the order of its file."""
    _load(topic)
    every = (_exercises, _questions)
    return tuple(tuple(n for n in each if n.partition(".")[0] == topic) for each in every)


def exercises(topic: str) -> dict[str, Exercise]:
    """The exercises about a topic by name, in the order of its file."""
    return {name: _exercises[name] for name in names(topic)[0]}


def _find(known, name, kind):
    _load(name.partition(".")[0])
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3) or sorted(known) or paths.topics()
        raise ValueError(f"There is no {kind} '{name}': did you mean {', '.join(near)}?")
    return known[name]


def _load(topic):
    module = f"{__name__}.{topic}"
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
