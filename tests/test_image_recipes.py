"""The bundled image backbones and drawings are what their recipes make."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from helpers import assets
from helpers.ready import keras, tf

DATA = assets.path("cats-vs-dogs").parents[1]


@pytest.fixture
def recipes(monkeypatch):
    monkeypatch.syspath_prepend(str(DATA / "recipes"))
    yield
    for name in [name for name in sys.modules if name.startswith(("pretrain_images", "places"))]:
        del sys.modules[name]


@pytest.mark.parametrize("name, units", [("feature-vector", 1280), ("classification", 191)])
def test_module_takes_hub_calls_and_learns_in_float32(name, units):
    folder = assets.path(f"mobilenet-v2-{name}")
    module = tf.saved_model.load(str(folder))
    images = np.random.default_rng(0).uniform(0, 1, (2, 96, 96, 3)).astype("float32")
    plain = module(images).numpy()
    assert plain.shape == (2, units) and plain.std() > 0.01
    assert np.array_equal(module(images, training=False).numpy(), plain)
    assert not np.allclose(module(images, training=True).numpy(), plain, atol=1e-2)
    assert not np.array_equal(module(images).numpy(), plain)  # its statistics have moved
    extra = 2 if units == 191 else 0
    assert len(module.variables) == 260 + extra and len(module.trainable_variables) == 156 + extra
    assert {v.dtype for v in module.variables} == {tf.float32}
    stored = dict(tf.train.list_variables(str(folder / "variables" / "variables")))
    assert sum(np.prod(shape) for shape in stored.values() if len(shape) > 1) > 2_100_000
    assert max(file.stat().st_size for file in folder.rglob("*") if file.is_file()) < 8_000_000
    if extra:
        classes = (folder / "assets" / "class_names.txt").read_text().splitlines()
        assert len(classes) == units and not {"tabby", "Egyptian_cat", "beagle"} & {*classes}


def test_exported_module_answers_as_its_keras_model(recipes, tmp_path):
    import pretrain_images_export as export

    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))
    half = [w.astype("float16").astype("float32") for w in model.get_weights()]
    model.set_weights(half)
    images = np.random.default_rng(0).uniform(0, 1, (2, 8, 8, 3)).astype("float32")
    expected = model(2 * images - 1).numpy()
    export.save_hub_module(model, tmp_path / "module", ["a", "b"])
    module = tf.saved_model.load(str(tmp_path / "module"))
    np.testing.assert_allclose(module(images), expected, atol=1e-6)
    variables = dict(tf.train.list_variables(str(tmp_path / "module/variables/variables")))
    assert "module" not in variables and len(module.trainable_variables) == 4
    reader = tf.train.load_checkpoint(str(tmp_path / "module/variables/variables"))
    kinds = {len(s): reader.get_variable_to_dtype_map()[n] for n, s in variables.items() if s}
    assert kinds == {1: tf.float32, 4: tf.uint16}  # the bits of float16
    assert (tmp_path / "module/assets/class_names.txt").read_text() == "a\nb\n"
    assert "class_names.txt" in (tmp_path / "module/SHA256SUMS").read_text()


def test_drawings_are_those_of_the_recipe(recipes):
    import draw_cats_and_dogs as recipe

    folder = assets.path("cats-vs-dogs")
    jobs = dict(recipe.jobs(0, recipe.SPLITS))
    found = {file.relative_to(folder).as_posix() for file in folder.rglob("*.jpg")}
    assert found == {*jobs} and len(jobs) == 1500
    assert len({seed for _, seed, _ in jobs.values()}) == 1500  # each an individual
    for name in ("train/cats/000.jpg", "test/dogs/099.jpg", "test/cats/499.jpg"):
        drawn = np.asarray(Image.open(io.BytesIO(recipe.jpeg(jobs[name]))), "float32")
        bundled = np.asarray(Image.open(folder / name), "float32")
        assert np.abs(drawn - bundled).mean() < 2  # other versions of Pillow round otherwise
