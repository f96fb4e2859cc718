"""Reading pictures of any kind, and the backbones, on real files."""

import numpy as np
import pytest
from PIL import Image

from helpers import assets, images, transfer
from helpers.quiet import keras


def save(path, size=(24, 16), mode="RGB", colour=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    colours = {"RGB": (200, 30, 30), "L": 90, "RGBA": (200, 30, 30, 0), "LA": (90, 0), "P": 3}
    Image.new(mode, size, colours.get(mode, 0) if colour is None else colour).save(path, **options)
    return path


@pytest.fixture
def tree(tmp_path):
    """Two classes of ten pictures each, no parts."""
    for label, name in enumerate(("cats", "dogs")):
        for i in range(10):
            save(tmp_path / "tree" / name / f"{i}.png", colour=(20 * i, 100 * label, 7))
    return tmp_path / "tree"


# --- one picture ---


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
    picture = images.read_picture(save(tmp_path / name, mode=mode), 8)
    assert picture.shape == (8, 8, 3) and picture.dtype == np.uint8
    assert (picture == expected).all()


@pytest.mark.parametrize("size", [(1, 1), (12000, 30), (12000, 9000), (3, 700)])
def test_any_size_is_stretched(tmp_path, size):
    path = save(tmp_path / "picture.jpg", size=size, quality=90)
    picture = images.read_picture(path, 32)
    assert picture.shape == (32, 32, 3)
    assert np.abs(picture.astype(int) - (200, 30, 30)).max() < 8


def test_a_phones_rotation_is_undone(tmp_path):
    image = Image.new("RGB", (20, 20), "white")
    image.paste("black", (0, 0, 20, 10))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image.save(tmp_path / "phone.png", exif=exif)
    picture = images.read_picture(tmp_path / "phone.png", 20)
    assert picture[2].min() > 200 and picture[17].max() < 50


def test_faults_of_a_picture_are_told(tmp_path):
    whole = save(tmp_path / "whole.jpg", size=(200, 200))
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole.read_bytes()[:-300])
    text = tmp_path / "text.jpg"
    text.write_text("not a picture")
    empty = tmp_path / "empty.png"
    empty.touch()
    for path, words in (
        (cut, r"cut.jpg is damaged \(.*truncated.*\): replace it or remove it"),
        (text, "text.jpg is not a picture that can be read: replace it"),
        (empty, "empty.png is not a picture"),
        (tmp_path / "absent.png", "There is no picture .*absent.png: check the name"),
        (tmp_path, "is damaged"),
    ):
        with pytest.raises(ValueError, match=words) as caught:
            images.read_picture(path, 8)
        assert "\n" not in str(caught.value)


# --- a tree of pictures ---


def test_a_tree_without_parts_is_split_without_overlap(tree):
    splits = images.load_pictures(tree, 8)
    arrays = splits.arrays()
    assert splits.class_names == ("cats", "dogs")
    assert [len(getattr(arrays, part).y) for part in transfer.PARTS] == [12, 4, 4]
    seen = [tuple(x[0, 0]) for part in transfer.PARTS for x in getattr(arrays, part).x]
    assert len(set(seen)) == 20
    for part in transfer.PARTS:
        assert np.bincount(getattr(arrays, part).y).std() == 0


def test_the_same_tree_gives_the_same_splits_and_another_another(tree):
    one, two = images.load_pictures(tree, 8), images.load_pictures(tree, 8)
    np.testing.assert_array_equal(one.arrays().train.x, two.arrays().train.x)
    assert one.key == two.key != images.load_pictures(tree, 9).key
    save(tree / "cats" / "0.png", colour=(1, 2, 3))
    assert images.load_pictures(tree, 8).key != one.key


def test_a_tree_of_train_and_validation_keeps_validation_for_the_test(tmp_path, tree):
    root = tmp_path / "parts"
    root.mkdir()
    tree.rename(root / "train")
    for name in ("cats", "dogs"):
        save(root / "validation" / name / "v.png", colour=(255, 255, 255))
    arrays = images.load_pictures(root, 8).arrays()
    assert [len(getattr(arrays, part).y) for part in transfer.PARTS] == [16, 4, 2]
    assert (arrays.test.x == 255).all()


def test_hidden_files_are_passed_over(tree):
    (tree / "cats" / ".DS_Store").write_text("x")
    (tree / "dogs" / "Thumbs.db").write_text("x")
    (tree / ".ipynb_checkpoints").mkdir()
    assert images.load_pictures(tree, 8).class_names == ("cats", "dogs")


