"""Exercises of the chapter on another world: right answers pass, wrong ones learn why."""

import numpy as np
import pytest
from exercise_cases import shortcomings
from sklearn.linear_model import LogisticRegression

from course import exercises
from helpers import shift, training, transfer
from helpers.data import Examples
from helpers.ready import keras, tf

ops = keras.ops


# 1. standardise


def each_by_its_own(source, target):
    found = []
    for x in (source, target):
        deviation = x.std(axis=0)
        found.append((x - x.mean(axis=0)) / np.where(deviation > 0, deviation, 1))
    return found


def by_helper(source, target):
    return shift.standardise(source), shift.standardise(target)


def by_the_source(source, target):
    deviation = np.where(source.std(axis=0) > 0, source.std(axis=0), 1)
    return tuple((x - source.mean(axis=0)) / deviation for x in (source, target))


def one_for_all(source, target):
    return tuple((x - x.mean()) / x.std() for x in (source, target))


def divided_by_zero(source, target):
    return tuple((x - x.mean(axis=0)) / x.std(axis=0) for x in (source, target))


def in_place(source, target):
    for x in (source, target):
        x -= x.mean(axis=0)
        x /= np.where(x.std(axis=0) > 0, x.std(axis=0), 1)
    return source, target


# 2. CORAL


def power(matrix, p):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * values**p) @ vectors.T


def by_powers(source, target, mean=True, whiten=True, colour=True):
    x = source - source.mean(axis=0)
    if whiten:
        x = x @ power(np.cov(source.T), -0.5)
    if colour:
        x = x @ power(np.cov(target.T), 0.5)
    return x + (target.mean(axis=0) if mean else 0)


def by_cholesky(source, target):
    white = np.linalg.solve(np.linalg.cholesky(np.cov(source.T)), (source - source.mean(0)).T).T
    return white @ np.linalg.cholesky(np.cov(target.T)).T + target.mean(0)


def variances_only(source, target):
    return shift.standardise(source) * target.std(0, ddof=1) + target.mean(0)


# 3. reversal


class Reverse(keras.layers.Layer):
    def __init__(self, k, forward=1.0, sign=-1.0, scaled=True):
        super().__init__()
        self.k, self.forward, self.sign, self.scaled = k, forward, sign, scaled

    def call(self, x):
        slope = self.sign * (self.k if self.scaled else 1.0)
        return ops.stop_gradient((self.forward - slope) * x) + slope * x


class ByCustomGradient(keras.layers.Layer):
    def __init__(self, k):
        super().__init__()
        self.k = k

    def call(self, x):
        @tf.custom_gradient
        def turn(x):
            return tf.identity(x), lambda upstream: -self.k * upstream

        return turn(x)


class Constant(keras.layers.Layer):
    def call(self, x):
        return ops.stop_gradient(x)


class Negative(keras.layers.Layer):
    def __init__(self, k):
        super().__init__()
        self.k = k

    def call(self, x):
        return -self.k * x


# 4. gap


def held_out(source, target, step=2):
    x = np.concatenate([source, target])
    y = np.repeat([0, 1], [len(source), len(target)])
    head = LogisticRegression(max_iter=1000).fit(x[::step], y[::step])
    return head.score(x[1::2], y[1::2])


def by_keras(source, target):
    x = np.concatenate([source, target])
    y = np.repeat([0, 1], [len(source), len(target)])
    order = np.random.default_rng(0).permutation(len(y))
    train, test = np.split(order, 2)
    head = keras.Sequential([keras.layers.Dense(2, activation="softmax")])
    loss = "sparse_categorical_crossentropy"
    head.compile(keras.optimizers.Adam(0.05), loss, metrics=["accuracy"])
    head.fit(x[train], y[train], epochs=20, verbose=0)
    return head.evaluate(x[test], y[test], verbose=0)[1]


def on_its_own_points(source, target):
    x = np.concatenate([source, target])
    y = np.repeat([0, 1], [len(source), len(target)])
    return LogisticRegression(C=1e4, max_iter=5000).fit(x, y).score(x, y)


