"""Exercises that answer: checks of what a learner made, and quiz questions.

One module a chapter holds its exercises; the first part of a name says which: the exercise
"images.freeze" stands in `helpers/exercises/images.py`. A check gets the learner's object and
returns nothing where it is right, or one sentence that asks the question which leads on.
"""

import difflib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

CHAPTERS = ("start", "images", "text", "audio")


@dataclass(frozen=True)
class Verdict:
    """`state` is "not started", "correct" or "not yet"; `message` says why."""

    state: str
    message: str

    def __str__(self):
        return f"{self.state.capitalize()}. {self.message}".strip()


@dataclass(frozen=True)
class Question:
    """A quiz question: options by letter, each with the reason why it is right or wrong."""

    text: str
    options: dict[str, tuple[str, str]]
    right: str

    def __str__(self):
        options = (f"  {letter}) {option}" for letter, (option, _) in self.options.items())
        return "\n".join([self.text, *options])


_checks: dict[str, tuple[Callable[[Any], str | None], str]] = {}
_questions: dict[str, Question] = {}


def exercise(name: str, praise: str):
    """Register a check. It may raise: a fault in the learner's code becomes a message."""

    def register(check):
        _checks[name] = (check, praise)
        return check

    return register


def question(name: str, text: str, right: str, **options: tuple[str, str]) -> None:
    """Register a quiz question; each option is (its text, why it is right or wrong)."""
    _questions[name] = Question(text, options, right)


def judge(name: str, answer: Any) -> Verdict:
    """What the check of exercise `name` says of an answer.

    Raises:
        ValueError: there is no such exercise.
    """
    check, praise = _find(_checks, name, "exercise")
    if answer is ...:
        return Verdict("not started", "Replace the three dots by your answer, then run this again.")
    try:
        fault = check(answer)
    except Exception as error:  # whatever the learner's code does wrong is the learner's lesson
        fault = f"Your answer stopped with {type(error).__name__}: {error}"
    return Verdict("not yet", fault) if fault else Verdict("correct", praise)


def check(name: str, answer: Any) -> None:
    """Print what the check says: not started, not yet and why, or correct."""
    print(judge(name, answer))


def quiz(name: str, choice: Any = ...) -> None:
    """Print a question, or what is right or wrong about the option chosen.

    Raises:
        ValueError: there is no such question.
    """
    asked = _find(_questions, name, "question")
    letter = choice.strip().lower() if isinstance(choice, str) else choice
    if letter is ...:
        print(asked)
    elif letter not in asked.options:
        print(f"There is no option {choice!r}: choose one of {', '.join(asked.options)}.")
    else:
        verdict = "Right." if letter == asked.right else "Not quite."
        print(f"{verdict} {asked.options[letter][1]}")


def names(chapter: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The exercises and the questions of a chapter."""
    _load(chapter)
    return tuple(
        tuple(name for name in known if name.startswith(f"{chapter}."))
        for known in (_checks, _questions)
    )


def _find(known, name, kind):
    chapter = name.partition(".")[0]
    if chapter in CHAPTERS:
        _load(chapter)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3) or sorted(known)
        raise ValueError(f"There is no {kind} '{name}': did you mean {', '.join(near)}?")
    return known[name]


def _load(chapter):
    importlib.import_module(f"helpers.exercises.{chapter}")
