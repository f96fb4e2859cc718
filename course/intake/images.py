"""A person's own image folder, checked and laid out as the bundled images are."""

import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse.csgraph import connected_components
from sklearn.neighbors import radius_neighbors_graph

from course.intake import folders, image_files
from helpers import assets
from helpers.data import SPLITS
from helpers.disk import progress
from helpers.images.data import BUNDLED

SIDE = 32  # pixels at which images are compared
UNSORTED = "unsorted"  # where files lie before they are split
SPLIT_OF_FOLD = np.array(["", "train", "train", "train", "validation", "test"])


def images(dataset: str | Path) -> str:
    """What `helpers.images.load` can read: the name of the bundled images, or a checked folder.

    A person's folder holds one folder per class; or train, validation (val, valid, dev) and test,
    or two of them, with the class folders in each. Files lie at any depth. What cannot be read is
    left out, copies of an image (resized or compressed again, too) are kept in one split, and a
    missing split is made. What was found, grouped and left out is printed.

    Args:
        dataset: "cats-vs-dogs", or the folder.

    Returns:
        The name, or the path of a folder in the cache; at once if the content is known.

    Raises:
        ValueError: no such folder, fewer than two classes, a class without images, different
            classes in two splits, the same image in two classes, or too few images to split.
    """
    own = folders.own_folder(dataset, BUNDLED, "images")
    root = own or assets.path(BUNDLED)
    if not own and (root / "test").is_dir():
        return BUNDLED
    table = _find(root)
    key = folders.content_key(root, table.path, "images, layout 5")
    return str(folders.keep(key, lambda target: _write(target, root, table, bool(own))))


def _find(root):
    """A table of split ("" where none is given), kind (the class) and path."""
    rows, names = [], None
    for split, folder in _splits(folders.opened(root)).items():
        classes = folders.files_by_class(folder, "images")
        if list(classes) != (names := names or list(classes)):
            raise ValueError(
                f"{folder} has the classes {', '.join(classes)} but train has "
                f"{', '.join(names)}: give each split the same class folders."
            )
        rows += [(split, kind, file) for kind, files in classes.items() for file in files]
    return pd.DataFrame(rows, columns=["split", "kind", "path"])


def _splits(level):
    """The folders train, validation and test, whatever their spelling; {"": level} without."""
    splits = {}
    for folder in folders.inside(level)[0]:
        split = folders.SPLIT_OF_NAME.get(folder.name.lower())
        if split and folders.inside(folder)[0]:
            if other := splits.get(split):
                raise ValueError(f"{level} has {other.name} and {folder.name}: keep one of them.")
            splits[split] = folder
    if "train" not in splits:
        return {"": level}
    if len(splits) == 1:
        raise ValueError(
            f"{level} has a folder {splits['train'].name} but neither validation nor test: add "
            "one, or put the class folders directly into it."
        )
    if "test" not in splits:
        splits["test"] = splits.pop("validation")
    return {split: splits[split] for split in SPLITS if split in splits}


def _write(target, root, table, own):
    """Fill the folder `target`; return what is to be said."""
    small, kept, faults, lines = _keep_plain(table, target / UNSORTED)
    lines += folders.beside(root, table.path) if own else []
    lines += folders.left_out({table.path[i]: fault for i, fault in faults.items()})
    table = table.assign(kept=kept, good=~table.index.isin(list(faults)))
    for _, files in table.groupby(["split", "kind"]):
        if not files.good.any():
            what = f"{files.path.iloc[0].parent} holds no image that can be read."
            raise ValueError(f"{what} {faults[files.index[0]]}")
    table, small = table[table.good], small[table.good]
    table = table.assign(same=range(len(table)), near=range(len(table)))
    if own:
        same = pd.factorize(np.array([image.tobytes() for image in small], object))[0]
        table = table.assign(same=same, near=_near_copies(small))
        folders.refuse_two_classes(table, "same", "kind", "image")
    if set(table.split) == {""}:
        table["split"] = _assign(table, root, lines)
    table = _drop_across_splits(table, lines)
    if "validation" not in set(table.split):
        train = table[table.split == "train"]
        fifth = train[_assign(train, root, lines) == "test"]
        table.loc[fifth.index, "split"] = "validation"
    for file, split in zip(table.kept, table.split, strict=True):
        place = target / split / file.relative_to(target / UNSORTED)
        place.parent.mkdir(parents=True, exist_ok=True)
        file.rename(place)
    shutil.rmtree(target / UNSORTED)
    counts = table.groupby(["split", "kind"]).size()
    named = {s: ", ".join(f"{n} {kind}" for kind, n in counts[s].items()) for s in SPLITS}
    return [f"{split:<10} {named[split]}" for split in SPLITS] + lines


