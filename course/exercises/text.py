"""Exercises and questions of the text chapter."""

import numpy as np
import pandas as pd
from gensim.models import KeyedVectors

from course.exercises import NO_MODEL, exercise, question
from helpers import training, transfer
from helpers.data import Data, Examples, sample_per_class
from helpers.ready import keras

BUGS = ["good film", "good plot good cast", "a good dull film"], ["Good, GOOD film!", "zyzzyva"]


@exercise(
    "text.bugs",
    "Words of the training reviews, ids of the new ones, and every row as long.",
    minutes=5,
    level="easy",
    function="encode(train_texts, new_texts, length)",
    hints=(
        "Call it with three short training texts and two new ones. Which texts come back, and in "
        "which spelling do words have an id?",
        "`adapt` reads the texts that give the words; the layer is called with those to encode. "
        "`standardize` has a default that suits reviews.",
        "A slice can only shorten rows. `TextVectorization` has an argument that cuts and pads: "
        "`output_sequence_length`.",
    ),
)
def bugs(answer):
    long, short = (np.asarray(answer(*BUGS, length)) for length in (6, 2))
    if long.ndim != 2 or short.ndim != 2:
        return "The answer is one array of ids, a row for each new review: what came back?"
    if len(long) == 3:
        return "Three rows came back, one for each training text: whose ids were asked for?"
    if len(long) != 2:
        return f"Two new reviews became {len(long)} rows: does each of them get one?"
    if long.shape[1] != 6:
        return f"Rows should have 6 ids and have {long.shape[1]}: who pads what is too short?"
    if short.shape[1] != 2:
        return f"Rows should have 2 ids and have {short.shape[1]}: who cuts what is too long?"
    layer = keras.layers.TextVectorization(output_sequence_length=6)
    layer.adapt(BUGS[0])
    right = np.asarray(layer(BUGS[1]))
    if np.array_equal(long, right) and np.array_equal(short, right[:, :2]):
        return None
    if np.array_equal(long[:, ::-1], right) or (long[1, 0] == 0 and long[1, -1] == 1):
        return "The zeros stand on the left: where does Keras expect padding?"
    if long[1, 0] > 1:
        return "'zyzzyva' has an id of its own: which reviews taught the layer its words?"
    if long[0, 0] == 1:
        return "'Good,' is an unknown word, and 'good' is known: who strips capitals and commas?"
    return f"'Good, GOOD film!' became {long[0].tolist()}: is each id that of its word?"


