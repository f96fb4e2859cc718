"""Exercises and questions of the audio chapter."""

import numpy as np

from helpers.exercises import exercise, question

# --- exercises ------------------------------------------------------------------------------


@exercise("audio.count", "2.5 s are 40,000 numbers, and 248 windows of 25 ms fit, one each 10 ms.")
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


@exercise("audio.mono", "One channel, decimal numbers, and the loudest sample stays below 1.")
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
    "audio.mask", "A strip of bands is hidden at all times, and the clip that came in is whole."
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


@exercise("audio.split", "Every recording is on one side only.")
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


@exercise("audio.threshold", "As high as it may be, and no more than one cough in ten is missed.")
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
