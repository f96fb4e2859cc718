"""Exercises and questions of the audio chapter."""

import numpy as np

from course.exercises import exercise, question
from helpers import transfer

# --- exercises ------------------------------------------------------------------------------


@exercise(
    "audio.count",
    "2.5 s are 40,000 numbers, and 248 windows of 25 ms fit, one each 10 ms.",
    minutes=2,
    level="easy",
    hints=(
        "Write both down in samples: how long is the clip, how long is a window, how far apart "
        "do two windows begin?",
        "16 kHz are 16 samples a millisecond: a window of 25 ms has 400 samples, and the next "
        "one begins 160 samples later.",
        "The first window ends at sample 400, and each further one 160 later. Count how often "
        "160 fits into what is left of the clip, and do not forget the first.",
    ),
)
def count(answer):
    try:
        samples, frames = (float(number) for number in answer)
    except TypeError:
        return "Is it a pair of two numbers, (samples, windows)?"
    if (samples, frames) == (40_000, 248):
        return None
    if (samples, frames) == (248, 40_000):
        return "Both numbers are right, in the other order: which of them is the picture's width?"
    if samples == 20_000:
        return "That would be 8,000 numbers a second: at which rate do the clips of the course run?"
    if samples != 40_000:
        return "How many numbers a second are there at 16 kHz, and how many seconds has the clip?"
    if frames == 250:
        return "250 windows start within the clip: are the last ones still whole?"
    if frames == 100:
        return "That is one window after the other: by how much does a window move on each time?"
    return "The first window needs 400 samples; how many steps of 160 are left after it?"


def _int16_stereo():
    time = np.arange(1600) / 16_000
    left = 30_000 * np.sin(2 * np.pi * 440 * time)
    return np.stack([left, 0.9 * left], axis=1).astype("int16")


@exercise(
    "audio.mono",
    "One channel, decimal numbers, and the loudest sample stays below 1.",
    minutes=5,
    level="easy",
    hints=(
        "Two things are wrong with these numbers: their size, and that there are two of each.",
        "int16 goes down to -32,768. Divide by that size first: the result is decimal, and "
        "nothing can overflow any more.",
        "The mean of left and right is the mean over the second axis, `axis=1`; the type that "
        "YAMNet wants is \"float32\".",
    ),
)
def mono(answer):
    if not callable(answer):
        return "Is it a function of an array? Write `def to_mono(samples)` first."
    given = _int16_stereo()
    wanted = given.astype("float64").mean(axis=1) / 32_768
    made = answer(given.copy())
    if not isinstance(made, np.ndarray):
        return "Your function gave back no array: does it end in `return`?"
    if made.ndim == 2 and made.shape[1] == 2:
        return "There are still two channels: which axis holds left and right?"
    if made.shape != (1600,):
        return f"1,600 samples of two channels became {made.shape}: over which axis is the mean?"
    if not np.issubdtype(made.dtype, np.floating):
        return "These are still integers: what happens to 0.3 in an integer?"
    if np.allclose(made, wanted, atol=1e-3):
        return None
    if np.allclose(made, 2 * wanted, atol=1e-3):
        return "It is twice too loud: is the sum of two channels still within -1 and 1?"
    if np.abs(made).max() > 1.5:
        return f"The loudest sample is {np.abs(made).max():,.0f}: by what do you divide int16?"
    if np.abs(np.abs(made).max() - 1) < 1e-3:
        return "You divided by the clip's own maximum: are a whisper and a shout now the same?"
    if np.allclose(made, given[:, 0] / 32_768, atol=1e-3) or np.allclose(
        made, given[:, 1] / 32_768, atol=1e-3
    ):
        return "That is one of the channels: what if somebody coughs on the other side?"
    if np.corrcoef(made, wanted)[0, 1] < 0.99:
        return "The wave is distorted: does int16 overflow when you add before you divide?"
    return "The wave is right and its size is not: which number is the largest of int16?"


