"""Exercises and questions of the text chapter."""

import numpy as np
import pandas as pd
from gensim.models import KeyedVectors

from course.exercises import exercise, question
from helpers import transfer
from helpers.ready import keras
from helpers.transfer import Arrays, Part


def _few_vectors():
    vectors = KeyedVectors(3)
    vectors.add_vectors(["good", "bad", "film"], np.eye(3, dtype="float32") + 1)
    return vectors


@exercise(
    "text.coverage",
    "Nine tokens of twelve have a vector: frequent words count as often.",
    minutes=2,
    level="easy",
    hints=(
        "A share is a number divided by another. What is counted above, and what below?",
        "A token is a word as it stands in the text: 'good' twice is two tokens.",
        "`token in known` is True or False, and Python's `sum` counts a True as 1.",
    ),
)
def coverage(answer):
    if not callable(answer):
        return "Is it a function of words and known words? Write `def found(...)` first."
    words = "the film is good the cast is good the zyzzyva is qwghlm".split()
    share = answer(words, {"the", "film", "is", "good"})
    if isinstance(share, bool) or not isinstance(share, int | float | np.number):
        return "Your function should give back one number: a share between 0 and 1."
    near = {9 / 12: None, 4 / 7: "words", 4 / 12: "mixed", 9: "count", 3 / 12: "missing", 75: "%"}
    for value, kind in near.items():
        if abs(share - value) < 1e-6:
            return {
                None: None,
                "words": "That is the share of different words: does 'good', which stands there "
                "twice, count twice?",
                "mixed": "You divide different words by tokens: do both numbers count repetitions?",
                "count": "That is how many were found: of how many in all?",
                "missing": "That is the share without a vector: which share was asked for?",
                "%": "That is in per cent: can you give it as a share between 0 and 1?",
            }[kind]
    if share > 1:
        return f"Your share is {share:.4g}, but no share is larger than 1: what do you divide by?"
    return f"Your share is {share:.3f}: how many of the 12 tokens are among the known words?"


@exercise(
    "text.pad",
    "Words stand on the left, zeros on the right, and every row is as long.",
    minutes=4,
    level="easy",
    hints=(
        "Two things can happen to a list: it is too short, or it is too long. Try both by hand.",
        "`[0] * n` is a list of n zeros, and `+` joins two lists. On which side do they go?",
        "Add more zeros than can be needed, then keep the first `length` numbers with a slice.",
    ),
)
def pad(answer):
    if not callable(answer):
        return "Is it a function of a list of ids and a length? Write `def pad_right(...)` first."
    short, long = answer([7, 8], 5), answer([3, 4, 5, 6, 7, 8], 4)
    if short is None or long is None:
        return "Your function gave back nothing: does it end in `return`?"
    short, long = [int(i) for i in short], [int(i) for i in long]
    if short == [7, 8, 0, 0, 0] and long == [3, 4, 5, 6]:
        return None
    if short == [0, 0, 0, 7, 8]:
        return "Those zeros stand on the left: where must they be so that the mask ends, and stays?"
    if len(short) != 5:
        return f"A review of 2 words became {len(short)} numbers: how many should 5 - 2 zeros make?"
    if short == [7, 8, 1, 1, 1]:
        return "You filled up with 1: which id means padding, and which one an unknown word?"
    if len(long) != 4:
        return f"A review of 6 words became {len(long)} numbers: what happens to those beyond 4?"
    if long == [5, 6, 7, 8]:
        return "You kept the last words: which end does TextVectorization cut off?"
    return f"[7, 8] became {short}: which words should stand first, and what fills the rest?"


@exercise(
    "text.matrix",
    "Two rows without a word, and each word's vector in the row of its id.",
    minutes=5,
    level="medium",
    hints=(
        "Which ids are there? One for each entry of the vocabulary, the first two included.",
        "Begin with zeros: `np.zeros((how many ids, vectors.vector_size))`. Which rows stay so?",
        "`enumerate(vocabulary)` gives each id with its word. Skip the first two ids, and ask "
        "`word in vectors` before you look a word up.",
    ),
)
def matrix(answer):
    if not callable(answer):
        return "Is it a function of vectors and vocabulary? Write `def build(...)` first."
    vectors, vocabulary = _few_vectors(), ["", "[UNK]", "film", "zyzzyva", "good"]
    built = answer(vectors, vocabulary)
    if not isinstance(built, np.ndarray):
        return "Your function gave back no array: does it start from `np.zeros` and return it?"
    right = np.zeros((5, 3), "float32")
    right[2], right[4] = vectors["film"], vectors["good"]
    if built.shape == right.shape and np.array_equal(built, right):
        return None
    if built.shape[-1:] != (3,):
        return f"Its shape is {built.shape}: how many columns has a vector of 3 numbers?"
    if len(built) == 3 or (len(built) != 5 and built.ndim == 2):
        return f"It has {len(built)} rows for 5 ids: do padding and unknown words get rows, too?"
    if built.shape != right.shape:
        return f"Its shape is {built.shape}: has each of the 5 ids a row of 3 numbers?"
    if any(np.array_equal(np.roll(built, -shift, axis=0), right) for shift in (-2, -1, 1, 2)):
        return "Every vector stands in another word's row: does id i look up row i?"
    if built[0].any():
        return "Row 0 is not zero: which word has the id 0?"
    if built[3].any():
        return "A word without a vector got one: what should stand in the row of 'zyzzyva'?"
    return "Some rows are not the vectors of their words: look at the row of 'film', which is 2."


