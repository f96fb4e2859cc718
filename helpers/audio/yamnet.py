"""YAMNet (Plakal and Ellis, 2020): the module of TF Hub as a layer, and its body in plain Keras.

A module takes a waveform and hides the rest. To look at a layer, or to fine-tune the last ones,
you need the convolutions themselves: `body` builds them for any width, `read_body` fills them from
a module. YAMNet is the MobileNet of Howard et al. (2017) on patches of a log-mel spectrogram.
"""

import numpy as np

from helpers.audio.data import RATE
from helpers.audio.spectrograms import BANDS, PATCH, padded_length, patches
from helpers.hub import HubLayer
from helpers.ready import keras, tf

BN_EPSILON = 1e-4  # of a YAMNet whose batch normalisation is not folded in
# Channels and stride of the convolutions at width 1: layer1 to layer14.
LAYERS = (
    (32, 2), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip


@keras.saving.register_keras_serializable("transfer_learning_course")
class YamnetLayer(HubLayer):
    """A module with YAMNet's call, one waveform (samples,), as a layer for batches of them.

    Gives one embedding per clip, the mean over its patches, each scaled to length 1 so that loud
    patches count no more than quiet ones. It runs clip by clip: joined into one long waveform they
    would be faster only if no patch lay across a border.
    """

    def __init__(self, module="yamnet", **kwargs):
        super().__init__(module, **kwargs)
        self.width = self.module_callable(tf.zeros(padded_length(0)))[1].shape[-1]

    def call(self, waveforms, training=False):
        """Waveforms (n, samples) in, embeddings (n, d) out."""

        def hear(waveform):
            _, embeddings, _ = HubLayer.call(self, waveform, training=training)
            return tf.reduce_mean(tf.math.l2_normalize(embeddings, axis=-1), axis=0)

        signature = tf.TensorSpec([self.width], tf.float32)
        return tf.map_fn(hear, waveforms, fn_output_signature=signature)


def yamnet(module: str = "yamnet") -> keras.Model:
    """YAMNet, frozen: from waveforms (n, samples), -1 to 1, 16 kHz, to embeddings of clips (n, d).

    Args:
        module: the name of an asset, or the folder of a SavedModel with the same call.
    """
    waveforms = keras.Input((None,), name="waveforms")
    return keras.Model(waveforms, YamnetLayer(module)(waveforms), name="yamnet")


def body(width: float = 1.0, last: int | None = None) -> keras.Model:
    """The convolutions, patch to embedding: (n, 96, 64) to (n, channels).

    Layers have the names of YAMNet's variables with `_` for `/`: `layer1_conv`, then
    `layer2_depthwise_conv` and `layer2_pointwise_conv` up to `layer14_...`. There is no batch
    normalisation: a trained one is a factor and an addition, and is part of kernels and biases.

    Args:
        width: of the channels, 1.0 for YAMNet itself.
        last: channels of layer 14, if not `width` times 1,024.
    """
    x = inputs = keras.Input((PATCH, BANDS), name="patches")
    x = keras.layers.Reshape((PATCH, BANDS, 1), name="channel")(x)
    for number, (channels, stride) in enumerate(LAYERS, start=1):
        channels = last if last and number == len(LAYERS) else int(channels * width)
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


def read_body(module) -> keras.Model:
    """The body of a YAMNet module as a Keras model with weights of its own.

    Args:
        module: a `HubLayer` or `YamnetLayer`, or the module itself as TensorFlow loads it.

    Raises:
        ValueError: the module is not a YAMNet.
    """
    module = getattr(module, "module_callable", module)
    functions = module.__call__.concrete_functions
    found = {v.name.split(":")[0]: v.numpy() for each in functions for v in each.variables}
    try:
        first, last = found["layer1/conv/kernel"], found["layer14/pointwise_conv/kernel"]
        model = body(first.shape[-1] / LAYERS[0][0], last.shape[-1])
        for layer in model.layers:
            if layer.weights:
                layer.set_weights(_kernel_and_bias(found, layer.name.replace("_", "/", 1)))
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"This module is not a YAMNet, or one of another make ({error}): its variables should "
            "be named layer1/conv/kernel to layer14/pointwise_conv/bias."
        ) from error
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype("float32")
    _, embeddings, spectrogram = module(noise)
    gap = np.abs(embeddings - model(patches(spectrogram))).max() / max(1.0, np.max(embeddings))
    if not gap < 1e-3:
        raise ValueError(f"The body read from this module differs from it by {gap:.1e}.")
    return model


def _kernel_and_bias(found, name):
    """The arrays of one convolution, a batch normalisation behind it folded into both."""
    kernel = found[f"{name}/kernel"]
    if f"{name}/bias" in found:
        return [kernel, found[f"{name}/bias"]]
    beta, mean, variance = (
        found[f"{name}/bn/{each}"] for each in ("beta", "moving_mean", "moving_variance")
    )
    factor = 1 / np.sqrt(variance + BN_EPSILON)
    # The channels of a depthwise kernel are its third axis, of the others the fourth.
    shaped = factor[:, None] if "depthwise" in name else factor
    return [kernel * shaped, beta - mean * factor]
