"""The checks of the text chapter, fed with right answers and with classic wrong ones."""

import numpy as np
import pandas as pd
import pytest
from exercise_cases import shortcomings

from course import exercises
from course.exercises.text import CHOICES
from helpers import training, transfer
from helpers.data import Examples, sample_per_class
from helpers.ready import keras

layers, ops = keras.layers, keras.ops
# What `compile` keeps until it is called again shows in graphs only.
pytestmark = [pytest.mark.usefixtures("eager"), pytest.mark.graphs("who reads it, and when")]


def encode(train, new, length, *, adapt="train", call="new", cut=True, **settings):
    """Ids as in the exercise, or wrong ones."""
    texts = {"train": train, "new": new}
    layer = layers.TextVectorization(output_sequence_length=length if cut else None, **settings)
    layer.adapt(texts[adapt])
    return layer(texts[call])


def encode_by_vocabulary(train, new, length):
    first = layers.TextVectorization()
    first.adapt(train)
    words = first.get_vocabulary()[2:]
    layer = layers.TextVectorization(vocabulary=words, output_sequence_length=length)
    return layer(new).numpy()


def pad_left(train, new, length):
    return np.array([np.roll(row, (row == 0).sum()) for row in encode(train, new, length).numpy()])


def as_in_the_exercise(train, new, length):
    layer = layers.TextVectorization(standardize=None)
    layer.adapt(new)
    return layer(train)[:, :length]


def grow(embedding, vectors, new, *, front=False, skip=False, mask=True, fill=0.0, old=None):
    """The larger table of the exercise, or a wrong one."""
    old = embedding.get_weights()[0] if old is None else old
    new = [word for word in new if word in vectors] if skip else new
    rows = np.array([vectors[w] if w in vectors else [fill] * 3 for w in new], "float32")
    table = np.concatenate([rows, old] if front else [old, rows])
    larger = layers.Embedding(*table.shape, mask_zero=mask)
    larger.build()
    larger.set_weights([table])
    return larger


def grow_at_once(embedding, vectors, new):
    zeros = np.zeros(embedding.output_dim)
    rows = [vectors[word] if word in vectors else zeros for word in new]
    table = np.vstack([embedding.embeddings.numpy(), *rows])
    larger = layers.Embedding(*table.shape, mask_zero=True, weights=[table])
    larger.build()
    return larger


def grow_in_place(embedding, vectors, new):
    embedding.set_weights([np.zeros((4, 3))])
    return grow(embedding, vectors, new)


def pooled(matrix, length, pool, *, known=False, mask=True):
    """A model from ids to pooled vectors."""
    ids = keras.Input((length,), dtype="int32")
    given = ops.where(ids > 1, ids, 0) if known else ids
    vectors = layers.Embedding(*matrix.shape, mask_zero=mask, weights=[matrix])(given)
    return keras.Model(ids, pool(ids, vectors))


def mean(ids, vectors):
    return layers.GlobalAveragePooling1D()(vectors)


def mean_by_hand(matrix, length):
    ids = keras.Input((length,), dtype="int32")
    weight = ops.expand_dims(ops.cast(ids > 1, "float32"), -1)
    vectors = layers.Embedding(*matrix.shape, weights=[matrix])(ids)
    return keras.Model(ids, ops.sum(weight * vectors, 1) / ops.sum(weight, 1))


def total(matrix, length):
    def add(ids, vectors):
        return ops.sum(vectors * ops.expand_dims(ops.cast(ids > 1, "float32"), -1), 1)

    return pooled(matrix, length, add, mask=False)


def largest(*, instead=-1e9, least=0, turn=1):
    def pool(ids, vectors):
        words = ops.expand_dims(ids > least, -1)
        return turn * ops.max(ops.where(words, turn * vectors, instead), 1)

    return lambda matrix, length: pooled(matrix, length, pool, mask=False)


def strongest(matrix, length):
    def pool(ids, vectors):
        padding = ops.expand_dims(ops.equal(ids, 0), -1)
        return layers.GlobalMaxPooling1D()(ops.where(padding, -1e9, vectors))

    return pooled(matrix, length, pool, mask=False)


def no_mask(matrix, length):
    return pooled(matrix, length, lambda i, v: layers.GlobalMaxPooling1D()(v), mask=False)


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


