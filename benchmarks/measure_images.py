"""What the images chapter promises of real photographs and real modules, measured.

    COURSE_MIRROR=../shared/mirror python tests/measure_images.py [probe] [narrow] [speed]

Run by hand: pytest does not collect it. It takes about 10 minutes on two cores.
"""

import sys
import time

import numpy as np

from helpers import assets, images, transfer
from helpers.quiet import keras, tf

DRAWS = 10


def accuracies(features, per_class):
    """Test accuracy (%) of heads on `per_class` labels, one for each draw."""
    return [
        100
        * transfer.accuracy(
            transfer.fit_head(transfer.draw(features.train, per_class, seed)), features.test
        )
        for seed in range(DRAWS)
    ]


def report(what, features, budgets):
    for per_class in budgets:
        found = accuracies(features, per_class)
        print(f"{what}, {per_class} a class: {np.mean(found):.1f} % ± {np.std(found, ddof=1):.1f}")


def probe():
    """The real MobileNetV2 module on real photographs."""
    assets.use("full")
    splits = images.load_cats_vs_dogs()
    features = transfer.extract(images.mobilenet_v2(), splits)
    report("real MobileNetV2, photographs", features, (5, 10, 20, 100))


def narrow():
    """The committed narrow backbones, on real photographs and on the drawings."""
    assets.use("full")
    photographs = assets.path("cats-vs-dogs")
    assets.use("sample")
    size = images.image_size()
    for what, root in (("photographs", photographs), ("drawings", assets.path("cats-vs-dogs"))):
        splits = images.load_pictures(root, size)
        for name, backbone in (("VGG16", images.vgg16()), ("MobileNetV2", images.mobilenet_v2())):
            report(f"narrow {name}, {what}", transfer.extract(backbone, splits), (10, 20, 100))


def speed():
    """Extract once and train a head, against the loop that runs the backbone in every epoch."""
    assets.use("full")
    splits = images.load_cats_vs_dogs()
    photographs = splits.arrays()
    # All 900 training photographs of the mirror: the loader keeps a fifth for validation.
    x = np.concatenate([photographs.train.x, photographs.validation.x])
    y = np.concatenate([photographs.train.y, photographs.validation.y])
    backbone = images.mobilenet_v2()
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(32).prefetch(2)
    one = batches.unbatch().take(1).batch(1)
    unkept = transfer.Splits(batches, one, one, splits.class_names)  # no key: nothing is kept
    test = transfer.predict(backbone, photographs.test.x, 32)

    forward = tf.function(lambda batch: backbone(batch, training=False), reduce_retracing=True)
    for batch, _ in batches.take(2):
        forward(batch)
    start = time.perf_counter()
    for batch, _ in batches:
        forward(batch)
    bare = time.perf_counter() - start

    start = time.perf_counter()
    features = transfer.extract(backbone, unkept).train
    extraction = time.perf_counter() - start
    transfer.set_seed(0)
    head = new_head(backbone.output_shape[1:])
    head.fit(*features, epochs=10, batch_size=32, verbose=0)
    once = time.perf_counter() - start
    once_right = (transfer.predict(head, test).argmax(1) == photographs.test.y).mean()

    transfer.set_seed(0)
    head = new_head(backbone.output_shape[1:])
    usual = keras.Sequential([backbone, head])
    usual.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    start = time.perf_counter()
    usual.fit(x, y, epochs=10, batch_size=32, verbose=0)
    loop = time.perf_counter() - start
    loop_right = (transfer.predict(head, test).argmax(1) == photographs.test.y).mean()

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
