"""Every figure of the course: one look, safe for colour-blind readers, each with alt text."""

import base64
import contextlib
import html
import io
import json
from collections.abc import Iterator, Sequence
from contextvars import ContextVar

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Audio, display
from matplotlib.colors import LinearSegmentedColormap

# Okabe and Ito (2008): told apart with any kind of colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = "osD^vP"
REGIONS = LinearSegmentedColormap.from_list("regions", ("#9ecae9", "#ffffff", "#f3b58c"))
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))


def show(figure: plt.Figure, alt: str) -> None:
    """Display a figure with a text for those who cannot see it, and close it."""
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=80, bbox_inches="tight", facecolor="white")
    plt.close(figure)
    picture = base64.b64encode(png.getvalue()).decode()
    if (shown := _collected.get()) is not None:
        shown.append(
            f'<img src="data:image/png;base64,{picture}" alt="{html.escape(alt, quote=True)}" '
            'style="max-width: 100%">'
        )
        return
    display(
        {"image/png": picture, "text/plain": alt},
        metadata={"image/png": {"alt": alt}},
        raw=True,
    )


def show_html(page: str, text: str) -> None:
    """Display a piece of HTML, with a text for front ends that show none."""
    if (shown := _collected.get()) is not None:
        shown.append(page)
        return
    display({"text/html": page, "text/plain": text}, raw=True)


_collected: ContextVar[list[str] | None] = ContextVar("collected", default=None)


@contextlib.contextmanager
def collect() -> Iterator[list[str]]:
    """Within it figures and players are kept as pieces of HTML instead of being displayed."""
    shown: list[str] = []
    token = _collected.set(shown)
    try:
        yield shown
    finally:
        _collected.reset(token)


def pictures(
    images: Sequence[np.ndarray], titles: Sequence[str] = (), *, columns: int = 6, alt: str
) -> None:
    """A grid of pictures (height, width, 3), 0 to 255, or of maps (height, width)."""
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    height = 1.9 if len(titles) else 1.6
    figure, axes = plt.subplots(rows, columns, figsize=(1.6 * columns, height * rows))
    axes = np.atleast_1d(axes).ravel()
    for axis in axes:
        axis.axis("off")
    for i, image in enumerate(images):
        if image.ndim == 3:
            image = np.clip(image, 0, 255).astype("uint8")
        axes[i].imshow(image, cmap="cividis")
        if len(titles):
            axes[i].set_title(titles[i], fontsize=9)
    figure.tight_layout(pad=0.4)
    show(figure, alt)


def overlay(
    images: Sequence[np.ndarray], maps: Sequence[np.ndarray], titles: Sequence[str], *, alt: str
) -> None:
    """Above, pictures; below, the same with a map (height, width), 0 to 1, laid over each."""
    figure, axes = plt.subplots(2, len(images), figsize=(1.8 * len(images), 3.9), squeeze=False)
    for column, (image, heat, title) in enumerate(zip(images, maps, titles, strict=True)):
        size = image.shape[0]
        for axis in axes[:, column]:
            axis.imshow(np.clip(image, 0, 255).astype("uint8"))
            axis.axis("off")
        axes[0, column].set_title(title, fontsize=9)
        _lay_over(axes[1, column], heat, size)
    figure.tight_layout(pad=0.4)
    show(figure, alt)


def _lay_over(axis, heat, size):
    """A map on any grid, 0 to 1, over a picture of size x size pixels."""
    axis.imshow(
        heat,
        extent=(-0.5, size - 0.5, size - 0.5, -0.5),
        cmap="inferno",
        alpha=0.55,
        interpolation="bilinear",
        vmin=0,
        vmax=1,
    )


