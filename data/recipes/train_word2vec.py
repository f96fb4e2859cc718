"""Train the course's word vectors on film reviews.

What: Word2Vec vectors (Mikolov et al. 2013) of the 20,000 most frequent words, 100 numbers each,
in word2vec's binary format, gzipped: `KeyedVectors.load_word2vec_format(file, binary=True)`.
From what: the texts of aclImdb v1 (Maas et al. 2011), 50,000 reviews less 4,000 labelled ones that
are held out to choose the setting. Labels are used for choosing alone.

Words are spelt as Keras' TextVectorization(standardize="lower_and_strip_punctuation") spells them:
"Don't" is "dont". Stop words and negations stay. The vectors are not of unit length: their mean
length is 2, a fair start for an Embedding layer; neighbours and analogies do not depend on it.

Chosen by the accuracy of averaged vectors and logistic regression on the last 20 words of the
held-out reviews, in percent, by number of labels (mean of 10, 6 and 2 draws). Of the analogies
between pairs like man-woman and king-queen, `family` percent have the right word among the first
three:

                                 200   1,000   8,500   family
    cbow, window 5              68.1    72.8    74.4       84
    cbow, window 15             70.1    74.1    75.1       78
    skip-gram, window 3         68.3    74.1    75.7       89
    skip-gram, window 5         69.3    74.3    76.1       89
    skip-gram, window 10        71.1    75.1    76.8       80
    the same again              70.9    74.7    76.3       79
    skip-gram, window 5,
      10 epochs                 69.9    74.7    76.0       89   (the committed file)

All but the last have 5 epochs, and were trained with two workers: their figures move by some
tenths from run to run, as the two runs with window 10 show. A wide window tells good from bad a
little better, because it sees what a whole passage is about; a narrow one is better at analogies
and at naming neighbours that mean the same. The committed file takes the middle.

How long: `train` uses one worker, which repeats exactly, and takes 6 to 9 minutes (an epoch 38 to
50 s). Stopped runs go on from their last finished epoch.
"""

import argparse
import gzip
import hashlib
import itertools
import json
import logging
import os
import random
import re
import tempfile
import time
from pathlib import Path

import numpy as np
from gensim.models import KeyedVectors, Word2Vec
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

OUT = Path(__file__).resolve().parents[1] / "weights" / "film-word2vec.bin.gz"
SEED = 1
WORDS = 20_000
HELD_OUT = 4_000  # labelled reviews that no vectors are trained on
SNIPPET = 20  # words: as long as a review sentence
LABELS = (200, 1_000, 8_500)
DRAWS = {200: 10, 1_000: 6, 8_500: 2}  # draws of training snippets to average over
MEAN_LENGTH = 2.0  # of a vector; see `compact`
GRID = 1 / 128

CHOSEN = {"sg": 1, "window": 5, "sample": 1e-4, "negative": 5, "epochs": 10}
SEARCH = {  # each: what differs from CHOSEN
    "cbow, window 5": {"sg": 0, "window": 5, "epochs": 5},
    "cbow, window 15": {"sg": 0, "window": 15, "epochs": 5},
    "skip-gram, window 3": {"window": 3, "epochs": 5},
    "skip-gram, window 5": {"epochs": 5},
    "skip-gram, window 10": {"window": 10, "epochs": 5},
    "skip-gram, window 5, 10 epochs": {},
}
FAMILY = [
    pair.split()
    for pair in (
        "he she, his her, himself herself, man woman, men women, boy girl, boys girls, king queen, "
        "prince princess, father mother, dad mom, grandfather grandmother, son daughter, "
        "sons daughters, brother sister, brothers sisters, uncle aunt, husband wife, "
        "actor actress, hero heroine"
    ).split(",")
]


# --- the corpus ----------------------------------------------------------------------------

# TextVectorization would glue the words on both sides of these together; a corpus need not.
BREAKS = re.compile(r'<br\s*/?>|-{2,}|\.{2,}|[/,;:!?()"]|(?<=[a-z]{2})\.(?=[A-Z])')
PUNCTUATION = re.compile(r"""[!"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~']""")


def tokenise(text):
    """Words as Keras' TextVectorization("lower_and_strip_punctuation") spells them.

    ASCII letters to lower case and ASCII punctuation removed, so "Don't" is "dont" and "well-made"
    "wellmade". HTML breaks, dashes and the like part two words instead of joining them.
    """
    parted = BREAKS.sub(" ", text)
    # Bytes, because tf.strings.lower leaves letters beyond ASCII alone.
    return PUNCTUATION.sub("", parted.encode().lower().decode()).split()