@exercise(
    "text.freeze",
    "The vectors are in, they stay as they are, and the head learns.",
    minutes=5,
    level="medium",
    hints=(
        "`model.get_layer(name)` gives the layer. What must happen to it, in which order?",
        "`set_weights` takes a list, even of one array; `trainable` is an attribute of a layer.",
        "The model was compiled before you came. `compile` is what reads `trainable`.",
    ),
)
def freeze(answer):
    if not callable(answer):
        return "Is it a function of a model and a matrix? Write `def borrow(...)` first."
    transfer.set_seed(0)
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
        return "Your function gave back no model: does it end in `return model`?"
    if not np.allclose(returned.get_layer("embedding").get_weights()[0], vectors):
        return "The embedding does not hold the matrix: which method of a layer sets its weights?"
    if not transfer.trained_parameters(returned):
        return "Now nothing can learn: can you freeze the embedding alone?"
    before = transfer.snapshot(returned)
    returned.fit(x, y, verbose=0)
    moved = transfer.what_moved(before, returned).layers
    if "embedding" not in moved:
        return None
    if returned.get_layer("embedding").trainable:
        return "The vectors moved in training: which attribute of the layer freezes it?"
    return "The flag is set, and the vectors moved all the same: who reads it, and when?"


@exercise(
    "text.average",
    "The mean of the two known words; padding and unknown count for nothing.",
    minutes=5,
    level="medium",
    hints=(
        "Which of the ids are words that the matrix knows? Two ids never are.",
        "`ids[ids > 1]` keeps the known words, and `matrix[...]` of them gives a row for each.",
        "Sum these rows over axis 0, and divide by how many there are, or by 1 if there are none.",
    ),
)
def average(answer):
    if not callable(answer):
        return "Is it a function of ids and a matrix? Write `def mean_vector(...)` first."
    rows = np.array([[0, 0], [0, 0], [1, 4], [3, 2]], "float32")
    mean = answer(np.array([2, 1, 3, 0, 0, 0]), rows)
    mean = None if mean is None else np.asarray(mean)
    if mean is None or mean.shape != (2,):
        return "The answer is one vector of 2 numbers: over which axis do you take the mean?"
    if np.allclose(mean, [2, 3]):
        nothing = np.asarray(answer(np.array([1, 0, 0]), rows))
        if np.isnan(nothing).any():
            return "A review of unknown words only gives nan: what do you divide by?"
        return None
    if np.allclose(mean, [4 / 6, 1]):
        return "You divide by the padded length: how many of these six ids are words?"
    if np.allclose(mean, [4 / 3, 2]):
        return "You divide by 3: does the unknown word, id 1, have a vector?"
    if np.allclose(mean, [4, 6]):
        return "That is the sum: does a long review count more than a short one?"
    return f"For two known words, (1, 4) and (3, 2), you found {mean.round(2).tolist()}."


_PUSH = np.array([0, 0, 2.0, -1.5, 0.4, 0.7])  # how much each of six ids speaks for positive


def _belief(ids):
    """A judge that reads by length, as the fast LSTM does, and gives late words more weight."""
    ids = np.asarray(ids)
    if ids.ndim != 2:
        raise ValueError(f"believe takes rows of ids (n, length), not the shape {ids.shape}.")
    place = np.arange(ids.shape[1])
    read = place < (ids > 0).sum(axis=1, keepdims=True)
    positive = 1 / (1 + np.exp(-(_PUSH[ids] * (1 + 0.3 * place) * read).sum(axis=1)))
    return np.stack([1 - positive, positive], axis=1)