@exercise(
    "text.freeze",
    "The vectors are in, they stay as they are, and the head learns.",
    minutes=5,
    level="medium",
    function="borrow(model, matrix)",
    hints=(
        "`model.get_layer(name)` gives the layer. What must happen to it, in which order?",
        "`set_weights` takes a list, even of one array; `trainable` is an attribute of a layer.",
        "The model was compiled before you came. `compile` is what reads `trainable`.",
    ),
)
def freeze(answer):
    training.set_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            keras.layers.Embedding(6, 3, name="embedding"),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(2, activation="softmax", name="head"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    # Trained once: before that, even a flag set without compiling would be read in time.
    x, y = np.array([[1, 2, 3, 0], [4, 5, 1, 2]]), np.array([0, 1])
    model.fit(x, y, verbose=0)
    vectors = np.arange(18, dtype="float32").reshape(6, 3) / 10
    returned = answer(model, vectors)
    if not isinstance(returned, keras.Model):
        return NO_MODEL
    if not np.allclose(returned.get_layer("embedding").get_weights()[0], vectors):
        return "The embedding does not hold the matrix: which method of a layer sets its weights?"
    if not transfer.trainable_parameter_count(returned):
        return "Now nothing can learn: can you freeze the embedding alone?"
    before = transfer.snapshot(returned)
    returned.fit(x, y, verbose=0)
    moved = transfer.what_moved(before, returned).layers
    if "embedding" not in moved:
        return None
    if returned.get_layer("embedding").trainable:
        return "The vectors moved in training: which attribute of the layer freezes it?"
    return "The flag is set, and the vectors moved all the same: who reads it, and when?"


def _few_vectors():
    vectors = KeyedVectors(3)
    vectors.add_vectors(["good", "bad", "film"], np.eye(3, dtype="float32") + 1)
    return vectors


@exercise(
    "text.grow",
    "Old ids kept what they learned, and new ones start from their vectors.",
    minutes=8,
    level="medium",
    function="grow(embedding, vectors, new_words)",
    hints=(
        "How many rows does the new table have, and which of them exist already?",
        "`embedding.get_weights()[0]` is the old table. Make one for the new words, and join the "
        "two with `np.concatenate`: which comes first?",
        "`keras.layers.Embedding(rows, size, mask_zero=True)` has no weights before `build()`; "
        "then `set_weights([table])` puts them in.",
    ),
)
def grow(answer):
    vectors, old = _few_vectors(), np.arange(12, dtype="float32").reshape(4, 3) / 10
    embedding = keras.layers.Embedding(4, 3, mask_zero=True)
    embedding.build()
    embedding.set_weights([old])
    made = answer(embedding, vectors, ["film", "zyzzyva", "good"])
    if not isinstance(made, keras.layers.Embedding):
        return "Your function gave back no `Embedding` layer: does it end in `return`?"
    if not made.weights:
        return "The layer has no weights yet: who makes them before something is put in?"
    right = np.concatenate([old, [vectors["film"], np.zeros(3), vectors["good"]]])
    table = made.get_weights()[0]
    if not np.array_equal(embedding.get_weights()[0], old):
        return "The old layer has changed: can you leave it as it was, and fill a new one?"
    if table.shape != right.shape:
        return f"4 old rows and 3 new words make a table of {right.shape}, not {table.shape}."
    if np.allclose(table, right):
        return None if made.mask_zero else "All rows are right: what tells later layers to skip 0?"
    if np.allclose(table[-4:], old):
        return "The new words come first: which ids do the old words have now?"
    if not np.allclose(table[:4], old):
        return "The first four rows are not the old ones: where does what was learned stay?"
    if table[5].any():
        return "'zyzzyva' has no vector and got a row that is not zero: what should it start from?"
    return "A new word's row is not its vector: look at that of 'film', which is 4."


TABLE = np.array([[9, -9], [-6, -1], [-1, -4], [-3, -2], [5, 6]], "float32")
ROWS = np.array([[2, 1, 3, 0, 0, 0], [4, 2, 2, 2, 0, 0]], "int32")


def _outputs(answer):
    """What the learner's model makes of ROWS, or a sentence about why there is nothing."""
    model = answer(TABLE, 6)
    if not isinstance(model, keras.Model):
        return None, "Your function gave back no Keras model: does it return one?"
    found = np.asarray(model(ROWS))
    if found.shape != (2, 2):
        return None, f"Two reviews became {found.shape}: is that one vector of 2 numbers for each?"
    return found, None


@exercise(
    "text.average",
    "The mean of the known words; padding and unknown words count for nothing.",
    minutes=8,
    level="medium",
    function="averager_of_known(matrix, length)",
    hints=(
        "The pooling layer leaves out what the mask leaves out. Which id does `mask_zero` mask, "
        "and which one should be masked as well?",
        "Change the ids before they reach the embedding: `keras.ops.where(condition, a, b)` works "
        "on a `keras.Input`, too.",
        "`keras.Input`, then `where(ids > 1, ids, 0)`, then an `Embedding` with `mask_zero=True` "
        "and `weights=[matrix]`, then `GlobalAveragePooling1D`, and `keras.Model` around them.",
    ),
)
def average(answer):
    found, fault = _outputs(answer)
    if fault:
        return fault
    rows = [TABLE[each[each > 1]] for each in ROWS]
    known = {
        "mean": None,
        "padded": "You divide by the padded length, or average over it: who masks the zeros?",
        "unknown": "You divide by all words: does the unknown word, id 1, take part?",
        "sum": "That is the sum: does a long review count more than a short one?",
        "max": "That is the largest number: is it the mean that was asked for?",
    }
    right = {
        "mean": [r.mean(0) for r in rows],
        "padded": TABLE[ROWS].mean(1),
        "unknown": [TABLE[each[each > 0]].mean(0) for each in ROWS],
        "sum": [r.sum(0) for r in rows],
        "max": [r.max(0) for r in rows],
    }
    for name, message in known.items():
        if np.allclose(found, right[name], atol=1e-5):
            return message
    if np.allclose(found, [r.sum(0) / 6 for r in rows], atol=1e-5):
        return known["padded"]
    return f"For two known words, (-1, -4) and (-3, -2), you found {found[0].round(2).tolist()}."


@exercise(
    "text.strongest",
    "The maximum over words; the row of padding, however large, takes no part.",
    minutes=8,
    level="medium",
    function="strongest(matrix, length)",
    hints=(
        "`GlobalMaxPooling1D` takes the maximum over all places. Which of the six places are no "
        "words, and what do they hold?",
        "It knows no mask, so padding must not be able to win: which number never is a maximum?",
        "After the embedding: `keras.ops.where(words, vectors, -1e9)`, where `words` is "
        "`keras.ops.expand_dims(ids > 0, -1)`. Then pool. (`ids == 0` does not work on a "
        "`keras.Input`; `keras.ops.equal(ids, 0)` does.)",
    ),
)
def strongest(answer):
    found, fault = _outputs(answer)
    if fault:
        return fault
    vectors = TABLE[ROWS]
    words = ROWS[..., None] > 0
    right = np.where(words, vectors, -np.inf).max(1)
    if np.allclose(found, right):
        return None
    if np.allclose(found, vectors.max(1)):
        return "The row of padding won: does `GlobalMaxPooling1D` look at the mask?"
    if np.allclose(found, np.where(words, vectors, 0).max(1)):
        return "Padding counts as 0, which is more than any negative number: can it still win?"
    if np.allclose(found, np.where(words, vectors, np.inf).min(1)):
        return "That is the smallest number: is it the maximum that was asked for?"
    if np.allclose(found, (vectors * words).sum(1) / words.sum(1)):
        return "That is the mean: which number of the strongest word is left of it?"
    if np.allclose(found, np.where(ROWS[..., None] > 1, vectors, -np.inf).max(1)):
        return "You leave out the unknown word as well: only padding was to take no part."
    return f"For the words (-1, -4), (-6, -1) and (-3, -2) you found {found[0].round(2).tolist()}."


CHOICES = (0.005, 0.05, 0.5, 5)


def _toy_averages():
    """Features of 20 numbers in which most of what separates the classes is spread thin."""
    rng = np.random.default_rng(3)
    parts = []
    for count in (60, 40, 50):
        y = np.arange(2 * count, dtype="int32") % 2
        x = rng.normal(size=(len(y), 20)) * np.linspace(2, 0.5, 20)
        x[:, :6] += 0.8 * (2 * y[:, None] - 1)
        parts.append(Examples(x.astype("float32"), y))
    return Data(*parts, ("negative", "positive"))


def _scores(data, part):
    """Accuracy of a head for each C: on the reviews that choose, test and teach."""
    scores = {}
    for C in CHOICES:
        kernel, bias = transfer.head_weights(part, C)
        scores[C] = {
            name: float(((x @ kernel + bias).argmax(axis=1) == y).mean())
            for name, (x, y) in {
                "validation": data.validation,
                "test": data.test,
                "train": part,
            }.items()
        }
    return scores


def _explained(rows, scores, choose, report, scale=1):
    """Whether all rows come of this way to choose C and to report the accuracy."""
    for row in rows.to_dict("records"):
        here = scores[row["labels"], row["seed"]]
        best = max(each[choose] for each in here.values()) if choose else -1.0
        mine = here[row["C"]]
        if choose and mine[choose] < best or abs(row["accuracy"] - scale * mine[report]) > 1e-6:
            return False
    return True


@exercise(
    "text.curve",
    "A label curve of your own: the validation reviews chose, the test reviews only tested.",
    minutes=20,
    level="hard",
    function="my_curve(data, budgets, seeds)",
    hints=(
        "Write it for one budget and one seed first: draw, fit four heads, choose one, test it. "
        "Which of the three parts does each of these steps need?",
        "`transfer.fit_head(drawn, C=C)` fits one head. A dictionary from `C` to head "
        "keeps the four, and `max(heads, key=...)` finds the one with the best score.",
        "Two loops around it, one over budgets and one over seeds; inside, append a dictionary "
        "with the four columns: `accuracy` comes from `data.test`, the key of `max` does not.",
    ),
)
def curve(answer):
    data, budgets, seeds = _toy_averages(), (4, 16), range(3)
    made = answer(data, budgets, seeds)
    if made is None:
        return "Your function gave back nothing: does it return its rows?"
    rows = pd.DataFrame(made)
    if missing := [c for c in ("labels", "seed", "C", "accuracy") if c not in rows]:
        return f"There is no column '{missing[0]}': what should each row hold?"
    if len(rows) == len(budgets):
        return "One row per budget: did each seed draw, and what varies if you average them?"
    runs = [(budget, seed) for budget in budgets for seed in seeds]
    if sorted(zip(rows.labels, rows.seed, strict=True)) != runs:
        return f"{len(rows)} rows for 2 budgets and 3 seeds: is there one for each of the 6 draws?"
    if not set(rows.C) <= set(CHOICES):
        return f"A `C` is none of {CHOICES}: does the column hold what `fit_head` was given?"
    return _fault_of_choice(data, rows, runs)


def _fault_of_choice(data, rows, runs):
    """What is wrong with the way in which C was chosen and accuracy was measured, or None."""

    def explained(choose, report, scale=1, drawn=lambda labels, seed: (labels, seed)):
        scores = {r: _scores(data, sample_per_class(data.train, *drawn(*r))) for r in runs}
        return _explained(rows, scores, choose, report, scale)

    if explained("validation", "test"):
        return None
    every = np.bincount(data.train.y).min()  # the toy's classes are equal: all its reviews
    faults = [
        ({"choose": "test", "report": "test"},
         "The reviews that test have also chosen `C`: what is their accuracy worth, and which "
         "split is there for choosing?"),
        ({"choose": "train", "report": "test"},
         "You choose what fits the drawn reviews best, and the weakest penalty always does: "
         "which reviews did the heads not learn from, apart from the test?"),
        ({"choose": "validation", "report": "validation"},
         "The accuracy is that of the reviews that chose: which ones have not been used yet?"),
        ({"choose": None, "report": "train"},
         "The accuracy is that of the reviews it learned from: does it know any others?"),
        ({"choose": "validation", "report": "test", "scale": 100},
         "The accuracies are in per cent: can you give them as shares, as `accuracy` does?"),
        ({"choose": None, "report": "test", "drawn": lambda *_: (every, 0)},
         "Every head has learned from all training reviews: what is the budget there for?"),
        ({"choose": "validation", "report": "test", "drawn": lambda labels, _: (labels, 0)},
         "Each seed gives the same: is the seed handed to `sample_per_class`?"),
        ({"choose": "validation", "report": "test", "drawn": lambda n, seed: (n // 2, seed)},
         "The budget counts labels per class, as `sample_per_class` does: why half of it?"),
    ]
    for settings, message in faults:
        if explained(**settings):
            return message
    return (
        "Some accuracies are not those of `fit_head` on "
        "`sample_per_class(data.train, budget, seed)`: what else went in?"
    )


question(
    "text.encoder",
    "50 labels per class. A sentence encoder of 22.7 million parameters (2021, trained so that "
    "texts about the same thing lie close together) against the plain average of Word2Vec vectors "
    "(2013, from film reviews). Which features are better here?",
    "b",
    a=(
        "The sentence encoder, by several points.",
        "It is the better reader, but it was taught to tell topics apart: praise and blame of one "
        "film are close together for it.",
    ),
    b=(
        "The average, by several points.",
        "Its source, film reviews, is nearer to the target. Size does not make up for that here.",
    ),
    c=(
        "They tie: with so few labels the features hardly matter.",
        "With few labels the features matter most: look at random vectors, or at bag of words.",
    ),
)
question(
    "text.leak",
    "A vocabulary from training and test reviews, and a head that learns from training reviews "
    "only. What happens?",
    "c",
    a=(
        "Nothing: no label of a test review was used.",
        "The words were, and each of them now has its vector in the test reviews.",
    ),
    b=(
        "Both the test accuracy and tomorrow's rise by the same.",
        "The words that were added are those of the test reviews; tomorrow's reviews have others.",
    ),
    c=(
        "The test accuracy rises more than tomorrow's.",
        "The model looks better than it will be: part of the rise is bought with the test's words.",
    ),
)
question(
    "text.why",
    "Why do frozen word vectors need so few labels?",
    "c",
    a=(
        "Their network has fewer layers, so that it overfits less.",
        "Both have the same layers; the frozen one only has fewer numbers to learn.",
    ),
    b=(
        "They were trained to tell good reviews from bad ones.",
        "Word2Vec saw no labels at all. It only predicted which words stand near each other.",
    ),
    c=(
        "A word never seen in training lies near words that were.",
        "What the head learns of *dull* holds for *tedious*, too, because their vectors are near.",
    ),
)
question(
    "text.order",
    "What can the average of the vectors not know?",
    "a",
    a=(
        "In which order the words stood.",
        "*Not bad, it was good* and *not good, it was bad* have the same average. An LSTM could "
        "tell them apart, and with few labels it does not learn to.",
    ),
    b=(
        "That a word came twice in the review.",
        "It counts twice in the mean.",
    ),
    c=(
        "Words that the training reviews do not have.",
        "It knows every word that has a vector, wherever that word was seen.",
    ),
)
question(
    "text.forget",
    "The embedding alone was trained at a large rate. All training reviews are right, and new ones "
    "fare badly. What went wrong?",
    "b",
    a=(
        "The head was not trained along with it, so it cannot fit.",
        "It fits the training reviews perfectly: the fault shows in new ones only.",
    ),
    b=(
        "The words of the training reviews moved away from all others.",
        "The others stayed behind, so what the head learned no longer holds for them.",
    ),
    c=(
        "The padding got a vector of its own and now takes part.",
        "Padding is masked: it takes no part, and no gradient reaches its row.",
    ),
)
question(
    "text.curves",
    "Look at the label curves again. You have 20 labelled reviews and an afternoon to label more, "
    "or to try another method. What do the curves advise for bag of words?",
    "a",
    a=(
        "Borrow vectors first: that is worth more than five times the labels.",
        "At each point, the averages are above what bag of words reaches at the next one.",
    ),
    b=(
        "Label more: the curve of bag of words is the steepest.",
        "It is steep because it starts low, and at its end it is still behind.",
    ),
    c=(
        "Neither: from 20 labels on, all curves are within one standard deviation.",
        "Compare the bars: those of bag of words and of the averages do not touch.",
    ),
)
