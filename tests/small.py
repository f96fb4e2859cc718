"""A small chapter for tests of the machinery: its exercises and its notebook."""

import nbformat.v4 as new

CONTENT = '''
from course.exercises import exercise, question


@exercise(
    "small.range",
    "A byte has 256 values.",
    minutes=1,
    level="easy",
    hints=("How many bits are there?", "Two to the power of 8.", "The smallest is 0: count."),
)
def span(answer):
    print("noise")
    return None if tuple(answer) == (0, 255) else "Which numbers can a byte hold?"


@exercise("small.head", "Two it is.", minutes=5, hints=("One.", "Two `classes`.", "Three."))
def head(answer):
    return None if answer == 2 else "How many classes are there?"


@exercise("small.last_one", "Done.", minutes=20, level="hard", hints=("One.", "Two.", "Three."))
def last(answer):
    return None if answer == 3 else "Not that."


question("small.once", "Why `once`?", "b", a=("So.", "No: why?"), b=("It is.", "Its weights."))
question("small.fair", "Fair?", "a", a=("Yes.", "As all."), b=("No.", "Think again: why not?"))
'''


def text(source, **metadata):
    """A cell of prose."""
    return new.new_markdown_cell(source, metadata=metadata)


def code(source, said="", **metadata):
    """A cell that was run."""
    outputs = [new.new_output("stream", name="stdout", text=said)] if said else []
    return new.new_code_cell(source, outputs=outputs, execution_count=1, metadata=metadata)


def stub(name):
    """The cell of an exercise that nobody began."""
    return code(f'answer = ...\nexercises.check("{name}", answer)', "Not started.")


def solution(name, answer):
    """Its folded solution."""
    return code(
        f'# Solution\nanswer = {answer}\nexercises.check("{name}", answer, own=False)',
        "Correct.",
        tags=["solution"],
        jupyter={"source_hidden": True},
    )


def quiz(name, letter):
    """A question and its folded answer."""
    folded = {"tags": ["solution"], "jupyter": {"source_hidden": True}}
    return [
        code(f'exercises.quiz("{name}")', "a question"),
        code(f'exercises.quiz("{name}", "{letter}")', "Right.", **folded),
    ]


def small_chapter(answer="(0, 255)", first="from course import exercises"):
    """A chapter with two exercises and a question."""
    cells = [
        text("# 09 Small\n\nSee [the other](10_other.ipynb) and ![one](../docs/a%20picture.png)."),
        code(first, "above"),
        text("Prose.\n\n## Exercises\n\nHow it works.\n\n**1. Range (1 minute, easy).** Which?"),
        code("# a preparation"),
        stub("small.range"),
        solution("small.range", answer),
        text("**2. Head (5 minutes, medium).** Build one.\n\nWith a second paragraph."),
        stub("small.head"),
        code('exercises.hint("small.head")', "Hint 1"),
        solution("small.head", "2"),
        text("## Quiz"),
        *quiz("small.once", "b"),
        text("## What to take away"),
    ]
    for number, cell in enumerate(cells):
        cell.id = f"c{number}"
    return new.new_notebook(cells=cells)