def players(waveforms: Sequence[np.ndarray], titles: Sequence[str], *, columns: int = 3) -> None:
    """Players for sounds, each under its title.

    Args:
        waveforms: float of shape (samples,), -1 to 1, 16 kHz; a quiet one stays quiet.
        titles: one for each.
        columns: players side by side.
    """
    cells = []
    for waveform, title in zip(waveforms, titles, strict=True):
        player = Audio(np.clip(waveform, -1, 1), rate=16_000, normalize=False)
        label = f' aria-label="{html.escape(title)}"'
        player = player._repr_html_().replace("<audio ", f'<audio{label} style="width: 15em" ')
        cells.append(f"<div>{html.escape(title)}<br>{player}</div>")
    grid = f"display: grid; grid-template-columns: repeat({columns}, max-content); gap: 0.6em"
    text = "Players: " + ", ".join(titles)
    page = f'<div style="{grid}">{"".join(cells)}</div>'
    show_html(page, text)


def waveforms(sounds: Sequence[np.ndarray], titles: Sequence[str], *, alt: str) -> None:
    """Sounds of shape (samples,), -1 to 1, 16 kHz, over time in seconds."""
    figure, axes = plt.subplots(
        1, len(sounds), figsize=(2.6 * len(sounds), 1.7), sharey=True, squeeze=False
    )
    for axis, sound, title in zip(axes[0], sounds, titles, strict=True):
        axis.plot(np.arange(len(sound)) / 16_000, sound, color=COLOURS[0], linewidth=0.4)
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("s", fontsize=8)
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout(pad=0.4)
    show(figure, alt)


def spectrograms(
    log_mels: Sequence[np.ndarray], titles: Sequence[str], *, columns: int = 4, alt: str
) -> None:
    """Log-mel spectrograms (frames, 64): time across, pitch up, all on one scale of loudness.

    The scale is YAMNet's: 10 ms a frame, 64 mel bands from 125 to 7,500 Hz.
    """
    columns = min(columns, len(log_mels))
    rows = -(-len(log_mels) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(2.5 * columns, 1.9 * rows), sharey=True, squeeze=False
    )
    low = min(each.min() for each in log_mels)
    high = max(each.max() for each in log_mels)
    for axis in axes.ravel()[len(log_mels) :]:
        axis.axis("off")
    for axis, log_mel, title in zip(axes.ravel(), log_mels, titles, strict=False):
        _spectrogram(axis, log_mel, low, high)
        axis.set_title(title, fontsize=9)
    figure.tight_layout(pad=0.4)
    show(figure, alt)


def _spectrogram(axis, log_mel, low=None, high=None):
    seconds = len(log_mel) / 100
    axis.imshow(
        log_mel.T,
        origin="lower",
        aspect="auto",
        extent=(0, seconds, 0, log_mel.shape[1]),
        cmap="cividis",
        vmin=low,
        vmax=high,
    )
    # Where 250 Hz to 4 kHz lie among 64 bands that are equally wide in mel (HTK's formula).
    mel = 1127 * np.log1p(np.array([125, 250, 1000, 4000, 7500]) / 700)
    place = (mel - mel[0]) / (mel[-1] - mel[0]) * log_mel.shape[1]
    axis.set_yticks(place[1:-1], ["250 Hz", "1 kHz", "4 kHz"])
    axis.tick_params(labelsize=7)
    axis.set_xlabel("s", fontsize=8)


def through_time(
    log_mel: np.ndarray, curves: dict[str, Sequence[float]], seconds: Sequence[float], *, alt: str
) -> None:
    """A spectrogram, and below it what a model believes at each of some moments.

    Args:
        log_mel: (frames, 64), 10 ms a frame.
        curves: name to beliefs, 0 to 1, one for each moment.
        seconds: the moments.
        alt: what the figure shows.
    """
    figure, axes = plt.subplots(2, 1, figsize=(7, 3.4), sharex=True, height_ratios=(3, 2))
    _through_time(axes, log_mel, curves, seconds)
    figure.tight_layout(pad=0.4)
    show(figure, alt)


