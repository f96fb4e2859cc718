"""Reading images of any kind, loading a task, and the backbones, on real files."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from helpers import assets, images, training, transfer
from helpers.data import SPLITS, sample_per_class
from helpers.ready import keras


def save(path, size=(24, 16), mode="RGB", colour=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    colours = {"RGB": (200, 30, 30), "L": 90, "RGBA": (200, 30, 30, 0), "LA": (90, 0), "P": 3}
    Image.new(mode, size, colours.get(mode, 0) if colour is None else colour).save(path, **options)
    return path


# --- one image ---


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
    image = images.read_image(save(tmp_path / name, mode=mode), 8)
    assert image.shape == (8, 8, 3) and image.dtype == np.uint8
    assert (image == expected).all()


@pytest.mark.parametrize("size", [(1, 1), (12000, 30), (12000, 9000), (3, 700)])
def test_any_size_is_stretched(tmp_path, size):
    path = save(tmp_path / "image.jpg", size=size, quality=90)
    image = images.read_image(path, 32)
    assert image.shape == (32, 32, 3)
    assert np.abs(image.astype(int) - (200, 30, 30)).max() < 8


def halves():
    """Grey, uint8 (64, 64): the left half 200, the right half 40."""
    return np.where(np.arange(64) < 32, 200, 40)[None].repeat(64, 0).astype("uint8")


def means(path):
    image = images.read_image(path, 32)
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


def test_a_transparent_grey_of_16_bits_becomes_white(tmp_path):
    out = io.BytesIO()
    Image.fromarray(GREY.astype("uint16") * 257).save(out, "PNG")
    for value, expected in ((1, (200, 40)), (40 * 257, (200, 255))):
        body = struct.pack(">H", value)
        chunk = (
            struct.pack(">I", 2) + b"tRNS" + body + struct.pack(">I", zlib.crc32(b"tRNS" + body))
        )
        png = out.getvalue()
        (tmp_path / "clear.png").write_bytes(png[:33] + chunk + png[33:])
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
        images.read_image(tmp_path / "odd.tif", 8)


def png_of_16_bits(values):
    """A PNG of 16 bits per colour, which Pillow reads but does not write."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    height, width, _ = values.shape
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
    return start + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_colours_of_16_bits_are_read_and_of_12_in_16_refused(tmp_path):
    colours = np.asarray(RGB).astype("uint16")
    (tmp_path / "deep.png").write_bytes(png_of_16_bits(colours * 257))
    np.testing.assert_allclose(means(tmp_path / "deep.png"), (200, 40), atol=1)
    (tmp_path / "dark.png").write_bytes(png_of_16_bits(colours * 16))
    with pytest.raises(ValueError, match="dark.png uses less than 12 of its 16 bits: save it as"):
        images.read_image(tmp_path / "dark.png", 8)


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
    image = images.read_image(tmp_path / "phone.png", 20)
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
    np.testing.assert_array_equal(images.read_image(tmp_path / "turned.png", 10), expected)


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
            images.read_image(path, 8)
        assert "\n" not in str(caught.value)


def test_an_image_can_come_as_bytes(tmp_path):
    content = io.BytesIO()
    Image.new("RGB", (9, 5), (200, 30, 30)).save(content, "PNG")
    assert (images.read_image("mine.png", 4, content.getvalue()) == (200, 30, 30)).all()
    with pytest.raises(ValueError, match="^mine.png is not an image that can be read"):
        images.read_image("mine.png", 4, b"text")


# --- a folder in the bundled layout ---


@pytest.fixture
def tree(tmp_path):
    """Two classes of four images in each split."""
    for split in SPLITS:
        for label, name in enumerate(("cats", "dogs")):
            for i in range(4):
                colour = (20 * i, 100 * label, 9 * len(split))
                save(tmp_path / "tree" / split / name / f"{i}.png", colour=colour)
    return tmp_path / "tree"


def test_a_folder_is_read_as_it_is_laid_out(tree):
    data = images.load(tree, size=8)
    assert data.class_names == ("cats", "dogs")
    for split, examples in data.splits():
        assert examples.x.shape == (8, 8, 8, 3) and examples.x.dtype == np.uint8
        assert examples.y.tolist() == [0] * 4 + [1] * 4 and examples.y.dtype == np.int32
        expected = [(20 * i, 100 * label, 9 * len(split)) for label in (0, 1) for i in range(4)]
        assert (examples.x == np.array(expected)[:, None, None]).all()
    assert list(data.table.columns) == ["split", "label", "path"]
    assert data.table.split.tolist() == [split for split in SPLITS for _ in range(8)]
    assert data.table.path[9] == tree / "validation" / "cats" / "1.png"
    assert data.table.label.tolist() == [*data.train.y, *data.validation.y, *data.test.y]
    assert images.load(str(tree), size=12).test.x.shape == (8, 12, 12, 3)


def test_each_image_is_opened_once(tree, monkeypatch):
    opened, real = [], Image.open
    monkeypatch.setattr(Image, "open", lambda path, *rest: opened.append(path) or real(path, *rest))
    data = images.load(tree, per_class=4, size=8)
    assert sorted(opened) == sorted(data.table.path) and len(opened) == 24


def test_files_of_the_system_are_passed_over(tree):
    (tree / "train" / "cats" / ".DS_Store").write_text("x")
    (tree / "test" / "dogs" / "Thumbs.db").write_text("x")
    (tree / "test" / "dogs" / "desktop.ini").write_text("x")
    (tree / "train" / ".ipynb_checkpoints").mkdir()
    (tree / "README.txt").write_text("x")
    assert len(images.load(tree, size=8).table) == 24