def read_reviews(file):
    """Reviews as (words, label) in order of their ids; label 0, 1 or None. Lists, 50,000 long."""
    decoder, reviews = json.JSONDecoder(), []
    with gzip.open(file, "rt", encoding="utf-8", newline="\n") as lines:
        for line in tqdm(lines, "read", unit=" reviews", mininterval=1):
            line, end = line.strip(), 0
            while end < len(line):  # a few lines hold two objects
                review, end = decoder.raw_decode(line, end)
                reviews.append((review["id"], tokenise(review["text"]), review["label"]))
    return [(words, label) for _, words, label in sorted(reviews, key=lambda one: one[0])]


def part_reviews(reviews):
    """(corpus, labelled, held out): the held out are in neither of the others."""
    labelled = [one for one in reviews if one[1] is not None]
    random.Random(0).shuffle(labelled)
    held_out, labelled = labelled[:HELD_OUT], labelled[HELD_OUT:]
    corpus = labelled + [one for one in reviews if one[1] is None]
    random.Random(SEED).shuffle(corpus)
    return corpus, labelled, held_out


def write_corpus(corpus, file):
    """One review a line: windows reach across its sentences but never into another review."""
    file.write_text("".join(" ".join(words) + "\n" for words, _ in corpus), encoding="utf-8")
    return file


# --- Word2Vec ------------------------------------------------------------------------------


def learn(settings, corpus_file, work, *, workers=1):
    """KeyedVectors of Word2Vec (Mikolov et al. 2013), the most frequent `WORDS` words first.

    Goes on from its last epoch in `work` where an earlier run was stopped.
    """
    settings = {"vector_size": 100, "min_count": 5} | settings
    epochs = settings.pop("epochs")
    key = json.dumps([settings, epochs, workers], sort_keys=True)
    checkpoint = work / f"{hashlib.sha256(key.encode()).hexdigest()[:12]}.model"
    if checkpoint.exists():
        model = Word2Vec.load(str(checkpoint))
    else:
        model = Word2Vec(seed=SEED, workers=workers, **settings)
        model.build_vocab(corpus_file=str(corpus_file))
        model.epochs_done = 0
    rates = np.linspace(0.025, 0.0001, epochs + 1)
    done = model.epochs_done
    for epoch in tqdm(range(done, epochs), "epochs", epochs, initial=done):
        model.train(
            corpus_file=str(corpus_file),
            total_words=model.corpus_total_words,
            epochs=1,
            start_alpha=rates[epoch],
            end_alpha=rates[epoch + 1],
        )
        model.epochs_done = epoch + 1
        save_whole(checkpoint, model.save)
    vectors = KeyedVectors(model.vector_size)
    vectors.add_vectors(model.wv.index_to_key[:WORDS], model.wv.vectors[:WORDS])
    return vectors


def save_whole(file, write):
    """Call `write(path)` on a neighbour of `file`, then move it there in one step."""
    fresh = file.with_name(f"fresh-{file.name}")
    write(str(fresh))
    os.replace(fresh, file)


def compact(vectors):
    """The same vectors scaled to `MEAN_LENGTH` on average, rounded to multiples of `GRID`.

    One scale for all, so neighbours and analogies stay; lengths still tell rare from frequent
    words. Rounded to a power of two, half of each float32's bytes are zero and gzip drops them.
    """
    scale = MEAN_LENGTH / np.linalg.norm(vectors.vectors, axis=1).mean()
    rounded = KeyedVectors(vectors.vector_size)
    grid = np.round(vectors.vectors * scale / GRID) * GRID
    rounded.add_vectors(vectors.index_to_key, grid.astype(np.float32))
    return rounded


def save(vectors, file):
    """Write word2vec's binary format, gzipped without a time stamp: equal vectors, equal bytes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "vectors.bin"
        vectors.save_word2vec_format(str(plain), binary=True)
        packed = gzip.compress(plain.read_bytes(), 9, mtime=0)
    save_whole(file, lambda fresh: Path(fresh).write_bytes(packed))


# --- measures ------------------------------------------------------------------------------


def averages(texts, vectors):
    """Mean vector of each text's known words, float32 [texts, dimensions]; zeros where none is."""
    index, rows = vectors.key_to_index, np.zeros((len(texts), vectors.vector_size), np.float32)
    for row, words in zip(rows, texts, strict=True):
        known = [index[word] for word in words if word in index]
        if known:
            row[:] = vectors.vectors[known].mean(0)
    return rows


