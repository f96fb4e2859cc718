"""The checks of the text chapter, fed with right answers and with classic wrong ones."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from exercise_cases import shortcomings

from course import exercises
from course.exercises.text import STRENGTHS
from helpers import transfer
from helpers.transfer import Part

NOTEBOOK = Path(__file__).resolve().parent.parent / "notebooks" / "02_text.ipynb"


def build(vectors, vocabulary, *, first=2, rows=None, fill=0.0):
    """The matrix of the exercise, or a wrong one."""
    matrix = np.full((rows or len(vocabulary), vectors.vector_size), fill, "float32")
    for i, word in enumerate(vocabulary):
        if i > 1 and word in vectors:
            matrix[(i + first - 2) % len(matrix)] = vectors[word]
    return matrix


def build_at_once(vectors, vocabulary):
    zeros = np.zeros(vectors.vector_size)
    return np.array([vectors[word] if word in vectors else zeros for word in vocabulary])


def borrow(model, matrix, *, put=True, freeze=("embedding",), compile=True):
    if put:
        model.get_layer("embedding").set_weights([matrix])
    for name in freeze:
        model.get_layer(name).trainable = False
    if compile:
        model.compile("adam", "sparse_categorical_crossentropy")
    return model


def borrow_by_assigning(model, matrix):
    model.layers[0].embeddings.assign(matrix)
    model.layers[0].trainable = False
    model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy")
    return model


def mean(ids, matrix):
    known = ids[ids > 1]
    return matrix[known].sum(axis=0) / max(len(known), 1)


def mean_by_loop(ids, matrix):
    rows = [matrix[i] for i in ids if i not in (0, 1)]
    return np.mean(rows, axis=0) if rows else np.zeros(matrix.shape[1])


def pad_by_array(ids, length):
    row = np.zeros(length, int)
    row[: min(len(ids), length)] = ids[:length]
    return row


def by_column(believe, rows, column=1):
    return believe(np.array(rows))[:, column]


def hide(ids, place, *, by=1):
    copy = ids.copy()
    copy[place] = by
    return copy


def occlude(believe, ids, *, column=1, turn=1, by=1, places=None):
    places = np.flatnonzero(ids) if places is None else places
    without = by_column(believe, [hide(ids, place, by=by) for place in places], column)
    return turn * (by_column(believe, [ids], column) - without)


def occlude_by_loop(believe, ids):
    whole, found = believe(ids[None])[0, 1], []
    for place, word in enumerate(ids):
        if word:
            found.append(whole - believe(hide(ids, place)[None])[0, 1])
    return found


def occlude_in_place(believe, ids, *, restore=False):
    whole, found = believe(ids[None])[0, 1], []
    for place in np.flatnonzero(ids):
        word, ids[place] = ids[place], 1
        found.append(whole - believe(ids[None])[0, 1])
        if restore:
            ids[place] = word
    if restore:
        ids[0] = 5  # and yet the review has changed
    return np.array(found)


def delete(believe, ids):
    rows = [np.append(np.delete(ids, place), 0) for place in np.flatnonzero(ids)]
    return by_column(believe, [ids]) - by_column(believe, rows)


def alone(believe, ids):
    places = np.arange(len(ids))
    return by_column(
        believe, [np.where((places != p) & (ids > 0), 1, ids) for p in np.flatnonzero(ids)]
    )


def without(believe, ids):
    return by_column(believe, [hide(ids, place) for place in np.flatnonzero(ids)])


def curve(
    data, budgets, seeds, *, choose="validation", report="test", drawn=None, scale=1, half=False
):
    """The label curve of the exercise, or a wrong one."""
    rows = []
    for labels in budgets:
        for seed in seeds:
            count = labels // 2 if half else labels
            part = transfer.draw(data.train, count, seed if drawn is None else drawn)
            parts = {"train": part, "validation": data.validation, "test": data.test}
            heads = {s: transfer.fit_head(part, strength=s) for s in STRENGTHS}
            best = max(heads, key=lambda s: transfer.accuracy(heads[s], parts[choose]))  # noqa: B023
            accuracy = scale * transfer.accuracy(heads[best], parts[report])
            rows.append({"labels": labels, "seed": seed, "strength": best, "accuracy": accuracy})
    return rows


def curve_as_table(data, budgets, seeds):
    """Another way: every strength into one table, the best on validation picked from it."""
    runs = [(b, seed, s) for b in budgets for seed in seeds for s in reversed(STRENGTHS)]
    table = pd.DataFrame(runs, columns=["labels", "seed", "strength"])
    for name in ("validation", "test"):
        x, y = getattr(data, name)
        found = []
        for labels, seed, strength in runs:
            kernel, bias = transfer.head_weights(transfer.draw(data.train, labels, seed), strength)
            found.append(((x @ kernel + bias).argmax(axis=1) == y).mean())
        table[name] = found
    best = table.groupby(["labels", "seed"]).validation.idxmax()
    return table.loc[best].rename(columns={"test": "accuracy"})


def on_everything(data, budgets, seeds):
    head = transfer.fit_head(data.train)
    accuracy = transfer.accuracy(head, data.test)
    row = {"strength": 0.05, "accuracy": accuracy}
    return [{"labels": b, "seed": s, **row} for b in budgets for s in seeds]


def averaged(data, budgets, seeds):
    return pd.DataFrame(curve(data, budgets, seeds)).groupby("labels", as_index=False).mean()


def without_column(data, budgets, seeds):
    return pd.DataFrame(curve(data, budgets, seeds)).drop(columns="strength")


def of_other_features(data, budgets, seeds):
    other = Part(data.train.x[:, ::-1].copy(), data.train.y)
    test = Part(data.test.x[:, ::-1].copy(), data.test.y)
    return [
        row | {"accuracy": row["accuracy"] - 0.1}
        for row in curve(type(data)(other, data.validation, test, ()), budgets, seeds)
    ]


RIGHT = {
    "text.coverage": [
        lambda tokens, known: sum(t in known for t in tokens) / len(tokens),
        lambda tokens, known: float(np.mean([t in known for t in tokens])),
    ],
    "text.pad": [lambda ids, length: (list(ids) + [0] * length)[:length], pad_by_array],
    "text.matrix": [build, build_at_once],
    "text.freeze": [borrow, borrow_by_assigning],
    "text.average": [mean, mean_by_loop],
    "text.occlude": [occlude, occlude_by_loop],
    "text.curve": [curve, curve_as_table],
}

WRONG = [
    ("text.pad", lambda ids, n: ([0] * n + list(ids))[-n:], "zeros stand on the left"),
    ("text.pad", lambda ids, n: list(ids)[:n], "A review of 2 words became 2 numbers"),
    ("text.pad", lambda ids, n: list(ids) + [0] * (n - len(ids)), "those beyond 4"),
    ("text.pad", lambda ids, n: (list(ids) + [1] * n)[:n], "You filled up with 1"),
    ("text.pad", lambda ids, n: (list(ids) + [0] * (n - len(ids)))[-n:], "kept the last words"),
    ("text.pad", lambda ids, n: None, "gave back nothing"),
    ("text.pad", [1, 2], "Is it a function"),
    ("text.coverage", lambda t, k: len(set(t) & k) / len(set(t)), "share of different words"),
    ("text.coverage", lambda t, k: sum(w in k for w in t), "of how many in all"),
    ("text.coverage", lambda t, k: 100 * sum(w in k for w in t) / len(t), "in per cent"),
    ("text.coverage", lambda t, k: sum(w not in k for w in t) / len(t), "without a vector"),
    ("text.coverage", lambda t, k: len(set(t) & k) / len(t), "divide different words by tokens"),
    ("text.coverage", lambda t, k: None, "give back one number"),
    ("text.matrix", lambda v, w: build(v, w, first=1), "another word's row"),
    ("text.matrix", lambda v, w: build(v, w, first=3), "another word's row"),
    ("text.matrix", lambda v, w: build(v, w, rows=9), "9 rows for 5 ids"),
    ("text.matrix", lambda v, w: build(v, w, fill=1), "Row 0 is not zero"),
    ("text.matrix", lambda v, w: v.vectors, "3 rows for 5 ids"),
    ("text.matrix", lambda v, w: build(v, w)[:, :2], "how many columns"),
    ("text.matrix", lambda v, w: np.stack([v[word] for word in w]), "stopped with KeyError"),
    ("text.matrix", lambda v, w: None, "gave back no array"),
    ("text.freeze", lambda m, x: borrow(m, x, freeze=()), "which attribute of the layer"),
    ("text.freeze", lambda m, x: borrow(m, x, put=False), "does not hold the matrix"),
    ("text.freeze", lambda m, x: borrow(m, x, compile=False), "who reads it, and when"),
    ("text.freeze", lambda m, x: borrow(m, x, freeze=("embedding", "head")), "nothing can learn"),
    ("text.freeze", lambda m, x: None, "gave back no model"),
    ("text.average", lambda i, m: m[i].mean(axis=0), "divide by the padded length"),
    ("text.average", lambda i, m: m[i[i > 0]].mean(axis=0), "divide by 3"),
    ("text.average", lambda i, m: m[i].sum(axis=0), "That is the sum"),
    ("text.average", lambda i, m: m[i].mean(), "over which axis"),
    ("text.average", lambda i, m: matrix_of_nothing(i, m), "gives nan"),
    ("text.occlude", lambda b, i: occlude(b, i, turn=-1), "Every sign is turned"),
    ("text.occlude", lambda b, i: occlude(b, i, column=0), "which column is positive"),
    ("text.occlude", lambda b, i: occlude(b, i, by=0), "You hide with 0"),
    ("text.occlude", lambda b, i: occlude(b, i, places=range(6)), "can padding speak"),
    ("text.occlude", lambda b, i: occlude_in_place(b, i), "do you hide in a copy?"),
    ("text.occlude", lambda b, i: occlude_in_place(b, i, restore=True), "has changed: a copy?"),
    ("text.occlude", delete, "and its place stay"),
    ("text.occlude", alone, "what each word says alone"),
    ("text.occlude", without, "with what are they to be compared"),
    ("text.occlude", lambda b, i: 2 * occlude(b, i), "which two beliefs"),
    ("text.occlude", lambda b, i: b(i), "stopped with ValueError: believe takes rows of ids"),
    ("text.occlude", lambda b, i: b(i[None]), "one number for each of the 4 words"),
    ("text.occlude", lambda b, i: None, "gave back nothing"),
    ("text.occlude", 0.5, "Is it a function"),
    ("text.curve", lambda d, b, s: curve(d, b, s, choose="test"), "have also chosen the strength"),
    ("text.curve", lambda d, b, s: curve(d, b, s, choose="train"), "the weakest penalty always"),
    ("text.curve", lambda d, b, s: curve(d, b, s, report="validation"), "have not been used yet"),
    ("text.curve", lambda d, b, s: curve(d, b, s, report="train"), "does it know any others"),
    ("text.curve", lambda d, b, s: curve(d, b, s, scale=100), "in per cent"),
    ("text.curve", lambda d, b, s: curve(d, b, s, half=True), "why half of it"),
    ("text.curve", lambda d, b, s: curve(d, b, s, drawn=0), "is the seed handed to"),
    ("text.curve", lambda d, b, s: curve(d, b, [0]), "One row a budget"),
    ("text.curve", lambda d, b, s: curve(d, b, s)[:4], "4 rows for 2 budgets and 3 seeds"),
    ("text.curve", averaged, "where is the spread"),
    ("text.curve", on_everything, "what is the budget there for"),
    ("text.curve", without_column, "no column 'strength'"),
    ("text.curve", of_other_features, "what else went in"),
    ("text.curve", lambda d, b, s: None, "gave back nothing"),
    ("text.curve", "a curve", "Is it a function"),
]


def matrix_of_nothing(ids, matrix):
    return matrix[ids[ids > 1]].mean(axis=0)


def test_every_exercise_is_tried():
    known, _ = exercises.names("text")
    assert list(RIGHT) == list(known)


@pytest.mark.parametrize("name", RIGHT)
def test_an_exercise_lacks_nothing(name):
    wrong = [(answer, words) for asked, answer, words in WRONG if asked == name]
    assert shortcomings(name, RIGHT[name], wrong) == []


@pytest.mark.parametrize(
    ("name", "answer"), [(name, each) for name, ways in RIGHT.items() for each in ways]
)
def test_a_right_answer_is_correct(name, answer):
    verdict = exercises.judge(name, answer)
    assert verdict.state == "correct", verdict.message


@pytest.mark.parametrize(("name", "answer", "message"), WRONG)
@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
def test_a_wrong_answer_is_told_what_is_wrong(name, answer, message):
    verdict = exercises.judge(name, answer)
    assert verdict.state == "not yet" and message in verdict.message, verdict.message


def test_no_hint_and_no_message_gives_the_solution_away():
    for name, known in exercises.exercises("text").items():
        for words in known.hints:
            assert "return" not in words and "def " not in words, name


def test_three_questions():
    assert len(exercises.names("text")[1]) == 3
