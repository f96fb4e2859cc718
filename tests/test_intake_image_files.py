"""One image file of any kind that people have: scaled to 8 bits, turned, or refused."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from course import intake


def save(path, size=(24, 16), mode="RGB", colour=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    colours = {"RGB": (200, 30, 30), "L": 90, "RGBA": (200, 30, 30, 0), "LA": (90, 0), "P": 3}
    Image.new(mode, size, colours.get(mode, 0) if colour is None else colour).save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "mode", "expected"),
    [
        ("colour.png", "RGB", (200, 30, 30)),
        ("grey.png", "L", (90, 90, 90)),
        ("transparent.png", "RGBA", (255, 255, 255)),
        ("grey with alpha.png", "LA", (255, 255, 255)),
        ("bits.png", "1", (0, 0, 0)),
        ("sixteen bits.png", "I;16", (0, 0, 0)),
    ],
)
def test_any_mode_becomes_rgb(tmp_path, name, mode, expected):
    image = intake.read_image(save(tmp_path / name, mode=mode), 8)
    assert image.shape == (8, 8, 3) and image.dtype == np.uint8
    assert (image == expected).all()


@pytest.mark.parametrize("size", [(1, 1), (12000, 30), (12000, 9000), (3, 700)])
def test_any_size_is_stretched(tmp_path, size):
    path = save(tmp_path / "image.jpg", size=size, quality=90)
    image = intake.read_image(path, 32)
    assert image.shape == (32, 32, 3)
    assert np.abs(image.astype(int) - (200, 30, 30)).max() < 8


def halves():
    """Grey, uint8 (64, 64): the left half 200, the right half 40."""
    return np.where(np.arange(64) < 32, 200, 40)[None].repeat(64, 0).astype("uint8")


def means(path):
    image = intake.read_image(path, 32)
    return image[:, :12].mean(), image[:, 20:].mean()


GREY = halves()
RGB = Image.fromarray(GREY).convert("RGB")
DEPTHS = {
    "8 bits.png": Image.fromarray(GREY),
    "16 bits.png": Image.fromarray(GREY.astype("uint16") * 257),
    "16 bits.tif": Image.fromarray(GREY.astype("uint16") * 257),
    "8 bits in 16.tif": Image.fromarray(GREY.astype("uint16")),
    "10 bits in 16.tif": Image.fromarray(GREY.astype("uint16") * 4),
    "12 bits in 16.png": Image.fromarray(GREY.astype("uint16") * 16),
    "integers.tif": Image.fromarray(GREY.astype("int32") * 257),
    "floats to 1.tif": Image.fromarray((GREY / 255).astype("float32")),
    "floats to 255.tif": Image.fromarray(GREY.astype("float32")),
    "floats to 65535.tif": Image.fromarray(GREY.astype("float32") * 257),
    "cmyk.jpg": RGB.convert("CMYK"),
    "hsv.tif": RGB.convert("YCbCr"),
    "palette.png": RGB.quantize(16),
    "alpha.png": RGB.convert("RGBA"),
}


@pytest.mark.parametrize("name", DEPTHS)
def test_every_depth_is_scaled_to_8_bits(tmp_path, name):
    DEPTHS[name].save(tmp_path / name, **({"quality": 95} if name.endswith("jpg") else {}))
    np.testing.assert_allclose(means(tmp_path / name), (200, 40), atol=3)


def test_signed_values_of_16_bits_are_white_at_32767(tmp_path):
    sixteen = {339: 2}  # sample format: signed
    for factor in (128, 16):  # all 16 bits, and 12 of them
        values = Image.fromarray(GREY.astype("uint16") * factor)
        values.save(tmp_path / "signed.tif", tiffinfo=sixteen)
        np.testing.assert_allclose(means(tmp_path / "signed.tif"), (200, 40), atol=1.5)
    Image.fromarray(GREY.astype("uint16") * 257).save(tmp_path / "signed.tif", tiffinfo=sixteen)
    with pytest.raises(ValueError, match="of which none is surely white"):  # 51,400 is -14,136
        intake.read_image(tmp_path / "signed.tif", 8)


def test_a_transparent_grey_of_16_bits_becomes_white(tmp_path):
    out = io.BytesIO()
    Image.fromarray(GREY.astype("uint16") * 257).save(out, "PNG")
    for value, expected in ((1, (200, 40)), (40 * 257, (200, 255))):
        png = with_chunk(out.getvalue(), b"tRNS", struct.pack(">H", value))
        (tmp_path / "clear.png").write_bytes(png)
        np.testing.assert_allclose(means(tmp_path / "clear.png"), expected, atol=1)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (GREY.astype("float32") - 100, "has values from -60 to 100, of which none is surely white"),
        (GREY.astype("float32") / 100, "has values from 0.4 to 2, of which none is surely white"),
        (GREY.astype("float32") * np.inf, "has values from inf to inf"),
        (np.full((9, 9), np.nan, "float32"), "has values from nan to nan"),
        (GREY.astype("int32") * 10_000, "has values from 4e"),
        (-GREY.astype("int32"), "has values from -200 to -40"),
    ],
)
def test_values_of_unclear_meaning_are_refused(tmp_path, values, words):
    Image.fromarray(values).save(tmp_path / "odd.tif")
    with pytest.raises(ValueError, match=rf"odd\.tif {words}.*: save it as JPEG or PNG"):
        intake.read_image(tmp_path / "odd.tif", 8)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunk(png, kind, body):
    """A PNG with one more chunk behind its header."""
    return png[:33] + chunk(kind, body) + png[33:]


def png_of_16_bits(*channels):
    """A PNG of 16 bits per channel, which Pillow reads but does not write."""
    values = np.stack(channels, axis=2).astype(">u2")
    height, width, count = values.shape
    head = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[count], 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
    return start + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("count", [2, 3, 4])
def test_colours_of_16_bits_are_read_and_of_12_in_16_refused(tmp_path, count):
    grey, opaque = GREY.astype("uint16"), np.full(GREY.shape, 65_535)
    for name, factor in (("deep.png", 257), ("dark.png", 16)):
        colours = [factor * grey] * 3 if count > 2 else [factor * grey]
        (tmp_path / name).write_bytes(png_of_16_bits(*(colours + [opaque])[:count]))
    np.testing.assert_allclose(means(tmp_path / "deep.png"), (200, 40), atol=1)
    with pytest.raises(ValueError, match="dark.png uses less than 12 of its 16 bits: save it as"):
        intake.read_image(tmp_path / "dark.png", 8)


def test_a_grey_tiff_whose_zero_is_white_is_not_taken_for_its_negative(tmp_path):
    path = tmp_path / "scan.tif"
    for values in (255 - GREY, 65_535 - GREY.astype("uint16") * 257):
        Image.fromarray(values).save(path)
        said = struct.pack("<HHII", 262, 3, 1, 1)  # photometric interpretation: black is zero
        assert path.read_bytes().count(said) == 1
        path.write_bytes(path.read_bytes().replace(said, struct.pack("<HHII", 262, 3, 1, 0)))
        np.testing.assert_allclose(means(path), (200, 40), atol=1)


def test_a_note_on_gamma_or_a_transparent_colour(tmp_path):
    out, path = io.BytesIO(), tmp_path / "noted.png"
    RGB.save(out, "PNG")
    path.write_bytes(with_chunk(out.getvalue(), b"gAMA", struct.pack(">I", 100_000)))
    np.testing.assert_allclose(means(path), (200, 40), atol=1)
    path.write_bytes(with_chunk(out.getvalue(), b"tRNS", struct.pack(">HHH", 40, 40, 40)))
    np.testing.assert_allclose(means(path), (200, 255), atol=1)


def test_a_palette_with_half_transparent_colours_lies_on_white(tmp_path):
    palette = RGB.quantize(4)
    dark = palette.getpixel((60, 9))
    clear = bytes(128 if colour == dark else 255 for colour in range(4))
    palette.save(tmp_path / "half.png", transparency=clear)
    np.testing.assert_allclose(means(tmp_path / "half.png"), (200, 147), atol=3)


@pytest.mark.parametrize("name", ["a.JFIF", "a.mpo", "a.tif", "a.bmp", "a.tga", "a.jp2", "a.ppm"])
def test_other_formats_and_further_pages(tmp_path, name):
    kind = {"a.JFIF": "JPEG"}.get(name)
    more = [Image.new("RGB", RGB.size, "red")]
    several = {"save_all": True, "append_images": more} if name in ("a.mpo", "a.tif") else {}
    RGB.save(tmp_path / name, format=kind, **several)
    np.testing.assert_allclose(means(tmp_path / name), (200, 40), atol=3)


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_of_an_animation_the_first_image_is_read(tmp_path, suffix):
    path = tmp_path / f"moving.{suffix}"
    RGB.save(path, save_all=True, append_images=[Image.new("RGB", RGB.size, "red")])
    np.testing.assert_allclose(means(path), (200, 40), atol=3)


def test_a_phones_rotation_is_undone(tmp_path):
    image = Image.new("RGB", (20, 20), "white")
    image.paste("black", (0, 0, 20, 10))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image.save(tmp_path / "phone.png", exif=exif)
    image = intake.read_image(tmp_path / "phone.png", 20)
    assert image[2].min() > 200 and image[17].max() < 50


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_rotation_is_undone_as_pillow_does(tmp_path, orientation):
    from PIL import ImageOps

    values = np.random.default_rng(0).integers(0, 256, (10, 10, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(values).save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(intake.read_image(tmp_path / "turned.png", 10), expected)


TURNED = (0x0112, 3, 1, struct.pack("<H", 3))
ONE = struct.pack("<II", 72, 1)
ODD_EXIF = {
    "only the rotation": ([TURNED], (40, 200)),
    "a signed rational": ([TURNED, (0x011A, 10, 1, struct.pack("<ii", -1, 0))], (40, 200)),
    "two values for one": ([TURNED, (0x011A, 5, 2, ONE * 2)], (40, 200)),
    "a rational in bytes": ([TURNED, (0x02BC, 5, 1, ONE)], (40, 200)),
    "an unknown type": ([TURNED, (0x010F, 99, 1, b"abcd")], (40, 200)),
    "a number for a date": ([TURNED, (0x0132, 4, 1, struct.pack("<I", 7))], (40, 200)),
    "text for the rotation": ([(0x0112, 2, 2, b"6\0")], (200, 40)),
    "no such rotation": ([(0x0112, 3, 1, struct.pack("<H", 77))], (200, 40)),
    "two rotations": ([(0x0112, 3, 2, struct.pack("<HH", 3, 3))], (40, 200)),
}


@pytest.mark.parametrize("what", ODD_EXIF)
@pytest.mark.parametrize("cut", [None, 20])
def test_an_odd_exif_entry_does_no_harm(tmp_path, what, cut, recwarn):
    entries, expected = ODD_EXIF[what]
    head, body = b"II*\0" + struct.pack("<IH", 8, len(entries)), b""
    for tag, kind, count, value in entries:
        if len(value) > 4:
            place, body = struct.pack("<I", 14 + 12 * len(entries) + len(body)), body + value
        else:
            place = value.ljust(4, b"\0")
        head += struct.pack("<HHI", tag, kind, count) + place
    block = (b"Exif\0\0" + head + bytes(4) + body)[:cut]
    out = io.BytesIO()
    RGB.save(out, "JPEG", quality=95)
    jpeg = out.getvalue()
    segment = b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block
    (tmp_path / "odd.jpg").write_bytes(jpeg[:2] + segment + jpeg[2:])
    found = means(tmp_path / "odd.jpg")
    np.testing.assert_allclose(found, (200, 40) if cut else expected, atol=3)
    assert not recwarn.list


def test_faults_of_an_image_are_said(tmp_path):
    whole = save(tmp_path / "whole.jpg", size=(200, 200))
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole.read_bytes()[:-300])
    text = tmp_path / "text.jpg"
    text.write_text("not an image")
    heic = tmp_path / "heic.jpg"
    heic.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(600))
    empty = tmp_path / "empty.png"
    empty.touch()
    for path, words in (
        (cut, r"cut.jpg is damaged \(.*truncated.*\): replace it or remove it"),
        (text, "text.jpg is not an image that can be read: replace it"),
        (heic, "heic.jpg is not an image that can be read: replace it by a JPEG or PNG"),
        (empty, "empty.png is not an image"),
        (tmp_path / "absent.png", "There is no image .*absent.png: check the name"),
        (tmp_path, "is damaged"),
        (save(tmp_path / "lab.tif", mode="LAB"), "lab.tif has LAB colours: save it as JPEG or PNG"),
    ):
        with pytest.raises(ValueError, match=words) as caught:
            intake.read_image(path, 8)
        assert "\n" not in str(caught.value)


def test_an_image_can_come_as_bytes(tmp_path):
    content = io.BytesIO()
    Image.new("RGB", (9, 5), (200, 30, 30)).save(content, "PNG")
    assert (intake.read_image("mine.png", 4, content.getvalue()) == (200, 30, 30)).all()
    with pytest.raises(ValueError, match="^mine.png is not an image that can be read"):
        intake.read_image("mine.png", 4, b"text")
