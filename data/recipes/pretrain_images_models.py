"""The two architectures of `pretrain_images.py` and the files they are kept in."""

import functools
import hashlib
import shutil
import tempfile
from pathlib import Path

import keras
import numpy as np
from pretrain_images_corpus import EMBEDDING, SEED

WIDTH = 0.25  # of VGG16's channels
ALPHA = 0.35  # of MobileNetV2's
MOMENTUM = 0.99
WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
VGG16_FILE = "vgg16-narrow.weights.h5"
FEATURE_VECTOR = "mobilenet-v2-035-feature-vector"
CLASSIFICATION = "mobilenet-v2-035-classification"


def narrow_vgg16(width=WIDTH):
    """VGG16 without its top (Simonyan and Zisserman 2014), every convolution `width` as wide.

    Layer names are those of `keras.applications.VGG16`; `width=1.0` is exactly that model.
    Input: float32 [n, h, w, 3] out of `keras.applications.vgg16.preprocess_input`.
    """

    def scaled(layer):
        config = layer.get_config()
        if isinstance(layer, keras.layers.Conv2D):
            config["filters"] = int(config["filters"] * width)
        return type(layer).from_config(config)

    full = keras.applications.VGG16(weights=None, include_top=False)
    return keras.models.clone_model(full, clone_function=scaled)


def with_batchnorm(plain):
    """The same convolutions, each followed by BatchNorm: without it so deep a net learns nothing
    (Ioffe and Szegedy 2015)."""
    x = inputs = keras.Input((None, None, 3))
    for layer in plain.layers[1:]:
        config = layer.get_config()
        if isinstance(layer, keras.layers.Conv2D):
            config |= {"activation": None, "use_bias": False, "kernel_initializer": "he_normal"}
        x = type(layer).from_config(config)(x)
        if isinstance(layer, keras.layers.Conv2D):
            x = keras.layers.BatchNormalization(momentum=MOMENTUM, name=f"{layer.name}_bn")(x)
            x = keras.layers.ReLU(name=f"{layer.name}_relu")(x)
    return keras.Model(inputs, x)


def fold_batchnorm(trained, plain):
    """Write the weights of `with_batchnorm(plain)` into `plain`, BatchNorm folded away.

    Raises ValueError if the outputs then differ by over 1e-4 (of the largest, where that is
    over 1) on pixels of the full range.
    """
    for layer in plain.layers:
        if isinstance(layer, keras.layers.Conv2D):
            norm = trained.get_layer(f"{layer.name}_bn")
            gamma, beta, mean, variance = norm.get_weights()
            scale = gamma / np.sqrt(variance + norm.epsilon)
            kernel = trained.get_layer(layer.name).get_weights()[0]
            layer.set_weights([kernel * scale, beta - mean * scale])
    pixels = np.random.default_rng(SEED).uniform(0, 255, (4, 64, 64, 3)).astype("float32")
    pixels = keras.applications.vgg16.preprocess_input(pixels)
    before, after = (model.predict(pixels, verbose=0) for model in (trained, plain))
    gap = np.abs(before - after).max() / max(1.0, np.abs(before).max())
    if gap > 1e-4:
        raise ValueError(f"the folded VGG16 differs from the trained one by {gap:.1e}, over 1e-4")
    print(f"BatchNorm folded into the convolutions: largest difference {gap:.1e}")


def mobilenet():
    """MobileNetV2 (Sandler et al. 2018) with 0.35 of its channels, for any height and width.

    Input: float32 [n, h, w, 3] in -1..1.
    """
    model = keras.applications.MobileNetV2(
        (None, None, 3), alpha=ALPHA, include_top=False, weights=None
    )
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = MOMENTUM  # 0.999 would still remember the start of so short a training
    return model


def student(backbone, classes):
    """The backbone with two linear heads: the class, and the teacher's vector."""
    features = keras.layers.GlobalAveragePooling2D(name="features")(backbone.output)
    label = keras.layers.Dense(classes, name="label")(features)
    teacher = keras.layers.Dense(EMBEDDING, name="teacher")(features)
    return keras.Model(backbone.input, {"label": label, "teacher": teacher})


def folded_vgg16(model):
    """The plain VGG16 of a trained student, BatchNorm folded in."""
    plain = narrow_vgg16()
    fold_batchnorm(trunk(model), plain)
    return plain


def trunk(model):
    """A student without its heads."""
    return keras.Model(model.input, model.get_layer("features").input)


def save_vgg16(model, class_names, out):
    """Write the weights of a student around a plain VGG16."""
    plain = narrow_vgg16()
    plain.set_weights(trunk(model).get_weights())
    part = out / f"part-{VGG16_FILE}"
    plain.save_weights(part)
    part.replace(out / VGG16_FILE)
    print(f"{out / VGG16_FILE}: {(out / VGG16_FILE).stat().st_size:,} bytes")


def save_mobilenet(model, class_names, out):
    """Write a trained student as two modules, called as TF Hub's of MobileNetV2 are."""
    for name, layer, labels in (
        (FEATURE_VECTOR, "features", None),
        (CLASSIFICATION, "label", class_names),
    ):
        part = keras.Model(model.input, model.get_layer(layer).output)
        save_hub_module(part, out / name, labels)
        size = sum(p.stat().st_size for p in (out / name).rglob("*") if p.is_file())
        print(f"{out / name}: {size:,} bytes, {len(part.variables)} variables")


def save_hub_module(model, folder, class_names=None):
    """Save a Keras model of pixels -1..1 as a TF2 SavedModel of pixels 0..1, replacing `folder`.

    `__call__(inputs, training=False)` takes float32 [n, h, w, 3]; both values of `training` are
    traced. With `class_names`, these stand in assets/class_names.txt, one a line in the order of
    the scores, and the loaded module's `class_names_path` is that file. Needs Keras on TensorFlow.
    """
    import tensorflow as tf

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
    spec = tf.TensorSpec((None, None, None, 3), tf.float32, name="inputs")
    for training in (True, False):
        module.__call__.get_concrete_function(spec, training=training)
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        if class_names:
            labels = Path(scratch) / "class_names.txt"
            labels.write_text("\n".join(class_names) + "\n")
            module.class_names_path = tf.saved_model.Asset(str(labels))
        tf.saved_model.save(module, str(part))
    write_checksums(part)
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def write_checksums(folder):
    """SHA256SUMS of the files of a folder, as `sha256sum --check` reads it."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "SHA256SUMS")
    lines = [
        f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(folder).as_posix()}\n"
        for p in files
    ]
    (folder / "SHA256SUMS").write_text("".join(lines))
