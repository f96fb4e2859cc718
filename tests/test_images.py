"""Reading pictures of any kind, and the backbones, on real files."""

import io
import shutil

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


# --- a data set of one's own ---


def photograph(path, seed, size=(120, 90), **options):
    """A picture with some contrast, unlike any of another seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path, **options)
    return path


@pytest.fixture
def pets(tmp_path):
    """Three classes of thirty pictures each, no parts."""
    for label, name in enumerate(("ants", "bees", "cows")):
        for i in range(30):
            photograph(tmp_path / "pets" / name / f"{i:02}.png", 100 * label + i)
    return tmp_path / "pets"


def copies(tree):
    """Copies of cows/00: the file itself, a small one, and one that was compressed hard."""
    with Image.open(tree / "cows" / "00.png") as image:
        shutil.copy(image.filename, tree / "cows" / "same.png")
        image.resize((60, 45)).save(tree / "cows" / "small.png")
        image.save(tree / "cows" / "pressed.jpg", quality=25)


def test_a_folder_of_ones_own_is_split_and_told(pets, capsys):
    splits = images.load(str(pets), most=10, size=16)
    assert splits.class_names == ("ants", "bees", "cows")
    assert capsys.readouterr().out == (
        "train      18 ants, 18 bees, 18 cows\n"
        "validation 6 ants, 6 bees, 6 cows\n"
        "test       6 ants, 6 bees, 6 cows\n"
    )
    assert images.load(str(pets), size=16, quiet=True).key == splits.key
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("seed", range(8))
def test_copies_of_a_picture_never_part(pets, seed):
    copies(pets)
    first = images.read_picture(pets / "cows" / "00.png", 32).astype(float)
    tree = images._read_tree(pets, 32, seed=seed, apart=True)
    assert tree.notes == [
        "4 pictures are copies of one another or nearly so: copies stay in one part."
    ]
    places = []
    for part in transfer.PARTS:
        gap = np.sqrt(np.square(tree.parts[part].x - first).mean(axis=(1, 2, 3)))
        places += [part] * int((gap < 20).sum())
        assert len(np.unique(tree.parts[part].y)) == 3
    assert len(places) == 4 and len(set(places)) == 1
    assert sum(len(tree.parts[part].y) for part in transfer.PARTS) == 93


def test_copies_across_given_parts_leave_the_earlier_one(pets, tmp_path, capsys):
    root = tmp_path / "parts"
    for name in ("ants", "bees", "cows"):
        for i, file in enumerate(sorted((pets / name).iterdir())):
            part = "train" if i < 18 else "validation" if i < 24 else "test"
            (root / part / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, root / part / name)
    with Image.open(root / "test" / "bees" / "29.png") as image:
        image.resize((90, 70)).save(root / "train" / "bees" / "twin.png")
        image.save(root / "validation" / "bees" / "twin.jpg")
    shutil.copy(root / "validation" / "ants" / "20.png", root / "train" / "ants" / "x.png")
    images.load(str(root), size=16)
    said = capsys.readouterr().out.splitlines()
    assert said[:3] == [
        "train      18 ants, 18 bees, 18 cows",
        "validation 6 ants, 6 bees, 6 cows",
        "test       6 ants, 6 bees, 6 cows",
    ]
    assert said[3].startswith("5 pictures are copies")
    assert said[4:] == [
        "2 of them left train: a later part shows the same.",
        "1 of them left validation: a later part shows the same.",
    ]


def test_the_bundled_pictures_hold_no_copies():
    assets.use("sample")
    tree = images._read_tree(assets.path("cats-vs-dogs"), 32, seed=0, apart=True)
    assert tree.notes == []


def spoil(tree, fault):
    if fault == "nowhere":
        return tree / "nowhere"
    if fault == "two names":
        shutil.copy(tree / "ants" / "03.png", tree / "bees" / "bee.png")
    elif fault == "one class":
        shutil.rmtree(tree / "ants")
        shutil.rmtree(tree / "bees")
    elif fault == "too few":
        for file in sorted((tree / "bees").iterdir())[12:]:
            file.unlink()
    elif fault == "not a picture":
        (tree / "bees" / "notes.txt").write_text("x")
    elif fault == "no pictures":
        for file in (tree / "bees").iterdir():
            file.unlink()
    return tree


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("nowhere", "The dial dataset is '.*nowhere', and there is no such folder: write"),
        ("two names", r"ants.03\.png and .*bee\.png are the same picture in two classes: remove"),
        ("one class", "at least two classes, and has only cows"),
        ("too few", r"leaves \d pictures of class bees in .*: add pictures, or lower the dial"),
        ("not a picture", r"notes\.txt is not a picture that can be read: replace it"),
        ("no pictures", "bees holds no pictures: fill the folder or remove it"),
    ],
)
def test_faults_of_ones_own_data_are_told(pets, fault, words):
    with pytest.raises(ValueError, match=words) as caught:
        images.load(str(spoil(pets, fault)), most=10, size=16)
    assert "\n" not in str(caught.value)


def test_more_labels_than_there_are_is_told():
    assets.use("sample")
    with pytest.raises(ValueError, match="leaves 200 pictures of class cats in train, and 500"):
        images.load("cats-vs-dogs", most=500)


def test_the_example_is_no_training_picture(pets):
    assert images.example(str(pets)) == pets / "cows" / "00.png"
    assets.use("sample")
    assert images.example("cats-vs-dogs").parent.name == "dogs"
    assert images.example("cats-vs-dogs").parent.parent.name == "validation"


def test_a_picture_can_come_as_bytes(tmp_path):
    content = io.BytesIO()
    Image.new("RGB", (9, 5), (200, 30, 30)).save(content, "PNG")
    assert (images.read_picture("mine.png", 4, content.getvalue()) == (200, 30, 30)).all()
    with pytest.raises(ValueError, match="^mine.png is not a picture that can be read"):
        images.read_picture("mine.png", 4, b"text")


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


def test_stages_follow_each_other_and_cut_the_backbone(narrow):
    stages = images.stages(narrow)
    assert [stage.title for stage in stages] == [f"block {i}" for i in range(1, 6)]
    assert stages[4][1:] == ("block5_conv1", "block5_conv3", "block5_pool")
    assert stages[0].first == "block1_conv1" and len(images.layers_to_see(narrow)) == 13
    with pytest.raises(ValueError, match="stages of 'other' are not known: take vgg16"):
        images.stages(keras.Sequential([keras.Input((2,))], name="other"))


@pytest.mark.parametrize("name", ["resnet50", "inception-v3"])
def test_other_backbones_can_be_cut_as_well(name):
    builder = images.APPLICATIONS[name][0]
    model = builder(include_top=False, weights=None, input_shape=(96, 96, 3), pooling="avg")
    model = keras.Model(model.inputs[0], model.outputs[0], name=name)
    stages = images.stages(model)
    cut = model.get_layer(stages[-2].end).output
    tail = keras.Model(cut, model.output)
    transfer.unfreeze_from(tail, stages[-1].first)
    learning = sum(np.prod(w.shape) for w in tail.trainable_weights)
    assert 0 < learning <= sum(np.prod(w.shape) for w in tail.weights)
    assert stages[-1].look in images.layers_to_see(model)


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