# 5. mix


def corrected(seen, labels, target, clip=True):
    hits, false = seen[labels == 1].mean(), seen[labels == 0].mean()
    share = (target.mean() - false) / (hits - false)
    return np.clip(share, 0, 1) if clip else share


def by_matrix(seen, labels, target):
    confusion = [[np.mean(seen[labels == c] == said) for c in (0, 1)] for said in (0, 1)]
    shares = np.linalg.solve(confusion, [np.mean(target == 0), np.mean(target == 1)])
    return min(1, max(0, shares[1]))


# 6. weight


def best_weight(source, few, validation, weights):
    x, y = (np.concatenate(both) for both in zip(source, few, strict=True))
    scores = []
    for weight in weights:
        each = np.repeat([1.0, weight], [len(source.y), len(few.y)])
        head = LogisticRegression().fit(x, y, sample_weight=each)
        scores.append(head.score(*validation))
    return weights[int(np.argmax(scores))]


def by_repeating(source, few, validation, weights):
    def score(weight):
        times = max(1, round(weight))
        x = np.concatenate([source.x] + [few.x] * times)
        y = np.concatenate([source.y] + [few.y] * times)
        return training.accuracy(transfer.fit_head(Examples(x, y)), validation)

    return max(weights, key=score)


def by_the_few(source, few, validation, weights):
    return best_weight(source, few, few, weights)


def source_weighted(source, few, validation, weights):
    return best_weight(few, source, validation, weights)


# 7. alarm

ALARM = {"Monday": "nothing", "Tuesday": "watch", "Wednesday": "mix", "Thursday": "labels"}


# 8. own


def report(source, mine, head_too=True, own=True, percent=False, error=True):
    right = training.accuracy(transfer.fit_head(source), mine)
    fit = Examples(shift.standardise(source.x), source.y) if head_too else source
    x = shift.standardise(mine.x, None if own else source.x)
    after = training.accuracy(transfer.fit_head(fit), Examples(x, mine.y))
    wide = np.sqrt(right * (1 - right) / (len(mine.y) if error else len(source.y)))
    return (100 * right, 100 * after, 100 * wide) if percent else (right, after, wide)


def by_numpy(source, mine):
    def shares(x, y, test):
        kernel, bias = transfer.head_weights(Examples(x, y))
        return np.mean((test @ kernel + bias).argmax(axis=1) == mine.y)

    def plain(x):
        return (x - x.mean(axis=0)) / x.std(axis=0)

    right = shares(*source, mine.x)
    after = shares(plain(source.x), source.y, plain(mine.x))
    return [right, after, (right * (1 - right) / len(mine.y)) ** 0.5]


RIGHT = {
    "another_world.standardise": [each_by_its_own, by_helper],
    "another_world.coral": [by_powers, by_cholesky],
    "another_world.reverse": [Reverse, ByCustomGradient],
    "another_world.gap": [held_out, by_keras],
    "another_world.mix": [corrected, by_matrix],
    "another_world.weight": [best_weight, by_repeating],
    "another_world.alarm": [ALARM, dict(reversed(ALARM.items()))],
    "another_world.own": [report, by_numpy],
}

