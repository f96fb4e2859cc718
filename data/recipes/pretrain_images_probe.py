"""The probe of `pretrain_images.py`: how much do frozen features help to tell cats from dogs?"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from helpers import compare, images, training  # noqa: E402
from helpers.data import SPLITS, Data, Examples  # noqa: E402
from helpers.images.backbones import narrow  # noqa: E402
from helpers.ready import keras  # noqa: E402

DRAWS = 20


def read_task(folder, pixels):
    """The images of a folder train|validation|test/CLASS; without a test part, validation is it."""
    found = {}
    for split in SPLITS:
        classes = sorted(p for p in (folder / split).glob("*") if p.is_dir())
        files = [(file, label) for label, c in enumerate(classes) for file in sorted(c.iterdir())]
        if files:
            with ThreadPoolExecutor() as pool:
                x = list(pool.map(lambda pair: images.read_image(pair[0], pixels), files))
            found[split] = Examples(np.stack(x), np.array([label for _, label in files], "int32"))
    if "train" not in found or len(found) == 1:
        raise SystemExit(f"{folder} needs train/ and validation/ or test/, one folder per class.")
    other = found.get("validation", found.get("test"))
    names = tuple(p.name for p in sorted((folder / "train").iterdir()))
    return Data(found["train"], other, found.get("test", other), names)


def backbones(pixels):
    """(name, weights, model from images 0..255 to features), one after the other."""
    vgg16, mobilenet = keras.applications.vgg16, keras.applications.mobilenet_v2
    body = images.vgg16(pixels)
    yield "VGG16", "pretrained", _with_preprocessing(body, vgg16.preprocess_input, pixels)
    body = narrow(vgg16.VGG16(weights=None, include_top=False), 0.5)
    yield "VGG16", "random", _with_preprocessing(body, vgg16.preprocess_input, pixels)
    yield "MobileNetV2", "pretrained", images.mobilenet_v2(pixels)
    body = mobilenet.MobileNetV2((None, None, 3), weights=None, include_top=False)
    yield "MobileNetV2", "random", _with_preprocessing(body, mobilenet.preprocess_input, pixels)


def _with_preprocessing(body, preprocess, pixels):
    inputs = keras.Input((pixels, pixels, 3))
    features = body(preprocess(inputs), training=False)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(features))


def print_table(folder, sizes, budgets):
    """Print accuracies with the course's logistic head, and the seconds that the features took."""
    print(f"{folder}: accuracy in %, mean and standard deviation of {DRAWS} draws")
    print("pixels  network      weights     seconds" + "".join(f"{n:>9} labels" for n in budgets))
    for pixels in sizes:
        data = read_task(folder, pixels)
        keras.utils.set_random_seed(0)
        for name, weights, backbone in backbones(pixels):
            training.predict(backbone, data.train.x[:32], 32)  # builds the graph
            start = time.perf_counter()
            features = data.map(lambda x, model=backbone: training.predict(model, x, 32))
            seconds = time.perf_counter() - start
            curve = compare.head_curve(features, budgets, range(DRAWS), method=name)
            of_budget = 100 * curve.groupby("labels")["accuracy"].agg(["mean", "std"])
            cells = "".join(f"{m:>9.1f} +-{s:3.1f}" for m, s in of_budget.to_numpy())
            print(f"{pixels:>6}  {name:11}  {weights:10} {seconds:8.1f}{cells}", flush=True)
