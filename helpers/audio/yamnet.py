"""YAMNet in plain Keras: its front end, its body, and the weights of a TF Hub module inside it.

A module takes a waveform and hides the rest. Whoever wants to look at a layer, or to fine-tune the
last ones only, needs the convolutions themselves: `body` builds them for any width, `read_body`
fills them from the module of either profile. YAMNet is the MobileNet of Howard et al. (2017) on
patches of a log-mel spectrogram, trained as Hershey et al. (2017) did.
"""

import re

import numpy as np

from helpers.quiet import keras, tf

SAMPLE_RATE = 16_000  # Hz
WINDOW, HOP, FFT = 400, 160, 512  # samples: 25 ms, 10 ms, and the window padded with zeros
BANDS, LOWEST, HIGHEST = 64, 125.0, 7_500.0  # mel bands, their edges in Hz
LOG_OFFSET = 0.001
PATCH, PATCH_HOP = 96, 48  # frames: 0.96 s, 0.48 s
BN_EPSILON = 1e-4  # of YAMNet where its batch normalisation is not folded in
# Channels and stride of the convolutions at width 1: layer1 to layer14.
LAYERS = (
    (32, 2), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip


# --- front end ------------------------------------------------------------------------------


def pad(waveform):
    """The waveform with zeros behind it, so that whole patches cover it, as YAMNet does it.

    TF Hub's module rounds: of a waveform that needs no zeros it may make one patch of silence more.

    Args:
        waveform: float32 [n], mono, 16 kHz, -1..1.
    """
    shortest = WINDOW + (PATCH - 1) * HOP
    missing = tf.maximum(tf.shape(waveform)[0] - shortest, 0)
    hop = PATCH_HOP * HOP
    whole = shortest + -(-missing // hop) * hop
    return tf.pad(waveform, [[0, whole - tf.shape(waveform)[0]]])


def log_mel(waveform):
    """The log-mel spectrogram, float32 [frames, 64], of float32 [n]: log(mel + 0.001).

    Magnitudes (not powers) of 25 ms Hann windows every 10 ms, summed into 64 bands of the HTK mel
    scale from 125 to 7,500 Hz. Nothing is padded: n samples give 1 + (n - 400) // 160 frames.
    """
    spectrum = tf.signal.stft(waveform, WINDOW, HOP, FFT)  # its Hann window is periodic
    bands = tf.signal.linear_to_mel_weight_matrix(BANDS, FFT // 2 + 1, SAMPLE_RATE, LOWEST, HIGHEST)
    return tf.math.log(tf.abs(spectrum) @ bands + LOG_OFFSET)


def patches(spectrogram):
    """The patches, float32 [n, 96, 64], of a log-mel spectrogram [frames, 64]: one each 0.48 s."""
    return tf.signal.frame(spectrogram, PATCH, PATCH_HOP, axis=0)


# --- body -----------------------------------------------------------------------------------


def body(width=1.0, last=None):
    """The convolutions, patch to embedding: a Keras model, [n, 96, 64] to [n, channels].

    Its layers bear the names of YAMNet's variables with `_` for `/`: `layer1_conv`, then
    `layer2_depthwise_conv` and `layer2_pointwise_conv` up to `layer14_...`. There is no batch
    normalisation: a trained one is an addition and a factor, and stands in kernels and biases.

    Args:
        width: of the channels, 1.0 for YAMNet itself.
        last: channels of layer 14, if not `width` times 1,024.
    """
    x = inputs = keras.Input((PATCH, BANDS), name="patches")
    x = keras.layers.Reshape((PATCH, BANDS, 1), name="picture")(x)
    for number, (channels, stride) in enumerate(LAYERS, start=1):
        channels = int(channels * width)
        if number == len(LAYERS) and last:
            channels = last
        if number == 1:
            x = _conv(x, keras.layers.Conv2D, "layer1_conv", channels, 3, stride)
        else:
            x = _conv(x, keras.layers.DepthwiseConv2D, f"layer{number}_depthwise_conv", 3, stride)
            x = _conv(x, keras.layers.Conv2D, f"layer{number}_pointwise_conv", channels, 1, 1)
    outputs = keras.layers.GlobalAveragePooling2D(name="embedding")(x)
    return keras.Model(inputs, outputs, name="yamnet_body")


def _conv(x, kind, name, *sizes):
    *sizes, stride = sizes
    x = kind(*sizes, strides=stride, padding="same", name=name)(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def read_body(module):
    """The body of a YAMNet module as a Keras model with weights of its own.

    Args:
        module: what `tensorflow_hub.load` gives, or a `HubLayer` of it.

    Raises:
        ValueError: the module is not a YAMNet.
    """
    module = getattr(module, "_callable", module)
    found = {
        v.name.split(":")[0]: v for f in module.__call__.concrete_functions for v in f.variables
    }
    try:
        first, last = found["layer1/conv/kernel"], found["layer14/pointwise_conv/kernel"]
        model = body(first.shape[-1] / LAYERS[0][0], last.shape[-1])
        for layer in model.layers:
            if layer.weights:
                layer.set_weights(_kernel_and_bias(found, re.sub("_", "/", layer.name, count=1)))
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"This module is not a YAMNet, or one of another make ({error}): its variables should "
            "be named layer1/conv/kernel to layer14/pointwise_conv/bias."
        ) from error
    _compare(module, model)
    return model


def _kernel_and_bias(found, name):
    """The arrays of one convolution, a batch normalisation behind it folded into both."""
    kernel = found[f"{name}/kernel"].numpy()
    if f"{name}/bias" in found:
        return [kernel, found[f"{name}/bias"].numpy()]
    norm = {
        key: found[f"{name}/bn/{key}"].numpy() for key in ("beta", "moving_mean", "moving_variance")
    }
    factor = 1 / np.sqrt(norm["moving_variance"] + BN_EPSILON)
    bias = norm["beta"] - norm["moving_mean"] * factor
    # The channels of a depthwise kernel are its third axis, of the others the fourth.
    return [kernel * (factor[:, None] if "depthwise" in name else factor), bias]


def _compare(module, model):
    """Raise ValueError where module and model disagree on two seconds of noise."""
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * SAMPLE_RATE).astype("float32")
    _, embeddings, spectrogram = module(noise)
    gap = np.abs(embeddings - model(patches(spectrogram))).max() / max(1.0, np.max(embeddings))
    if not gap < 1e-3:
        raise ValueError(
            f"The body read from this module differs from it by {gap:.1e} of its range."
        )
