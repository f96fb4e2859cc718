"""What the chapter on fine-tuning says, over the real MobileNetV2 and real photographs.

    COURSE_MIRROR=../shared/mirror python benchmarks/measure_how_far.py

The backbone runs once over all photographs, and everything but the last rows learns on those
features; the whole network runs over the photographs again. The table is the one in docs/full.md.
It takes about 5 minutes on two cores.
"""

from functools import partial

import pandas as pd
from measure_images import photographs

from helpers import compare, images, training, transfer
from helpers.data import Examples
from helpers.ready import keras

DRAWS = range(10)
BUDGETS = (5, 10)  # labels per class
WHOLE = ([10], range(3))  # budgets and draws of the whole network, which takes its time
STEPS = 32  # of 16 examples, as on the page
LOSS = "sparse_categorical_crossentropy"


def falling(rate):
    """As on the page: down to zero along a cosine."""
    return keras.optimizers.schedules.CosineDecay(rate, STEPS)


def bottleneck(width, classes, *, lora, rate):
    """A dense layer that begins as the identity, and a head; LoRA of rank 4 on it, or all of it."""
    layer = keras.layers.Dense(width, kernel_initializer="identity", name="bottleneck")
    head = keras.layers.Dense(classes, activation="softmax", name="head")
    model = keras.Sequential([keras.Input((width,)), layer, head])
    if lora:
        layer.enable_lora(4)
    for variable in model.variables:
        variable.trainable = not lora or "lora" in variable.path or "head" in variable.path
    model.compile(keras.optimizers.Adam(falling(rate)), LOSS)
    return model


def whole(classes, *, rate):
    """The module with all its weights free, and a head."""
    module = transfer.unfreeze_all(images.mobilenet_v2())
    head = keras.layers.Dense(classes, activation="softmax", name="head")
    model = keras.Sequential([keras.Input(module.input_shape[1:]), module, head])
    model.compile(keras.optimizers.Adam(falling(rate)), LOSS)
    return model


def tuner(model, *, features=lambda x: x, probe_first=True):
    """A function that restores the model, fits the head on features, and trains what may learn."""
    start = [variable.numpy() for variable in model.variables]

    def tune(few, seed):
        training.restore(model, start)
        if probe_first:
            head = transfer.fit_head(Examples(features(few.x), few.y))
            model.get_layer("head").set_weights(head.get_weights())
        stream = training.batches(few, 16, seed)
        model.fit(stream, steps_per_epoch=STEPS, shuffle=False, verbose=0)
        return model

    return tune


def main():
    """Measure all rows and print the table of each budget."""
    data = photographs()
    backbone = images.mobilenet_v2()
    features = transfer.extract(backbone, data)
    width, classes = features.train.x.shape[1], len(data.class_names)
    dense = partial(bottleneck, width, classes)
    rows = {
        "LoRA on a dense layer, rank 4": tuner(dense(lora=True, rate=1e-3)),
        "the whole dense layer": tuner(dense(lora=False, rate=1e-4)),
        "the whole dense layer, random head": tuner(
            dense(lora=False, rate=1e-4), probe_first=False
        ),
    }
    curves = [compare.head_curve(features, BUDGETS, DRAWS, method="frozen")]
    curves += [
        compare.learning_curve(tune, features, BUDGETS, DRAWS, method=name)
        for name, tune in rows.items()
    ]
    frozen = partial(training.predict, backbone, batch_size=16)
    for head, probe_first in (("LP-FT", True), ("random head", False)):
        tune = tuner(whole(classes, rate=1e-5), features=frozen, probe_first=probe_first)
        method = f"whole network, {head}"
        curves += [compare.learning_curve(tune, data, *WHOLE, method=method, batch_size=32)]
    curves = pd.concat(curves)
    for labels in BUDGETS:
        print(f"{labels} labels per class")
        print(compare.table(curves, labels).drop(columns="recall").to_string())
        for name in curves[curves.labels == labels].method.unique()[1:]:
            paired = curves[curves.seed.isin(curves[curves.method == name].seed)]
            gain = compare.accuracy_gain(paired, name, "frozen", labels)
            print(f"  {name} over frozen: {gain}")


if __name__ == "__main__":
    main()
