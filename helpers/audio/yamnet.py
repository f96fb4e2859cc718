"""YAMNet (Plakal and Ellis, 2020): the module of TF Hub as a layer, and its body in plain Keras.

A module takes a waveform and hides the rest. To look at a layer, or to fine-tune the last ones,
you need the convolutions themselves: `body` builds them for any width, `read_body` fills them from
a module. YAMNet is the MobileNet of Howard et al. (2017) on patches of a log-mel spectrogram.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import assets
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

    Clip by clip: joined into one long waveform they would be faster only if no patch lay across
    a border, and those that do cost more than a larger batch saves.

    Args:
        module: the folder of a SavedModel, or the name of an asset.
        pooled: whether to return one embedding per clip (n, d), the mean over its patches, each
            scaled to length 1 so that loud patches count no more than quiet ones; else
            scores (n, patches, classes), embeddings (n, patches, d), log-mel (n, frames, 64).
        last_blocks: how many of its blocks, counted from the end, learn when the layer is made
            trainable; None for all of them.

    Raises:
        ValueError: `last_blocks` is given and the module names no blocks (layer1, layer2 ...).
    """

    def __init__(self, module="yamnet", *, pooled=True, last_blocks=None, **kwargs):
        super().__init__(module, **kwargs)
        self.pooled, self.last_blocks = pooled, last_blocks
        outputs = HubLayer.call(self, tf.zeros(padded_length(0)))
        self._specs = tuple(tf.TensorSpec([None, each.shape[-1]], tf.float32) for each in outputs)
        if last_blocks is not None and not self._last():
            raise ValueError(
                f"{self.module} has no variables named layer1, layer2 and so on: take "
                "last_blocks=None, and all of it learns."
            )
        self.trainable = kwargs.get("trainable", False)

    @property
    def trainable(self):
        """Whether the module, or its last blocks, learn."""
        return super().trainable

    @trainable.setter
    def trainable(self, value):
        HubLayer.trainable.fset(self, value)
        if value and getattr(self, "last_blocks", None) is not None:
            for variable in self.trainable_variables:
                variable.trainable = _block(variable) in self._last()

    def _last(self):
        blocks = sorted({_block(variable) for variable in self.weights} - {None})
        return blocks[len(blocks) - self.last_blocks :]

    def call(self, waveforms, training=False):
        """Waveforms (n, samples) in; see `pooled` for what comes out."""

        def hear(waveform):
            outputs = HubLayer.call(self, waveform, training=training)
            if not self.pooled:
                return tuple(outputs)
            return tf.reduce_mean(tf.math.l2_normalize(outputs[1], axis=-1), axis=0)

        specs = tf.TensorSpec(self._specs[1].shape[1:], tf.float32) if self.pooled else self._specs
        return tf.map_fn(hear, waveforms, fn_output_signature=specs)

    def get_config(self):
        """The arguments, for saving."""
        config = super().get_config()
        config.pop("output")
        return {**config, "pooled": self.pooled, "last_blocks": self.last_blocks}


def _block(variable):
    """The number of the block that a variable belongs to; None for the classifier."""
    found = re.match(r"layer(\d+)\b", variable.name)
    return found and int(found[1])


def yamnet(last_blocks: int | None = None, module: str = "yamnet") -> keras.Model:
    """YAMNet from TensorFlow Hub as a frozen feature extractor.

    Args:
        last_blocks: how many of its 14 blocks learn when it is fine-tuned; all if None.
        module: the name of an asset, or the folder of a SavedModel with the same call.

    Returns:
        A model from waveforms (n, samples), -1 to 1, 16 kHz, to one embedding per clip (n, d).
    """
    waveforms = keras.Input((None,), name="waveforms")
    layer = YamnetLayer(module, last_blocks=last_blocks, name="yamnet_module")
    return keras.Model(waveforms, layer(waveforms), name="yamnet")


def yamnet_patches(module: str = "yamnet") -> tuple[keras.Model, tuple[str, ...]]:
    """YAMNet patch by patch, and the names of the classes that it was pretrained on.

    Returns:
        A model from waveforms (n, samples) to scores (n, patches, classes), 0 to 1, embeddings
        (n, patches, d) and log-mel spectrograms (n, frames, 64); class names.

    Raises:
        ValueError: the module has no file of class names.
    """
    waveforms = keras.Input((None,), name="waveforms")
    layer = YamnetLayer(module, pooled=False, name="yamnet_module")
    profile = layer.profile
    folder = Path(layer.module) if profile is None else assets.path(layer.module, profile=profile)
    names = sorted((folder / "assets").glob("*class_map.csv"))
    if not names:
        raise ValueError(f"{folder / 'assets'} holds no *class_map.csv: the names are missing.")
    model = keras.Model(waveforms, layer(waveforms), name="yamnet_patches")
    return model, tuple(pd.read_csv(names[0]).display_name)


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
