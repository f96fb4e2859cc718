"""Image files in, uint8 RGB arrays out, values 0 to 255."""

import io
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from helpers import assets
from helpers.data import SPLITS, Data, Examples
from helpers.disk import progress

BUNDLED = "cats-vs-dogs"
MINIMUM = {"validation": 2, "test": 3}  # images per class; of train it is a parameter
TURNS = dict(zip(range(2, 9), (0, 3, 1, 5, 4, 6, 2), strict=True))  # EXIF to Image.Transpose


def load(dataset: str | Path, *, per_class: int = 1, size: int | None = None) -> Data:
    """Load a task whose images lie in folders by split and class.

    Args:
        dataset: "cats-vs-dogs", the bundled data; or a folder with the folders train, validation
            and test, each with one folder per class, each with image files.
        per_class: training images that each class must have.
        size: height and width in pixels; that of the profile's backbones if None.

    Returns:
        uint8 images (n, size, size, 3) and int32 labels (n,); class names in the order of the
        alphabet; a table with the columns split, label and path.

    Raises:
        ValueError: the folder is laid out differently, the splits have different classes, a class
            has too few images, or a file cannot be read.

    Example:
        >>> load("cats-vs-dogs", per_class=10, size=64).class_names
        ('cats', 'dogs')
    """
    root = _root(dataset)
    names = [folder.name for folder in _classes(root / "train")]
    rows = []
    for split in SPLITS:
        folders = _classes(root / split)
        if (found := [folder.name for folder in folders]) != names or len(names) < 2:
            raise ValueError(
                f"{root / split} has the classes {', '.join(found) or 'none'}, and train has "
                f"{', '.join(names) or 'none'}: each split needs the same ones, at least two."
            )
        for label, folder in enumerate(folders):
            files = _inside(folder)
            if len(files) < (least := MINIMUM.get(split, per_class)):
                raise ValueError(
                    f"{root} has {len(files)} images of class {folder.name} in {split}, and "
                    f"{least} are needed: add images, or ask for fewer labels per class."
                )
            rows += [(split, label, file) for file in files]
    table = pd.DataFrame(rows, columns=["split", "label", "path"]).astype({"label": "int32"})
    x, faults = read_images(table.path, size or image_size())
    if faults:
        more = f" ({len(faults) - 1} more are unreadable, too.)" if len(faults) > 1 else ""
        raise ValueError(next(iter(faults.values())) + more)
    ends = np.cumsum([(table.split == split).sum() for split in SPLITS])[:-1]
    examples = map(Examples, np.split(x, ends), np.split(table.label.to_numpy(), ends))
    return Data(*examples, class_names=tuple(names), table=table)


def example(dataset: str | Path) -> Path:
    """An image file of the test split: the first of the last class."""
    return _inside(_classes(_root(dataset) / "test")[-1])[0]


def image_size(profile: str | None = None) -> int:
    """Height and width in pixels that a profile's backbones are meant for; the current if None."""
    return assets.about(BUNDLED, profile=profile).settings["image_size"]


def read_image(path: str | Path, size: int, content: bytes | None = None) -> np.ndarray:
    """One image as uint8 RGB of shape (size, size, 3), stretched to a square.

    Grey becomes RGB, transparent becomes white, a rotation noted by the camera is undone, more
    than 8 bits are scaled to 8, and of an animation the first image is taken.

    Args:
        path: the file.
        size: height and width in pixels.
        content: the file's bytes, where they are here already; `path` is then only its name.

    Raises:
        ValueError: it is no image, damaged, too large, or has values without a clear meaning.
    """
    images, faults = read_images([Path(path)], size, content)
    for fault in faults.values():
        raise ValueError(fault)
    return images[0]