def _hidden(ids, how):
    """A row for each word of `ids` in which it is hidden in some way."""
    places = np.flatnonzero(ids)
    rows = np.repeat(ids[None], len(places), axis=0)
    for row, place in zip(rows, places, strict=True):
        if how == "deleted":
            row[:] = np.append(np.delete(row, place), 0)
        elif how == "cumulative":
            row[: place + 1] = 1
        elif how == "alone":
            row[(np.arange(len(row)) != place) & (row > 0)] = 1
        else:
            row[place] = {"unknown": 1, "padding": 0}[how]
    return _belief(rows)[:, 1]


@exercise(
    "text.occlude",
    "Belief with the word minus belief without it, for each word, and the review as it was.",
    minutes=10,
    level="medium",
    hints=(
        "How sure is the judge of the whole review? And how sure if one word cannot be read?",
        "Id 1 is the unknown word: it takes a place and says nothing. Hide each word in a copy of "
        "the ids, or else it stays hidden for the next.",
        "For each place with an id above 0: `copy = ids.copy()`, `copy[place] = 1`, and subtract "
        "`believe(copy[None])[0, 1]` from the belief in the whole review.",
    ),
)
def occlude(answer):
    if not callable(answer):
        return "Is it a function of believe and ids? Write `def pushes(believe, ids)` first."
    ids = np.array([4, 2, 5, 3, 0, 0])
    given = ids.copy()
    found = answer(_belief, given)
    if found is None:
        return "Your function gave back nothing: does it end in `return`?"
    found, whole = np.asarray(found, dtype=float), _belief(ids[None])[0, 1]
    if found.shape == ids.shape:
        return "You gave 6 numbers for a review of 4 words: can padding speak for a class?"
    if found.shape != (4,):
        return f"Your answer has the shape {found.shape}: one number for each of the 4 words?"
    pushed = whole - _hidden(ids, "unknown")
    if np.allclose(found, pushed):
        if not np.array_equal(given, ids):
            return "The numbers are right, but the review that was handed in has changed: a copy?"
        return None
    known = [
        (-pushed, "Every sign is turned: which column is positive, and what do you subtract?"),
        (
            _hidden(ids, "unknown"),
            "These are the beliefs without each word: with what are they to be compared?",
        ),
        (
            whole - _hidden(ids, "padding"),
            "You hide with 0, which is padding: what does a judge do that reads up to the first "
            "zeros? Which id is a word that says nothing?",
        ),
        (
            whole - _hidden(ids, "deleted"),
            "You take the word out, and all later ones move: how can it go and its place stay?",
        ),
        (
            whole - _hidden(ids, "cumulative"),
            "From the second word on, the earlier ones stay hidden: do you hide in a copy?",
        ),
        (
            _hidden(ids, "alone"),
            "That is what each word says alone: what does it add to all the others?",
        ),
    ]
    for numbers, message in known:
        if np.allclose(found, numbers):
            return message
    return (
        f"The first word moves the belief from {whole - pushed[0]:.2f} to {whole:.2f}, and you "
        f"found {found[0]:.2f}: which two beliefs do you compare?"
    )


STRENGTHS = (0.005, 0.05, 0.5, 5)


def _toy_averages():
    """Features of 20 numbers in which most of what separates the classes is spread thin."""
    rng = np.random.default_rng(3)
    parts = []
    for count in (60, 40, 50):
        y = np.arange(2 * count, dtype="int32") % 2
        x = rng.normal(size=(len(y), 20)) * np.linspace(2, 0.5, 20)
        x[:, :6] += 0.8 * (2 * y[:, None] - 1)
        parts.append(Part(x.astype("float32"), y))
    return Arrays(*parts, ("negative", "positive"))


def _scores(data, part):
    """Accuracy of a head of each strength: on the reviews that chose, judged and taught."""
    scores = {}
    for strength in STRENGTHS:
        kernel, bias = transfer.head_weights(part, strength)
        scores[strength] = {
            name: float(((x @ kernel + bias).argmax(axis=1) == y).mean())
            for name, (x, y) in {
                "validation": data.validation,
                "test": data.test,
                "train": part,
            }.items()
        }
    return scores


def _explained(rows, scores, choose, report, scale=1):
    """Whether all rows come of this way to choose the strength and to report the accuracy."""
    for row in rows.to_dict("records"):
        here = scores[row["labels"], row["seed"]]
        best = max(each[choose] for each in here.values()) if choose else -1.0
        mine = here[row["strength"]]
        if choose and mine[choose] < best or abs(row["accuracy"] - scale * mine[report]) > 1e-6:
            return False
    return True