def curve(
    data, budgets, seeds, *, choose="validation", report="test", drawn=None, scale=1, half=False
):
    """The label curve of the exercise, or a wrong one."""
    rows = []
    for labels in budgets:
        for seed in seeds:
            count = labels // 2 if half else labels
            part = sample_per_class(data.train, count, seed if drawn is None else drawn)
            parts = {"train": part, "validation": data.validation, "test": data.test}
            heads = {s: transfer.fit_head(part, C=s) for s in CHOICES}
            best = max(heads, key=lambda s: training.accuracy(heads[s], parts[choose]))  # noqa: B023
            accuracy = scale * training.accuracy(heads[best], parts[report])
            rows.append({"labels": labels, "seed": seed, "C": best, "accuracy": accuracy})
    return rows


def curve_as_table(data, budgets, seeds):
    """Another way: every strength into one table, the best on validation picked from it."""
    runs = [(b, seed, s) for b in budgets for seed in seeds for s in reversed(CHOICES)]
    table = pd.DataFrame(runs, columns=["labels", "seed", "C"])
    for name in ("validation", "test"):
        x, y = getattr(data, name)
        found = []
        for labels, seed, strength in runs:
            drawn = sample_per_class(data.train, labels, seed)
            kernel, bias = transfer.head_weights(drawn, strength)
            found.append(((x @ kernel + bias).argmax(axis=1) == y).mean())
        table[name] = found
    best = table.groupby(["labels", "seed"]).validation.idxmax()
    return table.loc[best].rename(columns={"test": "accuracy"})


def on_everything(data, budgets, seeds):
    head = transfer.fit_head(data.train)
    accuracy = training.accuracy(head, data.test)
    row = {"C": 0.05, "accuracy": accuracy}
    return [{"labels": b, "seed": s, **row} for b in budgets for s in seeds]


def averaged(data, budgets, seeds):
    return pd.DataFrame(curve(data, budgets, seeds)).groupby("labels", as_index=False).mean()


def without_column(data, budgets, seeds):
    return pd.DataFrame(curve(data, budgets, seeds)).drop(columns="C")


def of_other_features(data, budgets, seeds):
    other = Examples(data.train.x[:, ::-1].copy(), data.train.y)
    test = Examples(data.test.x[:, ::-1].copy(), data.test.y)
    return [
        row | {"accuracy": row["accuracy"] - 0.1}
        for row in curve(type(data)(other, data.validation, test, ()), budgets, seeds)
    ]


RIGHT = {
    "text.bugs": [encode, encode_by_vocabulary],
    "text.freeze": [borrow, borrow_by_assigning],
    "text.grow": [grow, grow_at_once],
    "text.average": [lambda m, n: pooled(m, n, mean, known=True), mean_by_hand],
    "text.strongest": [strongest, largest()],
    "text.curve": [curve, curve_as_table],
}

