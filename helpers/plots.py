"""Figures that all chapters share: one look, sharp, safe for colour-blind readers, with alt text.

What belongs to images, text or audio stands in their own `figures.py`, drawn on the same canvas.
In all of them `alt` says in a sentence what the figure shows, for those who cannot see it.
"""

import base64
import contextlib
import html
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar

import numpy as np
from IPython.display import display

# Okabe and Ito (2008): distinct with any kind of colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = "osD^vP"
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
STYLE = {"font.size": 10, "axes.titlesize": 10, "legend.frameon": False, "grid.alpha": 0.3,
         "axes.spines.top": False, "axes.spines.right": False}
WIDEST = 8.3  # inches: about 800 of the browser's pixels, which counts 96 to the inch
DPI = 192  # two pixels for each of the browser's
_collected: ContextVar[list[str] | None] = ContextVar("collected", default=None)


def show(figure, alt: str) -> None:
    """Display a matplotlib figure with a text for those who cannot see it, and close it.

    Raises:
        ValueError: the text is empty.
    """
    if not alt.strip():
        raise ValueError('A figure needs a text for those who cannot see it: alt="Loss falls ..."')
    png, width, height = encode(figure)
    if (shown := _collected.get()) is not None:
        source = f'src="data:image/png;base64,{png}" alt="{html.escape(alt, quote=True)}"'
        shown.append(f'<img {source} width="{width}" style="max-width: 100%; height: auto">')
        return
    size = {"alt": alt, "width": width, "height": height}
    display({"image/png": png, "text/plain": alt}, metadata={"image/png": size}, raw=True)


def encode(figure, *, trim: bool = True) -> tuple[str, int, int]:
    """A figure as a PNG of 256 colours in base64, and its width and height in a browser."""
    from PIL import Image

    raw, small = io.BytesIO(), io.BytesIO()
    figure.savefig(raw, dpi=DPI, bbox_inches="tight" if trim else None, facecolor="white")
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close(figure)
    image = Image.open(raw).convert("RGB")
    palette = image.quantize(256, Image.Quantize.FASTOCTREE)
    image.quantize(palette=palette).save(small, "png", optimize=True)  # this one dithers
    width, height = (round(96 * pixels / DPI) for pixels in image.size)
    return base64.b64encode(small.getvalue()).decode(), width, height


def show_html(page: str, text: str) -> None:
    """Display a piece of HTML, with a text for front ends that show none."""
    if (shown := _collected.get()) is not None:
        shown.append(page)
        return
    display({"text/html": page, "text/plain": text}, raw=True)


@contextlib.contextmanager
def collect() -> Iterator[list[str]]:
    """Within it figures and players are kept as pieces of HTML instead of being displayed."""
    shown: list[str] = []
    token = _collected.set(shown)
    try:
        yield shown
    finally:
        _collected.reset(token)


@contextlib.contextmanager
def canvas(rows, columns, panel: tuple[float, float], alt: str, *, legend=False, **settings):
    """Axes (rows, columns), `panel` inches each if that is not too wide; shown at the end."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    scale = min(1, WIDEST / (panel[0] * columns))
    with rc_context(STYLE):
        size = scale * panel[0] * columns, scale * panel[1] * rows
        figure = Figure(size, layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, **settings)
        yield axes
        if legend:  # below the axes: inside there may be no free place
            entries = axes[0, 0].get_legend_handles_labels()
            figure.legend(*entries, loc="outside lower center", ncols=min(4, len(entries[0])))
        show(figure, alt)


def two_sided():
    """The colour map from blue (against) over white (neither) to orange (for)."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("two-sided", ("#7db8da", "#ffffff", "#f2ab74"))


def _look(i):
    """Colour, marker and dash of the i-th of several things."""
    return {"color": COLOURS[i % 6], "marker": MARKERS[i % 6], "linestyle": LINES[i % 6]}


