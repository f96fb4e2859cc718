"""From strings to words and to word ids."""

from collections.abc import Iterable

from helpers.data import Data
from helpers.ready import keras, standard_error, tf

LENGTH = 40  # words of a review that are read; the rest is cut off
PADDING, UNKNOWN = 0, 1  # word ids, as TextVectorization gives them
PUNCTUATION = b"!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'"

with standard_error():
    # An LSTM transposes its mask. Without AVX-512, oneDNN calls the first transposition of
    # booleans an error, though all is well; here that stays out of the notebook.
    tf.transpose(tf.zeros((40, 50), tf.bool))


def tokens(text: str) -> list[str]:
    """The first `LENGTH` words of a text, spelled as `TextVectorization` does.

    Example:
        >>> tokens("It's GOOD -- 10/10!")
        ['its', 'good', '1010']
    """
    # Bytes, as TensorFlow neither lowers a letter beyond ASCII nor splits at a space beyond it.
    words = text.encode().lower().translate(None, PUNCTUATION).split()
    return [word.decode() for word in words[:LENGTH]]


def encode(layer: keras.layers.TextVectorization, texts: Iterable[str] | Data):
    """Word ids of texts, int32 of shape (n, length); of `Data`, those of its three splits.

    A text without any word becomes one unknown word: the LSTM of a GPU refuses empty rows.
    """
    if isinstance(texts, Data):
        return texts.map(lambda x: encode(layer, x))
    ids = layer(tf.constant(list(texts), tf.string)).numpy().astype("int32")
    ids[(ids == PADDING).all(axis=1), 0] = UNKNOWN
    return ids
