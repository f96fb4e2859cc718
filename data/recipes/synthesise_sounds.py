"""Synthesise the bundled coughs and other sounds.

What: 408 clips of 2.4 s, 16 kHz, mono, Ogg Vorbis, laid out as ESC-50 is (Piczak, 2015):
`audio/FOLD-SRC-TAKE-TARGET.ogg` and `meta/esc50.csv`. Half of them are coughs (class 24), the
others twelve kinds: throat clearing, sneezes, speech, laughter, breath, barks, claps, knocks,
keys, a saw, an engine, rain.
From what: nothing but this file. Whatever has a throat is a source (noise, glottal pulses)
through a filter (a cascade of formants; Fant, 1960). A cough is an explosive burst, a noisy
phase and, now and then, a voiced end (Korpáš et al., 1996). Knocks and claps are damped
resonances, an engine is a train of ignitions.

One recording (`src_file`) is one synthetic speaker in one synthetic room before one microphone:
three coughs and three other sounds. No speaker, no room and no microphone occurs in two folds.
Rhythm, level, background, overlapping sounds and distance are drawn from the same distributions
for all kinds, by code that does not know the class, so that loudness, silence and the mean
spectrum tell little.

How long: about 40 s. The same seed gives the same files with the same NumPy, SciPy and libsndfile;
`--check` compares.

Measured (`python tests/measure_audio.py sample`; test fold, 40 draws of 10 clips a class, 5 of the
CNN's):
- logistic regression on the mean and deviation of the log-mel: 61.2 % (spread 4.8);
- a small plain CNN from scratch: 59.5 % (spread 4.9; the chapter's, with batch normalisation and
  augmentation, 71.0 % in its five draws);
- embedding of the real YAMNet, patches of unit length: 74.9 % (spread 5.3), with 20 clips a class
  79.6 %.
"""

import argparse
import io
import math
import struct
import sys
from pathlib import Path

import numba
import numpy as np
import soundfile
from scipy.signal import butter, fftconvolve, sosfilt
from tqdm import tqdm

RATE = 16_000
SECONDS = 2.415  # four of YAMNet's patches, without a rest
LENGTH = round(RATE * SECONDS)
RECORDINGS = {1: 12, 2: 12, 3: 12, 4: 12, 5: 20}  # in each fold
TAKES = 3  # of coughs and of other sounds, in each recording
TARGET = Path(__file__).resolve().parents[1] / "sample" / "sounds"
COMPRESSION = 1.0  # 0 to 1; libsndfile's scale for Vorbis

# ESC-50's own numbers; those from 50 on are kinds that it does not have.
CLASSES = {
    "coughing": 24,
    "throat_clearing": 50,
    "sneezing": 21,
    "speech": 51,
    "laughing": 26,
    "breathing": 23,
    "dog": 0,
    "clapping": 22,
    "door_wood_knock": 30,
    "keyboard_typing": 32,
    "hand_saw": 49,
    "engine": 44,
    "rain": 10,
}
OTHERS = [name for name in CLASSES if name != "coughing"]


# ---------------------------------------------------------------------------------------------
# Small tools. Times are in seconds, frequencies in hertz, levels in decibels.


def samples(seconds):
    return max(int(round(seconds * RATE)), 8)


def gain(decibels):
    return 10 ** (decibels / 20)


def curve(length, points):
    """A line through (share of the length, value) points."""
    shares, values = zip(*points, strict=True)
    return np.interp(np.linspace(0, 1, length), shares, values)


