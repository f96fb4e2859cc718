"""From strings to words, to word ids, to averages, and which words a model decides by."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from helpers.data import Data
from helpers.ready import keras, standard_error, tf

LENGTH = 40  # words of a review that are read; the rest is cut off
PADDING, UNKNOWN = 0, 1  # word ids, as TextVectorization gives them
PUNCTUATION = str.maketrans("", "", "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'")

with standard_error():
    # An LSTM transposes its mask. Without AVX-512, oneDNN calls the first transposition of
    # booleans an error, though all is well; here that stays out of the notebook.
    tf.transpose(tf.zeros((40, 50), tf.bool))


def tokens(text: str, length: int | None = LENGTH) -> list[str]:
    """The first `length` words (None: all) of a text, spelled as `TextVectorization` does.

    Example:
        >>> tokens("It's GOOD -- 10/10!")
        ['its', 'good', '1010']
    """
    # Bytes, because TensorFlow's lower() leaves letters beyond ASCII as they are.
    return text.encode().lower().decode().translate(PUNCTUATION).split()[:length]


class Coverage(NamedTuple):
    """How many different words, and how many words in all (tokens), are known. Print it."""

    words: int
    words_found: int
    tokens: int
    tokens_found: int
    missing: tuple[str, ...]  # the most frequent first

    def __str__(self):
        lines = [
            f"{kind:<7}{found:>7,} of {total:>7,} found ({100 * found / max(total, 1):.1f} %)"
            for kind, total, found in [("words", *self[:2]), ("tokens", *self[2:4])]
        ]
        missing = ", ".join(self.missing[:8]) or "none"
        return "\n".join([*lines, f"most frequent missing words: {missing}"])

    __repr__ = __str__


def coverage(known: Iterable[str], texts: Iterable[str]) -> Coverage:
    """How many words of the texts are in `known`, a vocabulary or gensim's `KeyedVectors`.

    Example:
        >>> coverage(["good"], ["Good, good film!"]).tokens_found
        2
    """
    known = set(getattr(known, "key_to_index", known))
    counts = Counter(word for text in texts for word in tokens(text, None))
    missing = tuple(word for word, _ in counts.most_common() if word not in known)
    total, lost = counts.total(), sum(counts[word] for word in missing)
    return Coverage(len(counts), len(counts) - len(missing), total, total - lost, missing)


def vectoriser(texts: Iterable[str], borrow=None, length=LENGTH) -> keras.layers.TextVectorization:
    """A layer from strings to `length` ids of the words of `texts`, the most frequent first.

    Lower case, no punctuation, padded on the right; `borrow` as in `borrow_words`.
    """
    layer = keras.layers.TextVectorization(output_sequence_length=length)
    layer.adapt(list(texts))
    return layer if borrow is None else borrow_words(layer, borrow)


def borrow_words(layer, vectors, limit: int = 20_000) -> keras.layers.TextVectorization:
    """A `TextVectorization` with `limit` frequent words of `vectors` behind those of `layer`.

    Old ids stay. Words that it can never meet, such as those with capitals, are left out.
    """
    words = layer.get_vocabulary()[2:]  # without padding and unknown
    known = set(words)
    new = [word for word in vectors.index_to_key if word not in known and tokens(word) == [word]]
    wide = keras.layers.TextVectorization.from_config(layer.get_config() | {"name": "wide"})
    wide.set_vocabulary(words + new[:limit])
    return wide


def encode(layer: keras.layers.TextVectorization, texts: Iterable[str] | Data):
    """Word ids of texts, int32 of shape (n, length); of `Data`, those of its three splits.

    A text without any word becomes one unknown word: the LSTM of a GPU refuses empty rows.
    """
    if isinstance(texts, Data):
        return texts.map(lambda x: encode(layer, x))
    ids = layer(tf.constant(list(texts), tf.string)).numpy().astype("int32")
    ids[(ids == PADDING).all(axis=1), 0] = UNKNOWN
    return ids


def average(ids: np.ndarray | Data, matrix: np.ndarray):
    """The mean vector of each row's known words, float32 of shape (n, dimension); or of `Data`.

    A row of ids without any known word gets zeros.

    Example:
        >>> average(np.array([[2, 1, 3, 0]]), np.array([[0.0], [0.0], [1.0], [3.0]])).tolist()
        [[2.0]]
    """
    if isinstance(ids, Data):
        return ids.map(lambda x: average(x, matrix))
    known = (matrix != 0).any(axis=1)[ids].sum(axis=1, keepdims=True)
    sums = np.stack([matrix[row].sum(axis=0) for row in ids])  # row by row: little memory
    return (sums / np.maximum(known, 1)).astype("float32")


def occlusion(model: Callable, ids: np.ndarray, label: int = 1) -> np.ndarray:
    """How much each word of a review speaks for a class, by hiding it (Zeiler and Fergus, 2014).

    `model` is a Keras model, or a function, from ids (n, length) to probabilities (n, classes);
    `ids` are those of one review, shape (length,). Returns float32 of shape (words,): the
    probability of class `label` with the word minus without it.
    """
    places = np.flatnonzero(ids != PADDING)
    rows = np.repeat(ids[None], len(places) + 1, axis=0)
    rows[np.arange(len(places)), places] = UNKNOWN  # the last row keeps all its words
    probability = np.asarray(model(rows))[:, label]
    return probability[-1] - probability[:-1]
