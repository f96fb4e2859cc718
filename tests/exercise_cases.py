"""What is asked of every exercise: stub, right answers, wrong answers, hints."""

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