@exercise(
    "audio.mask",
    "A strip of bands is hidden at all times, and the clip that came in is whole.",
    minutes=5,
    level="easy",
    hints=(
        "Which axis of (frames, 64) is time, and which is pitch? And who else may still need "
        "the array that you were given?",
        "Take a `.copy()` first. In it, `[:, a:b]` is all of the time for some of the bands.",
        "The strip may begin at any band from 0 to 56. Into the copy's eight columns from there "
        "on write the mean of the original.",
    ),
)
def mask(answer):
    if not callable(answer):
        return "Is it a function of a spectrogram? Write `def hide_bands(log_mel)` first."
    given = np.random.default_rng(0).normal(-4, 1, (96, 64)).astype("float32")
    kept = given.copy()
    made = answer(given)
    if made is None:
        return "Your function gave back nothing: does it end in `return`?"
    made = np.asarray(made)
    if not np.array_equal(given, kept):
        return "The spectrogram that came in has changed: what would the next epoch get to see?"
    if made.shape != kept.shape:
        return f"(96, 64) became {made.shape}: does masking cut anything off?"
    changed = made != kept
    bands, frames = changed.mean(axis=0), changed.mean(axis=1)
    if not changed.any():
        return "Nothing is hidden: did you write into a copy, and return that?"
    if changed.all():
        return "All of it changed: how much may be hidden so that a cough can still be seen?"
    if (frames == 1).any():
        return "You hid moments, not bands: which axis of (frames, bands) is which?"
    hidden = np.flatnonzero(bands)
    if not np.isin(bands, (0, 1)).all():
        return "Some bands are hidden at some moments only: what does `log_mel[:, a:b]` choose?"
    if len(hidden) != 8:
        return f"{len(hidden)} of 64 bands are hidden: how many were asked for?"
    if np.ptp(hidden) != 7:
        return "The hidden bands are not neighbours: what would one voice leave out?"
    if np.allclose(made[changed], 0):
        return "You hid with 0: is 0 quiet in a *logarithmic* spectrogram, where -6.9 is silence?"
    return None


@exercise(
    "audio.split",
    "Every recording is on one side only.",
    minutes=8,
    level="medium",
    hints=(
        "How many *different* recordings are there, and which of them shall be for the test?",
        "`np.unique` gives every name once. Shuffle these names, and take a fifth of them.",
        "You have the chosen names, and a list with the name of each clip: `np.isin` asks for "
        "each clip whether its name is among them.",
    ),
)
def split(answer):
    if not callable(answer):
        return "Is it a function of a list of recordings? Write `def for_test(recordings)` first."
    recordings = [f"r{number:02d}" for number in range(20) for _ in range(number % 4 + 1)]
    recordings = [recordings[i] for i in np.random.default_rng(0).permutation(len(recordings))]
    chosen = answer(list(recordings))
    if chosen is None:
        return "Your function gave back nothing: does it end in `return`?"
    chosen = np.asarray(chosen)
    if chosen.dtype != bool or chosen.shape != (len(recordings),):
        return f"Give a True or False for each of the {len(recordings)} clips: is it for test?"
    test = {name for name, is_test in zip(recordings, chosen, strict=True) if is_test}
    train = {name for name, is_test in zip(recordings, chosen, strict=True) if not is_test}
    if not test:
        return "Nothing is left for the test: what share did you mean to take?"
    if not train:
        return "Everything is for the test: what is there to learn from?"
    if both := sorted(test & train):
        return (
            f"Recording {both[0]} has clips on both sides: is it the clips that you divide, or "
            "the recordings?"
        )
    if not 2 <= len(test) <= 6:
        return f"{len(test)} of 20 recordings are for test: how many are about a fifth?"
    return None


