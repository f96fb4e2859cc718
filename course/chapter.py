"""The first cell of every chapter: is this computer ready, which settings, which claims."""

import os
from types import SimpleNamespace

from course import dials, paths
from course.claims import Claims
from helpers import assets


def start(chapter: str) -> tuple[SimpleNamespace, Claims]:
    """Report on this computer, and return the chapter's dials and claims.

    In the profile `full` with COURSE_MIRROR set, the chapter's files are brought first.

    Args:
        chapter: the notebook's name without its ending, such as "01_images".

    Raises:
        course.dials.DialError: dials that cannot be used.
        RuntimeError: Keras does not run on TensorFlow here.
        helpers.assets.AssetError: a file of the mirror is not the one that its index describes.
    """
    dial = dials.read(chapter)
    bring(chapter)
    from helpers import ready  # brings TensorFlow, for which a wrong dial need not wait

    ready.report(dial.seed)
    if dial.changed:
        named = ", ".join(dial.changed)
        print(f"Dials      your own {named}; texts and words for figures speak of the course's own")
    return dial, Claims(chapter, binding=assets.profile() == "sample" and not dial.changed)


def bring(*chapters: str) -> None:
    """Bring the files of these chapters from COURSE_MIRROR in the profile `full`, or do nothing."""
    if assets.profile() == "full" and os.environ.get("COURSE_MIRROR"):
        from course import fetch

        wanted = {paths.topic(chapter) for chapter in chapters}
        fetch.bring([a.name for a in assets.catalogue("full").values() if a.chapter in wanted])
