"""A person's own data, checked once, split, and laid out as the bundled data are.

Each function takes what the dial `dataset` holds. The name of the bundled data comes back as it
is; of a folder or table of one's own comes the path of a checked copy in the cache.
"""

from course.intake.images import images
from course.intake.sounds import sounds
from course.intake.texts import texts

__all__ = ["images", "sounds", "texts"]
