"""A folder with one folder a class: the form in which a learner brings pictures or sounds."""

from pathlib import Path


def classes_of(folder: Path, what: str) -> list[Path]:
    """The class folders, by name.

    Args:
        folder: what holds them.
        what: "pictures" or "clips", for the message.

    Raises:
        ValueError: there are fewer than two.
    """
    classes = sorted(each for each in folder.iterdir() if each.is_dir() and visible(each))
    if len(classes) < 2:
        found = f"only {classes[0].name}" if classes else "none"
        raise ValueError(
            f"{folder} needs a folder for each of at least two classes, and has {found}: sort "
            f"the {what} into one folder a class."
        )
    return classes


def visible(path: Path) -> bool:
    """Whether a person put it there: systems hide files of their own in any folder."""
    return not path.name.startswith(".") and path.name != "Thumbs.db"
