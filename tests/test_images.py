"""Reading images of any kind, loading a task, and the backbones, on real files."""


import os

import numpy as np
import pytest
from PIL import Image

from helpers import assets, disk, images, training, transfer
from helpers.data import SPLITS, Data, Examples
from helpers.ready import keras


def save(path, size=(24, 16), mode="RGB", colour=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    colours = {"RGB": (200, 30, 30), "L": 90, "RGBA": (200, 30, 30, 0), "LA": (90, 0), "P": 3}
    Image.new(mode, size, colours.get(mode, 0) if colour is None else colour).save(path, **options)
    return path


# --- one image ---


@pytest.mark.parametrize(
    ("name", "mode", "expected"),
    [("a.png", "RGB", (200, 30, 30)), ("b.png", "L", (90, 90, 90)), ("c.jpg", "L", (90, 90, 90))],
)
def test_a_plain_image_is_stretched_to_a_square(tmp_path, name, mode, expected):
    image = images.read_image(save(tmp_path / name, mode=mode), 8)
    assert image.shape == (8, 8, 3) and image.dtype == np.uint8
    assert (image == expected).all()


def test_a_large_photograph_is_decoded_at_about_the_size_that_is_asked_for(tmp_path, monkeypatch):
    path, sizes = save(tmp_path / "large.jpg", (4000, 3000)), []
    resize = Image.Image.resize
    monkeypatch.setattr(Image.Image, "resize", lambda self, *a: sizes.append(self.size)
                        or resize(self, *a))  # fmt: skip
    assert np.abs(images.read_image(path, 96).astype(int) - (200, 30, 30)).max() < 8
    assert sizes == [(500, 375)]


@pytest.mark.parametrize(
    ("name", "mode"),
    [("a.png", "RGBA"), ("b.png", "I;16"), ("c.tif", "F"), ("d.jpg", "CMYK"), ("e.tif", "LAB"),
     ("f.gif", "P"), ("g.png", "1")],
)  # fmt: skip
def test_other_pixels_are_not_read_wrong_but_refused(tmp_path, name, mode):
    path = save(tmp_path / name, mode=mode)
    with pytest.raises(ValueError, match=rf"{name} cannot be read as .*: let course.intake read"):
        images.read_image(path, 8)


def test_faults_of_an_image_are_said(tmp_path):
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(save(tmp_path / "whole.jpg", size=(200, 200)).read_bytes()[:-300])
    (tmp_path / "text.jpg").write_text("not an image")
    for path, words in (
        (cut, r"cut.jpg cannot be read .*truncated"),
        (tmp_path / "text.jpg", "text.jpg cannot be read .*cannot identify"),
        (tmp_path / "absent.png", "absent.png cannot be read .*No such file"),
        (tmp_path, "cannot be read"),
    ):
        with pytest.raises(ValueError, match=words) as caught:
            images.read_image(path, 8)
        assert "\n" not in str(caught.value)


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
        ("no folder", "There is no folder .*nowhere.train: write 'cats-vs-dogs', or a folder with"),
        ("no split", "There is no folder .*validation: write 'cats-vs-dogs', or a folder with"),
        ("other classes", "test has the classes birds, cats, and train has cats, dogs: each"),
        ("one class", "train has the classes cats, and .*: each split needs .* at least two"),
        ("empty class", "has 0 images of class dogs in test, and 3 are needed: add images, or ask"),
        ("broken images", r"1\.png cannot be read as an image"),
        ("a folder deeper", "more cannot be read"),
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
    registered = dict(keras.saving.get_custom_objects())
    keras.saving.get_custom_objects().clear()
    try:
        again = keras.models.load_model(tmp_path / "backbone.keras")
    finally:
        keras.saving.get_custom_objects().update(registered)
    assert {type(layer).__module__.split(".")[0] for layer in again.layers} == {"keras"}
    x = sample.test.x[:3].astype("float32")
    np.testing.assert_allclose(again(x), narrow(x), rtol=1e-5, atol=1e-5)


def test_the_classifier_knows_its_classes_and_none_is_a_cat_or_a_dog():
    model, names = images.mobilenet_v2_classifier()
    assert model.output_shape == (None, len(names)) and len(set(names)) == len(names)
    assert not {"cat", "dog", "tabby", "beagle"} & set(names)


def test_many_images_lie_in_a_file_that_is_mapped(sample, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.setattr(disk, "IN_MEMORY", 1000)
    mapped = images.load(images.BUNDLED)
    for (_, (x, y)), (_, (before, labels)) in zip(mapped.splits(), sample.splits(), strict=True):
        assert isinstance(x, np.memmap) and np.array_equal(x, before) and np.array_equal(y, labels)
    assert os.name == "nt" or not list(tmp_path.iterdir())  # no name: it goes with the array


def test_frozen_features_beat_chance_by_far(sample, narrow, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    pixels = keras.Input(sample.train.x.shape[1:])
    maps = narrow(keras.applications.vgg16.preprocess_input(pixels), training=False)
    backbone = keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(maps))
    some = {name: Examples(x[::4], y[::4]) for name, (x, y) in sample.splits()}
    features = transfer.extract(backbone, Data(**some, class_names=sample.class_names))
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