def _keep_plain(table, target):
    """Write each image as a plain file to `target`.

    Returns the images at `SIDE` pixels, uint8 (n, SIDE, SIDE, 3), the files, {position: what is
    wrong with it}, and lines on images of many bits.
    """
    whites = np.zeros(len(table), int)
    small, faults = np.zeros((len(table), SIDE, SIDE, 3), np.uint8), {}
    names = folders.file_names(table.kind, table.path)

    def keep(i, white=0):
        try:
            file, rgb = image_files.keep(table.path[i], target / names[i], white)
        except ValueError as error:
            faults[i] = str(error)
            return None
        small[i] = rgb.resize((SIDE, SIDE), reducing_gap=1)
        whites[i] = rgb.info.get("white", 0)
        return file

    with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor() as threads:  # Pillow's
        kept = list(progress(threads.map(keep, range(len(table))), "images", len(table)))
        white = whites.max()
        dark = np.flatnonzero((whites > 0) & (whites < white))
        for i in dark:  # its values alone looked like fewer bits
            keep(i, white)
    said = f"White is {white:,} in the {(whites > 0).sum()} grey images of more than 8 bits"
    said += f"; {len(dark)} of them are much darker than the brightest one." if len(dark) else "."
    return small, kept, dict(sorted(faults.items())), [said] if white else []


def _near_copies(images):
    """A number for each image, the same for copies that were resized or compressed again."""
    block = SIDE // 8
    grey = images.reshape(-1, 8, block, 8, block, 3).mean(axis=(2, 4)) @ (0.299, 0.587, 0.114)
    # Divided by 8, so that distances of the 64 values are root mean squares, in grey levels.
    small = np.rint(grey).reshape(len(grey), -1).astype("float32") / 8
    # Copies are up to 2 apart and a fifth of their contrast, different images more than 8 and
    # half of it; images without contrast (a blank wall) must be alike to the last bit.
    near = radius_neighbors_graph(small, 4, mode="distance").tocoo()
    contrast = 8 * small.std(axis=1)
    near.data = np.float32(near.data <= 0.3 * contrast[near.row])
    near.eliminate_zeros()
    return connected_components(near, directed=False)[1]


def _assign(table, root, lines):
    """A split for each image: copies together; images of one video in the order of their names."""
    groups, count = table.near.nunique(), len(table)
    largest = table.groupby(["kind", "near"]).size().groupby("kind").max()
    sizes = table.groupby("kind").size()
    videos = sizes.index[(largest > sizes / 2) & (sizes >= 15)]
    few = sizes.min() < 5  # too few for three splits in the order of time
    if few or table.near.value_counts().max() <= count / 2:
        try:
            return SPLIT_OF_FOLD[folders.folds(table.kind, table.near, root=root, what="images")]
        except ValueError:
            if few or (groups > count / 2 and not len(videos)):
                raise
    some = 0 < len(videos) < len(sizes)
    which = f"images of {', '.join(videos)}" if some else f"{count} images"
    lines.append(
        f"Nearly all of the {which} are copies of one another, as frames of a video are: of "
        f"{count} images only {groups} differ. They are split by the order of their names: of each "
        "class the first 60 % are for training, the next 20 % for validation, the last 20 % for "
        "the test. So the test says little about another place or day: record a second video, and "
        "make folders train, validation and test, each with videos of its own."
    )
    by_class = table.groupby("kind").path
    place = by_class.cumcount() / by_class.transform("size")
    return np.select([place < 0.6, place < 0.8], ["train", "validation"], "test")


def _drop_across_splits(table, lines):
    """Without images of which a later split has a copy; near copies stay if they are the most."""
    rank = table.split.map(SPLITS.index)
    drop = rank < rank.groupby(table.near).transform("max")
    count = table.near.duplicated(keep=False).sum()
    copies = f"{count} images are copies of one another or nearly so"
    if drop.groupby([table.split, table.kind]).mean().max() > 0.5:
        lines.append(
            f"{copies}, in more than one split: too many to leave out, so expect the test to be "
            "easier than new images."
        )
        drop = rank < rank.groupby(table.same).transform("max")
    elif count:
        lines.append(f"{copies}: copies stay in one split.")
    for (split, kind), gone in drop.groupby([table.split, table.kind]).all().items():
        if gone:
            raise ValueError(
                f"All images of class {kind} in {split} are also in a later split: give each split "
                "images of its own."
            )
    for split, count in table.split[drop].value_counts(sort=False).items():
        lines.append(f"{count} of them left {split}: a later split shows the same.")
    return table[~drop].copy()
