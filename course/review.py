"""Quiz questions: shown, answered, and asked again in a later chapter.

What is recalled after a while is kept longer than what is read twice (Roediger and Karpicke 2006),
and a question that was missed has most to gain. Answers are kept with `course.progress`.
"""

import html
import re
from dataclasses import dataclass
from datetime import date
from typing import Any

import ipywidgets

from course import cells, paths, progress
from course.display import widgets

MOST = 3


@dataclass(frozen=True)
class Question:
    """A quiz question: options by letter, each with the reason why it is right or wrong."""

    text: str
    options: dict[str, tuple[str, str]]
    right: str

    def __str__(self):
        options = (f"  {letter}) {option}" for letter, (option, _) in self.options.items())
        return "\n".join([self.text, *options])

    def reply(self, letter: Any) -> str:
        """What is said to a choice."""
        letter = letter.strip().lower() if isinstance(letter, str) else letter
        if letter not in [*self.options]:  # which takes a list, too
            return f"There is no option {letter!r}: choose one of {', '.join(self.options)}."
        verdict = "Right." if letter == self.right else "Not quite."
        return f"{verdict} {self.options[letter][1]}"


def due(topic: str, today: date | None = None) -> list[str]:
    """Names of up to three questions of the chapters before, those to be asked first in front.

    First come questions that were missed when they were last answered, then those answered on
    another day; within both the oldest first. What was never answered is not asked. `topic` is
    what the present chapter is about, such as "text"; `today` a day, if it is not today's.
    """
    now, solved = (today or date.today()).isoformat(), progress.solved()
    answers, found = progress.kept().get(progress.ANSWERS, {}), []
    for name in _questions_before(topic):
        # In a file of an older course, what was solved has a day and no answer.
        last = answers.get(name) or {"day": solved.get(name, ""), "missed": 0}
        if last["missed"] or "" < last["day"] < now:
            found.append((not last["missed"], last["day"], name))
    return [name for *_, name in sorted(found, key=lambda each: each[:2])[:MOST]]


def _questions_before(topic):
    chapters, present = paths.known(), paths.chapter_of(topic)
    for chapter in chapters[: chapters.index(present)] if present else []:
        file = paths.EXERCISES / f"{paths.topic(chapter)}.py"
        yield from (name for kind, name in cells.registered(file) if kind == "question")


def answered(name: str, right: bool) -> None:
    """Keep an answer: its day, and how often the question was missed since it last was right."""

    def edit(kept):
        answers = kept.setdefault(progress.ANSWERS, {})
        missed = 0 if right else answers.get(name, {}).get("missed", 0) + 1
        answers[name] = {"day": date.today().isoformat(), "missed": missed}

    progress.change(edit)


def show(questions: dict[str, Question], title: str = "") -> None:
    """Show questions by name with buttons to choose by; as text where there are no widgets."""
    how = "Answer with a letter: exercises.quiz({}, {})"
    texts = [f"{q}\n" + how.format(f'"{name}"', '"a"') for name, q in questions.items()]
    words = "\n\n".join([title, *texts] if title else texts)
    widgets.lay_out(title, lambda: [_choice(*item) for item in questions.items()], words)


def _choice(name, question):
    """A question as a widget. The first choice is kept as the answer; more of them only teach."""
    listed = ipywidgets.HTML("<br>".join(marked(line) for line in str(question).splitlines()))
    # Long options are cut off beside a button, so the buttons carry the letters.
    buttons = ipywidgets.RadioButtons(
        options=list(question.options), index=None, description="Answer", layout={"width": "16em"}
    )
    answer = ipywidgets.HTML()

    def judge(change):
        right = change["new"] == question.right
        if not answer.value:
            answered(name, right)
        answer.value = f"<p>{marked(question.reply(change['new']))}</p>"
        if right:
            progress.note(name)

    buttons.observe(judge, "value")
    return ipywidgets.VBox([listed, buttons, answer])


def marked(text: str) -> str:
    """As HTML: what stands between backticks as code, between stars as emphasis."""
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
    return re.sub(r"(?<![\w*])\*(\w[^*<]*\w|\w)\*(?![\w*])", r"<em>\1</em>", text)
