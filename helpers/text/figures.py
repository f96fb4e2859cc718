"""Figures of words: a map of them, the neighbours of one, and which words decide."""

import itertools
from collections.abc import Sequence

import numpy as np

from helpers import plots


def word_map(groups: dict[str, Sequence[str]], vectors, *, alt: str) -> None:
    """Words as points in the two directions in which their vectors differ most (PCA).

    Args:
        groups: words by the name of their group, which decides colour and marker.
        vectors: `KeyedVectors` that have all these words.
    """
    from sklearn.decomposition import PCA

    words = [word for group in groups.values() for word in group]
    places = PCA(2).fit_transform([vectors.get_vector(word, norm=True) for word in words])
    with plots.canvas(1, 1, (8, 5.2), alt) as axes:
        axis, which = axes[0, 0], np.repeat(range(len(groups)), [*map(len, groups.values())])
        for i, name in enumerate(groups):
            x, y = places[which == i].T
            axis.scatter(x, y, color=plots.COLOURS[i], marker=plots.MARKERS[i], s=36, label=name)
        axis.margins(0.12)
        axis.set(xticks=[], yticks=[], xlabel="first main direction", ylabel="second",
                 title=f"{len(words)} words, projected from {vectors.vector_size} dimensions to 2")
        axis.figure.legend(loc="outside lower center", ncols=len(groups))
        _write_apart(axis, words, places, [plots.COLOURS[i] for i in which])


def _write_apart(axis, words, places, colours):
    """Write words beside their points, where they touch neither a marker nor another word."""
    from matplotlib.transforms import Bbox

    axis.set(xlim=axis.get_xlim(), ylim=axis.get_ylim())
    axis.figure.draw_without_rendering()  # only now is it known where the points will lie
    spots, pixel = axis.transData.transform(places), axis.figure.dpi / 72
    taken = [Bbox([spot - 5 * pixel, spot + 5 * pixel]) for spot in spots]
    for word, spot, colour in zip(words, spots, colours, strict=True):
        text = axis.text(0, 0, word, color=colour, fontsize=9, ha="center", va="center")
        half = text.get_window_extent().size / 2
        for far, turn in itertools.product(range(8, 80, 4), np.radians(range(0, 360, 45))):
            middle = spot + (far * pixel + half) * (np.cos(turn), np.sin(turn))
            mine = Bbox([middle - half, middle + half])
            if not mine.count_overlaps(taken):
                break
        taken.append(mine)
        text.set_position(axis.transData.inverted().transform(middle))


def neighbourhoods(centre: str, near: dict[str, Sequence[tuple[str, float]]], *, alt: str) -> None:
    """The words nearest to one, a panel for each model: the nearer the more alike, on one scale.

    A word that several models name stands in the same direction in each of them, in blue.

    Args:
        centre: what stands in the middle, a word or a sum of words.
        near: words and their cosine similarity to the centre, by the name of the model.
    """
    from matplotlib.patches import Circle

    named = [word for words in near.values() for word, _ in words]
    turns, count = _directions(near)
    between = 2 * np.pi / count * np.ceil(count / 4)  # upwards, where no word lies
    with plots.canvas(1, len(near), (4.6, 3.9), alt) as axes:
        for axis, (title, words) in zip(axes[0], near.items(), strict=True):
            for alike in (0.8, 0.6, 0.4, 0.2):
                axis.add_patch(Circle((0, 0), 1 - alike, fill=False, color="0.85", zorder=0))
                axis.text((1 - alike) * np.cos(between), (1 - alike) * np.sin(between), f"{alike}",
                          fontsize=7, color="0.4", ha="center", va="center", zorder=1,
                          bbox={"color": "white", "pad": 1})
            for word, alike in words:
                alone = len(near) > 1 and named.count(word) == 1
                turn = turns[title, word]
                x, y = (1 - alike) * np.cos(turn), (1 - alike) * np.sin(turn)
                axis.scatter(x, y, color=plots.COLOURS[alone], marker=plots.MARKERS[alone], s=28)
                axis.annotate(word, (x, y), (6 if x >= 0 else -6, 0), va="center", fontsize=9,
                              textcoords="offset points", ha="left" if x >= 0 else "right")
            axis.scatter(0, 0, color="black", marker="*", s=90)
            axis.set(title=f"{title}: nearest to {centre}", aspect="equal", xlim=(-1.1, 1.1),
                     ylim=(-0.85, 0.85))
            axis.set_axis_off()
        only = "; orange squares: only in this one" if len(near) > 1 else ""
        axis.figure.supxlabel(f"rings: cosine similarity to the word in the middle{only}", size=9)


def _directions(near):
    """An angle for each (model, word), evenly all around; a word named twice keeps its own."""
    slots, angles, count = {}, {}, max(len(words) for words in near.values())
    for title, words in near.items():
        free = set(range(count))
        for word, _ in sorted(words, key=lambda each: each[0] not in slots):
            slot = slots.get(word) if slots.get(word) in free else min(free)
            slots.setdefault(word, slot)
            free.remove(slot)
            angles[title, word] = 2 * np.pi * (slot + 0.5) / count
    return angles, count


def occlusion(
    sentences: Sequence[Sequence[str]], weights: Sequence[np.ndarray], titles: Sequence[str],
    class_names: Sequence[str], *, alt: str,
) -> None:
    """Sentences whose words are shaded by how far each pushes towards one of two classes.

    Args:
        sentences: words of each sentence.
        weights: a number for each word: above 0 for class 1 (orange), below 0 for class 0 (blue).
        titles: one for each sentence.
        class_names: the names of class 0 and class 1.
    """
    boxes, heads, line, width = [], [], 0.0, 88  # characters
    for words, numbers, title in zip(sentences, weights, titles, strict=True):
        heads.append((line, title))
        line, column, most = line + 1.1, 0, np.abs(numbers).max(initial=0) or 1
        for word, number in zip(words, numbers, strict=True):
            if column + len(word) > width:
                line, column = line + 1, 0
            boxes.append((column, line, word, number / most))
            column += len(word) + 1
        line += 1.7
    with plots.canvas(1, 1, (8.2, 0.25 * line + 0.7), alt) as axes:
        axis, colours = axes[0, 0], plots.two_sided()
        for place, title in heads:
            axis.text(0, place, title, va="center", color="0.3")
        for column, row, word, share in boxes:
            axis.text(column, row, word, family="monospace", fontsize=9, va="center",
                      bbox={"color": colours((1 + share) / 2), "pad": 2, "linewidth": 0})
        axis.set(xlim=(-1, width + 1), ylim=(line - 0.8, -0.8))
        axis.set_axis_off()
        shades = axis.scatter([], [], c=[], cmap=colours, vmin=-1, vmax=1)
        bar = axis.figure.colorbar(shades, ax=axis, location="bottom", shrink=0.6, aspect=40)
        bar.set_ticks([-1, 0, 1], labels=[f"pushes towards {class_names[0]}", "neither",
                                          f"towards {class_names[1]}"])
        bar.set_label("deepest: the strongest word of each sentence", size=9)
