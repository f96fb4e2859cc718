"""Text: load reviews, turn words into numbers, borrow word vectors, and look inside.

A review is a string until `encode` makes it a row of word ids: 0 is padding, on the right, and 1
an unknown word. Row i of an embedding matrix is the vector of the word with id i.
"""

import csv
import difflib
import hashlib
import io
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from gensim import utils
from gensim.models import KeyedVectors
from sklearn.model_selection import train_test_split

from helpers import assets, transfer
from helpers.quiet import keras, standard_error, tf
from helpers.transfer import Arrays, Part, Splits

LENGTH = 40  # words of a review that are read; the rest is cut off
HELD_OUT = 1_066  # review sentences each for validation and test in `full`, a tenth
PADDING, UNKNOWN = 0, 1  # word ids, as TextVectorization gives them

with standard_error():
    # An LSTM turns its mask; oneDNN remarks on the first one, on some processors.
    tf.transpose(tf.zeros((40, 50), tf.bool))

# --- reviews --------------------------------------------------------------------------------


def load(dataset: str = "film-reviews", *, need: int = 1, seed: int = 0) -> Splits:
    """What the dial `dataset` of the chapter names: the film reviews, or a CSV file of your own.

    Texts that no model of the chapter can tell apart count as one, so that none of them stands
    on both sides of the split.

    Args:
        dataset: "film-reviews", or the path of a file as `load_reviews` reads it.
        need: how many training reviews each class must have: the largest of the dial `labels`.
        seed: of the split, where the file has none of its own.

    Raises:
        ValueError: as `load_reviews`; or a class has fewer training reviews than `need`.
    """
    if dataset == "film-reviews":
        splits = load_film_reviews(seed=seed)
    else:
        splits = load_reviews(Path(dataset).expanduser(), seed=seed)
    labels = splits.arrays().train.y
    least = int(np.bincount(labels, minlength=2).min())
    if least < need:
        raise ValueError(
            f"{dataset} gives {least} training reviews of a class, and the dial labels asks for "
            f"{need}: lower labels (and table), or add reviews."
        )
    return splits


def load_film_reviews(*, seed: int = 0) -> Splits:
    """The target task of the chapter: is a film review negative (0) or positive (1)?

    Short reviews written for this course in the `sample` profile; in `full`, the review sentences
    of Pang and Lee (2005), of which a seeded tenth each is for validation and test.

    Args:
        seed: of that split; the written reviews have a split of their own.

    Returns:
        Batches of (strings of shape (batch,), int32 labels of shape (batch,)).
    """
    path = assets.path("film-reviews")
    if path.is_dir():
        return _splits(_read_sentences(path), path, HELD_OUT, seed)
    return load_reviews(path)


def load_reviews(path: str | Path, *, seed: int = 0) -> Splits:
    """Read a CSV file with the columns `text` and `label`, and `split` if you have one.

    The split is train, validation or test. Without that column a fifth each goes to validation
    and test. Empty reviews, a review that is there already, and reviews that stand there with
    both labels are dropped with a line that says how many. Two reviews are the same if their
    first `LENGTH` words are, whatever their capitals and punctuation: no model reads more.

    Returns:
        Batches of (strings of shape (batch,), int32 labels of shape (batch,)), class names in
        alphabetical order.

    Raises:
        ValueError: the file is missing, is no such CSV, has other than two labels, or too few
            reviews.
    """
    path = Path(path)
    try:
        # A NUL byte ends a string for some readers, so it must not reach them.
        content = path.read_text(encoding="utf-8-sig").replace("\0", " ")
        header, *rows = (row for row in csv.reader(io.StringIO(content), strict=True) if row)
    except FileNotFoundError:
        raise ValueError(f"There is no file {path}: check the name.") from None
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 text (byte {error.start:,}): save it as 'CSV UTF-8'."
        ) from None
    except (csv.Error, ValueError) as error:
        raise ValueError(f"{path} cannot be read as CSV ({error}): save it anew as CSV.") from None
    header = [name.strip().lower() for name in header]
    for column in ("text", "label"):
        if column not in header:
            raise ValueError(
                f"{path} has no column '{column}' but {', '.join(map(repr, header))}: its first "
                "line must name the columns text and label."
            )
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise ValueError(
                f"Review {number} in {path} has {len(row)} fields instead of {len(header)}: put "
                "reviews that hold commas in double quotes."
            )
    return _splits(pd.DataFrame(rows, columns=header), path, None, seed)


