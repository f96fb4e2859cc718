"""Players for sounds, alone and below a figure with a cursor: HTML that needs no kernel."""

import html
import json
from collections.abc import Sequence

import numpy as np
from IPython.display import Audio
from matplotlib import rc_context
from matplotlib.figure import Figure

from helpers import plots

LEFT, RIGHT = 0.09, 0.985  # where the time axis begins and ends, as shares of the figure's width
# Puts the cursor where the sound is, and says what is probable at the nearest moment.
MOVE = """
const box = this.closest('[data-moments]'), now = this.currentTime;
const {left, width, length, seconds, lines} = JSON.parse(box.dataset.moments);
const share = Math.min(1, now / length);
box.querySelector('[data-cursor]').style.left = 100 * (left + width * share) + '%';
const gaps = seconds.map(second => Math.abs(second - now));
box.querySelector('output').textContent = lines[gaps.indexOf(Math.min(...gaps))];
"""
# The browser reports the time only four times per second: while it plays, ask with each frame.
RUN = f"const step = () => {{{MOVE} if (!this.paused) requestAnimationFrame(step); }}; step();"


def players(waveforms: Sequence[np.ndarray], titles: Sequence[str]) -> None:
    """Players for sounds, each under its title, three side by side.

    Args:
        waveforms: at 16 kHz, float of shape (samples,), -1 to 1; a quiet one stays quiet.
    """
    cells = []
    for waveform, title in zip(waveforms, titles, strict=True):
        label = html.escape(title)
        player = f'<audio controls src="{_source(waveform)}" aria-label="{label}"'
        cells.append(f'<div>{label}<br>{player} style="width: 15em"></audio></div>')
    grid = "display: grid; grid-template-columns: repeat(3, max-content); gap: 0.6em"
    plots.show_html(f'<div style="{grid}">{"".join(cells)}</div>', "Players: " + ", ".join(titles))


def listen_along(
    waveform: np.ndarray, log_mel: np.ndarray, curves: dict[str, Sequence[float]],
    seconds: Sequence[float], title: str, *, alt: str,
) -> None:
    """A spectrogram, probabilities below it, and a player whose cursor runs over both panels.

    A line under the player says what is probable at the cursor.

    Args:
        waveform: (samples,), -1 to 1.
        log_mel, curves, seconds: as for `figures.draw_through_time`.
    """
    from helpers.audio import HOP, RATE, figures

    lines = []
    for i, moment in enumerate(seconds):
        shares = ", ".join(f"{name} {row[i]:.0%}" for name, row in curves.items())
        lines.append(f"patch around {moment:.2f} s: {shares}")
    moments = {"left": LEFT, "width": RIGHT - LEFT, "seconds": [float(each) for each in seconds],
               "length": len(log_mel) * HOP / RATE, "lines": lines}
    with rc_context(plots.STYLE):
        figure = Figure((8, 3.6))  # untrimmed: the cursor must know where second 0 lies
        axes = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        figure.subplots_adjust(left=LEFT, right=RIGHT, top=0.97, bottom=0.12, hspace=0.12)
        figures.draw_through_time(axes, log_mel, curves, seconds)
        picture = plots.encode(figure, trim=False)[0]
    data, move, run, named, shown = map(html.escape, (json.dumps(moments), MOVE, RUN, title, alt))
    page = f"""<div style="max-width: 46em" data-moments="{data}"><div>{named}</div>
<div style="position: relative"><img src="data:image/png;base64,{picture}" alt="{shown}"
style="width: 100%; display: block"><div data-cursor style="position: absolute; top: 3%;
bottom: 12%; left: {100 * LEFT}%; border-left: 2px solid {plots.COLOURS[5]}; pointer-events: none">
</div></div><audio controls src="{_source(waveform)}" aria-label="{named}"
style="width: 100%" ontimeupdate="{move}" onplay="{run}"></audio>
<output style="display: block">{html.escape(lines[0])}</output></div>"""
    plots.show_html(page, f"{title}: a player over this figure. {alt}")


def _source(waveform):
    from helpers.audio import RATE

    return Audio(np.clip(waveform, -1, 1), rate=RATE, normalize=False).src_attr()
