"""Where recipes find the real assets, and where they keep what they are working on."""

from pathlib import Path


def asset(name: str) -> Path:
    """The folder of an asset of the full profile."""
    from helpers import assets

    return assets.path(name, profile="full")


def work_folder(recipe: str) -> Path:
    """The folder in the course's cache that holds a recipe's checkpoints, under its name."""
    from helpers import assets

    return assets.cache_folder() / recipe