def _through_time(axes, log_mel, curves, seconds):
    upper, lower = axes
    _spectrogram(upper, log_mel)
    upper.set_xlabel("")
    for i, (name, belief) in enumerate(curves.items()):
        lower.plot(
            seconds, belief, color=COLOURS[i], marker=MARKERS[i], linestyle=LINES[i], label=name
        )
    lower.set(xlabel="s", ylabel="belief", ylim=(-0.05, 1.05), xlim=(0, len(log_mel) / 100))
    lower.grid(alpha=0.3)
    lower.legend(frameon=False, fontsize=8)


def listen_along(
    waveform: np.ndarray,
    log_mel: np.ndarray,
    curves: dict[str, Sequence[float]],
    seconds: Sequence[float],
    title: str,
    *,
    alt: str,
) -> None:
    """As `through_time`, with a player below whose cursor runs over both pictures.

    A line under the player tells what is believed at the cursor. The player moves the cursor by
    itself, without widgets and without a kernel.

    Args:
        waveform: (samples,), -1 to 1, 16 kHz.
        log_mel, curves, seconds: as for `through_time`.
        title: a line above.
        alt: what the figure shows.
    """
    left, right = 0.09, 0.985
    figure, axes = plt.subplots(2, 1, figsize=(8, 3.6), sharex=True, height_ratios=(3, 2))
    figure.subplots_adjust(left=left, right=right, top=0.97, bottom=0.12, hspace=0.12)
    _through_time(axes, log_mel, curves, seconds)
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=80)  # untrimmed: the cursor must know where 0 s is
    plt.close(figure)
    told = []
    for i, moment in enumerate(seconds):
        beliefs = ", ".join(f"{name} {row[i]:.0%}" for name, row in curves.items())
        told.append(f"patch around {moment:.2f} s: {beliefs}")
    move = (
        "const all=this.parentNode,says=all.querySelector('output'),"
        f"told={json.dumps(told)},at={json.dumps([round(float(s), 3) for s in seconds])};"
        "all.querySelector('[data-cursor]').style.left="
        f"{100 * left}+{100 * (right - left)}*Math.min(1,this.currentTime/{len(log_mel) / 100})"
        "+'%';let near=0;"
        "at.forEach((s,i)=>{if(Math.abs(s-this.currentTime)<Math.abs(at[near]-this.currentTime))"
        "near=i});says.textContent=told[near];"
    )
    running = (
        f"const step=()=>{{{move}if(!this.paused)requestAnimationFrame(step)}};"
        "requestAnimationFrame(step);"
    )
    sound = Audio(np.clip(waveform, -1, 1), rate=16_000, normalize=False).src_attr()
    picture = base64.b64encode(png.getvalue()).decode()
    page = f"""<div style="max-width: 46em"><div>{html.escape(title)}</div>
<div style="position: relative"><img src="data:image/png;base64,{picture}"
alt="{html.escape(alt, quote=True)}" style="width: 100%; display: block">
<div data-cursor style="position: absolute; top: 3%; bottom: 12%; left: {100 * left}%;
border-left: 2px solid {COLOURS[1]}; pointer-events: none"></div></div>
<audio controls src="{sound}" aria-label="{html.escape(title, quote=True)}" style="width: 100%"
ontimeupdate="{html.escape(move, quote=True)}" onplay="{html.escape(running, quote=True)}"></audio>
<output style="display: block">{html.escape(told[0])}</output></div>"""
    show_html(page, f"{title}: a player over this picture. {alt}")


