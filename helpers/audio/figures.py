"""Figures of sounds: waves, log-mel spectrograms, and what a model hears in them when.

A log-mel spectrogram has the shape (frames, bands): time to the right, mel frequency upwards.
Black is what is no louder than the quietest 5 % of a clip, the brightest its loudest place.
"""

from collections.abc import Sequence

import numpy as np

from helpers import plots
from helpers.audio.data import RATE
from helpers.audio.spectrograms import HIGHEST, HOP, LOWEST


def spectrograms(
    log_mels: Sequence[np.ndarray], titles: Sequence[str], *, columns: int = 3,
    compare: bool = False, alt: str,
) -> None:
    """Log-mel spectrograms; to `compare` loudness, all take the colours of the first."""
    columns = min(columns, len(log_mels))
    with plots.canvas(-(-len(log_mels) // columns), columns, (2.7, 1.9), alt, sharey=True) as axes:
        for axis in axes.flat[len(log_mels) :]:
            axis.set_axis_off()
        for axis, log_mel, title in zip(axes.flat, log_mels, titles, strict=False):
            _spectrogram(axis, log_mel, title, log_mels[0] if compare else log_mel)


def front_end(
    waveform: np.ndarray, spectrum: np.ndarray, weights: np.ndarray, log_mel: np.ndarray, *,
    alt: str,
) -> None:
    """From a wave to its log-mel spectrogram in four panels.

    Args:
        waveform: (samples,), -1 to 1.
        spectrum: (frames, bins), magnitudes of frequencies from 0 to half the rate.
        weights: (bins, bands), how much of each frequency goes into each band.
        log_mel: (frames, bands).
    """
    with plots.canvas(1, 4, (2.5, 2.5), alt) as axes:
        wave, linear, filters, mel = axes[0]
        time = np.arange(len(waveform)) / RATE
        wave.plot(time, waveform, color=plots.COLOURS[0], linewidth=0.4)
        wave.set(title="1. the wave", xlabel="s")
        place = (0, len(spectrum) * HOP / RATE, 0, RATE / 2000)
        linear.imshow(spectrum.T, origin="lower", aspect="auto", cmap="magma", extent=place,
                      vmin=0, vmax=np.quantile(spectrum, 0.99))
        linear.set(title="2. its frequencies", xlabel="s", ylabel="kHz")
        for i, weight in enumerate(weights.T[3::8]):
            filters.plot(weight, np.linspace(0, place[-1], len(weight)), color=plots.COLOURS[i % 2])
        filters.set(title="3. every 8th mel filter", xlabel="weight", ylim=place[2:])
        _spectrogram(mel, log_mel, "4. log-mel", log_mel)


def draw_through_time(axes, log_mel, curves, seconds) -> None:
    """A spectrogram and, below it, probabilities; on two given axes, for a player with a cursor.

    Args:
        axes: the upper and the lower one.
        log_mel: (frames, bands).
        curves: by class name, a probability for each of some moments.
        seconds: those moments.
    """
    upper, lower = axes
    _spectrogram(upper, log_mel, "", log_mel)
    for i, (name, probabilities) in enumerate(curves.items()):
        lower.plot(seconds, probabilities, color=plots.COLOURS[i], marker=plots.MARKERS[i],
                   linestyle=plots.LINES[i], label=name)
    upper.set_xlabel("")
    lower.set(xlabel="s", ylabel="probability", ylim=(-0.05, 1.05),
              xlim=(0, len(log_mel) * HOP / RATE))
    lower.grid()
    lower.legend()


def occlusion(
    log_mels: Sequence[np.ndarray], maps: Sequence[np.ndarray], titles: Sequence[str],
    class_name: str, *, alt: str,
) -> None:
    """Above, log-mel spectrograms; below, what covering each tile takes from a probability.

    Args:
        log_mels: one for each clip.
        maps: (time, mel frequency) on any grid over the same clip: by how much, 0 to 1, the
            probability of the class falls when the tile is covered; above 0 it speaks for it.
        titles: one for each clip.
        class_name: the class.
    """
    most = 100 * max(np.abs(each).max() for each in maps) or 1
    with plots.canvas(2, len(maps), (2.7, 1.9), alt, sharey=True) as axes:
        for (above, below), log_mel, heat, title in zip(
            axes.T, log_mels, maps, titles, strict=True
        ):
            _spectrogram(above, log_mel, title, log_mel)
            shades = _spectrogram(below, log_mel, "", log_mel)
            shades.set(data=100 * heat.T, cmap=plots.two_sided(), clim=(-most, most))
        bar = below.figure.colorbar(shades, ax=list(axes[1]), aspect=14)
        bar.set_label(f"points of {class_name}\nlost when covered", size=9)


def _spectrogram(axis, log_mel, title, colours_of):
    from librosa import hz_to_mel

    (frames, bands), marks = log_mel.shape, np.array([250, 1000, 4000])
    low, high = hz_to_mel(np.array([LOWEST, HIGHEST]), htk=True)
    places = (hz_to_mel(marks, htk=True) - low) / (high - low) * bands
    axis.set_yticks(places, ["250 Hz", "1 kHz", "4 kHz"])
    axis.set(title=title, xlabel="s")
    return axis.imshow(log_mel.T, origin="lower", aspect="auto", cmap="magma",
                       extent=(0, frames * HOP / RATE, 0, bands),
                       vmin=np.quantile(colours_of, 0.05), vmax=colours_of.max())