def accuracies(vectors, labelled, held_out):
    """Percent of held-out snippets judged right: averages and logistic regression, by labels.

    A snippet is a review's last `SNIPPET` words with the review's label: where most verdicts stand.
    """

    def numbers(reviews):
        texts, labels = zip(*reviews, strict=True)
        return averages([words[-SNIPPET:] for words in texts], vectors), np.array(labels)

    (x, y), (x_test, y_test) = numbers(labelled), numbers(held_out)
    head = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    head = GridSearchCV(head, {"logisticregression__C": [1e-3, 1e-2, 0.1, 1]}, cv=3)
    found = {}
    for count in LABELS:
        scores = []
        for draw in range(DRAWS[count]):
            some = np.random.default_rng(draw).permutation(len(y))[:count]
            scores.append(100 * head.fit(x[some], y[some]).score(x_test, y_test))
        found[count] = float(np.mean(scores))
    return found


def analogy(vectors, man, woman, king, count=3):
    """The `count` words nearest to king - man + woman."""
    near = vectors.most_similar(positive=[woman, king], negative=[man], topn=count)
    return [word for word, _ in near]


def family_analogies(vectors):
    """Percent of all analogies between two `FAMILY` pairs with the right word in the first 3."""
    pairs = [pair for pair in FAMILY if all(word in vectors for word in pair)]
    right = [d in analogy(vectors, a, b, c) for (a, b), (c, d) in itertools.permutations(pairs, 2)]
    return 100 * float(np.mean(right))


def print_row(name, vectors, parts):
    scores = accuracies(vectors, *parts[1:])
    numbers = "".join(f"{score:8.1f}" for score in scores.values())
    royal = " ".join(analogy(vectors, "man", "woman", "king"))
    print(f"{name:28s}{numbers}{family_analogies(vectors):9.0f}  {royal}", flush=True)


def print_heading():
    print(f"{'':28s}" + "".join(f"{n:8,}" for n in LABELS) + "   family  king - man + woman")


# --- commands ------------------------------------------------------------------------------


def search(parts, corpus_file, work, workers):
    """Train and measure every setting of `SEARCH`; what is done already is not trained again."""
    print_heading()
    for name, settings in SEARCH.items():
        print_row(name, learn(CHOSEN | settings, corpus_file, work, workers=workers), parts)


def check(file, parts):
    start = time.perf_counter()
    vectors = KeyedVectors.load_word2vec_format(str(file), binary=True)
    print(f"{file.name}: {file.stat().st_size / 1e6:.2f} MB, {len(vectors):,} words, ", end="")
    print(f"loaded in {time.perf_counter() - start:.2f} s")
    lengths = np.linalg.norm(vectors.vectors, axis=1)
    low, middle, high = np.percentile(lengths, [1, 50, 99])
    print(f"lengths: mean {lengths.mean():.2f}, 1 % {low:.2f}, 50 % {middle:.2f}, 99 % {high:.2f}")
    for word in ("good", "bad", "film", "terrible", "king", "not", "actress", "boring"):
        print(f"{word:10s}", *(near for near, _ in vectors.most_similar(word, topn=8)))
    print_heading()
    print_row(file.name, vectors, parts)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["search", "train", "check"])
    parser.add_argument("--source", type=Path, help="imdb_reviews.jsonl.gz (default: the mirror's)")
    parser.add_argument("--work", type=Path, help="folder for checkpoints (default: the cache)")
    parser.add_argument("--out", type=Path, default=OUT, help="file to write or to check")
    parser.add_argument("--workers", type=int, default=1, help="1 repeats exactly, more do not")
    args = parser.parse_args()
    logging.getLogger("gensim").setLevel(logging.ERROR)  # it warns of epochs trained one by one

    # Imported late: with --source and --work the course's own package is not needed.
    if not (args.source and args.work):
        from places import asset

        from helpers import assets
    source = args.source or asset("imdb-reviews")
    work = args.work or assets.cache_folder() / "train_word2vec"
    work.mkdir(parents=True, exist_ok=True)

    parts = part_reviews(read_reviews(source))
    if args.command == "check":
        check(args.out, parts)
        return
    corpus_file = write_corpus(parts[0], work / "corpus.txt")
    if args.command == "search":
        search(parts, corpus_file, work, args.workers)
    else:
        save(compact(learn(CHOSEN, corpus_file, work, workers=args.workers)), args.out)
        check(args.out, parts)


if __name__ == "__main__":
    main()