def spectrogram_overlay(
    log_mels: Sequence[np.ndarray], maps: Sequence[np.ndarray], titles: Sequence[str], *, alt: str
) -> None:
    """Above, log-mel spectrograms (frames, 64); below, a map of each: orange speaks for a class.

    Args:
        log_mels: 10 ms a frame.
        maps: (time, pitch) on any grid over the same clip: above 0 for the class (orange), below
            0 against it (blue).
        titles: one for each.
        alt: what the figure shows.
    """
    figure, axes = plt.subplots(
        2, len(maps), figsize=(2.6 * len(maps), 3.6), sharey="row", squeeze=False
    )
    most = max(np.abs(each).max() for each in maps) or 1
    for column, (log_mel, heat, title) in enumerate(zip(log_mels, maps, titles, strict=True)):
        _spectrogram(axes[0, column], log_mel)
        axes[0, column].set_title(title, fontsize=9)
        _spectrogram(axes[1, column], log_mel)
        axes[1, column].images[0].remove()
        axes[1, column].imshow(
            heat.T,
            origin="lower",
            aspect="auto",
            extent=(0, len(log_mel) / 100, 0, log_mel.shape[1]),
            cmap=REGIONS,
            vmin=-most,
            vmax=most,
        )
    figure.tight_layout(pad=0.4)
    show(figure, alt)


def precision_recall(
    precision: Sequence[float],
    recall: Sequence[float],
    chosen: tuple[float, float],
    *,
    alt: str,
    label: str = "chosen threshold",
) -> None:
    """Precision over recall for every threshold, and the point (recall, precision) of one."""
    figure, axis = plt.subplots(figsize=(5, 3.6))
    axis.step(recall, precision, where="post", color=COLOURS[0])
    axis.plot(*chosen, marker="D", color=COLOURS[1], linestyle="", label=label)
    axis.set(xlabel="recall: share that is found", ylabel="precision: alarms that are right")
    axis.set(xlim=(0, 1.02), ylim=(0, 1.02))
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, loc="lower left")
    show(figure, alt)


def label_curve(
    curves, *, alt: str, chance: float | None = None, at: int | None = None
) -> None:
    """Accuracy against labels a class: the mean over seeds, and a band from worst to best.

    Args:
        curves: rows of `transfer.label_curve`, of one or several methods.
        alt: what the figure shows.
        chance: accuracy of guessing, drawn as a thin line.
        at: a number of labels that an upright line points out.
    """
    figure, axis = plt.subplots(figsize=(7, 4))
    if at is not None:
        axis.axvline(at, color="grey", linestyle=":", linewidth=1.5)
    for i, (method, rows) in enumerate(curves.groupby("method", sort=False)):
        groups = rows.groupby("labels").accuracy
        labels = np.array(sorted(set(rows.labels)))
        colour = COLOURS[i % len(COLOURS)]
        axis.fill_between(labels, 100 * groups.min(), 100 * groups.max(), color=colour, alpha=0.18)
        axis.plot(
            labels,
            100 * groups.mean(),
            color=colour,
            marker=MARKERS[i % len(MARKERS)],
            linestyle=LINES[i % len(LINES)],
            label=method,
        )
    ticks = sorted(set(curves.labels))
    axis.set_xscale("log")
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.minorticks_off()
    if chance is not None:
        axis.axhline(100 * chance, color="grey", linewidth=0.8)
        axis.text(ticks[0], 100 * chance + 0.5, "guessing", fontsize=8, color="grey")
    axis.set(xlabel="labelled examples a class", ylabel="test accuracy (%)")
    axis.grid(alpha=0.3)
    # Below the axes: inside there may be no place that is free of curves and bands.
    axis.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)
    show(figure, alt)


def confusion(labels, guesses, class_names: Sequence[str], *, alt: str, title: str = "") -> None:
    """Confusion matrix: rows are the truth, columns the guesses, cells are counts."""
    count = len(class_names)
    table = np.zeros((count, count), int)
    np.add.at(table, (np.asarray(labels), np.asarray(guesses)), 1)
    figure, axis = plt.subplots(figsize=(1.4 + 1.1 * count, 1.2 + 1.0 * count))
    axis.imshow(table, cmap="Blues", vmin=0)
    for (row, column), number in np.ndenumerate(table):
        dark = number > 0.6 * table.max()
        axis.text(
            column, row, str(number), ha="center", va="center", color="white" if dark else "black"
        )
    axis.set_xticks(range(count), class_names)
    axis.set_yticks(range(count), class_names)
    axis.set(xlabel="guess", ylabel="truth", title=title)
    show(figure, alt)


