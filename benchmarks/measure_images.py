"""What the images chapter promises of real photographs and real modules, measured.

    COURSE_MIRROR=../shared/mirror python benchmarks/measure_images.py [probe] [narrow] [speed]

It takes about 10 minutes on two cores.
"""

import os
import sys
import tempfile
import time

import numpy as np

from course import fetch, intake
from helpers import assets, images, training, transfer
from helpers.data import Data, Examples, sample_per_class
from helpers.ready import keras, tf

DRAWS = 10


def photographs(size=None):
    """The real photographs as `Data`; the profile is `full` afterwards."""
    assets.use("full")
    fetch.download("cats-vs-dogs", "mobilenet-v2-feature-vector")
    return images.load(intake.images(images.BUNDLED), size=size)


def report(what, features, budgets):
    """Print the test accuracy of heads on so many labels per class, mean and deviation."""
    for per_class in budgets:
        found = [
            100
            * training.accuracy(
                transfer.fit_head(sample_per_class(features.train, per_class, seed)), features.test
            )
            for seed in range(DRAWS)
        ]
        mean, std = np.mean(found), np.std(found, ddof=1)
        print(f"{what}, {per_class} per class: {mean:.1f} % ± {std:.1f}")


def probe():
    """The real MobileNetV2 module on real photographs."""
    data = photographs()
    features = transfer.extract(images.mobilenet_v2(), data)
    report("real MobileNetV2, photographs", features, (5, 10, 20, 100))


def narrow():
    """The bundled narrow backbones, on real photographs and on the drawings."""
    size = images.image_size("sample")
    real = photographs(size)
    assets.use("sample")
    for what, data in (("photographs", real), ("drawings", images.load(images.BUNDLED))):
        for name, backbone in (("VGG16", vgg16()), ("MobileNetV2", images.mobilenet_v2())):
            report(f"narrow {name}, {what}", transfer.extract(backbone, data), (10, 20, 100))


def vgg16():
    """VGG16 as in the chapter: preprocessing in front, average pooling at the end."""
    pixels = keras.Input((images.image_size(),) * 2 + (3,))
    maps = images.vgg16()(keras.applications.vgg16.preprocess_input(pixels), training=False)
    return keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(maps))


def speed():
    """Extract once and train a head, against the loop that runs the backbone in every epoch."""
    data = photographs()
    # All training photographs of the archive: a fifth of them is kept for validation.
    train = Examples(
        *(np.concatenate(both) for both in zip(data.train, data.validation, strict=True))
    )
    x, y = train
    backbone = images.mobilenet_v2()
    test = training.predict(backbone, data.test.x, 32)
    forward = tf.function(lambda batch: backbone(batch, training=False), reduce_retracing=True)
    batches = [x[start : start + 32] for start in range(0, len(x), 32)]
    forward(batches[0]), forward(batches[-1])
    start = time.perf_counter()
    for batch in batches:
        forward(batch)
    bare = time.perf_counter() - start

    one = Examples(x[:1], y[:1])
    os.environ["COURSE_CACHE"] = tempfile.mkdtemp()  # nothing is kept from before
    start = time.perf_counter()
    features = transfer.extract(backbone, Data(train, one, one, data.class_names)).train
    extraction = time.perf_counter() - start
    training.set_seed(0)
    head = new_head(backbone.output_shape[1:])
    head.fit(*features, epochs=10, batch_size=32, verbose=0)
    once = time.perf_counter() - start
    once_right = (training.predict(head, test).argmax(1) == data.test.y).mean()

    training.set_seed(0)
    head = new_head(backbone.output_shape[1:])
    usual = keras.Sequential([backbone, head])
    usual.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    start = time.perf_counter()
    usual.fit(x, y, epochs=10, batch_size=32, verbose=0)
    loop = time.perf_counter() - start
    loop_right = (training.predict(head, test).argmax(1) == data.test.y).mean()

    print(f"{len(x)} photographs, 10 epochs of a head on the real MobileNetV2:")
    print(f"  bare forward passes {bare:.1f} s, extraction {extraction:.1f} s")
    print(f"  extraction costs {extraction / bare:.2f} times the bare passes")
    print(f"  extract once {once:.1f} s ({once_right:.1%}), loop {loop:.1f} s ({loop_right:.1%})")
    print(f"  {loop / once:.1f} times faster")


def new_head(shape):
    head = keras.Sequential(
        [keras.Input(shape), keras.layers.Dense(2, activation="softmax", name="head")]
    )
    head.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    return head


if __name__ == "__main__":
    for step in sys.argv[1:] or ("probe", "narrow", "speed"):
        {"probe": probe, "narrow": narrow, "speed": speed}[step]()
