"""The probe of `pretrain_images.py`: how far do frozen features carry to cats and dogs?"""

from pathlib import Path

import keras
import numpy as np
from PIL import Image
from pretrain_images_corpus import SEED
from pretrain_images_models import FEATURE_VECTOR, VGG16_FILE, WEIGHTS, mobilenet, narrow_vgg16
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

DRAWS = 10


def read_task(folder, pixels):
    """{part: (float32 images 0..255, labels)} of a folder train|validation|test/cats|dogs."""
    parts = {}
    for part in ("train", "validation", "test"):
        kinds = [sorted((Path(folder) / part / kind).glob("*.*")) for kind in ("cats", "dogs")]
        if all(kinds):
            images = [Image.open(file).convert("RGB") for kind in kinds for file in kind]
            arrays = [np.asarray(i.resize((pixels, pixels), Image.BILINEAR)) for i in images]
            labels = np.repeat([0, 1], [len(kind) for kind in kinds])
            parts[part] = np.stack(arrays).astype("float32"), labels
    if "train" not in parts or len(parts) == 1:
        raise SystemExit(f"{folder} needs train/ and validation/ or test/, each with cats/, dogs/")
    return parts


def probe(features, task, a_class):
    """{n: (mean, spread)} of a linear classifier's accuracy on n examples a class, n in `a_class`.

    `features` maps images 0..255 to vectors. The examples are drawn 10 times from the training
    part; the accuracy is that on the test part or, where there is none, the validation part.
    """
    (x, y), (x_test, y_test) = task["train"], task.get("test", task.get("validation"))
    x, x_test = features(x), features(x_test)
    table = {}
    for n in a_class:
        scores = []
        for draw in range(DRAWS):
            rng = np.random.default_rng((SEED, draw))
            rows = np.concatenate([rng.permutation(np.flatnonzero(y == c))[:n] for c in (0, 1)])
            model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
            scores.append(model.fit(x[rows], y[rows]).score(x_test, y_test))
        table[n] = float(np.mean(scores)), float(np.std(scores))
    return table


def pooled(backbone, preprocess):
    """The function from images 0..255 to a Keras backbone's output, averaged over the picture."""
    outputs = keras.layers.GlobalAveragePooling2D()(backbone.output)
    model = keras.Model(backbone.input, outputs)
    return lambda images: model.predict(preprocess(images.copy()), batch_size=100, verbose=0)


def vgg16_features(*, pretrained):
    """Features of the committed narrow VGG16, or of a random one."""
    model = narrow_vgg16()
    if pretrained:
        model.load_weights(WEIGHTS / VGG16_FILE)
    return pooled(model, keras.applications.vgg16.preprocess_input)


def mobilenet_features(*, pretrained):
    """Features of the committed MobileNetV2 module, or of a random one."""
    if not pretrained:
        return pooled(mobilenet(), keras.applications.mobilenet_v2.preprocess_input)
    import tensorflow as tf

    module = tf.saved_model.load(str(WEIGHTS / FEATURE_VECTOR))
    return lambda images: np.concatenate(
        [module(images[i : i + 100] / 255.0).numpy() for i in range(0, len(images), 100)]
    )


def print_table(folder, sizes, a_class):
    """Print the accuracies on the cats and dogs in `folder`, pretrained beside random weights."""
    print(f"{folder}: accuracy in %, mean and spread of {DRAWS} draws")
    print("pixels  model      weights    " + "".join(f"{n:>6} a class" for n in a_class))
    for pixels in sizes:
        task = read_task(folder, pixels)
        for name, build in (("vgg16", vgg16_features), ("mobilenet", mobilenet_features)):
            for pretrained in (True, False):
                keras.utils.set_random_seed(SEED)
                table = probe(build(pretrained=pretrained), task, a_class)
                cells = "".join(f"{100 * m:8.1f} +-{100 * s:3.1f}" for m, s in table.values())
                kind = "pretrained" if pretrained else "random"
                print(f"{pixels:>6}  {name:10} {kind:10} {cells}", flush=True)
