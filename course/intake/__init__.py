"""A person's own data, checked once, split, and laid out as the bundled data are.

`images`, `texts` and `sounds` take what the dial `dataset` holds. The name of the bundled data
comes back as it is; of a folder or table of one's own comes the path of a checked copy in the
cache. `read_image` and `read_sound` read one file of any kind, such as an upload.
"""

from course.intake.image_files import read_image
from course.intake.images import images
from course.intake.sound_files import read_sound
from course.intake.sounds import sounds
from course.intake.texts import texts

__all__ = ["images", "read_image", "read_sound", "sounds", "texts"]
