"""Measure the text chapter on real sentences: run by hand, `python tests/measure_text.py`.

Takes the review sentences of Pang and Lee from the mirror (COURSE_MIRROR or ../shared/mirror) and
the course's own vectors, and prints test accuracies by labels and method, mean and spread over
seeds, then the price of `recurrent_dropout`. Each seed splits the sentences anew (1,066 each held
out for validation and test), draws the labels and starts the network. About 20 minutes on two
cores; `--part curves` or `--part speed` for one.
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

from helpers import assets, text, transfer  # noqa: E402
from helpers.quiet import keras  # noqa: E402
from helpers.transfer import Arrays, Part  # noqa: E402


def load(seed):
    """Ids with the words of the training part only, ids with the borrowed words, and the matrix."""
    assets.use("sample")
    vectors = text.load_vectors()
    assets.use("full")
    reviews = text.load_film_reviews(seed=seed).arrays()
    narrow = text.vectoriser(reviews.train.x)
    wide = text.borrow_words(narrow, vectors)
    words = wide.get_vocabulary()
    if seed == 0:
        print(text.coverage(vectors, text.strings(reviews.test.x)), flush=True)
    matrix = text.embedding_matrix(vectors, words)
    own = text.encode(narrow, reviews)
    return own, len(narrow.get_vocabulary()), text.encode(wide, reviews), matrix


def choose(data: Arrays, labels, seed):
    """So many training examples, all of them if `labels` is None."""
    return data.train if labels is None else transfer.draw(data.train, labels // 2, seed)


def fit(model, part, data, seed, matrix=None):
    """Fixed epochs with few labels, as in the chapter; with all, early stopping on validation."""
    transfer.start_over(model, seed)
    if matrix is not None:
        model.get_layer("embedding").set_weights([matrix])
    few = len(part.y) <= 1_000
    settings = {"epochs": max(6, min(30, 2_000 // len(part.y)))}
    if not few:
        stop = keras.callbacks.EarlyStopping("val_accuracy", patience=3, restore_best_weights=True)
        settings = {"epochs": 15, "validation_data": tuple(data.validation), "callbacks": [stop]}
    model.fit(part.x, part.y, batch_size=50, verbose=0, **settings)
    return model


def one_seed(budgets, seed):
    """Yield (labels, method, test accuracy in %)."""
    own, own_words, wide, matrix = load(seed)
    averages = text.average_all(wide, matrix)
    scratch = compiled(own_words, matrix.shape[1], trainable=True)
    frozen = compiled(*matrix.shape, trainable=False)
    methods = {
        "frozen average": (averages, lambda part: transfer.fit_head(part)),
        "frozen": (wide, lambda part: fit(frozen, part, wide, seed, matrix)),
        "from scratch": (own, lambda part: fit(scratch, part, own, seed)),
    }
    for labels in budgets:
        for method, (data, train) in methods.items():
            model = train(choose(data, labels, seed))
            yield labels, method, 100 * transfer.accuracy(model, data.test)


def curves(budgets, seeds):
    found = {}
    for seed in range(seeds):
        for labels, method, score in one_seed(budgets, seed):
            found.setdefault((labels, method), []).append(score)
            print(f"seed {seed}  {labels or 'all':>5}  {method:<15} {score:5.1f}", flush=True)
    print(f"\n{seeds} seeds, mean and standard deviation")
    for (labels, method), scores in found.items():
        spread = np.std(scores, ddof=1) if seeds > 1 else 0.0
        print(f"{labels or 'all':>6}  {method:<15} {np.mean(scores):5.1f} ± {spread:.1f}")


def compiled(words, dimension, trainable):
    model = text.lstm_classifier(words, dimension, trainable=trainable)
    model.compile(model.optimizer, model.loss, metrics=["accuracy"])  # to stop by accuracy
    return model


def speed():
    _, _, wide, matrix = load(0)
    part = Part(wide.train.x[:8_500], wide.train.y[:8_500])
    models = {
        rate: text.lstm_classifier(*matrix.shape, trainable=False, recurrent_dropout=rate)
        for rate in (0.0, 0.2)
    }
    taken = {rate: [] for rate in models}
    for model in models.values():  # tracing is not part of an epoch
        model.fit(part.x[:100], part.y[:100], batch_size=50, verbose=0)
    for _ in range(2):  # in turn, so that both meet the same load
        for rate, model in models.items():
            start = time.perf_counter()
            model.fit(*part, batch_size=50, verbose=0)
            taken[rate].append(time.perf_counter() - start)
    for rate, seconds in taken.items():
        print(f"recurrent_dropout={rate}: {min(seconds):.1f} s an epoch over {len(part.y):,}")
    print(f"without is {min(taken[0.2]) / min(taken[0.0]):.2f} times as fast")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--part", choices=["curves", "speed"], help="only this")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--labels", type=int, nargs="*", default=[200, 1_000, 0], help="0: all")
    args = parser.parse_args()
    if args.part != "speed":
        curves([labels or None for labels in args.labels], args.seeds)
    if args.part != "curves":
        speed()


if __name__ == "__main__":
    main()