WRONG = [
    ("text.bugs", as_in_the_exercise, "one for each training text"),
    ("text.bugs", lambda t, n, k: encode(t, n, k, call="train"), "one for each training text"),
    ("text.bugs", lambda t, n, k: encode(t, n, k, adapt="new"), "taught the layer its words"),
    ("text.bugs", lambda t, n, k: encode(t, n, k, standardize=None), "capitals and commas"),
    ("text.bugs", lambda t, n, k: encode(t, n, k, cut=False)[:, :k], "who pads"),
    ("text.bugs", lambda t, n, k: encode(t, n, 6), "who cuts"),
    ("text.bugs", pad_left, "zeros stand on the left"),
    ("text.bugs", lambda t, n, k: encode(t, n, k)[0], "a row for each new review"),
    ("text.bugs", lambda t, n, k: encode(t, n[:1], k), "Two new reviews became 1 rows"),
    ("text.bugs", lambda t, n, k: encode(t, n, k) + 3, "has an id of its own"),
    ("text.bugs", lambda t, n, k: encode(t, n, k).numpy().clip(0, 2), "is each id that"),
    ("text.bugs", [1, 2], "Is it a function"),
    ("text.grow", lambda e, v, n: grow(e, v, n, front=True), "new words come first"),
    ("text.grow", lambda e, v, n: grow(e, v, n, skip=True), "make a table of (7, 3)"),
    ("text.grow", lambda e, v, n: grow(e, v, n, mask=False), "tells later layers to skip"),
    ("text.grow", lambda e, v, n: grow(e, v, n, fill=1.0), "row that is not zero"),
    ("text.grow", lambda e, v, n: grow(e, v, n, old=np.ones((4, 3))), "not the old ones"),
    ("text.grow", lambda e, v, n: grow(e, v, n[::-1]), "look at that of 'film'"),
    ("text.grow", grow_in_place, "The old layer has changed"),
    ("text.grow", lambda e, v, n: layers.Embedding(7, 3), "no weights yet"),
    ("text.grow", lambda e, v, n: grow(e, v, n).get_weights()[0], "no `Embedding` layer"),
    ("text.grow", 3, "Is it a function"),
    ("text.freeze", lambda m, x: borrow(m, x, freeze=()), "which attribute of the layer"),
    ("text.freeze", lambda m, x: borrow(m, x, put=False), "does not hold the matrix"),
    ("text.freeze", lambda m, x: borrow(m, x, compile=False), "who reads it, and when"),
    ("text.freeze", lambda m, x: borrow(m, x, freeze=("embedding", "head")), "nothing can learn"),
    ("text.freeze", lambda m, x: None, "gave back no model"),
    ("text.freeze", 0.5, "Is it a function"),
    ("text.average", lambda m, n: pooled(m, n, mean), "does the unknown word"),
    ("text.average", lambda m, n: pooled(m, n, mean, mask=False), "who masks the zeros"),
    ("text.average", total, "That is the sum"),
    ("text.average", largest(least=1), "is it the mean"),
    ("text.average", lambda m, n: pooled(m, n, lambda i, v: v), "one vector of 2 numbers"),
    ("text.average", lambda m, n: pooled(2 * m, n, mean, known=True), "For two known words"),
    ("text.average", lambda m, n: None, "no Keras model"),
    ("text.average", 3, "Is it a function"),
    ("text.strongest", no_mask, "The row of padding won"),
    ("text.strongest", largest(instead=0), "more than any negative number"),
    ("text.strongest", largest(turn=-1), "the smallest number"),
    ("text.strongest", lambda m, n: pooled(m, n, mean), "That is the mean"),
    ("text.strongest", largest(least=1), "leave out the unknown word"),
    ("text.strongest", lambda m, n: largest()(2 * m, n), "you found [-2.0, -2.0]"),
    ("text.strongest", lambda m, n: m, "no Keras model"),
    ("text.strongest", 3, "Is it a function"),
    ("text.curve", lambda d, b, s: curve(d, b, s, choose="test"), "have also chosen `C`"),
    ("text.curve", lambda d, b, s: curve(d, b, s, choose="train"), "the weakest penalty always"),
    ("text.curve", lambda d, b, s: curve(d, b, s, report="validation"), "have not been used yet"),
    ("text.curve", lambda d, b, s: curve(d, b, s, report="train"), "does it know any others"),
    ("text.curve", lambda d, b, s: curve(d, b, s, scale=100), "in per cent"),
    ("text.curve", lambda d, b, s: curve(d, b, s, half=True), "why half of it"),
    ("text.curve", lambda d, b, s: curve(d, b, s, drawn=0), "is the seed handed to"),
    ("text.curve", lambda d, b, s: curve(d, b, [0]), "One row per budget"),
    ("text.curve", lambda d, b, s: curve(d, b, s)[:4], "4 rows for 2 budgets and 3 seeds"),
    ("text.curve", averaged, "what varies if you average"),
    ("text.curve", on_everything, "what is the budget there for"),
    ("text.curve", without_column, "no column 'C'"),
    ("text.curve", of_other_features, "what else went in"),
    ("text.curve", lambda d, b, s: None, "gave back nothing"),
    ("text.curve", "a curve", "Is it a function"),
]


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
@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask")
def test_a_wrong_answer_is_told_what_is_wrong(name, answer, message):
    verdict = exercises.judge(name, answer)
    assert verdict.state == "not yet" and message in verdict.message, verdict.message


def test_no_hint_and_no_message_gives_the_solution_away():
    for name, known in exercises.exercises("text").items():
        for words in known.hints:
            assert "return" not in words and "def " not in words, name


def test_six_questions():
    assert len(exercises.names("text")[1]) == 6