def _read_sentences(folder):
    """A table of text and label from rt-polarity.pos and .neg, one sentence a line."""
    texts, labels = [], []
    for label, ending in (("negative", "neg"), ("positive", "pos")):
        file = folder / f"rt-polarity.{ending}"
        if not file.is_file():
            raise ValueError(
                f"{folder} holds no {file.name}: take the archive that the catalogue names."
            )
        # Not splitlines(): Latin-1 has a character that it takes for the end of a line.
        lines = file.read_text(encoding="latin-1").split("\n")
        texts += lines
        labels += [label] * len(lines)
    return pd.DataFrame({"text": texts, "label": labels})


def _splits(table, path, held_out, seed):
    table = _tidy(table, path)
    names = sorted(set(table.label))
    if len(names) != 2:
        raise ValueError(
            f"{path} needs two labels, one for each class, and has {len(names)} "
            f"({', '.join(map(repr, names[:5]))}): correct the column 'label'."
        )
    table["y"] = (table.label == names[1]).astype("int32")
    if "split" not in table:
        table["split"] = _draw_split(table.y, held_out or len(table) // 5, seed, path)
    elif unknown := sorted(set(table.split) - set(transfer.PARTS)):
        raise ValueError(
            f"{path} has the split {unknown[0]!r}: only train, validation and test are allowed."
        )
    datasets = []
    for part in transfer.PARTS:
        rows = table[table.split == part]
        if rows.y.nunique() < 2:
            raise ValueError(f"{path} needs both labels in the split '{part}': add reviews there.")
        columns = (rows.text.tolist(), rows.y.to_numpy())
        datasets.append(tf.data.Dataset.from_tensor_slices(columns).batch(32).prefetch(2))
    digest = hashlib.sha256(table[["split", "y", "text"]].to_csv().encode()).hexdigest()
    return Splits(*datasets, class_names=tuple(names), key=digest)


def _tidy(table, path):
    """Rows with plain text, none of them empty, none twice; prints what was dropped.

    What comes twice would else stand on both sides of the split, and what stands there with both
    labels teaches neither.
    """
    table = table[table.columns.intersection(["text", "label", "split"])]
    table = table.apply(lambda column: column.str.replace("\0", " ").str.split().str.join(" "))
    full = table[(table.text != "") & (table.label != "")]
    read = full.text.map(_as_read)
    clear = full.label.groupby(read).transform("nunique") == 1
    once = full[clear & ~read.duplicated()]
    empty, unclear = len(table) - len(full), int((~clear).sum())
    twice = len(full) - unclear - len(once)
    if path.is_dir():  # the empty line at the end of each file is no review
        empty = 0
    if empty or twice or unclear:
        notes = [f"{empty} without text or label", f"{twice} that came twice"]
        if unclear:
            notes.append(f"{unclear} that have both labels")
        print(f"{path.name}: left out {', '.join(notes)}.")
    return once.reset_index(drop=True)


def _as_read(text):
    """What the models can see of a text: its first words, spelled alike; all of it if no word."""
    return " ".join(_plain([text.casefold()])[:LENGTH]) or text


def _draw_split(y, count, seed, path):
    split = np.full(len(y), "train", dtype=object)
    try:
        rest = np.arange(len(y))
        for part in ("test", "validation"):
            rest, taken = train_test_split(
                rest, test_size=count, stratify=y[rest], random_state=seed
            )
            split[taken] = part
    except ValueError:
        raise ValueError(
            f"{path} has too few reviews to split ({len(y)}): give each label at least ten."
        ) from None
    return split


def strings(x: Iterable[bytes]) -> list[str]:
    """Reviews as Python strings: TensorFlow keeps them as bytes."""
    return [each.decode() for each in x]


# --- words to numbers -----------------------------------------------------------------------


def vectoriser(
    texts: Sequence, *, borrow: KeyedVectors | None = None, length: int = LENGTH
) -> keras.layers.TextVectorization:
    """A layer from strings to word ids: lower case, no punctuation, padded on the right.

    Args:
        texts: the training reviews; their words make the vocabulary, frequent ones first.
        borrow: word vectors whose words are put behind those of `texts`.
        length: words of a review that are read.
    """
    layer = keras.layers.TextVectorization(
        standardize="lower_and_strip_punctuation", output_sequence_length=length
    )
    layer.adapt(list(texts))
    return layer if borrow is None else borrow_words(layer, borrow)


def borrow_words(
    layer: keras.layers.TextVectorization, vectors: KeyedVectors, most: int = 20_000
) -> keras.layers.TextVectorization:
    """The same layer with the `most` frequent words of `vectors` behind its own.

    The ids of its own words stay as they were. Words that the layer could never meet, such as
    those with capitals, are left out.
    """
    words = layer.get_vocabulary()[2:]  # without padding and unknown
    known = set(words)
    new = [word for word in vectors.index_to_key if word not in known and _plain([word]) == [word]]
    wide = keras.layers.TextVectorization.from_config(layer.get_config() | {"name": "wide"})
    wide.set_vocabulary(words + new[:most])
    return wide


PUNCTUATION = str.maketrans("", "", "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'")


def _plain(texts):
    """Words of all texts as TextVectorization spells them."""
    # Bytes, because tf.strings.lower leaves letters beyond ASCII alone.
    return [
        word
        for text in texts
        for word in text.encode().lower().decode().translate(PUNCTUATION).split()
    ]


def tokens(review: str) -> list[str]:
    """The words of a review that are read, spelled as TextVectorization spells them."""
    return _plain([review])[:LENGTH]


def encode(layer: keras.layers.TextVectorization, reviews) -> np.ndarray | Arrays:
    """Word ids, int32 of shape (n, length): of some texts, or of all three parts of `Arrays`.

    A text without any word becomes one unknown word, as a row of nothing but padding has no
    last word, which the LSTM of a GPU refuses.
    """
    if isinstance(reviews, Arrays):
        parts = [getattr(reviews, part) for part in transfer.PARTS]
        coded = [Part(encode(layer, part.x), part.y) for part in parts]
        return Arrays(*coded, reviews.class_names)
    ids = layer(tf.constant(list(reviews), tf.string)).numpy().astype("int32")
    ids[(ids == PADDING).all(axis=1), 0] = UNKNOWN
    return ids


# --- word vectors ---------------------------------------------------------------------------


OWN_LIMIT = 200_000  # words that are read of a learner's own file of vectors


def load_vectors(backbone: str = "word2vec", limit: int | None = None) -> KeyedVectors:
    """The pretrained word vectors that the dial `backbone` names, frequent words first.

    Where Google News is not here in `full`, the course's own vectors stand in, and a line says so.

    Args:
        backbone: "word2vec" for those of the profile; or the path of a file of your own in
            word2vec's binary format (.bin) or in a text format (.txt or .vec, also GloVe's).
        limit: read only so many words; the catalogue's number, or `OWN_LIMIT`, if None.

    Raises:
        ValueError: as `read_vectors`.
    """
    if backbone != "word2vec":
        return read_vectors(Path(backbone).expanduser(), limit=limit or OWN_LIMIT)
    path, asset = assets.path_or_sample("word-vectors")
    limit = limit or asset.settings.get("limit")
    return read_vectors(path, limit=limit, dimension=asset.settings["dimension"])


def read_vectors(
    path: str | Path, *, limit: int | None = None, dimension: int | None = None
) -> KeyedVectors:
    """Read a file in word2vec's binary format, or in a text format by its ending, gzipped or not.

    A text file (.txt, .vec) has a word and its numbers on each line; the line that states their
    count may stand above them, as in word2vec's, or be missing, as in GloVe's.

    Raises:
        ValueError: the file is missing, is no such file, is cut short, or its vectors have
            another `dimension`.
    """
    path = Path(path)
    lines = bool({".txt", ".vec"} & set(path.suffixes))
    try:
        vectors = KeyedVectors.load_word2vec_format(
            str(path), binary=not lines, no_header=lines and not _counted(path), limit=limit
        )
    except FileNotFoundError:
        raise ValueError(f"There is no file {path}: check the name.") from None
    except (ValueError, OSError, EOFError, UnicodeDecodeError, MemoryError, zlib.error) as error:
        raise ValueError(
            f"{path} is cut short or not in word2vec's {'text' if lines else 'binary'} format "
            f"({type(error).__name__}): fetch it again."
        ) from None
    if dimension and vectors.vector_size != dimension:
        raise ValueError(
            f"{path} has vectors of {vectors.vector_size} numbers where {dimension} are expected: "
            "take the file that the catalogue names, or build the model for these."
        )
    return vectors


def _counted(path):
    """Whether the first line of a text file of vectors states how many there are."""
    with utils.open(str(path), "rb") as file:
        first = file.readline(1_000_000).split()
    return len(first) == 2 and all(each.isdigit() for each in first)


def nearest(
    vectors: KeyedVectors, word: str, minus: str = "", plus: str = "", count: int = 10
) -> list[tuple[str, float]]:
    """The words nearest to `word - minus + plus`, each with its cosine similarity.

    Raises:
        ValueError: one of the words has no vector.
    """
    wanted = [_spelled(vectors, each) for each in (word, plus) if each.strip()]
    unwanted = [_spelled(vectors, each) for each in (minus,) if each.strip()]
    if not wanted:
        raise ValueError("There is no word to start from: type one.")
    return vectors.most_similar(positive=wanted, negative=unwanted, topn=count)


def _spelled(vectors, word):
    word = word.strip()
    for spelling in (word, word.lower()):
        if spelling in vectors:
            return spelling
    frequent = vectors.index_to_key[:20_000]  # more of them would take seconds to look through
    near = difflib.get_close_matches(word.lower(), frequent, n=3)
    hint = f"did you mean {', '.join(near)}?" if near else "try another."
    raise ValueError(f"The word '{word}' has no vector: {hint}")


def having_vectors(groups: dict[str, list[str]], vectors: KeyedVectors) -> dict[str, list[str]]:
    """The words of each group that have a vector; if there are hardly any, the most frequent."""
    found = {name: [word for word in group if word in vectors] for name, group in groups.items()}
    found = {name: group for name, group in found.items() if group}
    if sum(map(len, found.values())) < 5:
        return {"most frequent": list(vectors.index_to_key[:20])}
    return found


def embedding_matrix(vectors: KeyedVectors, vocabulary: Sequence[str]) -> np.ndarray:
    """Row i is the vector of word i of the vocabulary, float32 of shape (words, dimension).

    Rows 0 (padding), 1 (unknown) and those of words without a vector are zero.
    """
    matrix = np.zeros((len(vocabulary), vectors.vector_size), "float32")
    for row, word in enumerate(vocabulary):
        if row > UNKNOWN and word in vectors:
            matrix[row] = vectors[word]
    return matrix


def as_vectors(matrix: np.ndarray, vocabulary: Sequence[str]) -> KeyedVectors:
    """The rows of an embedding matrix, but for empty ones, to ask for neighbours."""
    rows = [row for row in range(UNKNOWN + 1, len(vocabulary)) if matrix[row].any()]
    vectors = KeyedVectors(matrix.shape[1])
    vectors.add_vectors([vocabulary[row] for row in rows], matrix[rows])
    return vectors


@dataclass(frozen=True)
class Coverage:
    """How much of some texts has a vector; print it."""

    words: int
    words_found: int
    tokens: int
    tokens_found: int
    missing: tuple[str, ...]

    def __str__(self):
        lines = []
        for kind in ("words", "tokens"):
            found, of = getattr(self, f"{kind}_found"), getattr(self, kind)
            share = 100 * found / max(of, 1)
            lines.append(f"{kind:<7}{found:>7,} of {of:>7,} found ({share:.1f} %)")
        return "\n".join([*lines, f"most frequent without: {', '.join(self.missing[:8])}"])

    __repr__ = __str__


def coverage(known: Iterable[str], texts: Iterable[str]) -> Coverage:
    """Which share of the different words, and of all words (tokens), of the texts is known.

    Args:
        known: `KeyedVectors`, or a vocabulary.
        texts: strings.
    """
    known = known if isinstance(known, KeyedVectors) else set(known)
    counts = Counter(_plain(texts))
    missing = tuple(word for word, _ in counts.most_common() if word not in known)
    tokens = sum(counts.values())
    lost = sum(counts[word] for word in missing)
    return Coverage(len(counts), len(counts) - len(missing), tokens, tokens - lost, missing)


# --- models ---------------------------------------------------------------------------------


def average(ids: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The mean vector of the known words of each review, float32 of shape (n, dimension).

    Words without a vector count for nothing; a review without any other gets zeros.
    """
    known = (matrix != 0).any(axis=1)[ids]
    sums = np.stack([matrix[row].sum(axis=0) for row in ids])  # row by row: little memory
    return (sums / np.maximum(known.sum(axis=1, keepdims=True), 1)).astype("float32")


def average_all(coded: Arrays, matrix: np.ndarray) -> Arrays:
    """`average` of all three parts."""
    parts = [getattr(coded, part) for part in transfer.PARTS]
    return Arrays(*(Part(average(part.x, matrix), part.y) for part in parts), coded.class_names)


def reader(head: keras.Model, matrix: np.ndarray) -> Callable:
    """From word ids to probabilities, as a model is called: the average, then the head on it."""

    def believe(ids, training=False):
        return head(average(ids, matrix), training=False)

    return believe


def lstm_classifier(
    words: int,
    dimension: int,
    *,
    trainable: bool,
    units: int = 32,
    learning_rate: float = 0.005,
    **lstm,
) -> keras.Model:
    """The network of the chapter, compiled: embedding, LSTM in both directions, mean, softmax.

    Padding is masked: the LSTM skips it, and the mean over its outputs leaves it out.

    Args:
        words: rows of the embedding.
        dimension: numbers a word.
        trainable: whether the embedding learns.
        units: of the LSTM, in each direction.
        learning_rate: of Adam.
        lstm: more settings of the LSTM layer. Any `recurrent_dropout` keeps it off the fast path
            of a GPU, and slows it on a CPU.

    Returns:
        A model from word ids (n, length) to probabilities (n, 2).
    """
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            layers.Embedding(
                words, dimension, mask_zero=True, trainable=trainable, name="embedding"
            ),
            layers.Bidirectional(layers.LSTM(units, return_sequences=True, **lstm), name="lstm"),
            layers.GlobalAveragePooling1D(name="mean"),
            layers.Dropout(0.5, name="dropout"),
            layers.Dense(2, activation="softmax", name="head"),
        ]
    )
    model.compile(keras.optimizers.Adam(learning_rate), "sparse_categorical_crossentropy")
    return model


# --- looking inside -------------------------------------------------------------------------


def occlusion(model: keras.Model, ids: np.ndarray, label: int = 1) -> np.ndarray:
    """How much each word of one review speaks for a class, by hiding it (Zeiler and Fergus, 2014).

    Args:
        model: from word ids to class probabilities.
        ids: of one review, shape (length,).
        label: the class.

    Returns:
        float32 of shape (words,): probability of the class with the word, minus without it.
    """
    places = np.flatnonzero(ids != PADDING)
    hidden = np.repeat(ids[None], len(places) + 1, axis=0)
    hidden[np.arange(len(places)), places] = UNKNOWN
    belief = transfer.predict(model, hidden)[:, label]
    return belief[-1] - belief[:-1]


def neighbours_kept(
    before: KeyedVectors, after: KeyedVectors, words: Iterable[str], count: int = 10
) -> float:
    """Which share of the words' `count` nearest neighbours is still among them, 0 to 1.

    Without any words that is not a number.
    """
    words = list(words)
    near = [_near(vectors, words, count) for vectors in (before, after)]
    kept = [len(one & other) / count for one, other in zip(*near, strict=True)]
    return float(np.mean(kept)) if kept else float("nan")


def _near(vectors, words, count):
    """For each word the set of its nearest neighbours, for all words at once."""
    unit = vectors.get_normed_vectors()
    rows = [vectors.key_to_index[word] for word in words]
    alike = unit[rows] @ unit.T
    alike[np.arange(len(rows)), rows] = -np.inf  # a word is no neighbour of its own
    nearest = np.argsort(-alike, axis=1, kind="stable")[:, :count]
    return [{vectors.index_to_key[i] for i in row} for row in nearest]
