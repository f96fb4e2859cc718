"""Questions asked again: which, when, and what the page shows of them."""

import json
from datetime import date

import ipywidgets
import pytest

from course import cells, exercises, paths, progress, review

LATER = date(2099, 1, 1)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A person who has answered nothing yet."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def course_of_three(tmp_path, monkeypatch):
    """Chapters a, b and c, with questions in the first two."""
    folder = tmp_path / "content"
    folder.mkdir()
    monkeypatch.setattr(paths, "EXERCISES", folder)
    monkeypatch.setattr(paths, "known", lambda: ["00_a", "01_b", "02_c"])
    monkeypatch.setattr(paths, "topic", lambda chapter: chapter[3:])
    for topic in "abc":
        names = [f"{topic}.{i}" for i in range(4)]
        text = "".join(f'question(\n    "{name}", "Why?")\n' for name in names)
        (folder / f"{topic}.py").write_text(f'@exercise("{topic}.e")\ndef e(answer): ...\n{text}')


def keep(solved=(), **answers):
    """A file of progress; answers as "a_0" to (day, missed)."""
    named = {name.replace("_", "."): answer for name, answer in answers.items()}
    kept = {name: {"day": day, "missed": missed} for name, (day, missed) in named.items()}
    progress.change(lambda file: file.update({**dict(solved), progress.ANSWERS: kept}))


def test_nothing_is_due_to_a_beginner(course_of_three, home):
    assert [review.due(topic) for topic in (*"abc", "unknown")] == [[]] * 4
    assert not home.exists()


def test_missed_ones_come_first_and_the_oldest_of_each_kind(course_of_three):
    keep(a_0=("2026-01-03", 0), a_1=("2026-01-01", 0), a_2=("2026-01-05", 2))
    assert review.due("c") == ["a.2", "a.1", "a.0"]
    keep(a_0=("2026-01-03", 1), a_1=("2026-01-01", 0), a_2=("2026-01-02", 1), b_0=("2026-01-01", 1))
    assert review.due("c") == ["b.0", "a.2", "a.0"]
    assert review.due("b") == ["a.2", "a.0", "a.1"] and review.due("a") == []


def test_what_was_right_today_rests_and_what_was_missed_today_does_not(course_of_three):
    review.answered("a.0", right=True)
    review.answered("a.1", right=False)
    review.answered("c.1", right=False)
    assert review.due("c") == ["a.1"]
    assert review.due("c", LATER) == ["a.1", "a.0"]


def test_misses_count_until_an_answer_is_right(course_of_three):
    counted = []
    for right in (False, False, True, False):
        review.answered("a.0", right)
        counted.append(progress.kept()[progress.ANSWERS]["a.0"]["missed"])
    assert counted == [1, 2, 0, 1]
    assert progress.solved() == {}


def test_a_file_of_an_older_course_is_read_and_kept(course_of_three, home):
    home.mkdir()
    old = {"a.0": "2026-02-02", "a.1": "2026-02-01", "a.e": "2026-01-01"}
    progress.file().write_text(json.dumps(old))
    assert review.due("b") == ["a.1", "a.0"] and progress.solved() == old
    review.answered("a.1", right=True)
    assert review.due("b") == ["a.0"] and progress.solved() == old
    assert json.loads(progress.file().read_text()).items() >= old.items()


def test_answers_of_another_form_are_left_and_named(home, capsys):
    home.mkdir()
    progress._say_once.cache_clear()
    progress.file().write_text('{"answers": [1]}')
    assert review.due("text") == []
    review.answered("images.why", right=True)
    assert str(progress.file()) in capsys.readouterr().out
    assert progress.file().read_text() == '{"answers": [1]}'


# ---------------------------------------------------------------- on the page


def test_a_reader_without_widgets_gets_words(capsys):
    exercises.review("images")
    assert capsys.readouterr().out == ""
    first, second = exercises.names("start")[1][:2]
    for name in (first, second):
        review.answered(name, right=False)
    exercises.review("images")
    said = capsys.readouterr().out
    assert said.startswith("From the chapters before, to answer again or to skip:\n\n")
    assert f'exercises.quiz("{first}", "a")\n\n' in said and f'"{second}"' in said
    exercises.review("start")
    assert capsys.readouterr().out == ""


def test_the_first_choice_counts_and_the_next_ones_teach(monkeypatch):
    shown = []
    monkeypatch.setattr(review.widgets, "possible", lambda: True)
    monkeypatch.setattr(review.widgets, "show", lambda widget, words: shown.append((widget, words)))
    name = exercises.names("start")[1][0]
    question = exercises._questions[name]
    wrong = next(letter for letter in question.options if letter != question.right)
    exercises.quiz(name)
    listed, buttons, answer = shown.pop()[0].children
    buttons.value = wrong
    assert "Not quite." in answer.value and name not in progress.solved()
    buttons.value = question.right
    assert "Right." in answer.value and name in progress.solved()
    assert review.due("images") == [name]

    exercises.review("images")
    box, words = shown.pop()
    heading, again = box.children
    assert isinstance(heading, ipywidgets.HTML) and question.text in words
    again.children[1].value = question.right
    assert review.due("images") == [] and review.due("images", LATER) == [name]


@pytest.mark.parametrize("choice", [["a"], None, 1, ...])
def test_what_is_no_letter_is_answered_too(choice):
    question = exercises._questions[exercises.names("start")[1][0]]
    assert question.reply(choice) == f"There is no option {choice!r}: choose one of a, b, c."


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("Run `fit(*x)` on *two arms*, <b>.",
         "Run <code>fit(*x)</code> on <em>two arms</em>, &lt;b&gt;."),
        ("2 * 3 * 4 and a*b*c, f(**options)", "2 * 3 * 4 and a*b*c, f(**options)"),
        ("*Freeze*: why?", "<em>Freeze</em>: why?"),
    ],
)  # fmt: skip
def test_words_are_marked(text, page):
    assert review.marked(text) == page


@pytest.mark.parametrize("path", paths.chapters()[1:], ids=lambda path: path.stem)
def test_each_chapter_but_the_first_opens_with_it(path):
    code = [c for c in json.loads(path.read_text(encoding="utf8"))["cells"] if "outputs" in c]
    sources = ["".join(cell["source"]) for cell in code]
    start = next(i for i, source in enumerate(sources) if "chapter.start(" in source)
    assert f'exercises.review("{paths.topic(path.stem)}")' in sources[start + 1]
    assert code[start + 1]["outputs"] == [], "made by somebody who had answered questions before"


def test_there_are_questions_to_ask_again():
    asked = [cells.registered(paths.EXERCISES / f"{topic}.py") for topic in ("start", "images")]
    assert all(sum(kind == "question" for kind, _ in each) >= 2 for each in asked)
