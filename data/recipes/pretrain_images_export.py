"""Export the networks of `pretrain_images.py`: the files that the course opens.

`train` leaves one file of named arrays per network, kernels in float16. Here they become a weights
file of Keras and two modules called as those of TensorFlow Hub are. All three keep kernels in
float16 and compute in float32: Keras widens a weights file as it loads, and a module widens its own
kernels as soon as it is loaded, so that whoever trains it further trains float32 variables.
"""

import functools
import shutil
import sys
import tempfile
from pathlib import Path

import h5py
import keras
import numpy as np
import tensorflow as tf
from places import WEIGHTS, write_checksums

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from helpers.images.backbones import narrow  # noqa: E402

WIDTH = 0.5  # of VGG16's channels
VGG16_FILE = "vgg16-half.weights.h5"
FEATURE_VECTOR = "mobilenet-v2-100-feature-vector"
CLASSIFICATION = "mobilenet-v2-100-classification"


def narrow_vgg16(width=WIDTH):
    """VGG16 without its top (Simonyan and Zisserman, 2015), every convolution `width` as wide.

    Layer names are those of `keras.applications.VGG16`; `width=1.0` is exactly that model.
    Input: float32 (n, h, w, 3) out of `keras.applications.vgg16.preprocess_input`.
    """
    return narrow(keras.applications.VGG16(weights=None, include_top=False), width)


def mobilenet():
    """MobileNetV2 (Sandler et al., 2018) without its top, for any height and width.

    Input: float32 (n, h, w, 3) in -1..1.
    """
    return keras.applications.MobileNetV2((None, None, 3), include_top=False, weights=None)


def with_label_head(backbone, classes):
    """From a backbone's input to its averaged output, layer `features`, and logits of `classes`."""
    features = keras.layers.GlobalAveragePooling2D(name="features")(backbone.output)
    return keras.Model(backbone.inputs[0], keras.layers.Dense(classes, name="label")(features))


def fill(model, arrays):
    """Set every weight of a Keras model from arrays named LAYER/WEIGHT."""
    for layer in model.layers:
        if layer.weights:
            names = [w.name.replace("depthwise_kernel", "kernel") for w in layer.weights]
            layer.set_weights([arrays[f"{layer.name}/{n}"].astype("float32") for n in names])


def export(folder, out=WEIGHTS):
    """Write the three files from `vgg16.npz` and `mobilenet.npz` in `folder`, and check them.

    What the files answer is compared with the Keras models they are made from; where training left
    a `check.npz`, these are compared with the networks in PyTorch, whose kernels were not rounded.
    """
    out.mkdir(parents=True, exist_ok=True)
    images = np.random.default_rng(0).uniform(0, 255, (4, 96, 96, 3)).astype("float32")
    model, _ = trained("vgg16", narrow_vgg16(), folder)
    preprocess = keras.applications.vgg16.preprocess_input
    compare_with_training(model, preprocess, folder, "vgg16")
    save_half(upto(model, "block5_pool"), out / VGG16_FILE)
    fresh = narrow_vgg16()
    fresh.load_weights(out / VGG16_FILE)
    found = keras.ops.mean(fresh(preprocess(images.copy())), (1, 2))
    report(out / VGG16_FILE, upto(model, "features")(preprocess(images.copy())), found)

    model, class_names = trained("mobilenet", mobilenet(), folder)
    preprocess = keras.applications.mobilenet_v2.preprocess_input
    compare_with_training(model, preprocess, folder, "mobilenet")
    for name, layer, labels in (
        (FEATURE_VECTOR, "features", None),
        (CLASSIFICATION, "label", class_names),
    ):
        part = upto(model, layer)
        expected = part(preprocess(images.copy()))
        save_hub_module(part, out / name, labels)
        report(out / name, expected, tf.saved_model.load(str(out / name))(images / 255))


def upto(model, layer):
    """The part of a model that ends with a layer."""
    return keras.Model(model.inputs[0], model.get_layer(layer).output)