@exercise(
    "text.curve",
    "A label curve of your own: the validation reviews chose, the test reviews only judged.",
    minutes=20,
    level="hard",
    hints=(
        "Write it for one budget and one seed first: draw, fit four heads, choose one, judge it. "
        "Which of the three parts does each of these steps need?",
        "`transfer.fit_head(part, strength=s)` fits one head. A dictionary from strength to head "
        "keeps the four, and `max(heads, key=...)` finds the strength with the best score.",
        "Two loops around it, one over budgets and one over seeds; inside, append a dictionary "
        "with the four columns: `accuracy` comes from `data.test`, the key of `max` does not.",
    ),
)
def curve(answer):
    if not callable(answer):
        return "Is it a function of data, budgets and seeds? Write `def my_curve(...)` first."
    data, budgets, seeds = _toy_averages(), (4, 16), range(3)
    made = answer(data, budgets, seeds)
    if made is None:
        return "Your function gave back nothing: does it return its rows?"
    rows = pd.DataFrame(made)
    if missing := [c for c in ("labels", "seed", "strength", "accuracy") if c not in rows]:
        return f"There is no column '{missing[0]}': what should each row tell?"
    if len(rows) == len(budgets):
        return "One row a budget: did each seed draw, and where is the spread if you average?"
    runs = [(budget, seed) for budget in budgets for seed in seeds]
    if sorted(zip(rows.labels, rows.seed, strict=True)) != runs:
        return f"{len(rows)} rows for 2 budgets and 3 seeds: is there one for each of the 6 draws?"
    if not set(rows.strength) <= set(STRENGTHS):
        return f"A strength is none of {STRENGTHS}: does the column hold what `fit_head` was given?"

    def all_scores(part):
        return {run: _scores(data, part(*run)) for run in runs}

    right = all_scores(lambda budget, seed: transfer.draw(data.train, budget, seed))
    if _explained(rows, right, "validation", "test"):
        return None
    if _explained(rows, right, "test", "test"):
        return (
            "The reviews that judge have also chosen the strength: what is their verdict worth, "
            "and which part is there for choosing?"
        )
    if _explained(rows, right, "train", "test"):
        return (
            "You choose what fits the drawn reviews best, and the weakest penalty always does: "
            "which reviews did the heads not learn from, apart from the test?"
        )
    if _explained(rows, right, "validation", "validation"):
        return "The accuracy is that of the reviews that chose: which ones have not been used yet?"
    if _explained(rows, right, None, "train"):
        return "The accuracy is that of the reviews it learned from: does it know any others?"
    if _explained(rows, right, "validation", "test", scale=100):
        return "The accuracies are in per cent: can you give them as shares, as `accuracy` does?"
    if _explained(rows, all_scores(lambda *_: data.train), None, "test"):
        return "Every head has learned from all training reviews: what is the budget there for?"
    if _explained(
        rows, all_scores(lambda b, _: transfer.draw(data.train, b, 0)), "validation", "test"
    ):
        return "Each seed gives the same: is the seed handed to `transfer.draw`?"
    if _explained(
        rows, all_scores(lambda b, s: transfer.draw(data.train, b // 2, s)), "validation", "test"
    ):
        return "The budget counts labels a class, and so does `draw`: why half of it?"
    return (
        "Some accuracies are not those of `fit_head` on `transfer.draw(data.train, budget, seed)`: "
        "what else went in?"
    )


question(
    "text.why",
    "Why do frozen word vectors need so few labels?",
    "c",
    a=(
        "Their network has fewer layers.",
        "Both have the same layers; the frozen one only has fewer numbers to learn.",
    ),
    b=(
        "They were trained to tell good reviews from bad ones.",
        "Word2Vec saw no labels at all. It only guessed which words stand near each other.",
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
        "*Not good, but funny* and *not funny, but good* have the same average. An LSTM can tell.",
    ),
    b=(
        "That a word came twice.",
        "It counts twice in the mean.",
    ),
    c=(
        "Words that the training reviews do not have.",
        "It knows every word that has a vector, wherever that word was seen.",
    ),
)
question(
    "text.forget",
    "Fine-tuning the vectors at a large rate gives good training accuracy. What went wrong?",
    "b",
    a=(
        "Nothing, if the training accuracy is high.",
        "A few reviews are easily learned by heart. Look at reviews that were not trained on.",
    ),
    b=(
        "The words of the training reviews moved away from all others.",
        "The others stayed behind, so what the head learned no longer holds for them.",
    ),
    c=(
        "The padding got a vector of its own.",
        "Padding is masked: it takes no part, and no gradient reaches its row.",
    ),
)
