"""The architecture of `pretrain_yamnet.py` and the module it is kept in."""

import csv
import shutil
import tempfile
from pathlib import Path

import keras
import numpy as np
from places import WEIGHTS, write_checksums
from pretrain_yamnet_corpus import CLASSES, EMBEDDING, SEED
from pretrain_yamnet_sounds import LABELS

from helpers import audio
from helpers.audio.yamnet import LAYERS
from helpers.audio.yamnet import body as yamnet_body

WIDTH, LAST = 0.25, 512  # of YAMNet's channels; channels of the last layer
MOMENTUM = 0.99  # of BatchNorm: 0.999 would still remember the start of so short a training
FOLDER = WEIGHTS / "yamnet-narrow"


def body(last=LAST):
    """The narrow body with random weights: [n, 96, 64] to [n, last]."""
    return yamnet_body(WIDTH, last)


def is_convolution(layer):
    return layer.name.endswith("conv")


def with_batchnorm(plain):
    """The same convolutions, each followed by BatchNorm (Ioffe and Szegedy 2015)."""
    x = inputs = keras.Input(plain.input.shape[1:], name="patches")
    for layer in plain.layers[1:]:
        config = layer.get_config()
        if is_convolution(layer):
            config |= {"use_bias": False}
        x = type(layer).from_config(config)(x)
        if is_convolution(layer):
            x = keras.layers.BatchNormalization(momentum=MOMENTUM, name=f"{layer.name}_bn")(x)
    return keras.Model(inputs, x)


def student(*, last=LAST, taught=True):
    """The narrow body with BatchNorm and its linear heads.

    Taught: the teacher's 521 scores and its standardised embedding; else the labels.
    """
    trunk = with_batchnorm(body(last))
    heads = {"labels": keras.layers.Dense(len(LABELS), name="labels")(trunk.output)}
    if taught:
        heads = {
            "scores": keras.layers.Dense(CLASSES, name="scores")(trunk.output),
            "teacher": keras.layers.Dense(EMBEDDING, name="teacher")(trunk.output),
        }
    return keras.Model(trunk.input, heads)


def folded(model, last=LAST):
    """The plain body of a trained student, BatchNorm folded into kernels and biases.

    Raises ValueError if the two then differ by over 1e-4 of the largest number.
    """
    plain = body(last)
    for layer in filter(is_convolution, plain.layers):
        norm = model.get_layer(f"{layer.name}_bn")
        gamma, beta, mean, variance = norm.get_weights()
        scale = gamma / np.sqrt(variance + norm.epsilon)
        kernel = model.get_layer(layer.name).get_weights()[0]
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        layer.set_weights([kernel * (scale[:, None] if depthwise else scale), beta - mean * scale])
    patches = np.random.default_rng(SEED).normal(-3, 2, (8, 96, 64)).astype("float32")
    trained = keras.Model(model.input, model.get_layer("embedding").output)
    before, after = (m.predict(patches, verbose=0) for m in (trained, plain))
    gap = np.abs(before - after).max() / max(1.0, np.abs(before).max())
    if gap > 1e-4:
        raise ValueError(f"the folded body differs from the trained one by {gap:.1e}, over 1e-4")
    print(f"BatchNorm folded into the convolutions: largest difference {gap:.1e}")
    return plain


def save_module(plain, scores, class_rows, folder=FOLDER):
    """Save a plain body as a TF2 SavedModel with YAMNet's signature, replacing `folder`.

    `scores` are kernel and bias of the layer that gives the 521 scores.

    `module(waveform)` takes float32 [n] at 16 kHz and returns scores [patches, 521], embeddings
    [patches, 512] and the log-mel spectrogram [frames, 64]; `module.class_map_path()` is the file
    of `class_rows`, (index, mid, display_name) of each score. Variables are named as YAMNet's.
    """
    import tensorflow as tf

    arrays = {}
    for layer in filter(is_convolution, plain.layers):
        name = layer.name.replace("_", "/", 1)
        arrays[f"{name}/kernel"], arrays[f"{name}/bias"] = layer.get_weights()
    arrays["dense/kernel"], arrays["dense/bias"] = scores

    class Module(tf.Module):
        # Plain attributes in place of tf.Module's properties, which a SavedModel would not keep.
        variables = trainable_variables = ()

        @tf.function(
            input_signature=[tf.TensorSpec([None], tf.float32, name="waveform")], autograph=False
        )
        def __call__(self, waveform):
            log_mel = audio.log_mel(waveform)
            embeddings = convolve(self.weights, audio.patches(log_mel))
            logits = embeddings @ self.weights["dense/kernel"] + self.weights["dense/bias"]
            return tf.sigmoid(logits), embeddings, log_mel

        @tf.function(input_signature=[])
        def class_map_path(self):
            return self.class_map.asset_path

    module = Module()
    module.weights = {name: tf.Variable(array, name=name) for name, array in arrays.items()}
    module.variables = module.trainable_variables = list(module.weights.values())
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "yamnet_class_map.csv"
        with path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(
                [("index", "mid", "display_name"), *class_rows]
            )
        module.class_map = tf.saved_model.Asset(str(path))
        tf.saved_model.save(module, str(part))
    write_checksums(part)
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    print(f"{folder}: {size:,} bytes, {sum(a.size for a in arrays.values()):,} weights")


def convolve(weights, patches):
    """The body in TensorFlow: patches [n, 96, 64] to embeddings [n, channels]."""
    import tensorflow as tf

    x = patches[..., None]
    for number, (_, stride) in enumerate(LAYERS, start=1):
        for kind in ("conv",) if number == 1 else ("depthwise_conv", "pointwise_conv"):
            kernel, bias = (weights[f"layer{number}/{kind}/{w}"] for w in ("kernel", "bias"))
            strides = [1, stride, stride, 1] if kind != "pointwise_conv" else [1, 1, 1, 1]
            operation = tf.nn.depthwise_conv2d if kind == "depthwise_conv" else tf.nn.conv2d
            x = tf.nn.relu(operation(x, kernel, strides, "SAME") + bias)
    return tf.reduce_mean(x, axis=[1, 2])
