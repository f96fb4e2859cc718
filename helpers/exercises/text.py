"""Exercises and questions of the text chapter."""

import numpy as np
from gensim.models import KeyedVectors

from helpers import transfer
from helpers.exercises import exercise, question
from helpers.quiet import keras


def _few_vectors():
    vectors = KeyedVectors(3)
    vectors.add_vectors(["good", "bad", "film"], np.eye(3, dtype="float32") + 1)
    return vectors


@exercise("text.pad", "Words stand on the left, zeros on the right, and every row is as long.")
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


@exercise("text.matrix", "Two rows without a word, and each word's vector in the row of its id.")
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


@exercise("text.coverage", "Nine tokens of twelve have a vector: frequent words count as often.")
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


@exercise("text.freeze", "The vectors are in, they stay as they are, and the head learns.")
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


@exercise("text.average", "The mean of the two known words; padding and unknown count for nothing.")
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
    "text.average",
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