@exercise(
    "audio.threshold",
    "As high as it may be, and no more than one cough in ten is missed.",
    minutes=12,
    level="medium",
    hints=(
        "The other sounds do not matter here: look at the probabilities of the coughs alone.",
        "If you put the threshold on one of these probabilities, all coughs at or above it are "
        "found. What share is that for the highest, for the second highest, and so on?",
        "Go through the sorted probabilities from the highest down, and stop at the first at "
        "which the share of coughs at or above it reaches the recall.",
    ),
)
def threshold(answer):
    if not callable(answer):
        return "Is it a function? Write `def choose(probabilities, labels, recall)` first."
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], [80, 40])
    probabilities = np.concatenate([rng.beta(2, 5, 80), rng.beta(5, 3, 40)]).round(3)
    found = answer(probabilities.copy(), labels.copy(), 0.9)
    if found is None:
        return "Your function gave back nothing: does it end in `return`?"
    if np.ndim(found) != 0:
        return "It gave back several numbers: which one of them is the threshold?"
    best = np.sort(probabilities[labels == 1])[4]  # 36 of 40 coughs lie at or above it
    found = float(found)
    recall = float((probabilities[labels == 1] >= found).mean())
    if not 0 <= found <= 1:
        return f"{found:g} is no probability: between which numbers do they lie?"
    if recall < 0.9:
        half = " One half is a habit." if found == 0.5 else ""
        return f"At {found:.3f} only {recall:.0%} of the coughs are found.{half} Up or down?"
    below = probabilities[probabilities < best]
    above = probabilities[probabilities > best]
    # Any number between the neighbours of the best one divides the clips in the same way.
    if (below.max() if below.size else 0) < found <= (above.min() if above.size else 1):
        return None
    quiet = np.quantile(probabilities, 0.1)
    if abs(found - quiet) < 0.02:
        return "You looked at all clips: of which class is the recall that matters here?"
    return (
        f"At {found:.3f} you find {recall:.0%} of the coughs and raise more false alarms than you "
        "need: how high can the threshold go?"
    )


SOURCES = ("clinic", "office", "street", "telephone")


def _four_sources():
    """Features, labels, sources: the telephone gives its labels away by its channel alone.

    Without their channels the clinic is easy, the street is hard, and the telephone hopeless: so
    every way to divide the clips has accuracies of its own.
    """
    rng = np.random.default_rng(5)
    y = np.tile([0, 1], 400)
    source = np.repeat(np.arange(4), 200)
    sign = 2 * y - 1
    x = rng.normal(0, 1, (800, 6))
    x[:, 0] += np.array([3, 2, 1.2, 0])[source] * sign
    x[np.arange(800), 1 + source] += np.array([0, 0.5, 1, 4])[source] * sign
    order = rng.permutation(800)
    return x[order].astype("float32"), y[order], np.array(SOURCES)[source[order]]


def _accuracies(x, y, source, train, test):
    """By source: accuracy of a head on the rows of test(source), trained on train(source)."""
    found = {}
    for name in SOURCES:
        rows, others = train(source == name), test(source == name)
        head = transfer.fit_head(transfer.Part(x[rows], y[rows]))
        found[name] = transfer.accuracy(head, transfer.Part(x[others], y[others]))
    return found


