"""Text: load reviews, turn words into ids, read word vectors and ask for neighbours.

A review is a string until `encode` makes it a row of word ids: 0 is padding, on the right, and 1
an unknown word.
"""

from helpers.text.data import load
from helpers.text.vectors import load_vectors, nearest, read_vectors
from helpers.text.words import LENGTH, PADDING, UNKNOWN, encode, tokens

__all__ = ["LENGTH", "PADDING", "UNKNOWN", "encode", "load", "load_vectors", "nearest"]
__all__ += ["read_vectors", "tokens"]
