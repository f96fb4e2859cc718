"""Bring the files of the full profile into the cache, checked; helpers.assets opens them there.

    fetch.bring(["cats-vs-dogs", "vgg16"])  # what COURSE_MIRROR has of them, the rest in silence
    fetch.download("images")                # from the mirror, or else from the public addresses

`resume` talks to the network, `archives` unpacks, `mirror` reads and writes the
folders that a class shares, `store` puts it together.
"""

from course.fetch.store import Store


def bring(names: list[str]) -> None:
    """Bring what COURSE_MIRROR has of some assets and the cache has not; see `Store.bring`."""
    Store().bring(names)


def download(*names: str) -> None:
    """Bring assets, those of a chapter ("images"), or of all ("all"); see `Store.download`."""
    Store().download(*names)