@exercise(
    "audio.sources",
    "Each source was judged by a head that never met it: this is how a channel is found out.",
    minutes=15,
    level="medium",
    hints=(
        "For each source there are two groups of clips: those that come from it, and all others. "
        "Which of the two trains the head?",
        "`source == name` is a True or False for each clip, and `~(source == name)` the opposite. "
        "Both choose rows of features and labels.",
        "In a loop over `np.unique(sources)`: fit a head on `transfer.Part(x[others], "
        "y[others])`, ask `transfer.accuracy` about the rest, and keep it under the name.",
    ),
)
def sources(answer):
    if not callable(answer):
        return "Is it a function? Write `def by_source(x, y, sources)` first."
    x, y, source = _four_sources()
    found = answer(x.copy(), y.copy(), source.copy())
    if found is None:
        return "Your function gave back nothing: does it end in `return`?"
    if np.ndim(found) == 0 and not isinstance(found, dict):
        return "One number hides which source fails: can you keep one for each source?"
    if not isinstance(found, dict) or not set(map(str, found)) <= set(SOURCES):
        return "Is it a dictionary from the name of each source to its accuracy?"
    if missing := sorted(set(SOURCES) - set(map(str, found))):
        return f"There is nothing for {missing[0]}: does the loop go through all sources?"
    found = {str(name): float(share) for name, share in found.items()}
    if max(found.values()) > 1:
        return "An accuracy is a share from 0 to 1: did you give percent, or counts?"

    def near(train, test):
        known = _accuracies(x, y, source, train, test)
        return max(abs(known[name] - found[name]) for name in SOURCES) < 0.08

    if near(lambda its: ~its, lambda its: its):
        return None
    if near(lambda its: its, lambda its: ~its):
        return "You trained on one source and tested on all others: which of them is held out?"
    if near(lambda its: ~its, lambda its: ~its):
        return "That is the accuracy on the clips of training: what did the held-out ones say?"
    if found["telephone"] > 0.8:
        return (
            f"Even the telephone looks easy ({found['telephone']:.0%}): had the head met other "
            "clips of the same source, and learned what its microphone sounds like?"
        )
    return "The accuracies are others: is it all clips of one source, and only these, that judge?"


def _clips_for_an_alarm():
    """Features of training, validation and new clips, too few and too wide to learn by heart."""
    rng = np.random.default_rng(11)
    direction = rng.normal(0, 1, 32)
    direction /= np.linalg.norm(direction)

    def part(count):
        y = rng.permutation(np.repeat([0, 1], count))
        x = rng.normal(0, 1, (2 * count, 32)) + np.outer(2 * y - 1, 1.2 * direction)
        return transfer.Part(x.astype("float32"), y)

    return part(40), part(100), part(1000)


def _choose(belief, labels):
    coughs = np.sort(belief[labels == 1])
    return coughs[int(0.1 * len(coughs))]


@exercise(
    "audio.alarm",
    "Trained on one set, its threshold chosen on a second, judged on a third: a real alarm.",
    minutes=20,
    level="hard",
    hints=(
        "Three sets, three jobs: the training clips fit the head, the validation clips choose the "
        "threshold, and the clips that come later only get an answer.",
        "Begin with `head = transfer.fit_head(train)`. `transfer.predict(head, validation.x)` "
        "has a column for each class, and column 1 is the belief in a cough.",
        "The threshold is what your function of exercise 5 gives for the validation clips at a "
        "recall of 0.9. Inside `build` define a function of x that compares the belief of new "
        "clips with it, and return that function.",
    ),
)
def alarm(answer):
    if not callable(answer):
        return "Is it a function? Write `def build(train, validation)` first."
    train, validation, later = _clips_for_an_alarm()
    rings = answer(*(transfer.Part(part.x.copy(), part.y.copy()) for part in (train, validation)))
    if isinstance(rings, tuple):
        return "It gave back several things: can you put them into one function of new features?"
    if not callable(rings):
        return "`build` should give back a function: did you define one inside it and return it?"
    raw = np.asarray(rings(validation.x))
    if raw.shape != validation.y.shape:
        return f"200 clips gave an answer of shape {raw.shape}: is it one True or False a clip?"
    if not np.isin(raw, (0, 1)).all():
        return "These are beliefs, not alarms: with what do you compare them?"
    heard = raw.astype(bool)
    alone = [bool(np.ravel(rings(validation.x[i : i + 1]))[0]) for i in range(10)]
    if alone != heard[:10].tolist():
        return (
            "The same clip gets another answer when it comes alone: is the threshold "
            "fixed before new clips arrive?"
        )
    coughs, others = heard[validation.y == 1].mean(), heard[validation.y == 0].mean()
    if others == coughs == 1:
        return "It rings at every clip: what is an alarm worth that always rings?"
    if not heard.any():
        return "It never rings: on which side of the threshold is a cough?"
    if coughs < others:
        return "It rings at the other sounds rather than at coughs: which column belongs to 1?"
    head = transfer.fit_head(train)
    belief = transfer.predict(head, validation.x)[:, 1]

    def like(threshold):
        return ((belief >= threshold) == heard).mean() > 0.985

    if coughs < 0.9:
        if like(_choose(transfer.predict(head, train.x)[:, 1], train.y)):
            return (
                f"It finds {coughs:.0%} of the coughs of validation: was the threshold chosen on "
                "clips that the head had learned from?"
            )
        if like(0.5):
            return f"It finds {coughs:.0%} of the coughs of validation: who chose one half?"
        return f"It finds {coughs:.0%} of the coughs of validation: at which threshold is it 90 %?"
    new = np.asarray(rings(later.x)).astype(bool)
    # Validation may move the threshold, and then one alarm rings wherever the other one does.
    turned = answer(train, transfer.Part(validation.x, 1 - validation.y))
    after = np.asarray(turned(later.x)).astype(bool)
    if min((new & ~after).mean(), (after & ~new).mean()) > 0.15:
        return (
            "With other labels of validation it orders new clips otherwise: has the head learned "
            "from the clips that were to choose the threshold?"
        )
    found, vain = new[later.y == 1].mean(), new[later.y == 0].mean()
    line = _choose(belief, validation.y)
    if vain > (transfer.predict(head, later.x)[later.y == 0, 1] >= line).mean() + 0.2:
        return (
            f"It finds {found:.0%} of new coughs, and rings in vain at {vain:.0%} of the other "
            "sounds: how high can the threshold go?"
        )
    return None


