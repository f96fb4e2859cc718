"""Grey values of more than 8 bits, brought to 0 to 255: which of them is white?"""

import numpy as np
from PIL import Image

BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # tags of a TIFF
SIGNED = 2


class UnclearError(Exception):
    """The file is sound, but its values cannot be brought to 0 to 255 for sure."""


def eight_bits(image: Image.Image, white: int = 0) -> Image.Image:
    """An image of mode I, I;16 or F as one of mode L, white where it was transparent.

    Of integers `info["white"]` says which value was taken for white. White is the largest value
    that 8, 10, 12 or 16 bits can hold, whichever fits first; of floats it is 1, 255 or 65,535.

    Args:
        image: loaded.
        white: the least of integers that may be white; 0 to judge by the largest value alone.

    Raises:
        UnclearError: no value is surely white.
    """
    tags = getattr(image, "tag_v2", {})
    signed = tags.get(BITS) == (16,) and tags.get(SAMPLE_FORMAT) == (SIGNED,)
    values, clear = np.asarray(image), image.info.get("transparency")
    integers = values.dtype.kind != "f"
    tops = (255, 1023, 4095, 32_767 if signed else 65_535) if integers else (1, 255, 65_535)
    low, high = float(values.min()), float(values.max())
    top = next((top for top in tops if high <= 1.01 * top and top >= white), 0)
    if not (top and low >= -0.01 * top) or (not integers and top > 1 and high < 16):
        fault = f"has values from {low:.3g} to {high:.3g}, of which none is surely white"
        raise UnclearError(fault)
    scaled = np.clip(values * (255 / top), 0, 255).round().astype(np.uint8)
    if clear is not None:
        scaled[values == clear] = 255
    made = Image.fromarray(255 - scaled if tags.get(PHOTOMETRIC) == 0 else scaled)
    made.info |= {"white": top} if integers else {}
    return made
