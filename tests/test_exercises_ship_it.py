"""The exercises of chapter 07: what solves them, and what is said to what does not."""

import json
import os
from pathlib import Path

import numpy as np
from exercise_cases import closing_tests
from scipy.stats import ks_2samp, ttest_ind

from helpers.ready import keras, tf


def agree_by(axis=1, far=np.abs, by=np.max, times=1):
    def agree(one, other):
        same = one.argmax(axis) == other.argmax(axis)
        return float(by(far(one - other))), float(same.mean() * times)

    return agree


def agree_in_words(one, other):
    count = sum(int(np.argmax(a) == np.argmax(b)) for a, b in zip(one, other, strict=True))
    return max(abs(float(d)) for d in (one - other).ravel()), count / len(one)


def preprocessing(scale=1 / 127.5, offset=-1.0, dtype="uint8", flip=False):
    def with_preprocessing(network):
        pixels = keras.Input(network.input_shape[1:], dtype=dtype)
        x = pixels[..., ::-1] if flip else pixels
        x = keras.layers.Rescaling(scale, offset)(x)
        return keras.Model(pixels, network(x, training=False))

    return with_preprocessing


def preprocessing_by_ops(network):
    pixels = keras.Input(network.input_shape[1:], dtype="uint8")
    return keras.Model(pixels, network(keras.ops.cast(pixels, "float32") / 127.5 - 1.0))


def endpoint_by(resize=True, divide=1.0, axis=1, name=True, keys=("label", "probabilities")):
    def endpoint(model, names):
        def read(content):
            image = tf.io.decode_image(content, channels=3, expand_animations=False)
            image = tf.image.resize(image, model.input_shape[1:3]) if resize else image
            return tf.cast(image, "float32") / divide

        def serve(contents):
            x = tf.map_fn(read, contents, fn_output_signature="float32")
            p = model(x)
            best = tf.argmax(p, axis=axis)[: tf.shape(p)[0]]
            label = tf.gather(tf.constant(names), best) if name else best
            return dict(zip(keys, (label, p), strict=True))

        return serve

    return endpoint


def endpoint_as_tf_function(model, names):
    return tf.function(endpoint_by()(model, names))


def endpoint_of_one(model, names):
    def serve(contents):
        image = tf.image.resize(tf.io.decode_png(contents[0], channels=3), model.input_shape[1:3])
        p = model(image[None])
        return {"label": tf.gather(tf.constant(names), tf.argmax(p, 1)), "probabilities": p}

    return serve


def opened(folder):
    loaded = tf.saved_model.load(folder)
    return lambda x: loaded.serve(x).numpy()


class Opened:
    def __init__(self, folder):
        self.loaded = tf.saved_model.load(folder)

    def __call__(self, x):
        return np.asarray(self.loaded.serve(tf.constant(x)))


def let_go(folder):
    serve = tf.saved_model.load(folder).serve
    return lambda x: serve(x).numpy()


def loads_each_time(folder):
    def answer(x):
        loaded = tf.saved_model.load(folder)
        return loaded.serve(x).numpy()

    return answer


def gives_tensors(folder):
    loaded = tf.saved_model.load(folder)
    return lambda x: loaded.serve(x)


def doubled(folder):
    loaded = tf.saved_model.load(folder)
    return lambda x: loaded.serve(2 * x).numpy()


def unrolled(unroll=True, mask=False, batch=1, weights=True):
    def for_litert(model):
        old = {type(layer): layer for layer in model.layers}
        ids = keras.Input(model.input_shape[1:], batch_size=batch, dtype="int32")
        table = old[keras.layers.Embedding]
        x = keras.layers.Embedding(table.input_dim, table.output_dim, mask_zero=mask)(ids)
        x = keras.layers.LSTM(old[keras.layers.LSTM].units, unroll=unroll)(x)
        new = keras.Model(ids, keras.layers.Dense(2, activation="softmax")(x))
        if weights:
            new.set_weights(model.get_weights())
        return new

    return for_litert


