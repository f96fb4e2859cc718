"""The checks of the audio chapter, fed with right answers and with classic wrong ones."""


import numpy as np
import pytest
from exercise_cases import shortcomings
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from course import exercises
from helpers import transfer
from helpers.transfer import Part


def to_mono(samples, *, scale=32_768, axis=1):
    return samples.astype("float32").mean(axis=axis) / scale


def hide(log_mel, *, copy=True, bands=slice(20, 28), frames=slice(None), fill=None):
    made = log_mel.copy() if copy else log_mel
    made[frames, bands] = log_mel.mean() if fill is None else fill
    return made


def hide_every_other(log_mel):
    made = log_mel.copy()
    made[:, 0:16:2] = made.mean()
    return made


def by_recording(recordings, share=0.2):
    names = sorted(set(recordings))
    chosen = np.random.default_rng(1).permutation(names)[: int(share * len(names))]
    return np.isin(recordings, chosen)


def by_position(recordings):
    names = sorted(set(recordings))[:4]
    return np.array([name in names for name in recordings])


def by_clip(recordings):
    return np.random.default_rng(1).random(len(recordings)) < 0.2


def choose(probabilities, labels, recall):
    coughs = np.sort(probabilities[labels == 1])
    return coughs[int((1 - recall) * len(coughs) + 1e-9)]


def choose_by_trying(probabilities, labels, recall):
    for threshold in np.sort(probabilities)[::-1]:
        if (probabilities[labels == 1] >= threshold).mean() >= recall:
            return threshold


def overflowing(samples):
    return ((samples[:, 0] + samples[:, 1]) / 2).astype("float32") / 32_768


def held_out(x, y, sources):
    found = {}
    for name in np.unique(sources):
        its = sources == name
        head = transfer.fit_head(Part(x[~its], y[~its]))
        found[name] = transfer.accuracy(head, Part(x[its], y[its]))
    return found


def held_out_by_sklearn(x, y, sources):
    return {
        str(name): LogisticRegression()
        .fit(x[sources != name], y[sources != name])
        .score(x[sources == name], y[sources == name])
        for name in set(sources)
    }


def judged_by(train, test):
    """A function for audio.sources: from the rows of a source to those that train and that test."""

    def by_source(x, y, sources):
        found = {}
        for name in np.unique(sources):
            its = sources == name
            head = transfer.fit_head(Part(x[train(its)], y[train(its)]))
            found[name] = transfer.accuracy(head, Part(x[test(its)], y[test(its)]))
        return found

    return by_source


def half_of_each(x, y, sources):
    found = {}
    test = np.arange(len(y)) % 2 == 0
    head = transfer.fit_head(Part(x[~test], y[~test]))
    for name in np.unique(sources):
        its = test & (sources == name)
        found[name] = transfer.accuracy(head, Part(x[its], y[its]))
    return found


def build(train, validation, *, fit=None, chooser=None, column=1, share=0.9, line=None):
    """An alarm; what is given turns it into one of the classic wrong ones."""
    head = transfer.fit_head(fit(train, validation) if fit else train)
    by = chooser(train, validation) if chooser else validation
    belief = transfer.predict(head, by.x)[:, column]
    threshold = choose(belief, by.y, share) if line is None else line

    def rings(x):
        return transfer.predict(head, x)[:, column] >= threshold

    return rings


def build_with_sklearn(train, validation):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    model.fit(train.x, train.y)
    threshold = choose_by_trying(model.predict_proba(validation.x)[:, 1], validation.y, 0.9)
    return lambda x: (model.predict_proba(x)[:, 1] >= threshold).astype(int)


def both(train, validation):
    return Part(np.concatenate([train.x, validation.x]), np.concatenate([train.y, validation.y]))


def build_anew(train, validation):
    head = transfer.fit_head(train)

    def rings(x):
        belief = transfer.predict(head, x)[:, 1]
        return belief >= np.quantile(belief, 0.4)

    return rings