def damage(tree, fault):
    if fault == "no folder":
        return tree / "nowhere"
    if fault == "no split":
        (tree / "validation").rename(tree / "val")
    elif fault == "other classes":
        (tree / "test" / "dogs").rename(tree / "test" / "birds")
    elif fault == "one class":
        for split in SPLITS:
            (tree / split / "dogs").rename(tree / f"{split}-dogs")
    elif fault == "empty class":
        for path in (tree / "test" / "dogs").iterdir():
            path.unlink()
    elif fault == "broken images":
        for i in (1, 2, 3):
            (tree / "train" / "dogs" / f"{i}.png").write_text("x")
    elif fault == "a folder deeper":
        (tree / "train" / "dogs" / "more").mkdir()
    return tree


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("no folder", "There is no folder .*nowhere.test: write 'cats-vs-dogs', or a folder with"),
        ("no split", "There is no folder .*validation: see how the bundled images are laid out"),
        ("other classes", "test has the classes birds, cats, and train has cats, dogs: each"),
        ("one class", "train has the classes cats, and .*: each split needs .* at least two"),
        ("empty class", "has 0 images of class dogs in test, and 3 are needed: add images, or ask"),
        ("broken images", r"1\.png is not an image.*\(2 more are unreadable, too\.\)"),
        ("a folder deeper", "more is damaged"),
    ],
)
def test_faults_of_a_folder_are_said(tree, fault, words):
    with pytest.raises(ValueError, match=words) as caught:
        images.load(damage(tree, fault), size=8)
    assert "\n" not in str(caught.value)


def test_more_labels_than_there_are_is_said_before_anything_is_read(monkeypatch):
    assets.use("sample")
    monkeypatch.setattr(Image, "open", None)
    with pytest.raises(ValueError, match="has 200 images of class cats in train, and 500 are need"):
        images.load("cats-vs-dogs", per_class=500)


# --- backbones ---


@pytest.fixture(scope="module")
def sample():
    assets.use("sample")
    return images.load("cats-vs-dogs")


@pytest.fixture(scope="module")
def narrow():
    assets.use("sample")
    return images.vgg16()


def test_the_sample_is_balanced_and_large_enough(sample):
    assert sample.class_names == ("cats", "dogs")
    assert len(sample.train.y) >= 400 and len(sample.test.y) >= 200
    for _, examples in sample.splits():
        counts = np.bincount(examples.y)
        assert counts[0] == counts[1]


def test_narrow_vgg16_has_the_layers_of_the_real_one(narrow):
    real = keras.applications.VGG16(weights=None, include_top=False, input_shape=(96, 96, 3))
    names = [layer.name for layer in real.layers if "block" in layer.name]
    assert [layer.name for layer in narrow.layers if "block" in layer.name] == names
    width = assets.about("vgg16").settings["width"]
    for name in names:
        if "conv" in name:
            assert narrow.get_layer(name).filters == int(real.get_layer(name).filters * width)
    assert transfer.trainable_parameter_count(narrow) == 0


def test_vgg16_ends_in_maps_of_any_size_of_image(narrow):
    small = images.vgg16(64)
    assert small.output_shape == (None, 2, 2, 256) and narrow.output_shape == (None, 3, 3, 256)
    for one, other in zip(small.weights, narrow.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_saved_backbone_needs_nothing_of_the_course(narrow, tmp_path, sample):
    narrow.save(tmp_path / "backbone.keras")
    keras.saving.get_custom_objects().clear()
    again = keras.models.load_model(tmp_path / "backbone.keras")
    assert {type(layer).__module__.split(".")[0] for layer in again.layers} == {"keras"}
    x = sample.test.x[:3].astype("float32")
    np.testing.assert_allclose(again(x), narrow(x), rtol=1e-5, atol=1e-5)


def test_hub_mobilenet_counts_and_fine_tunes(sample):
    model = images.mobilenet_v2()
    assert model.count_params() > 300_000 and transfer.trainable_parameter_count(model) == 0
    transfer.unfreeze_all(model, batch_norm=True)
    before = transfer.snapshot(model)
    whole = keras.Sequential([model, keras.layers.Dense(2, activation="softmax")])
    whole.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    few = sample_per_class(sample.train, 4, 0)
    whole.fit(few.x, few.y, batch_size=8, verbose=0)
    moved = transfer.what_moved(before, model)
    assert len(moved.weights) == moved.all_weights > 100
    assert len(moved.statistics) == moved.all_statistics > 50


def test_the_classifier_knows_its_classes_and_none_is_a_cat_or_a_dog():
    model, names = images.mobilenet_v2_classifier()
    assert model.output_shape == (None, len(names)) and len(set(names)) == len(names)
    assert not {"cat", "dog", "tabby", "beagle"} & set(names)


def test_frozen_features_beat_chance_by_far(sample, narrow, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    pixels = keras.Input(sample.train.x.shape[1:])
    maps = narrow(keras.applications.vgg16.preprocess_input(pixels), training=False)
    backbone = keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(maps))
    features = transfer.extract(backbone, sample)
    assert training.accuracy(transfer.fit_head(features.train), features.test) > 0.7


def test_foreign_weights_are_said(tmp_path, monkeypatch):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.save_weights(tmp_path / "other.weights.h5")
    asset = assets.about("vgg16")
    monkeypatch.setattr(
        assets, "path_or_sample", lambda name: (tmp_path / "other.weights.h5", asset)
    )
    with pytest.raises(ValueError, match="other.weights.h5 does not hold the weights of vgg16"):
        images.vgg16()