def unrolled_layer_by_layer(model):
    ids = x = keras.Input((6,), batch_size=1, dtype="int32")
    for layer in model.layers[1:]:
        config = layer.get_config()
        config |= {"unroll": True} if "unroll" in config else {}
        config |= {"mask_zero": False} if "mask_zero" in config else {}
        if not isinstance(layer, keras.layers.Embedding | keras.layers.LSTM | keras.layers.Dense):
            continue  # the comparison with 0 that a mask is made of
        fresh = type(layer).from_config(config)
        x = fresh(x)
        fresh.set_weights(layer.get_weights())
    return keras.Model(ids, x)


def entropies(model, x, y):
    return keras.losses.sparse_categorical_crossentropy(y, model(x, training=True))


def once_by(look=True, part=True, give=True, name_of="{}.npy"):
    def once(name, compute, folder):
        target = Path(folder, name_of.format(name))
        if look and target.exists():
            return np.load(target)
        made = compute()
        first = Path(folder, f"{name}.part.npy") if part else target
        np.save(first, made)
        os.replace(first, target)
        return made if give else None

    return once


def once_with_open(name, compute, folder):
    target = Path(folder) / f"{name}.npy"
    if not target.exists():
        with open(Path(folder) / f"{name}.tmp", "wb") as file:
            np.save(file, compute())
        Path(folder, f"{name}.tmp").replace(target)
    return np.load(target)


def reply(body, predict):
    try:
        x = np.array(json.loads(body)["instances"], "float32")
    except (ValueError, KeyError, TypeError):
        return 400, {"error": "Send instances, each three numbers."}
    if x.ndim != 2 or x.shape[1] != 3 or not len(x):
        return 400, {"error": f"Send (n, 3) numbers, not {x.shape}."}
    return 200, {"predictions": predict(x).tolist()}


def reply_to_all(body, predict):
    try:
        x = np.array(json.loads(body)["instances"], "float32").reshape(-1, 3)
        assert len(x) and len(x) == len(json.loads(body)["instances"])
        return 200, {"predictions": predict(x).tolist()}
    except Exception as error:
        return 400, {"error": f"That was not understood: {error}."}


def trusting(body, predict):
    return 200, {"predictions": predict(np.array(json.loads(body)["instances"])).tolist()}


def replies(status, content, otherwise=reply):
    def to(body, predict):
        found = otherwise(body, predict)
        return found if found[0] == 200 else (status, content)

    return to


def lets_empty_pass(body, predict):
    found = reply(body, predict)
    return (200, {"predictions": []}) if b"[]" in body and b"instances" in body else found


