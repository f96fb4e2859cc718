"""Pretrained word vectors as gensim's `KeyedVectors`: read them, ask for neighbours."""

import difflib
import statistics
import zlib
from itertools import chain, islice
from pathlib import Path

import numpy as np

from helpers import assets
from helpers.disk import own_path

OWN_LIMIT = 200_000  # words that are read of a file of your own
ADVICE = {  # by the first two bytes
    b"PK": "unpack the zip archive first",
    b"\x80\x04": "KeyedVectors.save wrote it, so write it with save_word2vec_format",
}


def load_vectors(name: str | Path = "word2vec", limit: int | None = None):
    """The profile's `KeyedVectors`, or those of a file of your own, as `read_vectors` reads them.

    The first `limit` words: by default as many as the catalogue says, or `OWN_LIMIT`.
    """
    own = own_path(name, ["word2vec"])
    if own is None:
        path, asset = assets.path_or_sample("word-vectors")
        limit = limit or asset.settings.get("limit")
        return read_vectors(path, limit, asset.settings["dimension"])
    vectors = read_vectors(own, limit or OWN_LIMIT)
    if not limit and len(vectors) == OWN_LIMIT:
        print(f"{name}: read the first {OWN_LIMIT:,} words; a higher limit reads more.")
    return vectors


def read_vectors(path: str | Path, limit: int | None = None, dimension: int | None = None):
    """Read word2vec's binary format, or text (.txt, .vec) as of GloVe or fastText, gzipped or not.

    Raises:
        ValueError: the file is missing, cut short or in another format, or its vectors have other
            than `dimension` numbers.
    """
    from gensim.models import KeyedVectors

    path, start = Path(path), b""
    kind = "text" if {".txt", ".vec"} & set(path.suffixes) else "binary"
    try:
        with path.open("rb") as file:
            start = file.read(2)
        if kind == "text":
            rows = _read_lines(path, limit)
            vectors = KeyedVectors(len(next(iter(rows.values()), ())))
            vectors.add_vectors(list(rows), np.stack(list(rows.values())))
        else:
            vectors = KeyedVectors.load_word2vec_format(str(path), binary=True, limit=limit)
    except FileNotFoundError:
        raise ValueError(f"There is no file {path}: check the name.") from None
    except (ValueError, OSError, EOFError, MemoryError, zlib.error) as error:
        raise ValueError(
            f"{path} is cut short or not in word2vec's {kind} format ({type(error).__name__}): "
            f"{ADVICE.get(start, 'fetch it again')}."
        ) from None
    if dimension and vectors.vector_size != dimension:
        raise ValueError(
            f"{path} has vectors of {vectors.vector_size} numbers where {dimension} are expected: "
            "take the file that the catalogue names."
        )
    return vectors


def _read_lines(path, limit):
    """Vectors by word. A word may hold spaces; the line that counts the others may be missing."""
    from gensim import utils

    how = {"encoding": "utf-8-sig", "errors": "replace", "newline": "\n"}
    with utils.open(str(path), "rt", **how) as file:  # unpacks .gz and .bz2, too
        lines = (line.rstrip() for line in file if not line.isspace())
        first = next(lines, "").split(" ")
        counted = len(first) == 2 and all(map(str.isdecimal, first))
        top = [" ".join(first)] * (not counted) + list(islice(lines, 100))
        # Most lines tell how many numbers there are: a word with spaces makes a line longer.
        size = int(first[1]) if counted else statistics.mode(line.count(" ") for line in top)
        rows, count = {}, 0
        for line in islice(chain(top, lines), limit):
            word, *values = line.rsplit(" ", max(size, 1))
            rows.setdefault(word, np.array(values, "float32"))
            count += 1
    stated = int(first[0]) if counted else 1
    if not size or count < min(stated, limit or stated):
        raise EOFError
    return rows


def nearest(vectors, word: str, minus: str = "", plus: str = "", count: int = 10):
    """The `count` words nearest to `word - minus + plus`, each with its cosine similarity.

    Raises:
        ValueError: one of the words has no vector.
    """
    sides = [[each.strip() for each in side if each.strip()] for side in ((word, plus), (minus,))]
    if not sides[0]:
        raise ValueError("There is no word to start from: type one.")
    return vectors.most_similar(*([_spelled(vectors, w) for w in s] for s in sides), topn=count)


def _spelled(vectors, word):
    for spelling in (word, word.lower()):
        if spelling in vectors:
            return spelling
    frequent = vectors.index_to_key[:20_000]  # more of them would take seconds to look through
    near = difflib.get_close_matches(word.lower(), frequent, n=3)
    hint = f"did you mean {', '.join(near)}?" if near else "try another."
    raise ValueError(f"The word '{word}' has no vector: {hint}")
