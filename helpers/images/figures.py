"""Figures of what an image network sees: heat maps over images, and feature maps."""

from collections.abc import Sequence

import numpy as np

from helpers import plots


def captions(probabilities, labels, class_names: Sequence[str]) -> list[str]:
    r"""The prediction for each image, and its label: `labels` is None where there are none.

    Example:
        >>> captions([[0.2, 0.8]], [0], ["cat", "dog"])
        ['predicted dog 80%\nlabel cat']
    """
    lines = []
    for i, each in enumerate(np.asarray(probabilities)):
        line = f"predicted {class_names[each.argmax()]} {each.max():.0%}"
        lines.append(line if labels is None else f"{line}\nlabel {class_names[labels[i]]}")
    return lines


def heat_maps(
    images: Sequence[np.ndarray], maps: Sequence[np.ndarray], titles: Sequence[str], *, alt: str
) -> None:
    """Above, images; below, the same under their heat maps, and what the colours mean.

    Args:
        images: (height, width, 3), 0 to 255.
        maps: (height, width) on any grid, 0 to 1; the cells of the grid stay visible.
        titles: one for each, such as from `captions`.
    """
    with plots.canvas(2, len(images), (2.6, 3.2), alt) as axes:
        for (above, below), image, heat, title in zip(axes.T, images, maps, titles, strict=True):
            height, width = image.shape[:2]
            for axis in (above, below):
                axis.imshow(np.clip(image, 0, 255).astype("uint8"))
                axis.set_axis_off()
            above.set_title(title, fontsize=9 if len(images) < 5 else 8)
            shades = below.imshow(heat, extent=(-0.5, width - 0.5, height - 0.5, -0.5),
                                  cmap="inferno", alpha=0.55, vmin=0, vmax=1)
        bar = below.figure.colorbar(shades, ax=axes, location="bottom", shrink=0.5, aspect=30)
        bar.set_ticks([0, 1], labels=["no evidence", "most evidence"])


def feature_maps(image: np.ndarray, layers: dict[str, np.ndarray], *, alt: str) -> None:
    """An image, and in a row for each layer the five channels that answer most on average.

    Args:
        image: (height, width, 3), 0 to 255.
        layers: feature maps (height, width, channels) by the title of their layer.
    """
    with plots.canvas(len(layers), 1 + 5, (1.38, 1.5), alt) as axes:
        for axis in axes.flat:
            axis.set_axis_off()
        axes[0, 0].imshow(np.clip(image, 0, 255).astype("uint8"))
        for row, (title, maps) in zip(axes, layers.items(), strict=True):
            row[0].set_title(f"{title}\n{maps.shape[0]} x {maps.shape[1]}", fontsize=9)
            strongest = maps.mean((0, 1)).argsort()[::-1]
            for axis, channel in zip(row[1:], strongest, strict=False):
                axis.imshow(maps[:, :, channel], cmap="gray")
                axis.set_title(f"channel {channel}", fontsize=8)