def envelope(length, points):
    """A level curve through (share, decibels) points, as a factor, with soft ends."""
    level = gain(curve(length, points))
    edge = min(24, length // 4)
    ramp = np.hanning(2 * edge)
    level[:edge] *= ramp[:edge]
    level[-edge:] *= ramp[-edge:]
    return level


def wobble(rng, length, frequency, depth):
    """A slow random curve around 1: what a living source does to level and pitch."""
    knots = max(int(length / RATE * frequency) + 4, 4)
    values = np.cumsum(rng.normal(0, 1, knots) * 0.5) * 0.3 + rng.normal(0, 1, knots)
    values -= values.mean()
    return np.exp(depth * np.interp(np.linspace(0, knots - 1, length), np.arange(knots), values))


def band(x, low, high, order=2):
    """Band-pass; None leaves a side open."""
    if low:
        x = sosfilt(butter(order, low, "highpass", fs=RATE, output="sos"), x)
    if high and high < RATE / 2:
        x = sosfilt(butter(order, high, "lowpass", fs=RATE, output="sos"), x)
    return x


def coloured(rng, length, slope):
    """Noise whose spectrum falls by `slope` decibels an octave."""
    spectrum = np.fft.rfft(rng.normal(0, 1, length))
    frequency = np.fft.rfftfreq(length, 1 / RATE)
    frequency[0] = frequency[1]
    noise = np.fft.irfft(spectrum * (frequency / 500) ** (-slope / 6.02), length)
    return noise / (noise.std() + 1e-12)


def unit(x):
    """Scaled to a level of 1 where it is loud (so silence around a sound counts for nothing)."""
    power = np.convolve(np.square(x), np.ones(800) / 800, mode="same")
    return x / (math.sqrt(power.max()) + 1e-9)


def place(length, pieces):
    """Sum of (onset in seconds, sound) in `length` samples; what stands out is cut."""
    out = np.zeros(length)
    for onset, sound in pieces:
        start = int(onset * RATE)
        if start < length:
            sound = sound[: length - start]
            out[start : start + len(sound)] += sound
    return out


# ---------------------------------------------------------------------------------------------
# A throat: formants in cascade, driven by noise and by glottal pulses.

VOWELS = {  # adult male formants (Peterson and Barney, 1952), rounded
    "a": (730, 1090, 2440),
    "e": (530, 1840, 2480),
    "i": (270, 2290, 3010),
    "o": (570, 840, 2410),
    "u": (300, 870, 2240),
    "uh": (640, 1190, 2390),
    "er": (490, 1350, 1690),
    "m": (250, 1000, 2200),
}


class Speaker:
    """A body: length of the vocal tract, pitch, breathiness, habits of coughing."""

    def __init__(self, rng):
        size = rng.choice([0.0, 0.5, 1.0], p=[0.4, 0.4, 0.2])  # man, woman, child
        self.stretch = np.clip(rng.normal(1 + 0.17 * size, 0.05), 0.88, 1.45)
        self.pitch = np.clip(105 * 2 ** (0.95 * size + rng.normal(0, 0.2)), 75, 380)
        self.breath = rng.uniform(0.05, 0.6)
        self.roughness = rng.uniform(0.0, 0.06)
        self.tilt = rng.uniform(-3, 3)  # of noise, decibels an octave
        self.wet = rng.uniform(0, 1)  # rattle in the cough
        self.voiced_end = rng.uniform(0.1, 0.9)  # how often a cough has one
        self.pace = rng.uniform(0.75, 1.3)

    def formants(self, vowel, rng=None):
        first = np.array(VOWELS[vowel], float)
        if rng is not None:
            first = first * np.exp(rng.normal(0, 0.06, 3))
        higher = np.array([3400, 4400, 5400, 6500])
        return np.concatenate([first, higher]) * self.stretch


def tract(source, path, widen=1.0):
    """Source through a moving cascade of resonances; `path` holds (share, formants)."""
    track = np.stack(
        [curve(len(source), [(s, f[k]) for s, f in path]) for k in range(len(path[0][1]))]
    )
    width = widen * (50 + 0.045 * track)
    # A short tract has fewer resonances below 8 kHz: those that leave the band do nothing.
    radius = np.exp(-np.pi * width / RATE) * np.clip((7200 - track) / 200, 0, 1)
    sound = source.astype(float)
    for a1, a2 in zip(-2 * radius * np.cos(2 * np.pi * track / RATE), radius**2, strict=True):
        sound = resonate(sound, a1, a2)
    return np.diff(sound, prepend=0)  # radiation from the mouth


@numba.njit(cache=False)
def resonate(x, a1, a2):
    """One resonance that may change from sample to sample; gain 1 at 0 Hz."""
    y = np.zeros(len(x))
    for i in range(len(x)):
        y[i] = (1 + a1[i] + a2[i]) * x[i]
        if i > 0:
            y[i] -= a1[i] * y[i - 1]
        if i > 1:
            y[i] -= a2[i] * y[i - 2]
    return y


def pulses(rng, pitch, roughness):
    """Glottal flow of a pitch curve, after Rosenberg (1971), with jitter and shimmer."""
    length = len(pitch)
    jitter = np.exp(rng.normal(0, 1, length // 40 + 2) * roughness)
    pitch = pitch * np.interp(np.arange(length), np.arange(len(jitter)) * 40, jitter)
    phase = np.cumsum(pitch / RATE)
    cycle, phase = np.floor(phase).astype(int), phase % 1
    flow = np.where(
        phase < 0.4,
        0.5 * (1 - np.cos(np.pi * phase / 0.4)),
        np.where(phase < 0.56, np.cos(np.pi / 2 * (phase - 0.4) / 0.16), 0),
    )
    shimmer = np.exp(rng.normal(0, 4 * roughness, cycle[-1] + 1))
    return flow * shimmer[cycle]


def air(rng, length, tilt=0.0):
    return coloured(rng, length, 7 + tilt)  # radiation adds 6 decibels an octave


def voice(rng, speaker, seconds, pitch, path, level, breath=None, roughness=None):
    """A voiced sound: pulses with breath between them, through the tract."""
    length = samples(seconds)
    breath = speaker.breath if breath is None else breath
    roughness = speaker.roughness if roughness is None else roughness
    f0 = speaker.pitch * curve(length, pitch) * wobble(rng, length, 6, 0.02)
    flow = pulses(rng, f0, roughness + 0.01)
    source = flow + breath * 0.25 * air(rng, length) * (0.3 + flow)
    sound = tract(source, path)
    return sound / (sound.std() + 1e-9) * envelope(length, level)


def hiss(rng, speaker, seconds, path, level, widen=2.0, tilt=0.0, teeth=0.25):
    """Noise through the tract: breath, burst, rush of air."""
    length = samples(seconds)
    source = air(rng, length, speaker.tilt + tilt)
    sound = tract(source, path, widen)
    sound = sound / (sound.std() + 1e-9)
    # Turbulence at the lips and teeth passes no resonance.
    sound += teeth * band(coloured(rng, length, 0), 1800, None) * rng.uniform(0.4, 1.6)
    return sound * envelope(length, level)


# ---------------------------------------------------------------------------------------------
# One sound of each kind. Every function returns a list of (onset, sound).


def rhythm(rng, pace=1.0):
    """Onsets of a bout: the same distribution for all kinds that come in bouts."""
    count = rng.choice(np.arange(1, 5), p=[0, 0.1, 0.45, 0.45])
    gaps = pace * rng.uniform(0.28, 0.5) * np.exp(rng.normal(0, 0.15, count))
    if count > 2 and rng.random() < 0.4:  # breath between two bouts
        gaps[rng.integers(1, count)] += rng.uniform(0.2, 0.6)
    return np.cumsum(gaps) - gaps[0]


def one_cough(rng, speaker, first):
    open_, closed = speaker.formants("a", rng), speaker.formants("uh", rng)
    narrow = speaker.formants("er", rng)
    burst_time = rng.uniform(0.03, 0.07)
    rush_time = rng.uniform(0.07, 0.18) * (1.15 if first else 0.9)
    strong = rng.uniform(-1, 3) if first else rng.uniform(-5, 1)
    whole = burst_time + rush_time
    # The glottis bursts open: everything at once, then air that thins out.
    turn = burst_time / whole
    held = rng.uniform(-15, -6)
    level = [
        (0, -14),
        (0.02, 2),
        (0.5 * turn, 4),
        (turn, held),
        (0.75, held - rng.uniform(1, 5)),
        (1, held - rng.uniform(10, 18)),
    ]
    path = [(0, closed), (turn, open_), (0.5 + 0.5 * turn, closed), (1, narrow)]
    sound = hiss(
        rng,
        speaker,
        whole,
        path,
        level,
        widen=rng.uniform(0.4, 0.7),
        tilt=rng.uniform(-8, -3.5),
        teeth=rng.uniform(0, 0.05),
    )
    sound = band(sound, None, rng.uniform(5000, 7900), order=1)
    # Rough: mucus and the folds' edges flutter.
    flutter = pulses(rng, np.full(len(sound), rng.uniform(30, 110)), 0.25)
    depth = 0.3 * speaker.wet
    sound *= 1 - 0.5 * depth + 1.3 * depth * flutter
    chest = band(rng.normal(0, 1, len(sound)), 120, rng.uniform(350, 600))
    sound += unit(chest) * rng.uniform(0.5, 1.4) * envelope(len(sound), level)
    pieces = [(0, sound * gain(strong))]
    # Vocal folds may join early (barking cough) or only at the end.
    if rng.random() < speaker.voiced_end:
        start = whole * rng.uniform(0.3, 0.8)
        height = rng.uniform(1.1, 2.2)
        tail = voice(
            rng,
            speaker,
            rng.uniform(0.07, 0.2),
            [(0, height), (1, height * rng.uniform(0.6, 1))],
            [(0, closed), (1, narrow)],
            [(0, -18), (0.3, -2), (0.7, -5), (1, -24)],
            breath=1.0,
            roughness=0.04 + speaker.roughness,
        )
        pieces.append((start, tail * gain(strong + rng.uniform(-20, -1))))
    return place(samples(whole + 0.25), pieces)


def inhalation(rng, speaker, seconds, level=-18):
    path = [(0, speaker.formants("er", rng)), (1, speaker.formants("e", rng))]
    return hiss(
        rng, speaker, seconds, path, [(0, level - 20), (0.7, level), (1, level - 15)], widen=1.5
    )


def coughing(rng, speaker):
    onsets = rhythm(rng, speaker.pace)
    pieces = []
    lead = 0.0
    if rng.random() < 0.35:
        lead = rng.uniform(0.25, 0.45)
        pieces.append((0, inhalation(rng, speaker, lead, rng.uniform(-24, -14))))
    for i, onset in enumerate(onsets):
        sound = one_cough(rng, speaker, i == 0) * gain(-rng.uniform(0, 3) * i)
        pieces.append((lead + onset, sound))
    return pieces


def throat_clearing(rng, speaker):
    pieces = []
    for onset in rhythm(rng, speaker.pace):
        time = rng.uniform(0.18, 0.4)
        dark, mouth = speaker.formants("m", rng), speaker.formants("er", rng)
        rough = voice(
            rng,
            speaker,
            time,
            [(0, 0.75), (0.4, rng.uniform(0.9, 1.3)), (1, 0.7)],
            [(0, dark), (0.35, mouth), (1, dark)],
            [(0, -16), (0.25, -2), (0.7, 0), (1, -24)],
            breath=0.9,
            roughness=0.12,
        )
        creak = pulses(rng, np.full(len(rough), rng.uniform(28, 65)), 0.12)
        rough *= 0.35 + 1.3 * creak
        rasp = hiss(
            rng,
            speaker,
            time,
            [(0, mouth * 0.9), (1, mouth)],
            [(0, -20), (0.3, -5), (0.7, -8), (1, -24)],
            widen=1.6,
            tilt=1.5,
        )
        rasp *= 0.4 + creak
        pieces.append((onset, rough + rasp * rng.uniform(0.3, 0.9)))
    return pieces


def sneezing(rng, speaker):
    pieces, now = [], 0.0
    for i in range(rng.integers(1, 4)):  # "ah - ah -"
        time = rng.uniform(0.2, 0.4)
        gasp = inhalation(rng, speaker, time, -16 + 3 * i)
        if rng.random() < 0.5:
            gasp += voice(
                rng,
                speaker,
                time,
                [(0, 1.1), (1, 1.6)],
                [(0, speaker.formants("a", rng)), (1, speaker.formants("a", rng))],
                [(0, -34), (0.8, -14), (1, -26)],
                breath=1.0,
            )[: len(gasp)]
        pieces.append((now, gasp))
        now += time + rng.uniform(0.02, 0.15)
    time = rng.uniform(0.25, 0.5)
    teeth, lips = speaker.formants("i", rng), speaker.formants("u", rng)
    length = samples(time)
    rush = hiss(rng, speaker, time, [(0, teeth), (1, lips)], [(0, 0), (1, 0)], tilt=-2)
    rush += rng.uniform(0.8, 2.0) * band(rng.normal(0, 1, length), rng.uniform(1800, 3200), 7200)
    rush *= envelope(length, [(0, -8), (0.08, 3), (0.35, -4), (1, -26)])
    pieces.append((now, rush))
    if rng.random() < 0.7:
        call = voice(
            rng,
            speaker,
            rng.uniform(0.12, 0.3),
            [(0, 1.9), (1, 1.1)],
            [(0, teeth), (0.4, lips), (1, lips)],
            [(0, -6), (0.5, -3), (1, -22)],
            breath=0.8,
        )
        pieces.append((now + rng.uniform(0.02, 0.12), call * gain(rng.uniform(-6, 2))))
    return pieces


def speech(rng, speaker):
    pieces, now = [], 0.0
    end = rng.uniform(0.5, 1.9)
    while now < end:
        consonant = rng.choice(["plosive", "fricative", "h", "none"], p=[0.4, 0.25, 0.15, 0.2])
        vowel = speaker.formants(rng.choice(list("aeiou")), rng)
        after = speaker.formants(rng.choice(list("aeiou")), rng)
        if consonant == "plosive":
            burst = hiss(
                rng,
                speaker,
                rng.uniform(0.015, 0.05),
                [(0, vowel), (1, vowel)],
                [(0, -2), (0.2, -3), (1, -16)],
                tilt=-1,
            )
            pieces.append((now, burst))
            now += rng.uniform(0.02, 0.05)
        elif consonant == "fricative":
            time = rng.uniform(0.06, 0.14)
            noise = band(rng.normal(0, 1, samples(time)), rng.uniform(1500, 4500), 7400)
            pieces.append(
                (now, unit(noise) * envelope(len(noise), [(0, -22), (0.5, -9), (1, -18)]))
            )
            now += time * 0.9
        elif consonant == "h":
            pieces.append(
                (now, hiss(rng, speaker, 0.07, [(0, vowel), (1, vowel)], [(0, -20), (1, -10)]))
            )
            now += 0.05
        time = rng.uniform(0.08, 0.24)
        rise = rng.uniform(0.8, 1.4)
        pieces.append(
            (
                now,
                voice(
                    rng,
                    speaker,
                    time,
                    [(0, rise), (1, rise * rng.uniform(0.8, 1.1))],
                    [(0, vowel), (0.6, vowel), (1, after)],
                    [(0, -10), (0.15, 0), (0.7, -2), (1, -18)],
                ),
            )
        )
        now += time + rng.choice([0.02, 0.05, 0.2], p=[0.5, 0.35, 0.15])
    return pieces


def laughing(rng, speaker):
    pieces = []
    beat = rng.uniform(0.17, 0.26)
    vowel = speaker.formants(rng.choice(["a", "e", "uh"]), rng)
    start = rng.uniform(1.3, 2.2)
    count = rng.integers(3, 8)
    for i in range(count):
        time = beat * rng.uniform(0.85, 1.1)
        breath = hiss(
            rng,
            speaker,
            time,
            [(0, vowel), (1, vowel)],
            [(0, -14), (0.2, -4), (0.5, -14), (1, -10)],
        )
        height = start * (1 - 0.06 * i)
        call = voice(
            rng,
            speaker,
            time * 0.65,
            [(0, height), (0.3, height * 1.1), (1, height * 0.85)],
            [(0, vowel), (1, vowel)],
            [(0, -14), (0.3, 0), (0.7, -3), (1, -22)],
            breath=0.6 + speaker.breath,
        )
        sound = place(
            len(breath) + len(call), [(0, breath * rng.uniform(0.5, 1.1)), (0.25 * time, call)]
        )
        pieces.append((i * beat, sound * gain(-1.2 * i)))
    return pieces


def breathing(rng, speaker):
    pieces, now = [], 0.0
    for i in range(rng.integers(1, 4)):
        time = rng.uniform(0.25, 0.6)
        if (i + rng.integers(2)) % 2:
            pieces.append((now, inhalation(rng, speaker, time, -3)))
        else:
            vowel = speaker.formants(rng.choice(["a", "o", "uh"]), rng)
            level = [(0, -14), (rng.uniform(0.1, 0.35), 0), (0.6, -6), (1, -24)]
            pieces.append((now, hiss(rng, speaker, time, [(0, vowel), (1, vowel)], level)))
        now += time + rng.uniform(0.03, 0.25)
    return pieces


def dog(rng, speaker):
    beast = Speaker(rng)
    beast.stretch = rng.uniform(0.75, 1.5)
    beast.pitch = 420 / beast.stretch**-1.2 * rng.uniform(0.75, 1.3)
    beast.roughness, beast.breath = rng.uniform(0.01, 0.05), rng.uniform(0.2, 0.8)
    mouth = beast.formants("er", rng), beast.formants("a", rng), beast.formants("o", rng)
    pieces = []
    for onset in rhythm(rng, rng.uniform(0.8, 1.3)):
        time = rng.uniform(0.12, 0.28)
        top = rng.uniform(1.3, 1.9)
        bark = voice(
            rng,
            beast,
            time,
            [(0, 0.8), (0.3, top), (1, 0.7)],
            [(0, mouth[0]), (0.35, mouth[1]), (1, mouth[2])],
            [(0, -12), (0.12, 2), (0.6, -2), (1, -26)],
        )
        puff = hiss(
            rng, beast, time, [(0, mouth[1]), (1, mouth[2])], [(0, -4), (0.2, -6), (1, -26)]
        )
        pieces.append((onset, bark + puff * rng.uniform(0.3, 0.9)))
    return pieces


def ring(rng, modes, decay, seconds):
    """Damped resonances struck once; `decay` in seconds."""
    time = np.arange(samples(seconds)) / RATE
    sound = np.zeros(len(time))
    for mode in modes:
        sound += (
            rng.uniform(0.3, 1)
            * np.exp(-time / (decay * rng.uniform(0.5, 1.3)))
            * np.sin(2 * np.pi * mode * time + rng.uniform(0, 6.3))
        )
    return sound


def clapping(rng, speaker):
    pieces = []
    centre = rng.uniform(700, 2200)
    for onset in rhythm(rng, rng.uniform(0.6, 1.1)):
        body = band(rng.normal(0, 1, samples(0.09)), centre * 0.6, centre * 2.2)
        body = unit(body) * np.exp(-np.arange(len(body)) / RATE / rng.uniform(0.006, 0.018))
        hands = 0.35 * rng.normal(0, 1, len(body))
        hands *= np.exp(-np.arange(len(body)) / RATE / 0.004)
        pieces.append((onset, body + hands))
        if rng.random() < 0.3:  # the other palm's edge
            pieces.append((onset + rng.uniform(0.004, 0.012), 0.6 * body))
    return pieces


def door_wood_knock(rng, speaker):
    pieces = []
    modes = rng.uniform(110, 260) * np.array([1, 1.7, 2.6, 3.9, 5.3, 7.1, 9.8])
    modes = modes * np.exp(rng.normal(0, 0.08, 7))
    for onset in rhythm(rng, rng.uniform(0.45, 0.9)):
        knock = ring(rng, modes, rng.uniform(0.012, 0.035), 0.2)
        click = rng.normal(0, 1, len(knock)) * np.exp(-np.arange(len(knock)) / RATE / 0.003)
        pieces.append((onset, knock + 0.7 * click))
    return pieces


def keyboard_typing(rng, speaker):
    pieces, now = [], 0.0
    tone = rng.uniform(1800, 4500)
    end = rng.uniform(0.6, 2.0)
    while now < end:
        for delay, strength in ((0, 1.0), (rng.uniform(0.06, 0.12), 0.45)):
            click = ring(rng, tone * rng.uniform(0.5, 1.7, 4), 0.004, 0.06)
            click += 0.8 * ring(rng, rng.uniform(150, 500, 2), 0.012, 0.06)
            snap = rng.normal(0, 1, len(click))
            click += snap * np.exp(-np.arange(len(click)) / RATE / 0.003)
            pieces.append((now + delay, strength * click * rng.uniform(0.5, 1)))
        now += rng.choice([0.11, 0.17, 0.3]) * rng.uniform(0.8, 1.4)
    return pieces


def hand_saw(rng, speaker):
    pieces, now = [], 0.0
    tone = rng.uniform(900, 2600)
    for i in range(rng.integers(2, 6)):
        time = rng.uniform(0.18, 0.36)
        length = samples(time)
        teeth = pulses(rng, np.full(length, rng.uniform(120, 240)), 0.2)
        noise = band(rng.normal(0, 1, length), tone * 0.5, tone * 3) * (0.4 + teeth)
        level = [(0, -14), (0.3, 0), (0.7, -1), (1, -20)]
        drop = 0 if i % 2 else -rng.uniform(2, 7)
        pieces.append((now, unit(noise) * envelope(length, level) * gain(drop)))
        now += time + rng.uniform(0.01, 0.12)
    return pieces


def engine(rng, speaker):
    time = rng.uniform(0.7, 2.2)
    length = samples(time)
    speed = rng.uniform(22, 55)
    shape = [(0, rng.uniform(0.6, 1)), (0.3, 1), (0.6, rng.uniform(1, 2.2)), (1, 1)]
    firing = pulses(rng, speed * curve(length, shape), 0.06)
    source = np.diff(firing, prepend=0) * 8 + 0.4 * firing * rng.normal(0, 1, length)
    pipe = np.array([90, 190, 420, 900, 1700, 2900, 4300]) * rng.uniform(0.7, 1.5)
    sound = tract(source, [(0, pipe), (1, pipe * rng.uniform(0.9, 1.2))], 2.5)
    sound = unit(sound) + 0.12 * unit(band(rng.normal(0, 1, length), 300, 5000)) * (0.3 + firing)
    level = envelope(length, [(0, rng.uniform(-25, -6)), (0.3, 0), (0.8, 0), (1, -20)])
    return [(0, sound * level)]


def rain(rng, speaker):
    time = rng.uniform(0.8, 2.4)
    length = samples(time)
    drops = np.zeros(length)
    for _ in range(int(time * rng.uniform(40, 400))):
        at = rng.integers(length)
        tone = ring(rng, [rng.uniform(900, 6000)], rng.uniform(0.001, 0.006), 0.03)
        piece = tone[: length - at] * rng.exponential(1.0)
        drops[at : at + len(piece)] += piece
    sheet = band(coloured(rng, length, 1), rng.uniform(200, 900), None)
    sound = unit(drops) + unit(sheet) * rng.uniform(0.15, 0.6)
    sound *= wobble(rng, length, 3, 0.25)
    level = [(0, rng.uniform(-20, -3)), (0.2, 0), (0.8, 0), (1, rng.uniform(-25, -5))]
    return [(0, sound * envelope(length, level))]


KINDS = {name: globals()[name] for name in CLASSES}


# ---------------------------------------------------------------------------------------------
# Where and how it is recorded: none of this knows the kind of sound.


class Room:
    """An impulse response: direct sound, a few reflections, a diffuse tail."""

    def __init__(self, rng):
        self.decay = math.exp(rng.uniform(math.log(0.1), math.log(0.35)))  # to -60 dB, seconds
        self.damping = rng.uniform(0.25, 0.7)  # of high against low frequencies
        self.size = rng.uniform(2, 9)  # metres
        self.seed = rng.integers(2**31)

    def response(self, distance, rng):
        """For a source at `distance` metres."""
        length = samples(min(self.decay, 0.8) * 0.9 + 0.05)
        tail_rng = np.random.default_rng([self.seed, 1])
        time = np.arange(length) / RATE
        tail = np.zeros(length)
        edges = (None, 500, 1000, 2000, 4000, None)
        for i, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
            decay = self.decay * (1 - self.damping * i / 4)
            part = band(tail_rng.normal(0, 1, length), low, high)
            tail += part * np.exp(-6.9 * time / decay)
        delay = samples(self.size / 343)
        tail[: delay // 2] *= np.linspace(0, 1, delay // 2)
        response = tail / np.sqrt(np.square(tail).sum()) * distance / self.size * 1.4
        response[0] += 1
        for _ in range(6):
            at = int(delay * rng.uniform(0.3, 2.5))
            if at < length:
                response[at] += rng.uniform(-0.5, 0.5) * min(distance / self.size, 1)
        return response


class Microphone:
    """A smooth random colour, a band, a noise floor."""

    def __init__(self, rng):
        knots = np.array([60, 150, 400, 1000, 2500, 5000, 8000])
        self.knots, self.levels = knots, rng.normal(0, 2, len(knots))
        self.low, self.high = rng.uniform(40, 220), rng.uniform(5000, 8500)
        self.hiss = rng.uniform(-75, -52)
        self.slope = rng.uniform(0, 4)

    def __call__(self, x, rng):
        frequency = np.fft.rfftfreq(len(x), 1 / RATE)
        level = np.interp(np.log(frequency + 20), np.log(self.knots), self.levels)
        x = np.fft.irfft(np.fft.rfft(x) * gain(level), len(x))
        x = band(x, self.low, self.high)
        peak = np.abs(x).max() + 1e-9
        return x + gain(self.hiss) * peak * 3 * coloured(rng, len(x), self.slope)


def assemble(pieces, lead=0.0):
    return unit(place(LENGTH, [(lead + onset, sound) for onset, sound in pieces]))


def ground(rng, strangers):
    """A background for the whole clip, from one of six places."""
    where = rng.choice(["still", "fan", "street", "rain", "people", "office"])
    if where == "still":
        return coloured(rng, LENGTH, rng.uniform(3, 6))
    if where == "fan":
        hum = ring(rng, rng.choice([50, 60]) * np.arange(1, 7), 1e6, SECONDS)
        return coloured(rng, LENGTH, 4) + rng.uniform(0.1, 0.5) * hum
    if where == "street":
        return unit(coloured(rng, LENGTH, 6)) * wobble(rng, LENGTH, 1, 0.4) + 0.5 * assemble(
            engine(rng, None)
        )
    if where == "rain":
        return assemble(rain(rng, None)) + 0.4 * unit(coloured(rng, LENGTH, 1))
    if where == "people":
        return sum(
            assemble(speech(rng, each), rng.uniform(0, 0.6)) for each in strangers
        ) + 0.2 * coloured(rng, LENGTH, 4)
    return assemble(keyboard_typing(rng, None), rng.uniform(0, 0.6)) + 0.2 * coloured(
        rng, LENGTH, 4
    )


def tilted(x, slope):
    """The sound with a spectrum that rises by `slope` decibels an octave more than it did."""
    frequency = np.fft.rfftfreq(len(x), 1 / RATE)
    frequency[0] = frequency[1]
    bent = np.fft.rfft(x) * np.clip((frequency / 800) ** (slope / 6.02), 0.02, 30)
    return unit(np.fft.irfft(bent, len(x)))


class Recording:
    """One speaker, one room, one microphone; strangers may be heard in the background."""

    def __init__(self, seed, fold, number):
        rng = np.random.default_rng([seed, fold, number])
        self.speaker, self.room, self.microphone = Speaker(rng), Room(rng), Microphone(rng)
        self.strangers = [Speaker(rng) for _ in range(2)]
        self.distance = math.exp(rng.uniform(math.log(0.2), math.log(0.8)))

    def clip(self, kind, seed):
        """float32 of LENGTH samples, -1 to 1."""
        return self.scene(kind, seed)[0]

    def scene(self, kind, seed):
        """A clip, and the kind of what goes on beside it, or None."""
        rng = np.random.default_rng(seed)
        sound = assemble(KINDS[kind](rng, self.speaker), rng.uniform(0.02, 0.9))
        distance = self.distance * rng.uniform(0.7, 1.4)
        sound = tilted(sound, rng.uniform(-5, 5))  # no kind has a slope of its own
        sound = fftconvolve(sound, self.room.response(distance, rng))[:LENGTH]
        other = None
        if rng.random() < 0.75:  # something else goes on, of any kind but coughs
            other = str(rng.choice(OTHERS))
            beside = assemble(KINDS[other](rng, self.strangers[0]), rng.uniform(0, 1.6))
            far = self.room.response(distance * rng.uniform(1, 3), rng)
            sound = sound + fftconvolve(beside, far)[:LENGTH] * gain(rng.uniform(-12, -2))
        behind = ground(rng, self.strangers)
        behind = behind / (behind.std() + 1e-9)
        sound = sound + behind * gain(rng.uniform(-38, -14))
        sound = self.microphone(sound, rng)
        peak = gain(rng.uniform(-34, -1))
        return (sound / np.abs(sound).max() * peak).astype(np.float32), other


# ---------------------------------------------------------------------------------------------
# Files


def plan(seed):
    """(file name, row of esc50.csv, kind, recording, seed of the clip), in order."""
    entries, number = [], 0
    for fold, count in RECORDINGS.items():
        for within in range(count):
            source = 100_000 * fold + within
            # Every kind equally often in every fold.
            others = [OTHERS[(TAKES * number + i) % len(OTHERS)] for i in range(TAKES)]
            kinds = ["coughing"] * TAKES + others
            for take, kind in zip("ABCDEFGHIJ", kinds, strict=False):
                name = f"{fold}-{source}-{take}-{CLASSES[kind]}.ogg"
                row = f"{name},{fold},{CLASSES[kind]},{kind},False,{source},{take}"
                entries.append((name, row, kind, (fold, within), [seed, source, ord(take)]))
            number += 1
    return entries


def encode(clip):
    """Ogg Vorbis bytes, the same for the same samples."""
    out = io.BytesIO()
    soundfile.write(out, clip, RATE, format="OGG", subtype="VORBIS", compression_level=COMPRESSION)
    return renumbered(out.getvalue())


def renumbered(ogg):
    """Every Ogg file draws a stream number by the clock: set it to 1, and the checksums."""
    ogg, at = bytearray(ogg), 0
    while at < len(ogg):
        segments = ogg[at + 26]
        end = at + 27 + segments + sum(ogg[at + 27 : at + 27 + segments])
        ogg[at + 14 : at + 18] = struct.pack("<I", 1)
        ogg[at + 22 : at + 26] = bytes(4)
        ogg[at + 22 : at + 26] = struct.pack("<I", checksum(ogg[at:end]))
        at = end
    return bytes(ogg)


def _table():
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
        table.append(value)
    return table


TABLE = _table()


def checksum(page):
    """CRC-32 as Ogg has it (RFC 3533)."""
    value = 0
    for byte in page:
        value = (value << 8 & 0xFFFFFFFF) ^ TABLE[value >> 24 ^ byte]
    return value


def make(entry, seed):
    _, _, kind, (fold, within), clip_seed = entry
    return Recording(seed, fold, within).clip(kind, clip_seed)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=TARGET)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    options = parser.parse_args()
    entries = plan(options.seed)
    header = "filename,fold,target,category,esc10,src_file,take"
    table = "\n".join([header, *(row for _, row, *_ in entries)]) + "\n"
    files = {"meta/esc50.csv": table.encode()}
    for entry in tqdm(entries, desc="clips"):
        files[f"audio/{entry[0]}"] = encode(make(entry, options.seed))
    if options.check:
        different = [
            name
            for name, content in files.items()
            if not (options.out / name).is_file() or (options.out / name).read_bytes() != content
        ]
        print(f"{len(files)} files, {len(different)} different", *different[:5])
        sys.exit(bool(different))
    for folder in ("audio", "meta"):
        (options.out / folder).mkdir(parents=True, exist_ok=True)
    for old in (options.out / "audio").glob("*.ogg"):
        if f"audio/{old.name}" not in files:
            old.unlink()
    for name, content in files.items():
        (options.out / name).write_bytes(content)
    print(f"{len(files)} files, {sum(map(len, files.values())):,} bytes in {options.out}")


if __name__ == "__main__":
    main()
