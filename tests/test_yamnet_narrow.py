"""The narrow YAMNet: called as TF Hub's, counted, frozen, trained, saved; and its Keras body."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from course import fetch
from helpers import assets, audio, transfer
from helpers.audio.yamnet import LAYERS, body, read_body
from helpers.hub import HubLayer
from helpers.ready import keras, tf

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "data" / "weights" / "yamnet-narrow"
MIRROR = Path(os.environ.get("COURSE_MIRROR") or ROOT.parent / "shared" / "mirror")


@pytest.fixture(scope="module")
def module():
    return tf.saved_model.load(str(FOLDER))


@pytest.fixture(scope="module")
def waveform():
    """3 s: a gliding tone, and noise behind it."""
    rng, t = np.random.default_rng(0), np.arange(48_000) / audio.RATE
    return (0.3 * np.sin(900 * t**2) + 0.01 * rng.standard_normal(len(t))).astype("float32")


def test_it_is_small_and_in_the_catalogue():
    size = sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file())
    assert size < 3_600_000
    assert assets.path("yamnet", profile="sample") == FOLDER


@pytest.mark.parametrize(
    ("samples", "patches", "frames"),
    [(0, 1, 96), (800, 1, 96), (15_600, 1, 96), (15_601, 2, 144), (48_000, 6, 336)],
)
def test_shapes_are_yamnets(module, samples, patches, frames):
    scores, embeddings, log_mel = module(np.zeros(samples, "float32"))
    assert scores.shape == (patches, 521)
    assert embeddings.shape == (patches, 512)
    assert log_mel.shape == (frames, 64)
    assert all(np.isfinite(output).all() for output in (scores, embeddings, log_mel))


def test_scores_are_probabilities(module, waveform):
    scores = module(waveform)[0].numpy()
    assert 0 <= scores.min() and scores.max() <= 1 and scores.max() > 0.05


def test_log_mel_is_that_of_the_front_end(module, waveform):
    ours = audio.log_mel(waveform)
    np.testing.assert_allclose(module(waveform)[2], ours, atol=1e-3)


def test_log_mel_against_a_plain_computation(waveform):
    """One frame by NumPy alone: window, magnitude, triangles on the HTK mel scale."""

    def mel(hertz):
        return 1127 * np.log(1 + np.asarray(hertz) / 700)

    frame = waveform[1600:2000] * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400))
    edges = np.linspace(mel(125), mel(7500), 66)
    bins = mel(np.arange(257) * 16_000 / 512)[:, None]
    rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(0, np.minimum(rise, fall))
    triangles[0] = 0  # the constant part belongs to no band
    expected = np.log(np.abs(np.fft.rfft(frame, 512)) @ triangles + 0.001)
    np.testing.assert_allclose(audio.log_mel(waveform)[10], expected, atol=1e-3)


def test_class_names(module):
    with open(module.class_map_path().numpy(), newline="", encoding="utf8") as file:
        rows = list(csv.DictReader(file))
    names = [row["display_name"] for row in rows]
    assert [int(row["index"]) for row in rows] == list(range(521))
    assert len(set(names)) == 521
    assert names[0] == "Speech" and {"Cough", "Throat clearing", "Dog", "Rain"} <= set(names)


# --- as a Keras layer -----------------------------------------------------------------------


class MeanEmbedding(keras.layers.Layer):
    """One waveform of a batch of one, to the mean embedding of its patches."""

    def __init__(self, layer):
        super().__init__()
        self.supports_jit = False
        self.layer = layer

    def call(self, waveforms):
        return tf.reduce_mean(self.layer(waveforms[0])[1], axis=0, keepdims=True)


def train(layer, waveform):
    """What two steps move in the hub layer, and in the whole classifier."""
    model = keras.Sequential([MeanEmbedding(layer), keras.layers.Dense(2)])
    model(waveform[None])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss)
    before, before_all = transfer.snapshot(layer), transfer.snapshot(model)
    model.fit(waveform[None], np.array([1]), epochs=2, verbose=0)
    return transfer.what_moved(before, layer), transfer.what_moved(before_all, model)


def test_every_weight_is_counted():
    layer = HubLayer(FOLDER)
    convolutions = body(0.25, 512).count_params()
    assert layer.count_params() == convolutions + 512 * 521 + 521
    assert [len(layer.trainable_weights), len(layer.non_trainable_weights)] == [0, 56]


def test_frozen_moves_nothing(waveform):
    moved, whole = train(HubLayer(FOLDER), waveform)
    assert not moved
    assert len(whole.weights) == 2  # the head's


def test_unfrozen_moves_the_weights(waveform):
    """All but the head of the scores, which no loss reads here."""
    layer = HubLayer(FOLDER, trainable=True)
    before = layer(waveform)[1].numpy()
    moved, _ = train(layer, waveform)
    assert len(moved.weights) >= 50
    assert np.abs(layer(waveform)[1] - before).max() > 1e-4


def test_what_it_learned_is_saved_and_loaded(waveform, tmp_path):
    inputs = keras.Input(batch_shape=(None,))
    model = keras.Model(inputs, HubLayer(FOLDER, output=1, trainable=True)(inputs))
    layer = model.layers[-1]
    for variable in layer.trainable_weights:
        variable.assign(variable * 1.01)
    model.save(tmp_path / "model.keras")
    back = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(back(waveform), model(waveform))
    assert not np.array_equal(HubLayer(FOLDER, output=1)(waveform), model(waveform))


# --- the body in plain Keras ----------------------------------------------------------------


def test_the_body_equals_the_module(module, waveform):
    _, embeddings, log_mel = module(waveform)
    model = read_body(module)
    np.testing.assert_allclose(model(audio.patches(log_mel)), embeddings, atol=1e-4)


def test_the_body_of_a_layer_has_its_learned_weights(waveform):
    layer = HubLayer(FOLDER)
    layer.weights[0].assign(layer.weights[0] * 0.9)
    _, embeddings, log_mel = layer(waveform)
    model = read_body(layer)
    np.testing.assert_allclose(model(audio.patches(log_mel)), embeddings, atol=1e-4)


def test_only_the_last_blocks_learn(module, waveform):
    model = read_body(module)
    transfer.unfreeze_from(model, "layer13_depthwise_conv")
    classifier = keras.Sequential([model, keras.layers.Dense(2)])
    x = audio.patches(module(waveform)[2]).numpy()
    classifier.compile(
        keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    before = transfer.snapshot(model)
    classifier.fit(x, np.array([0, 1] * 3), epochs=2, verbose=0)
    names = {name.rsplit("/", 1)[0] for name in transfer.what_moved(before, model).weights}
    assert {name.split("/")[-1].split("_")[0] for name in names} == {"layer13", "layer14"}


def test_the_body_at_width_1_is_yamnets():
    model = body()
    assert model.output_shape == (None, 1024)
    assert model.count_params() == 3_195_456


class Normalised(tf.Module):
    """A YAMNet whose batch normalisation is not folded in, as some makes keep it."""

    def __init__(self):
        super().__init__()
        self.found = {}
        rng = np.random.default_rng(0)
        for layer in body(0.25).layers:
            if layer.weights:
                name = layer.name.replace("_", "/", 1)
                kernel = layer.get_weights()[0]
                channels = len(layer.get_weights()[1])
                self.keep(f"{name}/kernel", kernel)
                self.keep(f"{name}/bn/beta", rng.normal(0, 0.1, channels))
                self.keep(f"{name}/bn/moving_mean", rng.normal(0, 0.1, channels))
                self.keep(f"{name}/bn/moving_variance", rng.uniform(0.1, 0.3, channels))

    def keep(self, name, array):
        self.found[name] = tf.Variable(array.astype("float32"), name=name)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)], autograph=False)
    def __call__(self, waveform):
        log_mel = audio.log_mel(waveform)
        x = audio.patches(log_mel)[..., None]
        for number, (_, stride) in enumerate(LAYERS, start=1):
            for kind in ("conv",) if number == 1 else ("depthwise_conv", "pointwise_conv"):
                name = f"layer{number}/{kind}"
                s = 1 if kind == "pointwise_conv" else stride
                run = tf.nn.depthwise_conv2d if kind == "depthwise_conv" else tf.nn.conv2d
                x = run(x, self.found[f"{name}/kernel"], [1, s, s, 1], "SAME")
                mean, variance, beta = (
                    self.found[f"{name}/bn/{k}"] for k in ("moving_mean", "moving_variance", "beta")
                )
                x = tf.nn.relu((x - mean) / tf.sqrt(variance + 1e-4) + beta)
        return x, tf.reduce_mean(x, axis=[1, 2]), log_mel


def test_batch_normalisation_is_folded_into_the_body(waveform, tmp_path):
    tf.saved_model.save(Normalised(), str(tmp_path))
    module = tf.saved_model.load(str(tmp_path))
    model = read_body(module)
    _, embeddings, log_mel = module(waveform)
    largest = np.max(embeddings)
    assert largest > 0.01
    gap = np.abs(model(audio.patches(log_mel)) - embeddings).max()
    assert gap < 1e-4 * largest


@pytest.mark.skipif(not (MIRROR / "index.json").is_file(), reason="needs a mirror (COURSE_MIRROR)")
def test_the_real_yamnet_fits_the_same_body_and_front_end(waveform, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_MIRROR", str(MIRROR))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    fetch.download("yamnet")
    module = tf.saved_model.load(str(assets.path("yamnet", profile="full")))
    _, embeddings, log_mel = module(waveform)
    np.testing.assert_allclose(audio.log_mel(waveform), log_mel, atol=1e-3)
    model = read_body(module)
    np.testing.assert_allclose(model(audio.patches(log_mel)), embeddings, atol=1e-3)


def test_another_module_is_refused(tmp_path):
    class Other(tf.Module):
        def __init__(self):
            super().__init__()
            self.kernel = tf.Variable(1.0, name="kernel")

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)], autograph=False)
        def __call__(self, waveform):
            return self.kernel * waveform

    tf.saved_model.save(Other(), str(tmp_path))
    for module in (tf.saved_model.load(str(tmp_path)), HubLayer(tmp_path)):
        with pytest.raises(ValueError, match="not a YAMNet.*layer1/conv/kernel"):
            read_body(module)
