"""The engine of the exercises, on a small chapter of its own."""

import ast
import re
import textwrap

import pytest
from exercise_cases import shortcomings

from course import exercises, paths, progress
from helpers import plots


@pytest.fixture
def shown(monkeypatch):
    """What was shown as HTML, with the words beside it."""
    pages = []
    monkeypatch.setattr(plots, "show_html", lambda page, text: pages.append((page, text)))
    return pages


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A person who has solved nothing yet."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_an_exercise_answers(content, shown, home, capsys):
    for answer in (..., (0, 256), None, (0, 255)):
        exercises.check("small.range", answer)
    said = capsys.readouterr().out.splitlines()
    states = [line.partition(".")[0] for line in said]
    assert states == ["Not started", "Not yet", "Not yet", "Correct"]
    assert "Replace the three dots" in said[0] and "Which numbers can a byte hold?" in said[1]
    assert "Your answer stopped with TypeError" in said[2] and "A byte has 256 values." in said[3]
    assert "noise" not in said
    assert list(progress.solved()) == ["small.range"]


def test_a_solution_is_nobody_s_own(content, shown, home):
    exercises.check("small.head", 2, own=False)
    assert progress.solved() == {}


def test_hints_lie_folded_into_each_other(content, shown, home, capsys):
    exercises.check("small.head", ...)
    (page, words) = shown[0]
    assert page.count("<details>") == 3 and "<code>classes</code>" in page
    assert page.index("One.") < page.index("Two ") < page.index("Three.")
    assert words == 'Stuck? exercises.hint("small.head") gives a first hint.'
    exercises.hint("small.head", 3)
    assert capsys.readouterr().out.endswith("Hint 3 of 3: Three.\n")
    with pytest.raises(ValueError, match="give a number from 1 to 3"):
        exercises.hint("small.head", 4)


def test_dials_close_the_hints(content, shown, home, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "chapter_of", {"small": "01_images"}.get)
    monkeypatch.setenv("COURSE_DIALS", str(tmp_path))
    for text, pages in (("hints = true", 1), ("hints = false", 0), ("hints = 3", 1)):
        (tmp_path / "01_images.toml").write_text(text)
        shown.clear()
        exercises.check("small.head", 3)
        assert len(shown) == pages, text


class Dial:
    """The dials that `begin` reads."""

    def __init__(self, **values):
        self.__dict__ |= values


def rows(page):
    cells = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", page)]
    return [row for row in cells if row]


def test_the_overview_keeps_the_numbers_of_the_page(content, shown, home):
    progress.note("small.head")
    exercises.begin("small")
    exercises.begin("small", Dial(exercises=["head", "small.last_one"], minutes=10))
    exercises.begin("small", Dial(exercises=[]))
    whole, some, none = shown
    assert rows(whole[0]) == [
        ["1. range", "1", "easy", "open"],
        ["2. head", "5", "medium", "&#10003; solved"],
        ["3. last one", "20", "hard", "open"],
    ]
    assert whole[1] == "[####----------------] 1 of 5 solved" and 'value="1" max="5"' in whole[0]
    assert [row[0] for row in rows(some[0])] == ["2. head", "3. last one"]
    assert rows(some[0])[1][2] == "hard (if time is left)" and "1 of 4" in some[1]
    assert rows(none[0]) == [] and "0 of 2" in none[1]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: exercises.begin("small", Dial(exercises=["haed"])), "did you mean small.head"),
        (lambda: exercises.begin("smal"), "no exercise 'smal': did you mean"),
        (lambda: exercises.check("small.haed", 1), "exercise 'small.haed': did you mean small.h"),
        (lambda: exercises.quiz("small.onec"), "no question 'small.onec': did you mean small.once"),
        (lambda: exercises.check("", 1), "no exercise ''"),
    ],
)
def test_unknown_names_are_told_with_their_neighbours(content, call, words):
    exercises.names("small")
    with pytest.raises(ValueError, match=words):
        call()


def test_a_question_speaks(content, home, capsys):
    exercises.quiz("small.once")
    for choice in ("B ", "a", 3):
        exercises.quiz("small.once", choice)
    said = capsys.readouterr().out.splitlines()
    assert said[:3] == ["Why `once`?", "  a) So.", "  b) It is."]
    assert said[3:] == [
        'Answer with a letter: exercises.quiz("small.once", "a")',
        "Right. Its weights.",
        "Not quite. No: why?",
        "There is no option 3: choose one of a, b.",
    ]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('level="hard"', 'level="harsh"', "has the level 'harsh': choose one of easy"),
        ('"small.head"', '"images.head"', "images.head stands in course.exercises.small"),
        ('"Fair?", "a"', '"Fair?", "c"', "answer of small.fair is 'c', which is none"),
        ("import exercise", "import nothing\nimport exercise", "nothing"),
    ],
)
def test_faults_in_a_file_of_exercises_are_told(content, before, after, words):
    file = content / "small.py"
    file.write_text(file.read_text().replace(before, after))
    with pytest.raises((ValueError, ImportError), match=words):
        exercises.names("small")


def test_what_an_exercise_lacks_is_named(content):
    right, wrong = [(0, 255), [0, 255]], [((0, 1), "a"), ((0, 2), "b"), ((1, 2), "c")]
    assert shortcomings("small.range", right, wrong) == []
    assert len(shortcomings("small.head", right[:1], wrong[:1])) == 4


def test_the_new_exercise_of_the_instructors_page_lacks_nothing(content):
    page = (paths.ROOT / "docs" / "instructors.md").read_text(encoding="utf8")
    page = page[page.index("## A new exercise") : page.index("## Your own data")]
    made, _, solution, wrong = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    made = textwrap.dedent(made).replace('"start.', '"small.')
    (content / "small.py").write_text(f"from course.exercises import exercise\n\n\n{made}")
    right = ast.literal_eval(re.search(r'`"start.numbers": (.*), 32 \* 2 \+ 2\],`', page)[1] + "]")
    wrong = ast.literal_eval(f"{{{textwrap.dedent(wrong)}}}")["start.numbers"]
    assert not shortcomings("small.numbers", [*right, 32 * 2 + 2], wrong)
    answer = int(eval(re.search(r"answer = (.*)", solution)[1]))
    assert exercises.judge("small.numbers", answer).state == "correct"
    for given, words in wrong:
        assert words in exercises.judge("small.numbers", given).message
