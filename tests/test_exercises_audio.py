"""The checks of the audio chapter, fed with right answers and with classic wrong ones."""

import numpy as np
import pytest

from helpers import exercises


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
]


def test_every_exercise_has_two_right_and_three_wrong_answers():
    known, _ = exercises.names("audio")
    assert len(known) >= 5
    for name in known:
        assert sum(right == name for right, _ in RIGHT) >= 2
        assert sum(wrong == name for wrong, *_ in WRONG) >= 3


@pytest.mark.parametrize("name", sorted({name for name, _ in RIGHT}))
def test_an_untouched_stub_is_not_started(name):
    assert exercises.judge(name, ...).state == "not started"


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers_pass(name, answer):
    verdict = exercises.judge(name, answer)
    assert verdict.state == "correct", verdict.message


@pytest.mark.parametrize(("name", "answer", "message"), WRONG)
def test_wrong_answers_are_told_what_is_wrong(name, answer, message):
    verdict = exercises.judge(name, answer)
    assert verdict.state == "not yet" and message in verdict.message, verdict.message


@pytest.mark.parametrize("name", exercises.names("audio")[1])
def test_every_option_of_the_quiz_is_explained(name, capsys):
    for letter in "abc":
        exercises.quiz(name, letter)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and sum(line.startswith("Right.") for line in lines) == 1
