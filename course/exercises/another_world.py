"""Exercises and questions of the chapter on another world: gaps, adaptation, drift."""

import numpy as np

from course.exercises import exercise, question
from helpers import shift, training, transfer
from helpers.data import Examples
from helpers.ready import keras, tf


def _features(n, d=4, seed=0, stretch=1.0, move=0.0):
    """Correlated features (n, d)."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) @ rng.normal(size=(d, d))) * stretch + move


def _near(one, other, tolerance=1e-3):
    return np.allclose(one, other, rtol=tolerance, atol=tolerance)


def _array(given, shape):
    """None if it is an array of numbers of this shape, else a sentence."""
    if given is None:
        return "Your function gave nothing back: does it end in `return`?"
    found = np.shape(given)
    if found != shape:
        return f"What came back has the shape {found}: should it not be {shape}?"
    if not np.isfinite(np.asarray(given, float)).all():
        return "There are numbers in it that are not finite: is anything divided by 0?"
    return None


# ------------------------------------------------------------------ 1


@exercise(
    "another_world.standardise",
    "Each world by its own numbers: both now have mean 0 and deviation 1 in every column.",
    minutes=4,
    level="easy",
    hints=(
        "There are two worlds and two pairs of numbers. Whose mean belongs to which features?",
        "`x.mean(axis=0)` is a mean for each column; without `axis` it is one for everything.",
        "For each of the two: subtract its own mean, divide by its own deviation, and put `1` "
        "where the deviation is 0 (`np.where`).",
    ),
)
def standardise(answer):
    if not callable(answer):
        return "Is it a function of source and target features?"
    source, target = _features(60), _features(80, seed=1, stretch=3, move=5)
    source[:, 1] = 2.0  # a feature that never fires in the source
    kept = source.copy(), target.copy()
    with np.errstate(all="ignore"):
        given = answer(source, target)
    if not isinstance(given, tuple | list) or len(given) != 2:
        return "Two arrays are asked for, source and target: does it return both?"
    for each, before in zip(given, kept, strict=True):
        if _array(each, before.shape) and not np.isfinite(np.asarray(each, float)).all():
            return "One column of the source never changes: what is its deviation?"
        if fault := _array(each, before.shape):
            return fault
    if not (np.array_equal(source, kept[0]) and np.array_equal(target, kept[1])):
        return "Right or wrong, it changed the arrays it was given: can you work on copies?"
    one, other = (np.asarray(each, float) for each in given)
    if np.abs(one.mean(axis=0)).max() < 1e-6 < np.abs(other.mean(axis=0)).max():
        return "The target's means are not 0: were the source's numbers used for it, too?"
    if abs(one.mean()) < 1e-6 < np.abs(one.mean(axis=0)).max():
        return "One mean for all columns leaves each its own: which `axis` is missing?"
    if np.abs(one.mean(axis=0)).max() > 1e-6 or np.abs(other.mean(axis=0)).max() > 1e-6:
        return "Not every column has the mean 0: over which examples was the mean taken?"
    changing = [0, 2, 3]
    if _near(other.std(axis=0), target.std(axis=0)):
        return "The means are right. What about the deviations?"
    if not _near(other.std(axis=0), 1) or not _near(one.std(axis=0)[changing], 1):
        return "The deviations are not 1: is each world divided by its own, column by column?"
    return None


# ------------------------------------------------------------------ 2


@exercise(
    "another_world.coral",
    "The source now has the target's covariance, as Sun, Feng and Saenko (2016) define CORAL.",
    minutes=12,
    level="hard",
    hints=(
        "Two steps: take the source's covariance away (whitening), then put the target's on.",
        "A power of a covariance matrix goes through its eigenvalues: "
        "`values, vectors = np.linalg.eigh(C)`, and `(vectors * values**p) @ vectors.T` is C to "
        "the power of p.",
        "Centre the source, multiply by the power -1/2 of the source's covariance from the "
        "right, then by the power 1/2 of the target's, and add the target's mean.",
    ),
)
def coral(answer):
    if not callable(answer):
        return "Is it a function of source and target features?"
    source, target = _features(300), _features(400, seed=1, stretch=2, move=3)
    given = answer(source.copy(), target.copy())
    if fault := _array(given, source.shape):
        return fault
    given = np.asarray(given, float)
    wanted, found = np.cov(target.T), np.cov(given.T)
    if _near(found, wanted, 1e-2):
        if _near(given.mean(axis=0), target.mean(axis=0), 1e-2):
            return None
        if _near(given.mean(axis=0), 0, 1e-2):
            return "The covariance is the target's, and the mean is 0: whose mean should it have?"
        return "The covariance is the target's, the mean is not: was the source centred first?"
    if _near(found, np.eye(len(found)), 1e-2):
        return "This is white: covariance 1, no correlation. What gives it the target's colour?"
    if _near(np.diag(found), np.diag(wanted), 1e-2):
        return "The variances are the target's, the correlations are not: where do they come in?"
    if _near(found, np.cov(source.T), 1e-2):
        return "The covariance is still the source's: which two matrices is it multiplied with?"
    return "The covariance is not the target's: does whitening, power -1/2, come first?"


# ------------------------------------------------------------------ 3


@exercise(
    "another_world.reverse",
    "Forward nothing happens, backward the gradient turns round: all that DANN needs.",
    minutes=8,
    level="medium",
    hints=(
        "Forward it must return x. So whatever you add has to cancel out in the forward pass.",
        "`ops.stop_gradient(a)` is a in the forward pass, and a constant for the gradient.",
        "`- k * x` has the right gradient and the wrong value. Which constant mends the value? "
        "Put it in `ops.stop_gradient`.",
    ),
)
def reverse(answer):
    if not callable(answer) or isinstance(answer, keras.layers.Layer):
        return "Is it a class, or a function, that takes a strength and makes a layer?"
    x = tf.constant(_features(6).astype("float32"))
    for strength in (1.0, 0.25):
        layer = answer(strength)
        if not isinstance(layer, keras.layers.Layer):
            return "No layer came back: does your function end in `return` and an instance?"
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            loss = tf.reduce_sum(3.0 * y)
        slope = tape.gradient(loss, x)
        if not _near(y, x, 1e-5):
            if _near(y, -strength * x, 1e-5):
                return "Forward it turns x round as well: which part should only the gradient see?"
            return "Forward, x should come out as it went in: what does your layer add to it?"
        if slope is None or _near(slope, 0):
            return "No gradient comes back at all: is the whole output a constant?"
        share = float(tf.reduce_mean(slope)) / 3.0
        if share > 0:
            return f"The gradient comes back times {share:+.2f}: which sign turns it round?"
        if abs(share + strength) > 1e-4:
            return f"With strength {strength} the gradient comes back times {share:+.2f}: why?"
    return None


# ------------------------------------------------------------------ 4


@exercise(
    "another_world.gap",
    "No gap reads as about a half, and a wide one as nearly 1: tested on points it never saw.",
    minutes=8,
    level="medium",
    hints=(
        "A domain head is an ordinary classifier. On which examples is a classifier tested?",
        "Put the two arrays one behind the other with labels 0 and 1, and keep a part back. "
        "Both worlds belong into both parts.",
        "Take every other row of each world to train a softmax or logistic head on, and return "
        "its accuracy on the other rows.",
    ),
)
def gap(answer):
    if not callable(answer):
        return "Is it a function of source and target features?"
    rng = np.random.default_rng(0)
    same = [rng.normal(size=(60, 90)).astype("float32") for _ in range(2)]
    apart = [same[0], (same[1] + 1.2).astype("float32")]
    none, wide = (answer(*(each.copy() for each in pair)) for pair in (same, apart))
    for each in (none, wide):
        if fault := _array(each, ()):
            return fault
    if not (0 <= float(none) <= 1 and 0 <= float(wide) <= 1):
        return "Is it a share from 0 to 1?"
    if none > 0.8:
        return (
            f"Two samples of the same world: {none:.0%} told apart. With 90 features a head knows "
            "its points by heart: on which points did you test it?"
        )
    if wide < 0.2 or none < 0.25:
        return "That is worse than guessing: are the labels of the worlds swapped in the test?"
    if wide < 0.8:
        return f"Two worlds far apart: {wide:.0%}. Are both worlds in the training part?"
    return None


# ------------------------------------------------------------------ 5


@exercise(
    "another_world.mix",
    "The share is found although the head errs: what it says is corrected by how it errs.",
    minutes=10,
    level="hard",
    hints=(
        "Even a good head says 'dog' of some cats. How often does it, on validation?",
        "Let a be the share of class 1 among what it says of validation's class 1, and b among "
        "what it says of class 0. With a share s of class 1 it says 1 in s * a + (1 - s) * b.",
        "Solve that for s: (q - b) / (a - b), where q is the share of 1 among its predictions on "
        "the target. Keep it between 0 and 1.",
    ),
)
def mix(answer):
    if not callable(answer):
        return "Is it a function of validation predictions and labels, and target predictions?"

    def world(n, share, hits, false, seed):
        rng = np.random.default_rng(seed)
        y = (np.arange(n) < share * n).astype(int)
        says = np.where(y == 1, rng.random(n) < hits, rng.random(n) < false).astype(int)
        return says, y

    for number, share in enumerate((0.1, 0.8, 0.5)):
        seen, labels = world(4000, 0.5, 0.8, 0.25, 2 * number)
        target, _ = world(4000, share, 0.8, 0.25, 2 * number + 1)
        given = answer(seen, labels, target)
        if fault := _array(given, ()):
            return fault
        if abs(given - share) < 0.05:
            continue
        if abs(given - target.mean()) < 0.005:
            return (
                f"{target.mean():.0%} is what the head says, {share:.0%} is right: it errs, and "
                "validation says how often. How do you take that out?"
            )
        if abs(given - (1 - share)) < 0.05:
            return "That is the share of class 0: which one is asked for?"
        if abs(given - labels.mean()) < 0.02:
            return "That is the share in validation: what about the target?"
        return f"Your share is {given:.0%}, and {share:.0%} is right: what does it say of class 0?"
    seen, labels = world(4000, 0.5, 0.8, 0.25, 0)
    for extreme, inside in ((np.zeros(50, int), 0), (np.ones(50, int), 1)):
        if abs(answer(seen, labels, extreme) - inside) > 1e-6:
            return "With few examples the formula leaves 0 to 1: where does a share have to end?"
    return None


# ------------------------------------------------------------------ 6


@exercise(
    "another_world.weight",
    "Validation examples of the target choose how much the few are worth.",
    minutes=10,
    level="medium",
    hints=(
        "A loop over the weights: a head for each, and a score for each. Which examples score?",
        "`sample_weight` is an argument of `fit`, in Keras and in scikit-learn: one number per "
        "example, here 1 for the source and the weight for the few.",
        "Join source and few, make the array of weights with `np.concatenate`, fit, take the "
        "accuracy on validation, and return the weight with the best one.",
    ),
)
def weight(answer):
    if not callable(answer):
        return "Is it a function of source, few, validation, and a list of weights?"

    def world(n, seed, turned):
        rng = np.random.default_rng(seed)
        y = (np.arange(n) % 2).astype("int32")
        x = rng.normal(size=(n, 2)).astype("float32")
        x[:, 0] += np.where(y == 1, 2, -2) * (-1 if turned else 1)
        return Examples(x, y)

    weights = [0.01, 1.0, 1000.0]
    few, validation = world(8, 1, False), world(60, 2, False)
    helps = Examples(*world(200, 3, False))  # labelled by the same rule
    wrong = world(200, 4, True)  # by the opposite one
    given = answer(wrong, few, validation, weights)
    if given is None:
        return "Your function gave nothing back: does it return one of the weights?"
    if given not in weights:
        return f"{given} is none of the weights {weights}: return the best of them, not its score."
    if given != 1000.0:
        return (
            "Here the source is labelled by the opposite rule, and your choice is "
            f"{given}: is it the few that are weighted, and does validation choose?"
        )
    mirrored = Examples(few.x * [-1, 1], few.y).x.astype("float32")
    misled = Examples(mirrored, few.y)  # the few are wrong, source and validation agree
    given = answer(helps, misled, validation, weights)
    if given == 1000.0:
        return (
            "Here the few are wrongly labelled and validation shows it, yet they got the largest "
            "weight: did validation choose, or the few themselves?"
        )
    return None


# ------------------------------------------------------------------ 7

DAYS = {
    "Monday": "nothing",
    "Tuesday": "watch",
    "Wednesday": "mix",
    "Thursday": "labels",
}


@exercise(
    "another_world.alarm",
    "Each alarm says something else, and only labels say whether it matters.",
    minutes=5,
    level="easy",
    hints=(
        "Ask of each day: which alarm rang, and what does that one look at?",
        "Features change with every lamp. Scores change when the head answers otherwise, which "
        "is a reason to look at labels.",
        "A score alarm with accuracy as before: the head answers otherwise and is still right. "
        "What else changed then?",
    ),
)
def alarm(answer):
    if not isinstance(answer, dict):
        return "Is it a dictionary from days to words?"
    if missing := [day for day in DAYS if day not in answer]:
        return f"What about {', '.join(missing)}?"
    if odd := sorted({str(word) for word in answer.values()} - set(DAYS.values())):
        return f"'{odd[0]}' is none of the four: nothing, watch, mix, labels."
    why = {
        "Monday": {"": "On Monday no alarm rang: is there anything to do?"},
        "Tuesday": {
            "nothing": "On Tuesday the features have changed: should nobody look tomorrow?",
            "": "On Tuesday only the features changed, and the head answers as before: is that "
            "worth the price of labels?",
        },
        "Wednesday": {
            "labels": "On Wednesday there are ten labels, and nine of the answers are right: what "
            "changes the scores and not the accuracy?",
            "": "On Wednesday the scores rang, and the head is right as often as ever: what else "
            "makes it say 'dog' more often?",
        },
        "Thursday": {
            "watch": "On Thursday the head answers otherwise, and nobody knows whether it is "
            "right: how long do you want to watch that?",
            "mix": "On Thursday it may be the mix, or it may be wrong: what would tell you?",
            "": "On Thursday the scores rang: can that be passed over?",
        },
    }
    for day, right in DAYS.items():
        if answer[day] != right:
            return why[day].get(answer[day], why[day][""])
    return None


# ------------------------------------------------------------------ 8


@exercise(
    "another_world.own",
    "Before, after, and how sure: a report that somebody else can judge.",
    minutes=15,
    level="medium",
    hints=(
        "Three numbers: accuracy with the features as they are, with both worlds standardised, "
        "and the standard error of the first.",
        "The head for the second number is another one: it has to be fitted on standardised "
        "source features.",
        "`transfer.fit_head(Examples(x, y))` and `training.accuracy(head, Examples(x, y))` do the "
        "work; the error of a share p of n examples is sqrt(p (1 - p) / n).",
    ),
)
def own(answer):
    if not callable(answer):
        return "Is it a function of two `Examples`, the source's and your own?"
    source, mine = _labelled(200, 0, 0, 1), _labelled(50, 1, 1.5, 2)
    given = answer(source, mine)
    if not isinstance(given, tuple | list) or len(given) != 3:
        return "Three numbers are asked for: before, after, error. Does it return them all?"
    for each in given:
        if fault := _array(each, ()):
            return fault
    before, after, error = map(float, given)
    if max(before, after) > 1:
        return "Are these shares from 0 to 1? Percentages come out 100 times as large."
    if abs(error - np.sqrt(before * (1 - before) / len(mine.y))) > 0.002:
        return f"The error of {before:.0%} of {len(mine.y)} is not {error:.3f}: by which formula?"
    return _not_as_measured(source, mine, before, after)


def _labelled(n, seed, move, stretch):
    """Examples of two classes in a world of its own."""
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 2).astype("int32")
    x = rng.normal(size=(n, 3)) + 2.0 * y[:, None] * [1, 0.5, 0]
    return Examples((x * stretch + move).astype("float32"), y)


def _not_as_measured(source, mine, before, after):
    """None if both accuracies are right, else a question."""

    def right(head, x):
        return training.accuracy(head, Examples(x, mine.y))

    plain = transfer.fit_head(source)
    mapped = transfer.fit_head(Examples(shift.standardise(source.x), source.y))
    wanted = right(plain, mine.x), right(mapped, shift.standardise(mine.x))
    if abs(before - wanted[0]) > 0.03:
        return f"Before, {wanted[0]:.0%} are right, and you have {before:.0%}: which head is used?"
    if abs(after - wanted[1]) <= 0.03:
        return None
    if abs(after - right(mapped, shift.standardise(mine.x, source.x))) < 1e-6:
        return "After: the source's numbers standardised your features. Whose should do it?"
    if abs(after - right(plain, shift.standardise(mine.x))) < 1e-6:
        return "After: your features are standardised, the head's are not. Should it be fitted so?"
    return f"After, {wanted[1]:.0%} are right, and you have {after:.0%}: what is fitted on what?"


# ------------------------------------------------------------------ questions

question(
    "another_world.more",
    "Predict, then look at the table under *A few labels of the target*: a head learned from 50 "
    "sharp drawings per class, and reads out-of-focus ones badly. Now it gets all sharp drawings "
    "there are. What happens on the out-of-focus ones?",
    "c",
    a=("it gets much better", "It knows its own world better, and that is not the one asked for."),
    b=("it gets as good as on sharp ones", "Then there would be no gap, and there is one."),
    c=(
        "nothing good",
        "More of the source teaches more about the source. A few labels of the target teach more.",
    ),
)

question(
    "another_world.nothing",
    "Predict, then look at Wrong on purpose: source and target are the same world, and you "
    "standardise the target by 20 unlabelled images of it. What does that do to the accuracy?",
    "b",
    a=(
        "nothing, there was no gap to close",
        "The mean of 20 images is not the mean of the world: you move features by that error.",
    ),
    b=("it costs a little", "20 images give poor means, and moving by them is a gap of your own."),
    c=("it helps a little", "There is nothing to win, so all that it can add is noise."),
)

question(
    "another_world.proof",
    "A paper adapts without target labels and reports the best of ten strengths, by accuracy on "
    "the target's test set. What does the number say?",
    "a",
    a=(
        "what the method reaches if somebody with labels sets it",
        "Those labels chose the strength. Without them you would get another one.",
    ),
    b=("what you will get without labels", "Who would choose the strength for you, and by what?"),
    c=("nothing at all", "It says something: what can be had at best, if labels choose."),
)

question(
    "another_world.fires",
    "The alarm on the features rings every day since a new lamp was put up. The one on the scores "
    "is silent. What is the most sensible next step?",
    "b",
    a=("adapt the features at once", "Adapting where nothing is lost can only cost something."),
    b=(
        "label a few images to be sure, and take the new days as the reference",
        "Silent scores are no proof, ten labels are a check, and a reference may be renewed.",
    ),
    c=("retrain on everything", "Nothing says that anything is lost; look first."),
)