def read_images(paths, size: int, content: bytes | None = None) -> tuple[np.ndarray, dict]:
    """Many images as of `read_image`, (n, size, size, 3), and {position: what is wrong with it}."""
    images, faults = np.zeros((len(paths), size, size, 3), np.uint8), {}

    def read(i):
        try:
            images[i] = _read(paths[i], size, content)
        except ValueError as error:
            faults[i] = str(error)

    with warnings.catch_warnings(), ThreadPoolExecutor() as threads:
        warnings.simplefilter("ignore")  # Pillow warns of large images and of odd EXIF entries
        done = threads.map(read, range(len(paths)))
        for _ in progress(done, "reading", len(paths)) if len(paths) > 1 else done:
            pass
    return images, dict(sorted(faults.items()))


class _Unclear(Exception):
    """The file is sound, but its values cannot be brought to 0 to 255 for sure."""


def _read(path, size, content):
    try:
        with Image.open(path if content is None else io.BytesIO(content)) as image:
            image.draft("RGB", (2 * size, 2 * size))
            rgb = _to_rgb(image)
            return np.asarray(rgb.resize((size, size), Image.Resampling.BICUBIC))
    except FileNotFoundError:
        raise ValueError(f"There is no image {path}: check the name.") from None
    except Image.UnidentifiedImageError:
        raise ValueError(
            f"{path} is not an image that can be read: replace it by a JPEG or PNG, or remove it."
        ) from None
    except Image.DecompressionBombError:
        raise ValueError(f"{path} is too large to open: make it smaller.") from None
    except _Unclear as error:
        raise ValueError(f"{path} {error}: save it as JPEG or PNG with 8 bits.") from None
    except Exception as error:  # Pillow raises errors of any kind on odd bytes
        raise ValueError(f"{path} is damaged ({error}): replace it or remove it.") from None


def _to_rgb(image):
    deep = ";16" in str(image.tile)  # Pillow keeps the upper 8 bits of each colour
    image.load()
    turn = _turn(image)
    if image.mode == "F" or image.mode.startswith("I"):
        values = _eight_bits(np.asarray(image), image.info.get("transparency"))
        image = Image.fromarray(values)
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    elif image.mode == "LAB":
        raise _Unclear("has LAB colours")
    elif deep and 0 < np.asarray(image).max() < 16:
        raise _Unclear("uses less than 12 of its 16 bits")
    return (image if turn is None else image.transpose(turn)).convert("RGB")


def _turn(image):
    """How to undo the rotation in the EXIF block; None if there is none that can be read."""
    try:
        return TURNS.get(image.getexif().get(0x0112))
    except Exception:  # an odd entry anywhere in the block
        return None


def _eight_bits(values, clear):
    """Grey values of 12, 16 or 32 bits or floats as uint8, white where they equal `clear`."""
    low, high = float(values.min()), float(values.max())
    floats = values.dtype.kind == "f"
    tops = (1, 255, 65_535) if floats else (255, 1023, 4095, 65_535)
    top = next((top for top in tops if high <= 1.01 * top), 0)
    if not top or not low >= -0.01 * top or (floats and top > 1 and high < 16):
        raise _Unclear(f"has values from {low:.3g} to {high:.3g}, of which none is surely white")
    scaled = np.clip(values * (255 / top), 0, 255).round().astype(np.uint8)
    return scaled if clear is None else np.where(values == clear, np.uint8(255), scaled)


def _root(dataset):
    root = assets.path(BUNDLED) if str(dataset) == BUNDLED else Path(dataset).expanduser()
    if not (root / "test").is_dir():
        raise ValueError(
            f"There is no folder {root / 'test'}: write '{BUNDLED}', or a folder with the folders "
            "train, validation and test, and one folder of images per class in each."
        )
    return root


def _classes(folder):
    return [each for each in _inside(folder) if each.is_dir()]


def _inside(folder):
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder}: see how the bundled images are laid out.")
    system = ("thumbs.db", "desktop.ini")
    files = (each for each in folder.iterdir() if not each.name.startswith("."))
    return sorted(each for each in files if each.name.lower() not in system)