WRONG = {
    "another_world.standardise": [
        (by_the_source, "were the source's numbers used"),
        (one_for_all, "which `axis` is missing"),
        (divided_by_zero, "what is its deviation"),
        (in_place, "work on copies"),
        (lambda s, t: (s - s.mean(0), t - t.mean(0)), "What about the deviations"),
        (lambda s, t: each_by_its_own(s, t)[0], "Two arrays"),
        (np.zeros(3), "Is it a function"),
    ],
    "another_world.coral": [
        (lambda s, t: by_powers(s, t, mean=False), "whose mean should it have"),
        (lambda s, t: by_powers(s, t, colour=False), "gives it the target's colour"),
        (variances_only, "the correlations are not"),
        (lambda s, t: by_powers(s, t, whiten=False, colour=False), "still the source's"),
        (lambda s, t: by_powers(s, t, whiten=False), "come first"),
        (lambda s, t: by_powers(t, s), "the shape (400, 4)"),
        (lambda s, t: None, "does it end in `return`"),
        ("coral", "Is it a function"),
    ],
    "another_world.reverse": [
        (Negative, "Forward it turns x round as well"),
        (lambda k: Reverse(k, sign=1.0), "which sign"),
        (lambda k: Reverse(k, scaled=False), "With strength 0.25"),
        (lambda k: Constant(), "No gradient comes back"),
        (lambda k: Reverse(k, forward=2.0), "as it went in"),
        (Reverse(1.0), "Is it a class"),
        (lambda k: None, "No layer came back"),
    ],
    "another_world.gap": [
        (on_its_own_points, "on which points did you test it"),
        (lambda s, t: 1 - held_out(s, t), "worse than guessing"),
        (lambda s, t: 0.5, "Are both worlds in the training part"),
        (lambda s, t: 100 * held_out(s, t), "a share from 0 to 1"),
        (lambda s, t: None, "does it end in `return`"),
        (0.5, "Is it a function"),
    ],
    "another_world.mix": [
        (lambda seen, labels, target: target.mean(), "How do you take that out"),
        (lambda *given: 1 - corrected(*given), "the share of class 0"),
        (lambda seen, labels, target: labels.mean(), "the share in validation"),
        (lambda *given: corrected(*given, clip=False), "where does a share have to end"),
        (lambda seen, labels, target: 0.33, "what does it say of class 0"),
        (0.1, "Is it a function"),
    ],
    "another_world.weight": [
        (source_weighted, "is it the few that are weighted"),
        (by_the_few, "did validation choose"),
        (lambda *given: 0.97, "not its score"),
        (lambda source, few, validation, weights: max(weights), "did validation choose"),
        (lambda *given: None, "gave nothing back"),
        (1.0, "Is it a function"),
    ],
    "another_world.alarm": [
        (ALARM | {"Tuesday": "labels"}, "worth the price"),
        (ALARM | {"Wednesday": "labels"}, "nine of the answers are right"),
        (ALARM | {"Thursday": "mix"}, "what would tell you"),
        (ALARM | {"Thursday": "retrain"}, "none of the four"),
        ({"Monday": "nothing"}, "What about Tuesday"),
        ("labels", "a dictionary"),
    ],
    "another_world.own": [
        (lambda *given: report(*given, head_too=False), "Should it be fitted so"),
        (lambda *given: report(*given, own=False), "Whose should do it"),
        (lambda *given: report(*given, percent=True), "shares from 0 to 1"),
        (lambda *given: report(*given, error=False), "The error of"),
        (lambda *given: report(*given)[:2], "Three numbers"),
        (lambda s, m: (0.5, 0.5, 0.5 / 50**0.5), "which head is used"),
        (0.9, "Is it a function"),
    ],
}


@pytest.mark.parametrize(("name", "i"), [(n, i) for n in RIGHT for i in range(len(RIGHT[n]))])
def test_right_answers_pass(name, i):
    verdict = exercises.judge(name, RIGHT[name][i])
    assert verdict.state == "correct", verdict


@pytest.mark.parametrize(
    ("name", "answer", "words"),
    [(name, *case) for name, cases in WRONG.items() for case in cases],
    ids=[f"{name}: {words}" for name, cases in WRONG.items() for _, words in cases],
)
def test_wrong_answers_are_told_what_is_wrong(name, answer, words):
    verdict = exercises.judge(name, answer)
    assert verdict.state == "not yet" and words in verdict.message, verdict


@pytest.mark.parametrize("name", RIGHT)
def test_exercises_and_their_examples_lack_nothing(name):
    assert shortcomings(name, RIGHT[name], WRONG[name]) == []


def test_every_exercise_is_tried():
    assert set(exercises.names("another_world")[0]) == RIGHT.keys() == WRONG.keys()