def lines(x, curves: dict[str, Sequence[float]], *, x_label: str, y_label: str, alt: str) -> None:
    """Plain curves over the same x, told apart by colour, dash and marker."""
    figure, axis = plt.subplots(figsize=(6, 3.4))
    for i, (name, y) in enumerate(curves.items()):
        axis.plot(x, y, color=COLOURS[i], marker=MARKERS[i], linestyle=LINES[i], label=name)
    axis.set(xlabel=x_label, ylabel=y_label)
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
    show(figure, alt)


def bars(values: dict[str, float], *, y_label: str, alt: str) -> None:
    """Bars with their values written at the end."""
    figure, axis = plt.subplots(figsize=(6, 0.5 + 0.45 * len(values)))
    names = list(values)
    drawn = axis.barh(names, list(values.values()), color=COLOURS[0])
    axis.bar_label(drawn, fmt="%.1f", padding=3)
    axis.invert_yaxis()
    axis.set_xlabel(y_label)
    axis.spines[["top", "right"]].set_visible(False)
    show(figure, alt)


def regions(beliefs: dict[str, np.ndarray], points, *, world, alt: str) -> None:
    """Maps of the plane from -1 to 1, one a model, with the labelled points of two classes.

    Args:
        beliefs: probability of class 1 on a grid (height, width), top row first.
        points: `Part` of places (n, 2) and labels 0 or 1, drawn large.
        world: another one, drawn small: what there is to be learned.
        alt: what the figure shows.
    """
    figure, axes = plt.subplots(1, len(beliefs), figsize=(3.6 * len(beliefs), 3.7), squeeze=False)
    for axis, (name, grid) in zip(axes[0], beliefs.items(), strict=True):
        axis.imshow(grid, extent=(-1, 1, -1, 1), cmap=REGIONS, vmin=0, vmax=1)
        for label in (0, 1):
            truth = world.x[world.y == label].T
            axis.scatter(*truth, color=COLOURS[label], marker=MARKERS[label], s=1.5, alpha=0.5)
            axis.scatter(
                *points.x[points.y == label].T,
                color=COLOURS[label],
                marker=MARKERS[label],
                edgecolor="white",
                s=60,
            )
        axis.set_title(name)
        axis.set_axis_off()
    figure.tight_layout()
    show(figure, alt)


def histogram(groups: dict[str, Sequence[float]], *, x_label: str, y_label: str, alt: str) -> None:
    """How often each value comes, one outline a group, over common bins."""
    edges = np.histogram_bin_edges(np.concatenate(list(groups.values())), bins=20)
    figure, axis = plt.subplots(figsize=(6, 2.8))
    for i, (name, values) in enumerate(groups.items()):
        counts, _ = np.histogram(values, edges)
        axis.stairs(
            counts,
            edges,
            color=COLOURS[i],
            linestyle=LINES[i],
            linewidth=2,
            label=name,
            fill=i == 0,
            alpha=0.5 if i == 0 else 1,
        )
    axis.set(xlabel=x_label, ylabel=y_label)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    show(figure, alt)


def word_map(groups: dict[str, Sequence[str]], vectors, *, alt: str) -> None:
    """Words as points, by the two directions in which their vectors differ most.

    Args:
        groups: words by the name of their group, which decides colour and marker.
        vectors: `KeyedVectors` that have all these words.
        alt: what the figure shows.
    """
    words = [word for group in groups.values() for word in group]
    rows = np.stack([vectors.get_vector(word, norm=True) for word in words])
    rows = rows - rows.mean(axis=0)
    directions = np.linalg.svd(rows, full_matrices=False)[2][:2]
    # A direction may come with either sign: fix it, so that the map is always the same way up.
    directions *= np.sign(directions[np.arange(2), np.abs(directions).argmax(axis=1)])[:, None]
    places = dict(zip(words, rows @ directions.T, strict=True))
    figure, axis = plt.subplots(figsize=(7.5, 4.8))
    for i, (name, group) in enumerate(groups.items()):
        points = np.stack([places[word] for word in group])
        axis.scatter(*points.T, color=COLOURS[i], marker=MARKERS[i], s=30, label=name)
    axis.set(xticks=[], yticks=[])
    axis.margins(x=0.15, y=0.12)
    _write_apart(axis, places, {w: COLOURS[i] for i, g in enumerate(groups.values()) for w in g})
    axis.legend(frameon=False, fontsize=9, loc="best")
    show(figure, alt)