def wrong_alarm(**settings):
    return lambda train, validation: build(train, validation, **settings)


RIGHT = [
    ("audio.count", (40_000, 248)),
    ("audio.count", [2.5 * 16_000, 1 + (40_000 - 400) // 160]),
    ("audio.mono", to_mono),
    ("audio.mono", lambda samples: (samples / 32_767).mean(1)),
    ("audio.mask", hide),
    ("audio.mask", lambda log_mel: hide(log_mel, fill=np.log(0.001))),
    ("audio.split", by_recording),
    ("audio.split", by_position),
    ("audio.threshold", choose),
    ("audio.threshold", choose_by_trying),
    ("audio.sources", held_out),
    ("audio.sources", held_out_by_sklearn),
    ("audio.alarm", build),
    ("audio.alarm", build_with_sklearn),
]
WRONG = [
    ("audio.count", 40_000, "Is it a pair"),
    ("audio.count", (248, 40_000), "in the other order"),
    ("audio.count", (20_000, 248), "at which rate"),
    ("audio.count", (16_000, 248), "how many seconds"),
    ("audio.count", (40_000, 250), "still whole"),
    ("audio.count", (40_000, 100), "move on"),
    ("audio.count", (40_000, 247), "steps of 160"),
    ("audio.mono", 3, "Is it a function"),
    ("audio.mono", lambda samples: None, "no array"),
    ("audio.mono", lambda samples: samples / 32_768, "still two channels"),
    ("audio.mono", lambda samples: to_mono(samples, axis=0), "over which axis"),
    ("audio.mono", lambda samples: samples.mean(axis=1).astype("int16"), "still integers"),
    ("audio.mono", lambda samples: to_mono(samples, scale=1), "by what do you divide"),
    ("audio.mono", lambda samples: to_mono(samples, scale=16_384), "twice too loud"),
    ("audio.mono", lambda samples: to_mono(samples, scale=255), "by what do you divide"),
    (
        "audio.mono",
        lambda samples: to_mono(samples) / np.abs(to_mono(samples)).max(),
        "a whisper and a shout now",
    ),
    ("audio.mono", lambda samples: samples[:, 0] / 32_768, "one of the channels"),
    ("audio.mono", overflowing, "overflow"),
    ("audio.mono", lambda samples: to_mono(samples, scale=65_536), "largest of int16"),
    ("audio.mask", 8, "Is it a function"),
    ("audio.mask", lambda log_mel: None, "gave back nothing"),
    ("audio.mask", lambda log_mel: hide(log_mel, copy=False), "has changed"),
    ("audio.mask", lambda log_mel: log_mel[:, 8:], "cut anything off"),
    ("audio.mask", lambda log_mel: log_mel.copy(), "Nothing is hidden"),
    ("audio.mask", lambda log_mel: log_mel + 1, "All of it changed"),
    (
        "audio.mask",
        lambda log_mel: hide(log_mel, bands=slice(None), frames=slice(20, 28)),
        "hid moments",
    ),
    ("audio.mask", lambda log_mel: hide(log_mel, frames=slice(0, 48)), "at some moments only"),
    ("audio.mask", lambda log_mel: hide(log_mel, bands=slice(20, 30)), "10 of 64 bands"),
    ("audio.mask", hide_every_other, "not neighbours"),
    ("audio.mask", lambda log_mel: hide(log_mel, fill=0), "where -6.9 is silence"),
    ("audio.split", [True], "Is it a function"),
    ("audio.split", lambda recordings: None, "gave back nothing"),
    ("audio.split", lambda recordings: sorted(set(recordings))[:4], "a True or False"),
    ("audio.split", lambda recordings: np.zeros(len(recordings), bool), "Nothing is left"),
    ("audio.split", lambda recordings: np.ones(len(recordings), bool), "Everything"),
    ("audio.split", by_clip, "on both sides"),
    ("audio.split", lambda recordings: by_recording(recordings, 0.5), "about a fifth"),
    ("audio.threshold", 0.5, "Is it a function"),
    ("audio.threshold", lambda p, y, r: None, "gave back nothing"),
    ("audio.threshold", lambda p, y, r: np.sort(p), "several numbers"),
    ("audio.threshold", lambda p, y, r: 90.0, "no probability"),
    ("audio.threshold", lambda p, y, r: 0.5, "One half is a habit"),
    ("audio.threshold", lambda p, y, r: np.quantile(p[y == 1], 0.9), "Up or down?"),
    ("audio.threshold", lambda p, y, r: np.quantile(p, 1 - r), "You looked at all clips"),
    ("audio.threshold", lambda p, y, r: p[y == 1].min(), "more false alarms"),
    ("audio.sources", {"clinic": 0.9}, "Is it a function"),
    ("audio.sources", lambda x, y, s: None, "gave back nothing"),
    ("audio.sources", lambda x, y, s: np.mean(list(held_out(x, y, s).values())), "One number"),
    ("audio.sources", lambda x, y, s: list(held_out(x, y, s).values()), "a dictionary"),
    ("audio.sources", lambda x, y, s: {0: 0.9, 1: 0.9}, "a dictionary"),
    ("audio.sources", lambda x, y, s: {"clinic": 0.99}, "nothing for office"),
    (
        "audio.sources",
        lambda x, y, s: {name: 100 * share for name, share in held_out(x, y, s).items()},
        "percent, or counts",
    ),
    ("audio.sources", judged_by(lambda its: its, lambda its: ~its), "which of them is held out"),
    ("audio.sources", judged_by(lambda its: ~its, lambda its: ~its), "clips of training"),
    ("audio.sources", judged_by(np.ones_like, lambda its: its), "Even the telephone looks easy"),
    ("audio.sources", half_of_each, "Even the telephone looks easy"),
    ("audio.sources", lambda x, y, s: dict.fromkeys(np.unique(s), 0.5), "accuracies are others"),
    ("audio.alarm", 0.5, "Is it a function"),
    ("audio.alarm", lambda train, validation: None, "should give back a function"),
    ("audio.alarm", lambda t, v: (transfer.fit_head(t), 0.4), "several things"),
    ("audio.alarm", lambda t, v: transfer.fit_head(t), "an answer of shape (200, 2)"),
    (
        "audio.alarm",
        lambda t, v: lambda x: transfer.predict(transfer.fit_head(t), x)[:, 1],
        "beliefs, not alarms",
    ),
    ("audio.alarm", build_anew, "when it comes alone"),
    ("audio.alarm", wrong_alarm(line=0), "rings at every clip"),
    ("audio.alarm", wrong_alarm(line=1.1), "never rings"),
    ("audio.alarm", wrong_alarm(column=0, line=0.5), "which column belongs to 1"),
    ("audio.alarm", wrong_alarm(line=0.5), "who chose one half"),
    ("audio.alarm", wrong_alarm(chooser=lambda t, v: t), "that the head had learned from"),
    ("audio.alarm", wrong_alarm(share=0.5), "at which threshold is it"),
    ("audio.alarm", wrong_alarm(fit=both), "were to choose the threshold"),
    ("audio.alarm", wrong_alarm(share=0.995), "how high can the threshold go"),
]


@pytest.mark.parametrize("name", exercises.names("audio")[0])
def test_every_exercise_has_its_examples_and_hints(name):
    right = [answer for known, answer in RIGHT if known == name]
    wrong = [(answer, words) for known, answer, words in WRONG if known == name]
    assert shortcomings(name, right, wrong) == []


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers_pass(name, answer):
    verdict = exercises.judge(name, answer)
    assert verdict.state == "correct", verdict.message


@pytest.mark.parametrize(("name", "answer", "message"), WRONG)
def test_wrong_answers_are_told_what_is_wrong(name, answer, message):
    verdict = exercises.judge(name, answer)
    assert verdict.state == "not yet" and message in verdict.message, verdict.message
