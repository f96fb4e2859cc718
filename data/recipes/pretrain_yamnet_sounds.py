"""The source corpus of `pretrain_yamnet.py`: real and synthesised sound, cut, bent and mixed.

A scene is 1.92 s at 16 kHz, three patches of YAMNet. It holds one to three layers, each a real
clip or a procedural sound, each with its own speed, filter, room and gain, above a floor of noise.
Scene i depends on the seed and i only, so that a stopped run goes on with the same sounds.

None of it is a cough: clips of class 24 are never opened, real clips in which the teacher hears one
are left out, and the procedural kinds are general ones (tones, chirps, clicks, struck bodies, rain,
noise, pulses through formants), with parameters drawn without any sound in mind.
"""

import csv
from pathlib import Path

import numpy as np
import scipy.signal as ss
import soundfile

RATE = 16_000
FRAMES = 192  # of the log-mel spectrogram: three patches of 96, half over each other
SAMPLES = FRAMES * 160
COUGHING = 24
TRAIN_FOLDS, HELD_OUT_FOLDS = (1, 2, 3), (4, 5)


# --- real clips -----------------------------------------------------------------------------


def read_environment(folder, folds):
    """[(category, float32 waveform)] of a folder in ESC-50's layout, without the coughs."""
    folder = Path(folder)
    with (folder / "meta" / "esc50.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if int(r["fold"]) in folds]
    rows = sorted((r for r in rows if int(r["target"]) != COUGHING), key=lambda r: r["filename"])
    return [(r["category"], read(folder / "audio" / r["filename"])) for r in rows]


def read_digits(folder):
    """[(digit, float32 waveform)] of the spoken digits."""
    return [(file.name[0], read(file)) for file in sorted(Path(folder).glob("*.wav"))]


def read(file):
    """A sound file as float32 mono at 16 kHz."""
    sound, rate = soundfile.read(file, dtype="float32", always_2d=True)
    sound = sound.mean(axis=1)
    if rate != RATE:
        sound = ss.resample_poly(sound, RATE, rate).astype("float32")
    return sound


# --- procedural sounds: each takes (rng, samples), gives float64 of any level -----------------


def log_uniform(rng, low, high, size=None):
    return np.exp(rng.uniform(np.log(low), np.log(high), size))


def curve(rng, n, knots):
    """A smooth random curve in 0..1."""
    points = rng.uniform(0, 1, max(2, knots))
    return np.interp(np.linspace(0, len(points) - 1, n), np.arange(len(points)), points)


def noise(rng, n, slope=None):
    """Noise of any colour: white at slope 0, pink at 1, brown at 2, blue at -1."""
    slope = rng.uniform(-1, 2.5) if slope is None else slope
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum *= np.maximum(np.arange(len(spectrum)), 4.0 * n / RATE) ** (-slope / 2)
    return np.fft.irfft(spectrum, n)


def resonances(rng, sound, count=None, low=150, high=6000):
    """The sound through resonances beside one another: a body, a tube, a formant."""
    out = np.zeros(len(sound))
    for _ in range(count or rng.integers(1, 6)):
        centre = log_uniform(rng, low, high)
        b, a = ss.iirpeak(centre, log_uniform(rng, 1.5, 40), fs=RATE)
        out += rng.uniform(0.1, 1) * ss.lfilter(b, a, sound)
    return out


def bumps(rng, n, count=None):
    """An envelope of one to many strokes, regular or not, each with a rise and a decay."""
    count = count or int(log_uniform(rng, 1, 25))
    if rng.random() < 0.5:
        starts = rng.uniform(0, n, count)
    else:
        starts = n * (np.arange(count) + rng.uniform(0, 1) + rng.normal(0, 0.05, count)) / count
    rise, decay = log_uniform(rng, 8, 1600), log_uniform(rng, 60, 9000)
    out = np.zeros(n)
    for start in np.clip(starts, 0, n - 2).astype(int):
        r, d = rise * rng.uniform(0.6, 1.6), decay * rng.uniform(0.6, 1.6)
        t = np.arange(min(n - start, int(r + 7 * d)))
        out[start : start + len(t)] += (
            rng.uniform(0.3, 1) * np.minimum(t / r, 1) * np.exp(-np.maximum(t - r, 0) / d)
        )
    return out


def tones(rng, n):
    """Harmonics over a gliding, trembling fundamental."""
    pitch = log_uniform(rng, 60, 2500) * 2 ** (rng.uniform(0, 1.5) * curve(rng, n, 4))
    t = np.arange(n) / RATE
    pitch *= 1 + rng.uniform(0, 0.03) * np.sin(2 * np.pi * rng.uniform(3, 9) * t)
    phase, tilt = 2 * np.pi * np.cumsum(pitch) / RATE, rng.uniform(0.3, 2.5)
    stretch = 1 if rng.random() < 0.7 else rng.uniform(0.9, 1.15)  # 1: harmonic, else bell-like
    out = np.zeros(n)
    for k in range(1, rng.integers(2, 12)):
        out += np.sin(phase * k**stretch) * k**-tilt * (pitch * k**stretch < 7800)
    return out * (bumps(rng, n) if rng.random() < 0.6 else curve(rng, n, 6))


def beeps(rng, n):
    """One or two tones switched on and off, as alarms do."""
    t = np.arange(n) / RATE
    gate = ss.square(
        2 * np.pi * log_uniform(rng, 1, 20) * t + rng.uniform(0, 6), rng.uniform(0.2, 0.8)
    )
    low, high = log_uniform(rng, 400, 4000, 2)
    pitch = np.where(gate > 0, low, high if rng.random() < 0.5 else low)
    wave = np.sin(2 * np.pi * np.cumsum(pitch) / RATE)
    wave = np.sign(wave) * np.abs(wave) ** rng.uniform(0.1, 1)
    return wave * (1 if rng.random() < 0.3 else np.maximum(gate, 0))


def chirps(rng, n):
    """Sweeps, once or again and again: birds, sirens, insects."""
    t = np.arange(n) / RATE
    sweep = ss.sawtooth(2 * np.pi * log_uniform(rng, 0.5, 30) * t, rng.choice([0, 0.5, 1]))
    pitch = log_uniform(rng, 300, 4000) * 2 ** (rng.uniform(0.1, 1) * sweep)
    return np.sin(2 * np.pi * np.cumsum(np.minimum(pitch, 7500)) / RATE) * bumps(rng, n)


def pulses(rng, n):
    """A train of impulses, more or less regular, through resonances: engines, ratchets."""
    steps = RATE / log_uniform(rng, 4, 250) * np.exp(rng.normal(0, rng.uniform(0, 0.3), n // 60))
    at = np.cumsum(np.maximum(steps, 20)).astype(int)
    train = np.zeros(n)
    train[at[at < n]] = 1
    train += rng.uniform(0, 0.05) * rng.standard_normal(n)
    return resonances(rng, train, low=60) * (0.3 + curve(rng, n, 8))


def voices(rng, n):
    """Pulses of a gliding pitch, with breath, through formants that move: like a vowel."""
    pitch = log_uniform(rng, 70, 450) * 2 ** (rng.uniform(0, 1) * curve(rng, n, 7) - 0.3)
    phase = np.cumsum(pitch) / RATE
    source = np.diff(np.floor(phase), prepend=0)
    source = ss.lfilter([1], [1, -rng.uniform(0.8, 0.97)], source)
    source = source + rng.uniform(0, 0.25) * rng.standard_normal(n)
    size = rng.uniform(0.85, 1.25)
    mix, out = curve(rng, n, rng.integers(2, 10)), np.zeros(n)
    for weight in (mix, 1 - mix):
        shaped = source
        for low, high in ((250, 850), (800, 2400), (2200, 3200), (3300, 4200)):
            centre, width = size * rng.uniform(low, high), rng.uniform(50, 200)
            r = np.exp(-np.pi * width / RATE)
            a = [1, -2 * r * np.cos(2 * np.pi * centre / RATE), r * r]
            shaped = ss.lfilter([sum(a)], a, shaped)
        out += weight * shaped
    out = ss.lfilter([1, -0.95], [1], out)
    return out * (bumps(rng, n, rng.integers(1, 9)) if rng.random() < 0.7 else curve(rng, n, 5))


def bursts(rng, n):
    """Strokes of filtered noise."""
    sound = noise(rng, n)
    if rng.random() < 0.7:
        sound = resonances(rng, sound)
    return sound * bumps(rng, n)


def struck(rng, n):
    """Struck bodies, sums of decaying modes: wood, glass, metal, drums, keys."""
    length = min(n, int(RATE * log_uniform(rng, 0.03, 1.5)))
    t = np.arange(length) / RATE
    base, decay = log_uniform(rng, 60, 3000), log_uniform(rng, 0.004, 0.5)
    stroke = np.zeros(length)
    for _ in range(rng.integers(2, 12)):
        f = base * rng.uniform(1, 6)
        if f < 7800:
            fade = np.exp(-t / (decay * (base / f) ** rng.uniform(0, 1.5)))
            stroke += rng.uniform(0.1, 1) * np.sin(2 * np.pi * f * t + rng.uniform(0, 6)) * fade
    hit = np.exp(-t / log_uniform(rng, 0.0005, 0.01)) * rng.standard_normal(length)
    stroke += rng.uniform(0, 2) * hit
    out = np.zeros(n + length)
    for start in rng.integers(0, n, int(log_uniform(rng, 1, 14))):
        out[start : start + length] += rng.uniform(0.2, 1) * stroke
    return out[:n]


def drops(rng, n):
    """Impulses at random times, few or thousands: crackle, rain, applause."""
    count = int(log_uniform(rng, 3, 8000))
    out = np.zeros(n)
    np.add.at(out, rng.integers(0, n, count), rng.standard_normal(count) ** 3)
    if rng.random() < 0.8:
        length = int(log_uniform(rng, 16, 800))
        grain = noise(rng, 8 * length) * np.exp(-np.arange(8 * length) / length)
        out = ss.fftconvolve(out, grain)[:n]
    return out * (0.2 + curve(rng, n, 10))


def weather(rng, n):
    """Noise whose level or colour wanders: wind, sea, traffic, machines."""
    t = np.arange(n) / RATE
    mix = curve(rng, n, rng.integers(2, 30))
    sound = mix * noise(rng, n) + (1 - mix) * noise(rng, n)
    if rng.random() < 0.5:
        hum = np.sin(2 * np.pi * log_uniform(rng, 1, 120) * t + rng.uniform(0, 6))
        sound *= 1 + rng.uniform(0, 1) * hum
    return resonances(rng, sound) if rng.random() < 0.5 else sound


def plucked(rng, n):
    """Strings after Karplus and Strong (1983): noise in a loop that softens it."""
    out = np.zeros(n)
    for start in rng.integers(0, n, rng.integers(1, 6)):
        period = int(RATE / log_uniform(rng, 70, 1200))
        excite = np.zeros(n - start)
        excite[:period] = rng.uniform(-1, 1, min(period, len(excite)))
        a = np.zeros(period + 2)
        loss = rng.uniform(0.95, 0.999)
        a[0], a[period], a[period + 1] = 1, -loss / 2, -loss / 2
        out[start:] += ss.lfilter([1], a, excite)
    return out


def circuits(rng, n):
    """Square and saw-tooth waves, multiplied: toys, synthesisers, faults."""
    t = np.arange(n) / RATE
    one, two = log_uniform(rng, 30, 1500, 2)
    wave = ss.sawtooth(2 * np.pi * one * t, rng.choice([0, 0.5, 1]))
    if rng.random() < 0.5:
        wave = wave * np.sin(2 * np.pi * two * t)
    if rng.random() < 0.4:
        wave = np.where(wave > rng.uniform(-0.8, 0.8), 1.0, -1.0)
    return wave * (bumps(rng, n) if rng.random() < 0.6 else 1)


KINDS = (
    tones, beeps, chirps, pulses, voices, voices, bursts, bursts, struck, struck, drops, weather,
    plucked, circuits,
)  # fmt: skip


# --- bending --------------------------------------------------------------------------------


def bent(rng, sound):
    """A random filter or two: cut-off, band, telephone, hump."""
    for _ in range(rng.integers(0, 3)):
        kind = rng.integers(0, 4)
        if kind == 0:
            sos = ss.butter(
                rng.integers(1, 5), log_uniform(rng, 500, 7000), "low", fs=RATE, output="sos"
            )
        elif kind == 1:
            sos = ss.butter(
                rng.integers(1, 4), log_uniform(rng, 50, 2000), "high", fs=RATE, output="sos"
            )
        elif kind == 2:
            band = log_uniform(rng, 100, 600), log_uniform(rng, 2000, 6500)
            sos = ss.butter(3, band, "band", fs=RATE, output="sos")
        else:
            b, a = ss.iirpeak(log_uniform(rng, 150, 6000), rng.uniform(1, 6), fs=RATE)
            sound = sound + rng.uniform(-0.9, 4) * ss.lfilter(b, a, sound)
            continue
        sound = ss.sosfilt(sos, sound)
    return sound


def roomed(rng, sound):
    """The sound in a room: an impulse response of decaying noise behind the direct sound."""
    length = int(RATE * log_uniform(rng, 0.05, 1.2) / 2)
    t = np.arange(length)
    response = rng.standard_normal(length) * np.exp(-6.9 * t / (2 * length))
    response = ss.lfilter([1 - (p := rng.uniform(0, 0.8))], [1, -p], response)
    response /= np.sqrt((response**2).sum())
    wet = ss.fftconvolve(sound, response)[: len(sound)]
    return sound + log_uniform(rng, 0.05, 2) * np.roll(wet, rng.integers(0, 500))


def stretched(sound, factor, n):
    """`n` samples of the sound played `factor` times as fast; zeros where it ends."""
    return np.interp(np.arange(n) * factor, np.arange(len(sound)), sound, right=0.0)


def real(rng, environment, digits, n):
    """What was taken, and `n` samples of it: a cut of a clip, or digits one after another."""
    speed = np.exp(np.clip(rng.normal(0, 0.22), -0.5, 0.5))
    if rng.random() < 0.25:
        chosen = [digits[i] for i in rng.integers(0, len(digits), rng.integers(1, 6))]
        gap = np.zeros(int(rng.uniform(0, 4000)))
        spoken = np.concatenate([part for _, digit in chosen for part in (gap, digit)])
        return [name for name, _ in chosen], stretched(spoken, speed, n)
    name, clip = environment[rng.integers(len(environment))]
    start = rng.integers(0, max(1, len(clip) - int(n * speed)))
    sound = stretched(clip[start:], speed, n)
    return [name], sound[::-1] if rng.random() < 0.05 else sound


def level(sound):
    """How loud the loud part is: the root of the mean square of its loudest fifth."""
    blocks = np.sort((sound[: len(sound) // 320 * 320].reshape(-1, 320) ** 2).mean(axis=1))
    return np.sqrt(blocks[-len(blocks) // 5 :].mean()) + 1e-9


def scene(rng, environment, digits):
    """What is in one scene, as a set of `LABELS`, and the scene: float32 [30720] in -1..1.

    `environment` and `digits` are what `read_environment` and `read_digits` give.
    """
    mixed, names = np.zeros(SAMPLES), set()
    for _ in range(rng.choice([1, 2, 3], p=[0.55, 0.33, 0.12])):
        if rng.random() < 0.5:
            taken, sound = real(rng, environment, digits, SAMPLES)
            names.update(taken)
        else:
            kind = KINDS[rng.integers(len(KINDS))]
            names.add(kind.__name__)
            sound = kind(rng, SAMPLES)
        if rng.random() < 0.6:
            sound = bent(rng, sound)
        if rng.random() < 0.4:
            sound = roomed(rng, sound)
        if rng.random() < 0.3:
            shift = int(rng.uniform(-0.6, 0.6) * SAMPLES)
            sound = np.roll(sound, shift)
            if shift > 0:
                sound[:shift] = 0
            else:
                sound[shift:] = 0
        mixed += sound / level(sound) * log_uniform(rng, 0.03, 1)
    if rng.random() < 0.7:
        floor = noise(rng, SAMPLES)
        mixed += floor / level(floor) * level(mixed) * log_uniform(rng, 0.001, 0.5)
    mixed *= log_uniform(rng, 0.004, 0.4) / level(mixed)
    return names, np.clip(np.nan_to_num(mixed), -1, 1).astype("float32")


# What may be in a scene: of the real clips the categories of the training folds.
LABELS = (
    "car_horn", "chirping_birds", "clapping", "clock_alarm", "door_wood_knock", "engine",
    "laughing", "rain", "snoring", "thunderstorm", *"0123456789",
    *sorted({kind.__name__ for kind in KINDS}),
)  # fmt: skip
