"""What the pages say of exercises and questions, in every chapter."""

import json
import re
from pathlib import Path

import pytest

from course import exercises

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))
PAGES = list(zip(exercises.CHAPTERS, NOTEBOOKS, strict=True))
QUESTIONS = [name for chapter in exercises.CHAPTERS for name in exercises.names(chapter)[1]]
HEADING = re.compile(r"^\*\*(\d+)\. .+? \((\d+) minutes?, (\w+)\)\.\*\*", re.MULTILINE)


@pytest.mark.parametrize(("chapter", "path"), PAGES, ids=exercises.CHAPTERS)
def test_the_heading_above_each_exercise_states_its_minutes_and_level(chapter, path):
    heading, found = None, []
    for cell in json.loads(path.read_text(encoding="utf8"))["cells"]:
        source = "".join(cell["source"])
        if told := HEADING.findall(source):
            heading = told[-1]
        asked = re.search(r'answer = \.\.\.\nexercises\.check\("([\w.]+)"', source)
        if asked and heading:
            found.append((asked[1], *heading))
    known = exercises.exercises(chapter)
    assert found == [
        (name, str(i), str(each.minutes), each.level)
        for i, (name, each) in enumerate(known.items(), 1)
    ]


@pytest.mark.parametrize("chapter", exercises.CHAPTERS)
def test_a_chapter_has_five_exercises_and_three_questions(chapter):
    known, questions = exercises.names(chapter)
    assert len(known) >= 5 and len(questions) >= 3


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_option_of_a_question_is_explained(name, capsys):
    for letter in "abc":
        exercises.quiz(name, letter)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and sum(line.startswith("Right.") for line in lines) == 1
    assert all(len(line.partition(".")[2]) > 20 for line in lines)