def images(grid, titles: Sequence[str] = (), *, columns: int = 6, alt: str) -> None:
    """Images (height, width, 3), 0 to 255, or maps (height, width), each under its title."""
    columns, titles = min(columns, len(grid)), titles or [""] * len(grid)
    panel = (1.38, 1.75 if any(titles) else 1.4)
    with canvas(-(-len(grid) // columns), columns, panel, alt) as axes:
        for axis in axes.flat:
            axis.set_axis_off()
        for axis, image, title in zip(axes.flat[: len(grid)], grid, titles, strict=True):
            axis.imshow(np.clip(image, 0, 255).astype("uint8") if image.ndim == 3 else image)
            axis.set_title(title, fontsize=9)


def training(history, *, alt: str) -> None:
    """Loss and metrics after each epoch, on the training and on the validation examples.

    Args:
        history: what `fit` returns; or several by title, a row of panels for each.
    """
    several = isinstance(history, Mapping) and "loss" not in history
    given = history.items() if several else [("", history)]
    logs = [(title, getattr(each, "history", each)) for title, each in given]
    names = [name for name in logs[0][1] if f"val_{name}" in logs[0][1]] or list(logs[0][1])
    with canvas(len(logs), len(names), (3.9, 2.6), alt, legend=True, sharey="col") as axes:
        for (row, column), axis in np.ndenumerate(axes):
            (title, log), name = logs[row], names[column]
            percent = "accuracy" in name
            for i, (key, label) in enumerate(((name, "training"), (f"val_{name}", "validation"))):
                if key in log:
                    y = np.array(log[key]) * (100 if percent else 1)
                    axis.plot(range(1, len(y) + 1), y, label=label, color=COLOURS[i], ls=LINES[i])
            axis.set(xlabel="epoch", ylabel=name + " (%)" * percent, title=title)
            axis.xaxis.get_major_locator().set_params(integer=True)
            axis.grid()


def learning_curve(
    curves, *, alt: str, chance: float | None = None, at: int | None = None,
    highlight: str | None = None, split: str = "test",
) -> None:
    """Accuracy against labels per class: the mean over the draws and their standard deviation.

    Args:
        curves: rows of `compare.learning_curve`, of one or several methods.
        chance: accuracy of guessing, 0 to 1, drawn as a thin line.
        at: a number of labels that an upright line points out.
        highlight: a method to bring out with its single draws; the others turn grey.
        split: the examples on which accuracy was measured.
    """
    methods = list(dict.fromkeys(curves.method))
    with canvas(1, 1, (7.5, 4.4), alt, legend=True) as axes:
        axis = _label_axis(axes[0, 0], curves.labels, f"{split} accuracy (%), mean ± std")
        for i, method in enumerate(methods):
            rows, look = curves[curves.method == method], _look(i)
            beside, score = _beside(i, len(methods)), 100 * rows.accuracy
            if highlight not in (None, method):
                look["color"] = "0.75"
            groups = score.groupby(rows.labels)
            axis.errorbar(beside * groups.mean().index, groups.mean(), groups.std().fillna(0),
                          capsize=3, label=method, zorder=3 if method == highlight else 2, **look)
            if method == highlight:
                axis.scatter(beside * rows.labels, score, s=14, alpha=0.5, color=look["color"])
        if at is not None:
            axis.axvline(at, color="grey", linestyle=":")
        if chance is not None:
            axis.axhline(100 * chance, color="grey", linewidth=0.8)
            axis.annotate("guessing", (1, 100 * chance), (-2, 3), ("axes fraction", "data"),
                          "offset points", ha="right", color="0.35")


def _beside(i, count):
    """The i-th of several things stands a little beside its number of labels: a factor."""
    return 1.035 ** (i - (count - 1) / 2)


def _label_axis(axis, labels, y_label):
    ticks = sorted(set(labels))
    axis.set_xscale("log")
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.minorticks_off()
    axis.set(xlabel="labelled examples per class", ylabel=y_label)
    axis.grid()
    return axis


def paired_gains(curves, better: str | Sequence[str], worse: str, *, alt: str) -> None:
    """By how much methods lead in each draw: a dot each, a dash for the mean, draws ahead above.

    Args:
        curves: rows of `compare.learning_curve`; the same draws for all methods.
        better: the method, or several, whose lead is drawn wherever both were trained.
        worse: the method that they are compared with.
    """
    from helpers import compare

    names = [better] if isinstance(better, str) else list(better)
    budgets = {name: set(rows.labels) for name, rows in curves.groupby("method")}
    with canvas(1, 1, (7.5, 3.6), alt, legend=True) as axes:
        axis = _label_axis(axes[0, 0], curves.labels, f"percentage points ahead of\n{worse}")
        axis.axhline(0, color="0.3", linewidth=0.8)
        for i, name in enumerate(names):
            look = {"color": COLOURS[i % 6], "marker": MARKERS[i % 6]}
            for first, labels in enumerate(sorted(budgets[name] & budgets[worse])):
                gain = compare.accuracy_gain(curves, name, worse, labels)
                place = labels * _beside(3 * i, 3 * len(names) - 2)
                axis.scatter([place] * gain.draws, gain.differences, s=22, alpha=0.6, **look,
                             label=None if first else name)
                axis.plot(place, gain.mean, "_", markersize=20, color=look["color"])
                axis.annotate(f"{gain.ahead}/{gain.draws}", (place, max(gain.differences)), (0, 6),
                              textcoords="offset points", ha="center", fontsize=9)
        axis.margins(y=0.15)


def confusion(labels, predictions, class_names: Sequence[str], *, alt: str, title="") -> None:
    """Confusion matrix: a row for each label, with counts and percentages of the row."""
    from sklearn.metrics import confusion_matrix

    every = range(len(class_names))
    counts = confusion_matrix(labels, predictions, labels=every)
    shares = confusion_matrix(labels, predictions, labels=every, normalize="true")
    side = 1.3 + 0.95 * len(class_names)
    with canvas(1, 1, (side + 0.4, side), alt) as axes:
        axes[0, 0].imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), share in np.ndenumerate(shares):
            axes[0, 0].text(column, row, f"{counts[row, column]}\n{share:.0%}", ha="center",
                            va="center", color="white" if share > 0.5 else "black")
        axes[0, 0].set_xticks(every, class_names)
        axes[0, 0].set_yticks(every, class_names)
        axes[0, 0].set(xlabel="prediction", ylabel="label (rows add up to 100 %)", title=title)


def lines(x, curves: dict[str, Sequence], *, x_label: str, y_label: str, alt: str) -> None:
    """Curves over the same x: each (n,), or (draws, n) as mean and standard deviation."""
    with canvas(1, 1, (7, 3.6), alt, legend=True) as axes:
        for i, (name, y) in enumerate(curves.items()):
            y = np.atleast_2d(np.asarray(y, float))
            error = y.std(0, ddof=1) if len(y) > 1 else None
            axes[0, 0].errorbar(x, y.mean(0), error, capsize=3, label=name, **_look(i))
        axes[0, 0].set(xlabel=x_label, ylabel=y_label)
        axes[0, 0].grid()


def histogram(groups: dict[str, Sequence[float]], *, x_label: str, y_label: str, alt: str) -> None:
    """How often each value comes, one outline for each group, over common bins."""
    edges = np.histogram_bin_edges(np.concatenate(list(groups.values())), bins=20)
    with canvas(1, 1, (6.5, 3), alt, legend=True) as axes:
        for i, (name, values) in enumerate(groups.items()):
            axes[0, 0].stairs(np.histogram(values, edges)[0], edges, label=name, linewidth=2,
                              color=COLOURS[i % 6], linestyle=LINES[i % 6])
        axes[0, 0].set(xlabel=x_label, ylabel=y_label)


def precision_recall(
    splits: dict[str, tuple], threshold: float, *, class_name: str = "class 1", alt: str
) -> None:
    """Precision over recall for all thresholds, cut to where they vary, and the point of one.

    Args:
        splits: by name, labels 0 or 1 and probabilities of class 1, both of shape (n,).
        threshold: an alarm is a probability of at least this.
        class_name: what class 1 is.
    """
    from sklearn.metrics import precision_recall_curve, precision_score, recall_score

    with canvas(1, 1, (6.5, 4), alt, legend=True) as axes:
        axis, lowest, leftmost = axes[0, 0], 0.9, 0.9
        for i, (name, (labels, probabilities)) in enumerate(splits.items()):
            precision, recall, _ = precision_recall_curve(labels, probabilities)
            alarm = np.asarray(probabilities) >= threshold
            point = recall_score(labels, alarm), precision_score(labels, alarm, zero_division=1)
            label = f"{name}: precision {point[1]:.0%}, recall {point[0]:.0%} at {threshold:.2f}"
            axis.step(recall, precision, where="post", color=COLOURS[i], linestyle=LINES[i])
            axis.plot(*point, ms=9, label=label, **_look(i))
            lowest = min(lowest, point[1], precision[recall < 1].min())
            leftmost = min(leftmost, point[0], recall[precision < 1].min(initial=1))
        axis.set(xlim=(max(0, leftmost - 0.05), 1.01), ylim=(max(0, lowest - 0.03), 1.01),
                 xlabel=f"recall: share of {class_name} that is found",
                 ylabel="precision: share of alarms that are right")
        axis.grid()


def points(
    worlds: dict, *, class_names: dict[str, Sequence[str]], marked=None, arms=None, alt: str
) -> None:
    """Examples in the plane, one panel for each world, with a legend of its classes.

    A world of more than two classes has colours of its own, so that those of two classes mean
    the same in every figure.

    Args:
        worlds: `Examples` of places (n, 2) and labels from 0 on, by title.
        class_names: those of each world, by title.
        marked: `Examples` drawn large in the last panel, such as the labelled few.
        arms: `Examples` whose labels are written at their outer ends, in every panel.
    """
    with canvas(1, len(worlds), (3.9, 4.4), alt) as axes:
        for axis, (title, world) in zip(axes[0], worlds.items(), strict=True):
            _scatter(axis, world, class_names[title], s=6, alpha=0.6)
            if marked is not None and axis is axes[0, -1]:
                names = [f"{name}, labelled" for name in class_names[title]]
                _scatter(axis, marked, names, s=70, edgecolor="black")
            _plane(axis, title, arms)


def regions(
    probabilities: dict[str, np.ndarray], points, *, world, arms=None,
    class_names: Sequence[str] = ("class 0", "class 1"), alt: str,
) -> None:
    """Maps of the plane from -1 to 1, one for each model, and the labelled points of two classes.

    Args:
        probabilities: of class 1 on a grid (height, width), top row first, by title.
        points: `Examples` of places (n, 2) and labels 0 or 1, drawn large.
        world: `Examples` drawn small: what there is to be learned.
        arms, class_names: as for `points`.
    """
    with canvas(1, len(probabilities), (3.9, 4.4), alt) as axes:
        for axis, (title, grid) in zip(axes[0], probabilities.items(), strict=True):
            image = axis.imshow(grid, extent=(-1, 1, -1, 1), cmap=two_sided(), vmin=0, vmax=1)
            _scatter(axis, world, ["", ""], s=2, alpha=0.5)
            _scatter(axis, points, class_names, s=60, edgecolor="white")
            _plane(axis, title, arms)
        axes[0, 0].figure.colorbar(image, ax=axes, shrink=0.7, aspect=25,
                                   label=f"predicted probability of {class_names[1]}")


def _scatter(axis, examples, names, **settings):
    shift = 2 if len(names) > 2 else 0
    for label, name in enumerate(names):
        look = {"color": COLOURS[(label + shift) % 6], "marker": MARKERS[(label + shift) % 6]}
        axis.scatter(*examples.x[examples.y == label].T, label=name, **look, **settings)


def _plane(axis, title, arms):
    for label in () if arms is None else np.unique(arms.y):
        end = max(arms.x[arms.y == label], key=lambda place: np.hypot(*place))
        axis.text(*(1.12 * end), str(label), weight="bold", ha="center", va="center")
    axis.set(title=title, aspect="equal", xlim=(-1.2, 1.2), ylim=(-1.2, 1.2))
    axis.set_axis_off()
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, 0.02), ncols=2, fontsize=9)
