"""What is asked of every exercise: stub, right answers, wrong answers, hints."""

import pytest

from course import exercises


def shortcomings(name: str, right: list, wrong: list) -> list[str]:
    """What an exercise or its examples lack, a line each.

    Args:
        name: of the exercise.
        right: different ways to solve it.
        wrong: pairs (answer, words that its message must contain).
    """
    known = exercises.exercises(name.partition(".")[0])[name]
    found = []
    if exercises.judge(name, ...).state != "not started":
        found.append("the untouched stub is not told 'not started'")
    if len(right) < 2:
        found.append("fewer than two right answers are tried")
    if len(wrong) < 3:
        found.append("fewer than three wrong answers are tried")
    words = [message for _, message in wrong]
    if len(set(words)) < 3:
        found.append("fewer than three wrong answers have a message of their own")
    if len(known.hints) != 3 or len(set(known.hints)) != 3 or min(map(len, known.hints)) < 20:
        found.append("there are not three hints of its own")
    if not 1 <= known.minutes <= 30 or known.level not in exercises.LEVELS:
        found.append("minutes or level are missing")
    return found


def closing_tests(topic: str, right: dict, wrong: dict, built: tuple[str, ...] = ()) -> tuple:
    """The four tests of a chapter's exercises, for its test file to give names to.

    Args:
        topic: what the names of the exercises begin with.
        right: for each exercise different ways to solve it.
        wrong: for each exercise pairs (answer, words that its message must contain).
        built: exercises whose answers are models, each made anew by a function for each try.
    """
    asked = [(name, i) for name, ways in right.items() for i in range(len(ways))]
    cases = [(name, *case) for name, each in wrong.items() for case in each]

    def made(name, answer):
        return answer() if name in built and callable(answer) else answer

    @pytest.mark.parametrize(("name", "i"), asked)
    def passes(name, i):
        verdict = exercises.judge(name, made(name, right[name][i]))
        assert verdict.state == "correct", verdict

    @pytest.mark.parametrize(
        ("name", "answer", "words"), cases, ids=[f"{name}: {words}" for name, _, words in cases]
    )
    def learns_why(name, answer, words):
        verdict = exercises.judge(name, made(name, answer))
        assert verdict.state == "not yet" and words in verdict.message, verdict

    @pytest.mark.parametrize("name", right)
    def lacks_nothing(name):
        found = shortcomings(name, right[name], wrong[name])
        assert not found, found  # pytest does not explain asserts outside of test files

    def every_one_is_tried():
        names = set(exercises.names(topic)[0])
        untried = {name for name in names if name not in right or name not in wrong}
        strange = (right.keys() | wrong.keys()) - names
        assert not untried | strange, f"without examples: {untried}; no exercise: {strange}"

    return passes, learns_why, lacks_nothing, every_one_is_tried