def damage(tree, fault):
    if fault == "no folder":
        return tree / "nowhere"
    if fault == "empty class":
        (tree / "birds").mkdir()
    elif fault == "one class":
        (tree / "dogs").rename(tree.parent / "dogs")
    elif fault == "no class":
        (tree / "dogs").rename(tree.parent / "dogs")
        (tree / "cats").rename(tree.parent / "cats")
    elif fault == "other classes":
        for name in ("cats", "birds"):
            save(tree / "train" / name / "1.png")
            save(tree / "test" / name.replace("bird", "dog") / "1.png")
    elif fault == "train alone":
        for name in ("cats", "birds"):
            save(tree / "train" / name / "1.png")
    elif fault == "broken pictures":
        for i in (1, 2, 3):
            (tree / "dogs" / f"{i}.png").write_text("x")
    elif fault == "too few":
        for path in [*tree.glob("*/[1-9].png")]:
            path.unlink()
    return tree


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("no folder", "There is no folder .*nowhere: give the folder"),
        ("empty class", "birds holds no pictures: fill the folder or remove it"),
        ("one class", "at least two classes, and has only cats: sort"),
        ("no class", "at least two classes, and has none"),
        ("other classes", "test has the classes cats, dogs but train has birds, cats"),
        ("train alone", "neither validation nor test"),
        ("broken pictures", r"1\.png is not a picture.*\(2 more are unreadable, too\.\)"),
        ("too few", r"too few pictures to split \(2\)"),
    ],
)
def test_faults_of_a_tree_are_told(tree, fault, words):
    with pytest.raises(ValueError, match=words) as caught:
        images.load_pictures(damage(tree, fault), 8)
    assert "\n" not in str(caught.value)


# --- backbones ---


@pytest.fixture(scope="module")
def sample():
    assets.use("sample")
    return images.load_cats_vs_dogs()


@pytest.fixture(scope="module")
def narrow():
    assets.use("sample")
    return images.vgg16()


def test_the_sample_is_balanced_and_large_enough(sample):
    arrays = sample.arrays()
    assert sample.class_names == ("cats", "dogs")
    assert len(arrays.train.y) >= 400 and len(arrays.test.y) >= 200
    for part in transfer.PARTS:
        counts = np.bincount(getattr(arrays, part).y)
        assert counts[0] == counts[1]


def test_narrow_vgg16_has_the_layers_of_the_real_one(narrow):
    real = keras.applications.VGG16(weights=None, include_top=False, input_shape=(96, 96, 3))
    names = [layer.name for layer in real.layers if "block" in layer.name]
    assert [layer.name for layer in narrow.layers if "block" in layer.name] == names
    width = assets.about("vgg16").settings["width"]
    for name in names:
        if "conv" in name:
            assert narrow.get_layer(name).filters == int(real.get_layer(name).filters * width)
    assert transfer.trained_parameters(narrow) == 0


def test_vgg16_takes_0_to_255_and_preprocesses_inside(narrow):
    pictures = np.random.default_rng(0).integers(0, 256, (2, *narrow.input_shape[1:]))
    prepared = keras.applications.vgg16.preprocess_input(pictures.astype("float32"))
    naked = keras.Model(narrow.get_layer("preprocess").output, narrow.output)
    np.testing.assert_allclose(narrow(pictures), naked(prepared), rtol=1e-4, atol=1e-4)


def test_hub_mobilenet_counts_and_fine_tunes(sample):
    model = images.mobilenet_v2()
    assert model.count_params() > 300_000 and transfer.trained_parameters(model) == 0
    transfer.unfreeze_all(model, batch_norm=True)
    before = transfer.snapshot(model)
    whole = keras.Sequential([model, keras.layers.Dense(2, activation="softmax")])
    whole.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    few = transfer.draw(sample.arrays().train, 4, 0)
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
    features = transfer.extract(narrow, sample)
    assert transfer.accuracy(transfer.fit_head(features.train), features.test) > 0.7


def test_unknown_backbones_and_foreign_weights_are_told(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="no backbone 'vgg61': choose from vgg16"):
        images.application("vgg61")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.save_weights(tmp_path / "other.weights.h5")
    monkeypatch.setattr(assets, "path", lambda name: tmp_path / "other.weights.h5")
    with pytest.raises(ValueError, match="other.weights.h5 does not hold the weights of vgg16"):
        images.vgg16()


def test_looking_inside(sample, narrow):
    picture = sample.arrays().test.x[0]
    size = picture.shape[0]
    maps = images.feature_maps(narrow, "block3_conv3", picture)
    assert maps.shape[:2] == (size // 4, size // 4)
    head = keras.Sequential(
        [keras.Input(narrow.output_shape[1:]), keras.layers.Dense(2, activation="softmax")]
    )
    evidence = [images.grad_cam(narrow, head, "block5_conv3", picture, label) for label in (0, 1)]
    assert evidence[0].shape == (size // 16, size // 16)
    assert all(0 <= each.min() and each.max() <= 1 for each in evidence)
    assert not np.allclose(*evidence)
