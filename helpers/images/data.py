"""Image files in, uint8 RGB arrays out, values 0 to 255."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from helpers import assets, disk
from helpers.data import SPLITS, Data, Examples

BUNDLED = "cats-vs-dogs"
MINIMUM = {"validation": 2, "test": 3}  # images per class; of train it is a parameter


def load(dataset: str | Path, *, per_class: int = 1, size: int | None = None) -> Data:
    """Load a task whose images lie in folders by split and class.

    Images are uint8 (n, size, size, 3) and labels int32 (n,), classes in the order of the
    alphabet; the table has the columns split, label and path.

    Args:
        dataset: "cats-vs-dogs", the bundled data; or a folder with the folders train, validation
            and test, each with one folder per class, each with image files.
        per_class: training images that each class must have.
        size: height and width in pixels; that of the profile's backbones if None.

    Raises:
        ValueError: the folder is laid out differently, the splits have different classes, a class
            has too few images, or a file cannot be read.

    Example:
        >>> load("cats-vs-dogs", per_class=10, size=64).class_names
        ('cats', 'dogs')
    """
    names, table = _list_files(dataset, per_class)
    side = size or image_size()
    with ThreadPoolExecutor() as threads:
        read = threads.map(lambda path: read_image(path, side), table.path)
        x = disk.array((len(table), side, side, 3), "uint8")
        for place, image in zip(x, disk.progress(read, "images", len(table)), strict=True):
            place[:] = image
    ends = np.cumsum([(table.split == split).sum() for split in SPLITS])[:-1]
    examples = map(Examples, np.split(x, ends), np.split(table.label.to_numpy(), ends))
    return Data(*examples, class_names=tuple(names), table=table)


def image_size(profile: str | None = None) -> int:
    """Height and width in pixels that a profile's backbones are meant for; the current if None."""
    return assets.about(BUNDLED, profile=profile).settings["image_size"]


def read_image(path: str | Path, size: int) -> np.ndarray:
    """One plain image file as uint8 RGB of shape (size, size, 3), stretched to a square.

    Args:
        path: a JPEG or PNG of 8 bits in colour or grey; other ones of a person's own are read by
            `course.intake.read_image`.
        size: height and width in pixels.

    Raises:
        ValueError: there is no such file, or it is not such an image.
    """
    try:
        with Image.open(path) as image:
            image.draft("RGB", (2 * size, 2 * size))
            if image.mode not in ("RGB", "L") or image.has_transparency_data:
                raise ValueError(f"its mode is {image.mode}")
            rgb = image.convert("RGB")
            return np.asarray(rgb.resize((size, size), Image.Resampling.BICUBIC))
    except Exception as error:  # Pillow raises errors of any kind on odd bytes
        raise ValueError(
            f"{path} cannot be read as an image of 8 bits in colour or grey ({error}): let "
            "course.intake read it first."
        ) from None


def _list_files(dataset, per_class):
    """The class names, and a table of split, label and path."""
    root = assets.path(BUNDLED) if str(dataset) == BUNDLED else Path(dataset).expanduser()
    names, rows = None, []
    for split in SPLITS:
        found = [folder.name for folder in _inside(root / split) if folder.is_dir()]
        names = names or found
        if found != names or len(names) < 2:
            raise ValueError(
                f"{root / split} has the classes {', '.join(found) or 'none'}, and train has "
                f"{', '.join(names) or 'none'}: each split needs the same ones, at least two."
            )
        for label, name in enumerate(names):
            files = _inside(root / split / name)
            if len(files) < (least := MINIMUM.get(split, per_class)):
                raise ValueError(
                    f"{root} has {len(files)} images of class {name} in {split}, and "
                    f"{least} are needed: add images, or ask for fewer labels per class."
                )
            rows += [(split, label, file) for file in files]
    table = pd.DataFrame(rows, columns=["split", "label", "path"])
    return names, table.astype({"label": "int32"})


def _inside(folder):
    if not folder.is_dir():
        raise ValueError(
            f"There is no folder {folder}: write '{BUNDLED}', or a folder with the folders train, "
            "validation and test, and one folder of images per class in each."
        )
    system = ("thumbs.db", "desktop.ini")
    files = (each for each in folder.iterdir() if not each.name.startswith("."))
    return sorted(each for each in files if each.name.lower() not in system)
