"""Read an image file of any kind that people have, and keep it as a plain one."""

import io
import shutil
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

SHORT, LONG = 256, 1024  # pixels of a side, at most: backbones of the course take 96 to 224
PLAIN = {"JPEG": ".jpg", "PNG": ".png"}
BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # tags of a TIFF
SIGNED = 2
TURNS = dict(zip(range(2, 9), (0, 3, 1, 5, 4, 6, 2), strict=True))  # EXIF to Image.Transpose


def read_image(name: str | Path, size: int, content: bytes | None = None) -> np.ndarray:
    """One image as uint8 RGB of shape (size, size, 3), stretched to a square; see `read`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large images and of odd EXIF entries
        rgb, _ = read(Path(name), content)
    return np.asarray(rgb.resize((size, size), Image.Resampling.BICUBIC))


def read(path: Path, content: bytes | None = None, white: int = 0) -> tuple[Image.Image, bool]:
    """An image in RGB, its shorter side at most `SHORT`, and whether its file is plain already.

    Transparent becomes white, a rotation noted by the camera is undone, more than 8 bits are
    scaled to 8, and of an animation or several pages the first image is taken. Where grey integers
    had more bits, `info["white"]` of the image says which of them was taken for white.

    Args:
        path: the file.
        content: the file's bytes, where they are here already; `path` is then only its name.
        white: the least of grey integers of more than 8 bits that may be white; 0 to judge by the
            largest value.

    Raises:
        ValueError: it is no image, damaged, too large, or has values without a clear meaning.
    """
    try:
        with Image.open(path if content is None else io.BytesIO(content)) as image:
            small = image.format in PLAIN and _bounded(image.size) == image.size
            image.draft("RGB", _bounded(image.size))
            rgb = _to_rgb(image, white)
            rgb.thumbnail(_bounded(rgb.size), reducing_gap=1.5)
            return rgb, small and rgb is image
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


def keep(path: Path, target: Path, white: int = 0) -> tuple[Path, Image.Image]:
    """Write what `read` makes of a file to `target`, which gets a suffix; both are returned."""
    rgb, plain = read(path, white=white)
    if plain:
        target = target.with_name(target.name + PLAIN[rgb.format])
        shutil.copyfile(path, target)
    elif min(rgb.size) < SHORT:
        rgb.save(target := target.with_name(f"{target.name}.png"), compress_level=1)
    else:  # it was shrunk: a photograph, mostly
        rgb.save(target := target.with_name(f"{target.name}.jpg"), quality=95, subsampling=0)
    return target, rgb


def _bounded(size):
    """Width and height scaled down as far as the bounds ask."""
    scale = min(1, SHORT / min(size), LONG / max(size))
    return tuple(max(1, round(scale * side)) for side in size)


class _Unclear(Exception):
    """The file is sound, but its values cannot be brought to 0 to 255 for sure."""


def _to_rgb(image, white):
    """The image in RGB and upright; itself, if it is so."""
    deep = ";16" in str(image.tile)  # Pillow keeps the upper 8 bits of each colour
    tags = getattr(image, "tag_v2", {})  # of a TIFF
    image.load()
    turn = _turn(image)
    if image.mode == "F" or image.mode.startswith("I"):
        signed = tags.get(BITS) == (16,) and tags.get(SAMPLE_FORMAT) == (SIGNED,)
        deep_values, clear = np.asarray(image), image.info.get("transparency")
        white = _white(deep_values, white, 32_767 if signed else 65_535)
        values = _eight_bits(deep_values, white, clear)
        image = Image.fromarray(255 - values if tags.get(PHOTOMETRIC) == 0 else values)
        if deep_values.dtype.kind != "f":
            image.info["white"] = white
    elif image.mode == "LAB":
        raise _Unclear("has LAB colours")
    elif deep and 0 < np.asarray(image.convert("RGB")).max() < 16:
        raise _Unclear("uses less than 12 of its 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image if image.mode == "RGB" else image.convert("RGB")
    return image if turn is None else image.transpose(turn)


def _turn(image):
    """How to undo the rotation in the EXIF block; None if there is none that can be read."""
    try:
        return TURNS.get(image.getexif().get(0x0112))
    except Exception:  # an odd entry anywhere in the block
        return None


def _white(values, least, deepest):
    """Which value is white: 1 or 255 in floats, else the largest of 8, 10, 12 or 16 bits."""
    low, high = float(values.min()), float(values.max())
    floats = values.dtype.kind == "f"
    tops = (1, 255, 65_535) if floats else (255, 1023, 4095, deepest)
    fits = (top for top in tops if high <= 1.01 * top and (floats or top >= least))
    top = next(fits, 0)
    if not top or not low >= -0.01 * top or (floats and top > 1 and high < 16):
        raise _Unclear(f"has values from {low:.3g} to {high:.3g}, of which none is surely white")
    return top


def _eight_bits(values, white, clear):
    """Grey values as uint8, white where they equal `clear`."""
    scaled = np.clip(values * (255 / white), 0, 255).round().astype(np.uint8)
    return scaled if clear is None else np.where(values == clear, np.uint8(255), scaled)
