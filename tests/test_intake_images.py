"""A person's own images: found, checked, copies kept together, split, and laid out."""

import importlib
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from course import intake
from course.intake import folders
from helpers import assets, images
from helpers.data import SPLITS

room = importlib.import_module("course.intake.images")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COURSE_PROGRESS", "0")
    return tmp_path / "cache" / "intake"


def photograph(path, seed, size=(120, 90), **options):
    """An image with some contrast, unlike any of another seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path, **options)
    return path


def photographs(folder, names=("ants", "bees", "cows"), count=30, first=0):
    for label, name in enumerate(names):
        for i in range(count):
            photograph(folder / name / f"{i:02}.png", first + 100 * label + i)
    return folder


@pytest.fixture
def pets(tmp_path):
    """Three classes of thirty images each, not split."""
    return photographs(tmp_path / "pets")


def test_the_bundled_name_passes_through(tmp_path, monkeypatch, capsys):
    assets.use("sample")
    assert intake.images("cats-vs-dogs") == "cats-vs-dogs" and capsys.readouterr().out == ""
    monkeypatch.chdir(tmp_path)
    photographs(tmp_path / "cats-vs-dogs", count=20)
    assert intake.images("cats-vs-dogs") == "cats-vs-dogs"
    assert "the course's own data. For your folder, write './cats" in capsys.readouterr().out
    assert images.load(intake.images("./cats-vs-dogs"), size=8).class_names[0] == "ants"


def test_the_archive_of_full_is_brought_into_the_bundled_layout(tmp_path, monkeypatch, capsys):
    root = tmp_path / "archive"
    photographs(root / "train", ("cats", "dogs"), 20)
    photographs(root / "validation", ("cats", "dogs"), 10, first=500)
    shutil.copy(root / "train" / "cats" / "00.png", root / "train" / "dogs" / "both.png")
    (root / "vectorize.py").touch()
    monkeypatch.setattr(assets, "path", lambda name: root)
    data = images.load(intake.images("cats-vs-dogs"), per_class=10, size=8)
    assert [len(examples.y) for _, examples in data.splits()] == [33, 8, 20]
    assert capsys.readouterr().out.count("\n") == 3  # only the counts


def test_a_folder_of_ones_own_is_split_and_described(pets, capsys):
    path = intake.images(str(pets))
    said = capsys.readouterr().out
    data = images.load(path, per_class=10, size=16)
    assert data.class_names == ("ants", "bees", "cows")
    assert said == (
        "train      18 ants, 18 bees, 18 cows\n"
        "validation 6 ants, 6 bees, 6 cows\n"
        "test       6 ants, 6 bees, 6 cows\n"
    )
    assert said.strip() == data.describe()
    x = np.concatenate([examples.x for _, examples in data.splits()])
    assert len(np.unique(x.reshape(90, -1), axis=0)) == 90


def test_the_same_content_comes_back_at_once_and_other_content_does_not(
    pets, monkeypatch, capsys, cache
):
    photograph(pets / "notes.png", 5000)
    first, said = intake.images(pets), capsys.readouterr().out
    with monkeypatch.context() as patch:
        patch.setattr(room, "_keep_plain", None)
        assert intake.images(str(pets)) == first and capsys.readouterr().out == said
        assert intake.images(shutil.copytree(pets, pets.parent / "elsewhere")) == first
    photograph(pets / "ants" / "00.png", 77_777)
    assert intake.images(pets) != first
    assert len(list(cache.iterdir())) == 2  # and nothing half done


def test_the_kept_folder_outlives_the_learners(pets):
    path = intake.images(pets)
    before = images.load(path, size=8)
    shutil.rmtree(pets)
    np.testing.assert_array_equal(images.load(path, size=8).train.x, before.train.x)


def test_plain_small_files_are_copied_and_others_become_plain(pets, capsys):
    large = photograph(pets / "ants" / "large.png", 9000, size=(1200, 900))
    photograph(pets / "ants" / "phone.jpeg", 9001, size=(3000, 4000))
    with Image.open(photograph(pets / "ants" / "grey.png", 9002)) as image:
        grey = np.asarray(image.convert("L")).astype("uint16") * 257
        Image.fromarray(grey).save(pets / "ants" / "grey.png")
        image.save(pets / "ants" / "web.webp", lossless=True)
    shutil.copy(photograph(pets / "bees" / "00.png", 9003), pets / "bees" / "wrong-name.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    photograph(pets / "bees" / "turned.png", 9004, exif=exif)
    root = Path(intake.images(pets))
    kept = {path.name: path for path in root.rglob("*.*") if path.name != "intake.txt"}
    assert {"large.jpg", "phone.jpg", "grey.png", "web.png", "wrong-name.png"} <= kept.keys()
    found = {}
    for name, path in kept.items():
        with Image.open(path) as image:
            assert (image.mode, image.format) in (("RGB", "PNG"), ("RGB", "JPEG"))
            assert min(image.size) <= 256 and max(image.size) <= 1024
            found[name] = image.size
    assert found["large.jpg"] == (341, 256) and found["phone.jpg"] == (256, 341)
    assert found["turned.png"] == (90, 120)  # upright
    plain = kept["wrong-name.png"]
    assert plain.read_bytes() == (pets / "bees" / "wrong-name.jpg").read_bytes()
    np.testing.assert_allclose(
        images.read_image(kept["large.jpg"], 64), intake.read_image(large, 64), atol=12
    )
    assert {path.name for path in root.iterdir()} == {*SPLITS, "intake.txt"}


def test_a_light_file_is_copied_whatever_its_pixels(pets):
    light = photograph(pets / "ants" / "light.jpg", 901, (1200, 900), quality=60)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = photograph(pets / "ants" / "turned.jpg", 902, (1200, 900), quality=60, exif=exif)
    root = Path(intake.images(pets))
    (kept,) = root.rglob("light.jpg")
    assert light.stat().st_size < 100_000 and kept.read_bytes() == light.read_bytes()
    (kept,) = root.rglob("turned.jpg")
    with Image.open(kept) as image:
        assert turned.stat().st_size < 100_000 and image.size == (256, 341)


@pytest.mark.parametrize(("brightest", "white"), [(65_535, 65_535), (4_000, 4_095)])
def test_one_value_is_white_in_all_images_of_many_bits(tmp_path, brightest, white, capsys):
    for i in range(30):
        for kind in ("cell", "dust"):
            path = photograph(tmp_path / "slides" / kind / f"{i}.png", 2 * i + (kind == "dust"))
            grey = np.asarray(Image.open(path).convert("L")).astype(float)
            top = brightest if i else 900  # the first of each class would pass for 10 bits
            Image.fromarray((grey * top / grey.max()).astype("uint16")).save(path)
    data = images.load(intake.images(tmp_path / "slides"), size=48)
    said = capsys.readouterr().out
    said_of_white = f"White is {white:,} in the 60 grey images of more than 8 bits; 2 of them are"
    assert said_of_white in said
    tops = sorted(image.max() for _, part in data.splits() for image in part.x)
    assert tops[1] <= 255 * 900 / white + 8 < 100 and tops[2] > 200


def test_each_image_is_decoded_once_and_its_plain_file_once_more(pets, monkeypatch):
    opened, real = [], Image.open
    monkeypatch.setattr(Image, "open", lambda path, *rest: opened.append(path) or real(path, *rest))
    data = images.load(intake.images(pets), size=8)
    assert sorted(opened) == sorted([*pets.rglob("*.png"), *data.table.path])


def test_own_data_need_no_cache_that_can_be_written(pets, cache, tmp_path, capsys):
    first = intake.images(pets)
    said = capsys.readouterr().out
    shutil.rmtree(cache)
    cache.write_text("a file where the folder should be")
    own = tmp_path / "home" / "intake"
    assert intake.images(pets) == str(own / Path(first).name)
    assert capsys.readouterr().out == said
    before = sorted(own.rglob("*"))
    assert intake.images(pets) == str(own / Path(first).name) and sorted(own.rglob("*")) == before
    shutil.rmtree(own)
    own.write_text("another file")
    words = r"cannot be kept in \S*cache/intake \(.*\) or \S*home/intake \(.*set COURSE_CACHE"
    with pytest.raises(ValueError, match=words):
        intake.images(pets)


def test_what_a_shared_cache_holds_is_not_kept_again(pets, cache, tmp_path):
    first = intake.images(pets)
    cache.chmod(0o555)
    assert intake.images(pets) == first and not (tmp_path / "home").exists()


def copies(tree):
    """Copies of cows/00: the file itself, a small one, and one that was compressed hard."""
    with Image.open(tree / "cows" / "00.png") as image:
        shutil.copy(image.filename, tree / "cows" / "same.png")
        image.resize((60, 45)).save(tree / "cows" / "small.png")
        image.save(tree / "cows" / "pressed.jpg", quality=25)


@pytest.mark.parametrize("seed", range(8))
def test_copies_of_an_image_stay_together(pets, seed, capsys):
    copies(pets)
    photograph(pets / "ants" / "00.png", 10_000 + seed)  # another content is split otherwise
    first = images.read_image(pets / "cows" / "00.png", 32).astype(float)
    data = images.load(intake.images(pets), size=32)
    assert capsys.readouterr().out.splitlines()[3:] == [
        "4 images are copies of one another or nearly so: copies stay in one split."
    ]
    places = []
    for split, examples in data.splits():
        gap = np.sqrt(np.square(examples.x - first).mean(axis=(1, 2, 3)))
        places += [split] * int((gap < 20).sum())
        assert len(np.unique(examples.y)) == 3
    assert len(places) == 4 and len(set(places)) == 1
    assert len(data.table) == 93


def test_no_two_files_get_one_name():
    files = [Path("00002-x.png"), Path("x.png"), Path("deeper/x.png"), Path("X.jpg")]
    names = folders.file_names(["cats"] * 4, files)
    assert len({name.casefold() for name in names}) == 4 and names[:2] == ["cats/00002-x", "cats/x"]


@pytest.mark.parametrize("seed", range(8))
def test_any_seed_of_the_folds_keeps_groups_together_and_all_classes_in_each_split(seed, tmp_path):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, 200)
    groups = rng.integers(0, 90, 200) * 3 + labels
    groups[:30] = 999  # one group across the classes, too large for a fifth
    folds = folders.folds(labels, groups, root=tmp_path, what="images", seed=seed)
    assert set(folds) == {1, 2, 3, 4, 5}
    assert all(len(set(folds[groups == group])) == 1 for group in set(groups))
    for chosen in (folds <= 3, folds == 4, folds == 5):
        assert set(labels[chosen]) == {0, 1, 2}
        assert chosen.sum() >= 30
    again = folders.folds(labels, groups, root=tmp_path, what="images", seed=seed)
    np.testing.assert_array_equal(folds, again)


def given_splits(pets, root, names=SPLITS):
    for name in ("ants", "bees", "cows"):
        for i, file in enumerate(sorted((pets / name).iterdir())):
            split = names[0 if i < 18 else 1 if i < 24 else 2]
            (root / split / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, root / split / name)
    return root


def test_copies_across_given_splits_leave_the_earlier_one(pets, tmp_path, capsys):
    root = given_splits(pets, tmp_path / "splits")
    with Image.open(root / "test" / "bees" / "29.png") as image:
        image.resize((90, 70)).save(root / "train" / "bees" / "twin.png")
        image.save(root / "validation" / "bees" / "twin.jpg")
    shutil.copy(root / "validation" / "ants" / "20.png", root / "train" / "ants" / "x.png")
    intake.images(root)
    said = capsys.readouterr().out.splitlines()
    assert said[:3] == [
        "train      18 ants, 18 bees, 18 cows",
        "validation 6 ants, 6 bees, 6 cows",
        "test       6 ants, 6 bees, 6 cows",
    ]
    assert said[3].startswith("5 images are copies")
    assert said[4:] == [
        "2 of them left train: a later split shows the same.",
        "1 of them left validation: a later split shows the same.",
    ]


@pytest.mark.parametrize("names", [("Train", "val", "test"), ("training", "dev", "testing")])
def test_given_splits_are_kept_however_they_are_spelled(pets, tmp_path, names):
    root = given_splits(pets, tmp_path / "splits", names)
    kept = Path(intake.images(root))
    for split, name in zip(SPLITS, names, strict=True):
        found = sorted(each.read_bytes() for each in (kept / split).rglob("*.png"))
        assert found == sorted(each.read_bytes() for each in (root / name).rglob("*.png"))


@pytest.mark.parametrize("name", ["validation", "val", "valid", "dev", "test"])
def test_with_one_split_beside_train_it_becomes_the_test(pets, tmp_path, name):
    root = tmp_path / "splits"
    pets.rename(tmp_path / "train")
    (root).mkdir()
    (tmp_path / "train").rename(root / "train")
    photographs(root / name, count=5, first=1000)
    data = images.load(intake.images(root), size=8)
    assert [np.bincount(e.y).tolist() for _, e in data.splits()] == [[24] * 3, [6] * 3, [5] * 3]
    expected = {path.read_bytes() for path in (root / name).rglob("*.png")}
    assert {p.read_bytes() for p in data.table.path[data.table.split == "test"]} == expected


def test_the_bundled_images_hold_no_copies(capsys):
    assets.use("sample")
    source = assets.path("cats-vs-dogs")
    path = intake.images(source)
    said = capsys.readouterr().out.splitlines()
    loose = sorted(path.name for path in source.iterdir() if path.is_file())
    assert len(said) == 4 and said[3].endswith(" left out. They lie beside the class folders.")
    assert f"{len(loose)} file" in said[3] and f"({', '.join(loose)})" in said[3]
    kept, bundled = images.load(path, size=16), images.load("cats-vs-dogs", size=16)
    for (_, one), (_, other) in zip(kept.splits(), bundled.splits(), strict=True):
        np.testing.assert_array_equal(one.x, other.x)
        np.testing.assert_array_equal(one.y, other.y)


# --- folders as people have them ---


WRAPPED = {"a folder in a folder": "more/pets", "only a folder train": "train"}
RENAMED = {
    "odd names": {
        "ants": "große Hunde", "bees": "猫 🐈", "cows/00.png": "cows/a b (1).PNG",
    },
    "names of another encoding": {
        "ants": os.fsdecode(b"f\xfcnf"), "cows/00.png": os.fsdecode(b"cows/\xfc.png"),
    },
    "right to left": {"ants": "كلب", "bees": "קטה: 100 %"},
    "classes named as splits": {"ants": "train", "bees": "test"},
}  # fmt: skip


JUNK = [
    f"{place}/{name}"
    for place in (".", "ants", "bees")
    for name in ("desktop.ini", "Thumbs.db", ".DS_Store", "._00.png", "00.png:Zone.Identifier")
] + [
    "@eaDir/00.png",
    "ants/@eaDir/00.png",
    "ants/Icon\r",
    "__MACOSX/ants/._00.png",
    "$RECYCLE.BIN/$I30.dat",
    "#recycle/00.png",
    "lost+found/00.png",
    "System Volume Information/WPSettings.dat",
]


def arrange(pets, how):
    """Change the folder; return the number of images and what must be said."""
    outside = pets.parent
    if how in RENAMED:
        for old, new in RENAMED[how].items():
            (pets / old).rename(pets / new)
        return 90, []
    if how in WRAPPED:
        pets.rename(outside / "inner")
        (pets / WRAPPED[how]).parent.mkdir(parents=True)
        (outside / "inner").rename(pets / WRAPPED[how])
        return 90, []
    if how == "files of the system":
        for junk in JUNK:
            (pets / junk).parent.mkdir(parents=True, exist_ok=True)
            (pets / junk).write_bytes(b"x")
        return 90, []
    if how == "deeper":
        photographs(pets / "ants" / "holiday" / "beach", ("a",), 15, first=3000)
        photographs(pets / "bees" / "holiday", ("b",), 15, first=4000)
        return 120, []
    if how == "links":
        (pets / "bees").rename(outside / "elsewhere")
        (pets / "bees").symlink_to(outside / "elsewhere")
        (pets / "ants" / "round").symlink_to(pets / "ants")
        (pets / "ants" / "gone.png").symlink_to(outside / "nowhere.png")
        return 90, [r"1 file \(gone.png\) left out. There is no image .*gone.png: check the name."]
    if how == "other files":
        (pets / "ants" / "notes.txt").write_text("taken in May")
        (pets / "labels.csv").write_text("file,label")
        whole = (pets / "cows" / "03.png").read_bytes()
        (pets / "cows" / "03.png").write_bytes(whole[: len(whole) // 2])
        (pets / "cows" / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(99))
        return 89, [
            r"1 file \(labels.csv\) left out. They lie beside the class folders.",
            r"3 files \(notes.txt, 03.png, photo.heic\) left out. .*notes.txt is not an image .*",
        ]
    if how == "links up":
        (pets / "ants" / "up").symlink_to(pets)
        (pets / "bees" / "here").symlink_to(pets / "bees")
        return 90, []
    if how == "same names below":
        photograph(pets / "ants" / "more" / "00.png", 7001)
        photograph(pets / "ants" / "most" / "00.png", 7002)
        return 92, []
    raise KeyError(how)


HOW = [
    "files of the system",
    "deeper",
    *WRAPPED,
    "links",
    "other files",
    "same names below",
    "links up",
    *RENAMED,
]


@pytest.mark.parametrize("how", HOW)
def test_folders_as_people_have_them(pets, how, capsys):
    count, expected = arrange(pets, how)
    data = images.load(intake.images(pets), per_class=10, size=8)
    said = capsys.readouterr().out.splitlines()
    assert len(data.table) == count and len(data.class_names) == 3
    "".join([*data.class_names, *said]).encode()  # can be printed
    assert len(said) == 3 + len(expected)
    for line, words in zip(said[3:], expected, strict=True):
        assert re.fullmatch(words, line), line


def test_classes_beside_given_splits_are_counted_as_left_out(pets, tmp_path, capsys):
    root = given_splits(pets, tmp_path / "splits")
    photographs(root, ("unsorted",), 3, first=2000)
    intake.images(root)
    said = capsys.readouterr().out
    assert "3 files (00.png, 01.png, 02.png) left out. They lie beside the class" in said


def webcam(folder, count=60, seed=1, scene=1):
    """Frames of one camera: the room is the same, and only a small hand differs."""
    rng = np.random.default_rng(seed)
    scene = np.random.default_rng(scene).integers(40, 216, (12, 16, 3), np.uint8)
    scene = np.asarray(Image.fromarray(scene).resize((160, 120), Image.Resampling.BICUBIC))
    for name, size in (("closed", 14), ("open", 30)):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            frame = scene + rng.normal(0, 3, scene.shape)
            left, top = 70 + rng.integers(-8, 9), 50 + rng.integers(-8, 9)
            frame[top : top + size, left : left + size] = (220, 170, 140)
            frame = Image.fromarray(np.clip(frame, 0, 255).astype("uint8"))
            frame.save(folder / name / f"frame{i:04}.jpg", quality=92)
    return folder


def test_frames_of_a_video_are_split_by_time_and_it_is_said_what_that_means(tmp_path, capsys):
    data = images.load(intake.images(webcam(tmp_path / "webcam")), per_class=30, size=16)
    said = capsys.readouterr().out
    assert "Nearly all of the 120 images are copies of one another, as frames of a video" in said
    assert "split by the order of their names" in said and "record a second video" in said
    assert "copies stay in one split" not in said
    assert [np.bincount(e.y).tolist() for _, e in data.splits()] == [[36, 36], [12, 12], [12, 12]]
    names = data.table.path.map(lambda path: path.name)
    for label in (0, 1):
        of_class = data.table.label == label
        assert names[of_class].is_monotonic_increasing


def test_one_class_of_frames_beside_one_of_photographs(tmp_path, capsys):
    webcam(tmp_path / "both")
    shutil.rmtree(tmp_path / "both" / "open")
    photographs(tmp_path / "both", ("outside",), 60)
    data = images.load(intake.images(tmp_path / "both"), per_class=30, size=16)
    said = capsys.readouterr().out
    assert "Nearly all of the images of closed are copies of one another, as frames" in said
    assert "of 120 images only 61 differ" in said
    assert [np.bincount(e.y).tolist() for _, e in data.splits()] == [[36, 36], [12, 12], [12, 12]]


def test_two_classes_of_frames_beside_one_of_photographs(tmp_path, capsys):
    webcam(tmp_path / "cam")
    photographs(tmp_path / "cam", ("photos",), 60)
    images.load(intake.images(tmp_path / "cam"), per_class=10, size=16)
    assert "Nearly all of the images of closed, open are copies of one" in capsys.readouterr().out


def test_frames_of_two_videos_of_each_class(tmp_path, capsys):
    for scene in (1, 2):
        webcam(tmp_path / f"video{scene}", 30, seed=scene, scene=scene)
        for kind in ("closed", "open"):
            (tmp_path / "own" / kind).mkdir(parents=True, exist_ok=True)
            (tmp_path / f"video{scene}" / kind).rename(tmp_path / "own" / kind / f"video {scene}")
    data = images.load(intake.images(tmp_path / "own"), per_class=30, size=16)
    assert "of 120 images only 4 differ" in capsys.readouterr().out
    assert [np.bincount(e.y).tolist() for _, e in data.splits()] == [[36, 36], [12, 12], [12, 12]]


def test_two_frames_are_too_few(tmp_path):
    with pytest.raises(
        ValueError, match=r"too few images to split \(\d\): give each class at least"
    ):
        intake.images(webcam(tmp_path / "webcam", 1))


def test_videos_that_a_person_split_stay_as_they_are(tmp_path, capsys):
    for i, split in enumerate(SPLITS):
        webcam(tmp_path / "own" / split, 20, seed=i, scene=1)  # one place in all splits
    first = tmp_path / "own" / "test" / "open" / "frame0000.jpg"
    shutil.copy(first, tmp_path / "own" / "train" / "open" / "again.jpg")
    data = images.load(intake.images(tmp_path / "own"), size=16)
    said = capsys.readouterr().out
    assert "too many to leave out, so expect the test to be easier" in said
    assert "1 of them left train" in said  # only what is the same to the last bit
    assert [len(examples.y) for _, examples in data.splits()] == [40, 40, 40]


def test_a_hundred_classes(tmp_path):
    names = [f"class {i}" for i in range(100)]
    data = images.load(intake.images(photographs(tmp_path, names, 15)), per_class=9, size=8)
    assert data.class_names == tuple(sorted(names))
    for (_, examples), count in zip(data.splits(), (9, 3, 3), strict=True):
        assert np.bincount(examples.y).tolist() == [count] * 100


# --- faults ---


def spoil_classes(tree, fault):
    if fault == "two classes":
        shutil.copy(tree / "ants" / "03.png", tree / "bees" / "bee.png")
    elif fault == "one class":
        shutil.rmtree(tree / "ants")
        shutil.rmtree(tree / "bees")
    elif fault == "no class":
        for each in [*tree.iterdir()]:
            shutil.rmtree(each)
    elif fault == "too few":
        for path in tree.glob("*/*.png"):
            if path.name != "00.png":
                path.unlink()
    elif fault == "no images":
        for file in (tree / "bees").iterdir():
            file.unlink()
    elif fault == "unreadable class":
        for file in (tree / "bees").iterdir():
            file.write_text("x")
    return {"nowhere": tree / "nowhere", "no name": " "}.get(fault, tree)


def spoil_splits(tree, fault):
    root = tree.parent / "splits"
    if fault == "other classes":
        given_splits(tree, root)
        (root / "test" / "cows").rename(root / "test" / "dogs")
    for name in {
        "only train": ["train", "unsorted"],
        "two spellings": ["train", "val", "valid"],
        "train again": ["train", "val"],
    }.get(fault, []):
        shutil.copytree(tree, root / name)
    return root


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("nowhere", "The dial dataset is '.*nowhere', and there is no such folder: write"),
        ("no name", "The dial dataset is ' ', and there is no such folder: write"),
        ("two classes", r"ants.03\.png and .*bee\.png are the same image in two classes: remove"),
        ("one class", "at least two classes, and has only cows: sort"),
        ("no class", "at least two classes, and has none"),
        ("other classes", "test has the classes ants, bees, dogs but train has ants, bees, cows"),
        ("only train", "a folder train but neither validation nor test: add one, or put"),
        ("two spellings", "has val and valid: keep one of them"),
        ("train again", "All images of class ants in train are also in a later split: give"),
        ("too few", r"too few images to split \(3\): give each class at least 15"),
        ("no images", "bees holds no images: fill the folder or remove it"),
        ("unreadable class", r"bees holds no image that can be read. .*00\.png is not an image"),
    ],
)
def test_faults_of_ones_own_data_are_said(pets, fault, words, cache):
    splits = ("other classes", "only train", "two spellings", "train again")
    folder = (spoil_splits if fault in splits else spoil_classes)(pets, fault)
    with pytest.raises(ValueError, match=words) as caught:
        intake.images(str(folder))
    assert "\n" not in str(caught.value)
    assert not list(cache.glob("*"))


def test_too_few_images_of_a_class_are_said_when_they_are_loaded(pets):
    for file in sorted((pets / "bees").iterdir())[12:]:
        file.unlink()
    with pytest.raises(ValueError, match=r"has \d images of class bees in .*: add images, or ask"):
        images.load(intake.images(pets), per_class=10, size=8)