def compare_with_training(model, preprocess, folder, name):
    """Print by how much a Keras model answers otherwise than the network on the GPU did."""
    if (folder / "check.npz").exists():
        with np.load(folder / "check.npz") as check:
            images, expected = check["images"], check[name]
        gap = np.abs(upto(model, "features")(preprocess(images)).numpy() - expected).max()
        print(f"{name}: Keras and PyTorch differ by at most {gap:.1e} of {expected.max():.2f}")


def trained(name, backbone, folder):
    """(Keras model with its label head, class names) from NAME.npz."""
    with np.load(folder / f"{name}.npz") as kept:
        arrays = dict(kept)
    class_names = arrays.pop("class_names").tolist()
    model = with_label_head(backbone, len(class_names))
    fill(model, arrays)
    return model, class_names


def report(path, expected, found):
    """Print size and the largest difference; ValueError if that is over 1e-4 of the largest."""
    expected, found = np.asarray(expected), np.asarray(found)
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    size, gap = sum(p.stat().st_size for p in files), np.abs(expected - found).max()
    print(f"{path.name}: {size:,} bytes, largest difference {gap:.1e} of {expected.max():.2f}")
    if gap > 1e-4 * np.abs(expected).max():
        raise ValueError(f"{path} answers otherwise than the Keras model it was made from")


def save_half(model, file):
    """Save a model's weights for `load_weights`, kernels as float16."""
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / "whole.weights.h5"
        model.save_weights(whole)
        part = file.with_name(f"part-{file.name}")
        with h5py.File(whole) as source, h5py.File(part, "w") as target:

            def copy(name, node):
                if isinstance(node, h5py.Group):
                    there = target.require_group(name)
                else:
                    kind = "float16" if node.ndim > 1 else node.dtype
                    there = target.create_dataset(name, data=node[()].astype(kind))
                there.attrs.update(node.attrs)

            source.visititems(copy)
            target.attrs.update(source.attrs)
    part.replace(file)


def save_hub_module(model, folder, class_names=None):
    """Save a Keras model of pixels -1..1 as a TF2 SavedModel of pixels 0..1, replacing `folder`.

    `__call__(inputs, training=False)` takes float32 (n, h, w, 3); both values of `training` are
    traced. With `class_names`, these stand in assets/class_names.txt, one per line in the order of
    the logits, and the loaded module's `class_names_path` is that file. Kernels are stored in
    float16; `variables` are float32. `model` is used up by this: its
    kernels can be saved no more.
    """

    class HubModule(tf.Module):
        # Plain attributes in place of tf.Module's properties, which a SavedModel would not keep.
        variables = trainable_variables = regularization_losses = ()

        @functools.partial(tf.function, autograph=False)
        def __call__(self, inputs, training=False):
            return model(inputs * 2.0 - 1.0, training=training)

    module = HubModule()
    module.variables = [v.value for v in model.variables]
    module.trainable_variables = [v.value for v in model.trainable_variables]
    module.regularization_losses = []
    wide = [v for v in module.variables if v.shape.rank > 1]
    # As bits: oneDNN warns of a float16 variable on most processors, though nothing computes in it.
    halves = [v.numpy().astype("float16").view("uint16") for v in wide]
    module.half = [tf.Variable(bits, trainable=False) for bits in halves]
    module.widening = widening(module.half, wide)
    spec = tf.TensorSpec((None, None, None, 3), tf.float32, name="inputs")
    for training in (True, False):
        module.__call__.get_concrete_function(spec, training=training)
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        if class_names:
            labels = Path(scratch) / "class_names.txt"
            labels.write_text("\n".join(class_names) + "\n", encoding="utf8")
            module.class_names_path = tf.saved_model.Asset(str(labels))
        tf.saved_model.save(module, str(part))
    write_checksums(part)
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def widening(half, wide):
    """A resource that fills float32 variables from float16 ones when its SavedModel is loaded."""

    class Widening(tf.saved_model.experimental.TrackableResource):
        def _create_resource(self):  # a resource needs a handle; nothing is kept in this one
            return tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name="widening")

        def _initialize(self):
            for variable, stored in zip(wide, half, strict=True):
                variable.assign(tf.cast(tf.bitcast(stored, tf.float16), tf.float32))

    for variable in wide:
        # Left out of variables/, as variables without a value are. There is no public way.
        variable._serialize_to_tensors = dict  # noqa: SLF001
    return Widening()
