"""Read an image file of any kind that people have, and keep it as a plain one."""

import io
import shutil
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from course.intake import depth

SHORT, LONG = 256, 1024  # pixels of a side, at most: backbones of the course take 96 to 224
LIGHT = 100_000  # bytes up to which a plain file is copied, whatever its pixels
PLAIN = {"JPEG": ".jpg", "PNG": ".png"}
TURNS = dict(zip(range(2, 9), (0, 3, 1, 5, 4, 6, 2), strict=True))  # EXIF to Image.Transpose


def read_image(name: str | Path, size: int, content: bytes | None = None) -> np.ndarray:
    """One image as uint8 RGB of shape (size, size, 3), stretched to a square; see `read`."""
    with warnings.catch_warnings(action="ignore"):  # Pillow's, of large images and odd EXIF
        rgb, _ = read(Path(name), content)
    return np.asarray(rgb.resize((size, size), Image.Resampling.BICUBIC))


def read(
    path: Path, content: bytes | None = None, white: int = 0, light: bool = False
) -> tuple[Image.Image, bool]:
    """An image in RGB, its shorter side at most `SHORT`, and whether its file is plain already.

    Transparent becomes white, a rotation noted by the camera is undone, more than 8 bits are
    scaled to 8, and of an animation or several pages the first image is taken.

    Args:
        path: the file.
        content: the file's bytes, where they are here already; `path` is then only its name.
        white: of `depth.eight_bits`.
        light: whether a plain file is copied anyway, so that a small image is enough to compare.

    Raises:
        ValueError: it is no image, damaged, too large, or has values without a clear meaning.
    """
    try:
        with Image.open(path if content is None else io.BytesIO(content)) as image:
            small = image.format in PLAIN and (light or _bounded(image.size) == image.size)
            glance = light and image.mode == "RGB" and _turn(image) is None
            image.draft("RGB", (64, 64) if glance else _bounded(image.size))
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
    except depth.UnclearError as error:
        raise ValueError(f"{path} {error}: save it as JPEG or PNG with 8 bits.") from None
    except Exception as error:  # Pillow raises errors of any kind on odd bytes
        raise ValueError(f"{path} is damaged ({error}): replace it or remove it.") from None


def keep(path: Path, target: Path, white: int = 0) -> tuple[Path, Image.Image]:
    """Write what `read` makes of a file to `target`, which gets a suffix; both are returned."""
    target.parent.mkdir(parents=True, exist_ok=True)
    light = path.is_file() and path.stat().st_size <= LIGHT
    rgb, plain = read(path, white=white, light=light)
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


def _to_rgb(image, white):
    """The image in RGB and upright; itself, if it is so."""
    deep = ";16" in str(image.tile)  # Pillow keeps the upper 8 bits of each colour
    image.load()
    turn = _turn(image)
    if image.mode == "F" or image.mode.startswith("I"):
        image = depth.eight_bits(image, white)
    elif image.mode == "LAB":
        raise depth.UnclearError("has LAB colours")
    elif deep and 0 < np.asarray(image.convert("RGB")).max() < 16:
        raise depth.UnclearError("uses less than 12 of its 16 bits")
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