# --- questions ------------------------------------------------------------------------------

question(
    "audio.picture",
    "Why can the same kind of network work on pictures and on sounds?",
    "b",
    a=(
        "Because a sound is a row of numbers, as a picture is.",
        "A text is one, too. What matters is what stands next to what.",
    ),
    b=(
        "Because a spectrogram is a picture: time runs across, pitch runs up, and shapes mean "
        "something.",
        "Neighbours in time and in pitch belong together, and that is what a convolution uses.",
    ),
    c=(
        "Because it was trained on photographs first.",
        "YAMNet was not: it learned from the sound tracks of videos.",
    ),
)
question(
    "audio.leak",
    "One recording is cut into ten windows, and windows are split at random. What happens?",
    "c",
    a=(
        "Nothing, as no window is on both sides.",
        "But its neighbours are: the same voice, room and microphone.",
    ),
    b=("The test becomes harder.", "It becomes easier: the network has met this recording."),
    c=(
        "The test score is too good, because voice, room and microphone are known from training.",
        "You have measured it. Divide the recordings, never their windows.",
    ),
)
question(
    "audio.recall",
    "A cough alarm misses one cough in three. Its accuracy is 90 %. What do you do first?",
    "a",
    a=(
        "Lower the threshold until the validation set says that few coughs are missed.",
        "Accuracy hid the misses. The price is more false alarms, and the curve tells how many.",
    ),
    b=(
        "Nothing: 90 % is good.",
        "Where coughs are rare, an alarm that never rings has a good accuracy, too.",
    ),
    c=(
        "Lower the threshold until the test set says that few coughs are missed.",
        "Then the test set has chosen, and can no longer judge. Which other set is there?",
    ),
)
question(
    "audio.channel",
    "Nearly all coughs of a collection come from one telephone. How do you learn what it costs?",
    "b",
    a=(
        "Split by recording: then the test is fair.",
        "The telephone is on both sides of that split, and tells coughs from others in each.",
    ),
    b=(
        "Hold back a source: train without it, and test on it, and the other way round.",
        "What is then lost was the channel. Exercise 6 does it for every source in turn.",
    ),
    c=(
        "Train a larger network, until it hears coughs rather than telephones.",
        "It has no reason to: the telephone is a shorter way to the same training score.",
    ),
)
