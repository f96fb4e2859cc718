"""What the pages say about exercises and questions, in every chapter."""

import json
import re

import pytest

from course import cells, exercises, paths

CHAPTERS = paths.chapters()
TOPICS = [paths.topic(path.stem) for path in CHAPTERS]
HEADING = re.compile(r"^\*\*(\d+)\. .+? \((\d+) minutes?, (\w+)\)\.\*\*", re.MULTILINE)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_the_heading_above_each_exercise_states_its_number_minutes_and_level(path):
    heading, found = None, []
    for cell in json.loads(path.read_text(encoding="utf8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            heading = (HEADING.findall(source) or [heading])[-1]
        asked = cells.asked(source) if cell["cell_type"] == "code" else None
        if asked and asked[0] == "exercise" and "solution" not in cell["metadata"].get("tags", []):
            found.append((asked[1], *heading))
    known = exercises.exercises(paths.topic(path.stem))
    assert found == [
        (name, str(i), str(each.minutes), each.level)
        for i, (name, each) in enumerate(known.items(), 1)
    ]


@pytest.mark.parametrize("topic", paths.topics())
def test_each_file_of_exercises_belongs_to_a_chapter(topic):
    assert TOPICS.count(topic) == 1


@pytest.mark.parametrize("topic", TOPICS)
def test_a_chapter_has_five_exercises_and_three_questions(topic):
    known, questions = exercises.names(topic)
    assert len(known) >= 5 and len(questions) >= 3


@pytest.mark.parametrize("topic", TOPICS)
def test_every_option_of_a_question_is_explained(topic, capsys):
    for name in exercises.names(topic)[1]:
        for letter in "abc":
            exercises.quiz(name, letter)
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 3 and sum(line.startswith("Right.") for line in lines) == 1, name
        assert all(len(line.partition(".")[2]) > 20 for line in lines), name


@pytest.mark.parametrize("topic", TOPICS)
def test_no_hint_is_the_solution(topic):
    for name, known in exercises.exercises(topic).items():
        for words in known.hints:
            assert "def " not in words and "answer =" not in words, name