RIGHT = {
    "ship_it.agree": [agree_by(), agree_in_words],
    "ship_it.inside": [preprocessing(), preprocessing_by_ops],
    "ship_it.bytes": [endpoint_by(), endpoint_as_tf_function],
    "ship_it.keep": [opened, Opened],
    "ship_it.unroll": [unrolled(), unrolled_layer_by_layer],
    "ship_it.replica": [
        lambda model, x, y, whole: tf.reduce_sum(entropies(model, x, y)) / whole,
        lambda model, x, y, whole: tf.nn.compute_average_loss(
            entropies(model, x, y), global_batch_size=whole
        ),
    ],
    "ship_it.shard": [once_by(), once_with_open],
    "ship_it.request": [reply, reply_to_all],
    "ship_it.alarm": [
        lambda reference, scores: ks_2samp(reference, scores).pvalue < 0.05,
        lambda reference, scores: bool(ks_2samp(scores, reference, method="asymp")[1] < 0.04),
    ],
}
WRONG = {
    "ship_it.agree": [
        (agree_by(by=np.mean), "the mean difference"),
        (agree_by(far=lambda d: -d), "either way round"),
        (agree_by(axis=0), "over which axis"),
        (agree_by(times=100), "a share from 0 to 1"),
        (lambda one, other: 0.25, "Two numbers are asked for"),
        ((0.25, 0.75), "Is it a function"),
    ],
    "ship_it.inside": [
        (preprocessing(1.0, 0.0), "go in as they are"),
        (preprocessing(1 / 255, 0.0), "from 0 to 1"),
        (preprocessing(1 / 127.5, 0.0), "from 0 to 2"),
        (preprocessing(flip=True), "Red and blue"),
        (preprocessing(dtype="float32"), "which dtype"),
        (preprocessing(1 / 100, -1.0), "what comes out for 0"),
        (lambda network: network, "as it was"),
        (lambda network: None, "gave back no model"),
    ],
    "ship_it.bytes": [
        (endpoint_by(divide=255.0), "0 to 255"),
        (endpoint_by(divide=2.0), "its answer differs"),
        (endpoint_by(name=False), "which name belongs to it"),
        (endpoint_by(axis=0), "over which axis"),
        (endpoint_by(keys=("name", "p")), "the keys"),
        (endpoint_by(resize=False), "stopped with"),
        (endpoint_of_one, "one row for each"),
        (lambda model, names: None, "return a function"),
    ],
    "ship_it.keep": [
        (let_go, "been deleted"),
        (loads_each_time, "could one loading serve"),
        (gives_tensors, "an array is asked for"),
        (doubled, "not the model's"),
        (lambda folder: None, "return a function of x"),
    ],
    "ship_it.unroll": [
        (unrolled(unroll=False), "still loops"),
        (unrolled(mask=True), "still makes a mask"),
        (unrolled(batch=None), "How many reviews"),
        (unrolled(weights=False), "weights come along"),
        (lambda model: model, "built anew"),
        (lambda model: None, "gave back no model"),
        (lambda model: keras.Sequential([keras.Input((6,)), model]), "Where are Embedding"),
    ],
    "ship_it.replica": [
        (lambda model, x, y, whole: tf.reduce_mean(entropies(model, x, y)), "mean of its own"),
        (lambda model, x, y, whole: tf.reduce_sum(entropies(model, x, y)), "the sum of all losses"),
        (lambda model, x, y, whole: tf.reduce_sum(entropies(model, x, y)) / 2, "each part divide"),
        (lambda model, x, y, whole: entropies(model, x, y), "one number is asked for"),
        (
            lambda model, x, y, whole: tf.constant(entropies(model, x, y).numpy().sum() / whole),
            "No gradient arrives",
        ),
    ],
    "ship_it.shard": [
        (once_by(look=False), "computed again"),
        (once_by(part=False), "half a file"),
        (once_by(give=False), "what does yours return"),
        (once_by(name_of="all-{}.npy"), "where is the result kept"),
        (lambda name, compute, folder: compute(), "where is the result kept"),
    ],
    "ship_it.request": [
        (trusting, "your function stopped (JSONDecodeError)"),
        (replies(500, {"error": "Sorry."}), "400 and one"),
        (replies(400, {}), "400 and one"),
        (replies(200, {"predictions": []}), "what should the client be told"),
        (lets_empty_pass, "With an empty list the reply is 200"),
        (lambda body, predict: (400, {"error": "No."}), "A good request got 400"),
        (lambda body, predict: (200, {"predictions": np.ones(2)}), "written as JSON"),
        (lambda body, predict: (200, {"predictions": [[6.0]]}), "one for each instance"),
    ],
    "ship_it.alarm": [
        (lambda reference, scores: ks_2samp(reference, scores).pvalue > 0.05, "all is well"),
        (lambda reference, scores: ttest_ind(reference, scores).pvalue < 0.05, "compare means"),
        (lambda reference, scores: ks_2samp(reference, scores).pvalue < 0.5, "False alarms"),
        (lambda reference, scores: False, "compare means"),
        (0.05, "Is it a function"),
    ],
}

(
    test_right_answers_pass,
    test_wrong_answers_are_told_what_is_wrong,
    test_exercises_and_their_examples_lack_nothing,
    test_every_exercise_is_tried,
) = closing_tests("ship_it", RIGHT, WRONG)
