"""Measure the text chapter on real sentences: run by hand, `python benchmarks/measure_text.py`.

Takes the review sentences of Pang and Lee from the mirror (COURSE_MIRROR or ../shared/mirror) and
the course's own vectors, and prints test accuracies by labels and method, mean and standard
deviation over seeds, then the price of `recurrent_dropout`. Each seed splits the sentences anew
(1,066 each for validation and test), draws the labels and starts the network. About 20 minutes on
two cores; `--part curves` or `--part speed` for one.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("COURSE_MIRROR", str(ROOT.parent / "shared" / "mirror"))

from course import fetch  # noqa: E402
from course.intake.texts import texts  # noqa: E402
from helpers import assets, text, training, transfer  # noqa: E402
from helpers.data import Data, Examples, sample_per_class  # noqa: E402
from helpers.ready import keras  # noqa: E402


def load(seed):
    """Ids with the training words only, how many these are, ids with borrowed words, matrix."""
    assets.use("sample")
    vectors = text.load_vectors()
    assets.use("full")
    fetch.bring(["film-reviews"])
    reviews = text.load(texts("film-reviews", seed=seed))
    vectorise = keras.layers.TextVectorization
    narrow = vectorise(output_sequence_length=text.LENGTH)
    narrow.adapt(list(reviews.train.x))
    words = narrow.get_vocabulary()
    known = set(words)
    new = [w for w in vectors.index_to_key if w not in known and text.tokens(w) == [w]]
    wide = vectorise(vocabulary=words[2:] + new[:20_000], output_sequence_length=text.LENGTH)
    matrix = np.zeros((wide.vocabulary_size(), vectors.vector_size), "float32")
    for row, word in enumerate(wide.get_vocabulary()):
        if row > 1 and word in vectors:
            matrix[row] = vectors[word]
    own = text.encode(narrow, reviews)
    return own, len(words), text.encode(wide, reviews), matrix


def averages(data, matrix):
    """The mean vector of each text's words, as the chapter makes them."""
    layers = keras.layers
    embedding = layers.Embedding(*matrix.shape, mask_zero=True, weights=[matrix])
    model = keras.Sequential([embedding, layers.GlobalAveragePooling1D()])
    return data.map(lambda x: model.predict(x, batch_size=512, verbose=0))


def network(words, dimension, *, trainable, **lstm):
    """The network of the chapter: embedding, LSTM in both directions, mean, softmax."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            layers.Embedding(
                words, dimension, mask_zero=True, trainable=trainable, name="embedding"
            ),
            layers.Bidirectional(layers.LSTM(32, return_sequences=True, **lstm)),
            layers.GlobalAveragePooling1D(),
            layers.Dropout(0.5),
            layers.Dense(2, activation="softmax"),
        ]
    )
    adam = keras.optimizers.Adam(0.005)
    model.compile(adam, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def fit(model, examples, data: Data, seed, matrix=None):
    """Fixed epochs with few labels, as in the chapter; with all, early stopping on validation."""
    training.reset_weights(model, seed)
    if matrix is not None:
        model.get_layer("embedding").set_weights([matrix])
    settings = {"epochs": max(6, min(30, 2_000 // len(examples.y)))}
    if len(examples.y) > 1_000:
        stop = keras.callbacks.EarlyStopping("val_accuracy", patience=3, restore_best_weights=True)
        settings = {"epochs": 15, "validation_data": tuple(data.validation), "callbacks": [stop]}
    model.fit(examples.x, examples.y, batch_size=50, verbose=0, **settings)
    return model


def one_seed(budgets, seed):
    """Yield (labels per class, None for all; method; test accuracy in %)."""
    own, own_words, wide, matrix = load(seed)
    scratch = network(own_words, matrix.shape[1], trainable=True)
    frozen = network(*matrix.shape, trainable=False)
    methods = {
        "frozen average": (averages(wide, matrix), transfer.fit_head),
        "frozen": (wide, lambda examples: fit(frozen, examples, wide, seed, matrix)),
        "from scratch": (own, lambda examples: fit(scratch, examples, own, seed)),
    }
    for labels in budgets:
        for method, (data, train) in methods.items():
            few = data.train if labels is None else sample_per_class(data.train, labels, seed)
            yield labels, method, 100 * training.accuracy(train(few), data.test)


def curves(budgets, seeds):
    """Print the accuracies of each seed, then their mean and standard deviation."""
    found = {}
    for seed in range(seeds):
        for labels, method, score in one_seed(budgets, seed):
            found.setdefault((labels, method), []).append(score)
            print(f"seed {seed}  {labels or 'all':>5}  {method:<15} {score:5.1f}", flush=True)
    print(f"\n{seeds} seeds, labels per class, mean and standard deviation")
    for (labels, method), scores in found.items():
        std = np.std(scores, ddof=1) if seeds > 1 else 0.0
        print(f"{labels or 'all':>6}  {method:<15} {np.mean(scores):5.1f} ± {std:.1f}")


def speed():
    """Print the seconds of an epoch with `recurrent_dropout` and without."""
    _, _, wide, matrix = load(0)
    examples = Examples(wide.train.x[:8_500], wide.train.y[:8_500])
    models = {
        rate: network(*matrix.shape, trainable=False, recurrent_dropout=rate)
        for rate in (0.0, 0.2)
    }
    taken = {rate: [] for rate in models}
    for model in models.values():  # tracing is not part of an epoch
        model.fit(examples.x[:100], examples.y[:100], batch_size=50, verbose=0)
    for _ in range(2):  # in turn, so that both meet the same load
        for rate, model in models.items():
            start = time.perf_counter()
            model.fit(*examples, batch_size=50, verbose=0)
            taken[rate].append(time.perf_counter() - start)
    for rate, seconds in taken.items():
        print(f"recurrent_dropout={rate}: {min(seconds):.1f} s an epoch over {len(examples.y):,}")
    print(f"without is {min(taken[0.2]) / min(taken[0.0]):.2f} times as fast")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--part", choices=["curves", "speed"], help="only this")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--labels", type=int, nargs="*", default=[100, 500, 0], help="0: all")
    args = parser.parse_args()
    if args.part != "speed":
        curves([labels or None for labels in args.labels], args.seeds)
    if args.part != "curves":
        speed()


if __name__ == "__main__":
    main()
