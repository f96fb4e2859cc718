"""Every figure of the course: one look, safe for colour-blind readers, each with alt text."""

import base64
import io
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
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
    display(
        {"image/png": base64.b64encode(png.getvalue()).decode(), "text/plain": alt},
        metadata={"image/png": {"alt": alt}},
        raw=True,
    )


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
        axes[1, column].imshow(
            heat,
            extent=(-0.5, size - 0.5, size - 0.5, -0.5),
            cmap="inferno",
            alpha=0.55,
            interpolation="bilinear",
            vmin=0,
            vmax=1,
        )
    figure.tight_layout(pad=0.4)
    show(figure, alt)


def label_curve(curves, *, alt: str, chance: float | None = None) -> None:
    """Accuracy against labels a class: the mean over seeds, and a band from worst to best.

    Args:
        curves: rows of `transfer.label_curve`, of one or several methods.
        alt: what the figure shows.
        chance: accuracy of guessing, drawn as a thin line.
    """
    figure, axis = plt.subplots(figsize=(7, 4))
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
    axis.legend(frameon=False)
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


def regions(beliefs: dict[str, np.ndarray], points, *, alt: str) -> None:
    """Maps of the plane from -1 to 1, one a model, with the labelled points of two classes.

    Args:
        beliefs: probability of class 1 on a grid (height, width), top row first.
        points: `Part` of places (n, 2) and labels 0 or 1.
        alt: what the figure shows.
    """
    figure, axes = plt.subplots(1, len(beliefs), figsize=(3.6 * len(beliefs), 3.7), squeeze=False)
    for axis, (name, grid) in zip(axes[0], beliefs.items(), strict=True):
        axis.imshow(grid, extent=(-1, 1, -1, 1), cmap=REGIONS, vmin=0, vmax=1)
        for label in (0, 1):
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