def _write_apart(axis, places, colours):
    """Write words beside their points, each as low as it can stand without touching another."""
    axis.autoscale_view()  # the limits are set no earlier than they are needed
    to_axis = axis.transData + axis.transAxes.inverted()
    written = []
    for word in sorted(places, key=lambda word: places[word][1]):
        x, y = to_axis.transform(places[word])
        width, height, left, low = 0.016 * len(word), 0.05, x + 0.012, y - 0.02
        while any(
            left < other + wide and other < left + width and abs(low - base) < height
            for other, wide, base in written
        ):
            low += 0.01
        written.append((left, width, low))
        axis.annotate(
            word,
            (x, y),
            xytext=(left, low),
            xycoords="axes fraction",
            fontsize=9,
            color=colours[word],
            arrowprops={"arrowstyle": "-", "color": "0.75", "linewidth": 0.6},
        )


def neighbourhood(centre: str, near: Sequence[tuple[str, float]], vectors, *, alt: str) -> None:
    """The words nearest to one, around it: the nearer the more alike, like ones side by side.

    Args:
        centre: what stands in the middle, a word or a sum of words.
        near: words and their cosine similarity to the centre.
        vectors: `KeyedVectors` that have the words.
        alt: what the figure shows.
    """
    rows = np.stack([vectors.get_vector(word, norm=True) for word, _ in near])
    flat = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)[0][:, :2]
    # In the order of their true directions, but evenly, so that no word covers another.
    order = np.argsort(np.arctan2(*flat.T), kind="stable").argsort()
    angles = 2 * np.pi * (order + 0.5) / len(near)
    far = 1 - np.array([similarity for _, similarity in near])
    figure, axis = plt.subplots(figsize=(6.4, 4.2))
    most = max(far.max(), 0.1)
    between = 2 * np.pi / len(near)  # a direction in which no word lies
    for ring in np.arange(0.1, most + 0.02, 0.1):
        axis.add_patch(plt.Circle((0, 0), ring, fill=False, color="0.85", linewidth=0.8))
        place = ring * np.cos(between), ring * np.sin(between)
        axis.text(*place, f"{1 - ring:.1f}", fontsize=7, color="0.5", ha="center", va="center")
    places = far[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    axis.scatter(*places.T, color=COLOURS[0], marker=MARKERS[0], s=28, zorder=2)
    axis.scatter(0, 0, color=COLOURS[1], marker=MARKERS[2], s=60, zorder=2)
    axis.annotate(centre, (0, 0), (0, -9), textcoords="offset points", ha="center", va="top")
    for (word, _), (x, y) in zip(near, places, strict=True):
        side = "left" if x >= 0 else "right"
        shift = (6 if x >= 0 else -6, 0)
        axis.annotate(
            word, (x, y), shift, textcoords="offset points", ha=side, va="center", fontsize=9
        )
    axis.set_aspect("equal")
    axis.set(xlim=(-1.9 * most, 1.9 * most), ylim=(-1.1 * most, 1.1 * most))
    axis.set_axis_off()
    axis.set_title("distance from the middle: how alike (1 is the same)", fontsize=8, color="0.4")
    show(figure, alt)


def pushes(
    sentences: Sequence[Sequence[str]],
    weights: Sequence[np.ndarray],
    titles: Sequence[str],
    *,
    alt: str,
    width: int = 78,
) -> None:
    """Sentences whose words are shaded by how far each pushes towards one of two classes.

    Args:
        sentences: words of each sentence.
        weights: a number for each word: above 0 for class 1 (orange), below 0 for class 0 (blue).
        titles: one for each sentence.
        alt: what the figure shows.
        width: characters a line.
    """
    boxes, heads, line = [], [], 0.0
    for words, numbers, title in zip(sentences, weights, titles, strict=True):
        heads.append((line, title))
        line, column = line + 1, 0
        most = np.abs(numbers).max() or 1
        for word, number in zip(words, numbers, strict=True):
            if column + len(word) > width:
                line, column = line + 1, 0
            boxes.append((column, line, word, number / most))
            column += len(word) + 1
        line += 1.6
    figure, axis = plt.subplots(figsize=(0.105 * width, 0.27 * line))
    for place, title in heads:
        axis.text(0, place, title, fontsize=9, color="0.35", va="center")
    for column, row, word, number in boxes:
        shade = REGIONS(0.5 + 0.5 * number)
        box = plt.Rectangle((column - 0.4, row - 0.42), len(word) + 0.8, 0.84, color=shade)
        axis.add_patch(box)
        axis.text(column, row, word, family="monospace", fontsize=9, va="center")
    axis.set(xlim=(-1, width + 1), ylim=(line - 1, -0.8))
    axis.set_axis_off()
    show(figure, alt)


def inside(
    picture: np.ndarray, heat: np.ndarray, maps: Sequence[np.ndarray], title: str, *, alt: str
) -> None:
    """A picture, the same with a heat map laid over it, and what some channels see in it.

    Args:
        picture: (height, width, 3), 0 to 255.
        heat: (height, width) on any grid, 0 to 1.
        maps: (height, width) on any grid, one a channel.
        title: above the second.
        alt: what the figure shows.
    """
    columns = 2 + -(-len(maps) // 2)
    figure = plt.figure(figsize=(1.55 * (columns + 2), 3.3))
    grid = figure.add_gridspec(2, columns + 2)
    axes = [figure.add_subplot(grid[:, 2 * i : 2 * i + 2]) for i in range(2)]
    for axis, name in zip(axes, ("the picture", title), strict=True):
        axis.imshow(np.clip(picture, 0, 255).astype("uint8"))
        axis.set_title(name, fontsize=9)
    _lay_over(axes[1], heat, picture.shape[0])
    for i, each in enumerate(maps):
        axis = figure.add_subplot(grid[i % 2, 4 + i // 2])
        axis.imshow(each, cmap="cividis")
        if i == 2:
            axis.set_title("its strongest channels", fontsize=9)
        axes.append(axis)
    for axis in axes:
        axis.axis("off")
    figure.tight_layout(pad=0.4)
    show(figure, alt)


def points(worlds: dict, *, marked=None, alt: str) -> None:
    """Points of the plane in their classes, one panel a world; `marked` stand large in the last.

    Args:
        worlds: `Part` of places (n, 2) and labels from 0 on, by title.
        marked: another `Part`, such as the labelled few.
        alt: what the figure shows.
    """
    figure, axes = plt.subplots(1, len(worlds), figsize=(3.6 * len(worlds), 3.7), squeeze=False)
    for axis, (title, world) in zip(axes[0], worlds.items(), strict=True):
        for label in np.unique(world.y):
            axis.scatter(
                *world.x[world.y == label].T,
                color=COLOURS[label],
                marker=MARKERS[label],
                s=5,
                alpha=0.6,
            )
        axis.set_title(title)
        axis.set_aspect("equal")
        axis.set_axis_off()
    for label in np.unique(marked.y) if marked else ():
        axes[0, -1].scatter(
            *marked.x[marked.y == label].T,
            color=COLOURS[label],
            marker=MARKERS[label],
            edgecolor="black",
            s=70,
        )
    figure.tight_layout()
    show(figure, alt)
