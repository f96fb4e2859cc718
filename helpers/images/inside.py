"""Look inside a backbone: what its layers respond to, and where it found evidence."""

import re

import numpy as np

from helpers.ready import keras, tf


def layers_to_see(backbone: keras.Model) -> list[str]:
    """Names of the layers whose maps are worth a look, from the first to the last."""
    pattern = r"block\d_conv\d|conv1_relu|conv\d_block\d_out|mixed\d+"
    return [layer.name for layer in backbone.layers if re.fullmatch(pattern, layer.name)]


def feature_maps(backbone: keras.Model, layer: str, image: np.ndarray) -> np.ndarray:
    """The output of one layer for one image: float32 of shape (height, width, channels)."""
    return keras.Model(backbone.input, backbone.get_layer(layer).output)(image[None])[0].numpy()


def grad_cam(
    backbone: keras.Model, head: keras.Model, layer: str, image: np.ndarray, label: int
) -> np.ndarray:
    """Grad-CAM (Selvaraju et al., 2017): where a layer found evidence for one class.

    As in the paper, the score of the class is the one before the softmax.

    Args:
        backbone: from images to features.
        head: from features to class probabilities; its last layer applies the softmax.
        layer: name of a convolutional layer of the backbone.
        image: shape (size, size, 3), values 0 to 255.
        label: the class whose evidence is wanted.

    Returns:
        float32 of the layer's height and width, 0 to 1; all 0 where nothing speaks for the class.
    """
    chosen = backbone.get_layer(layer).output
    lower, upper = keras.Model(backbone.input, chosen), keras.Model(chosen, backbone.output)
    maps, scores = lower(image[None]), _without_softmax(head)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        score = scores(upper(maps))[0, label]
    weights = tf.reduce_mean(tape.gradient(score, maps), axis=(1, 2), keepdims=True)
    evidence = tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1))[0].numpy()
    return evidence / evidence.max() if evidence.max() > 0 else evidence


def _without_softmax(head):
    """The head up to its logits, with the same weights."""
    last = head.layers[-1]
    if isinstance(last, keras.layers.Softmax):
        return keras.Model(head.inputs[0], last.input)
    if getattr(last, "activation", None) is not keras.activations.softmax:
        return head
    linear = type(last).from_config({**last.get_config(), "activation": "linear"})
    logits = keras.Model(head.inputs[0], linear(last.input))
    linear.set_weights(last.get_weights())
    return logits
