"""Text: load reviews, turn words into ids, borrow word vectors, look inside.

A review is a string until `encode` makes it a row of word ids: 0 is padding, on the right, and 1
an unknown word. Row i of an embedding matrix is the vector of the word with id i.
"""
# ruff: noqa: I001  (one name per line would fill a page)

from helpers.text.data import load
from helpers.text.vectors import as_vectors, having_vectors, load_vectors, nearest
from helpers.text.vectors import embedding_matrix, neighbours_kept, read_vectors
from helpers.text.words import LENGTH, PADDING, UNKNOWN, average, borrow_words, coverage
from helpers.text.words import encode, occlusion, tokens, vectoriser

__all__ = ["LENGTH", "PADDING", "UNKNOWN", "as_vectors", "average", "borrow_words", "coverage"]
__all__ += ["embedding_matrix", "encode", "having_vectors", "load", "load_vectors", "nearest"]
__all__ += ["neighbours_kept", "occlusion", "read_vectors", "tokens", "vectoriser"]
