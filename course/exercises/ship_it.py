"""Exercises and questions of the chapter on shipping: files, shards, servers, alarms."""

import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from unittest import mock

import numpy as np

from course.exercises import NO_MODEL, exercise, question
from helpers import training
from helpers.ready import keras, tf

SIDE = 8


def _network(low=-1.0, seed=0):
    """A small network for RGB images with numbers from `low` to 1."""
    training.set_seed(seed)
    x = inputs = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu", name="edges")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = keras.layers.Dense(3, name="head")(x)  # no softmax: nothing is saturated
    model = keras.Model(inputs, outputs)
    for variable in model.variables:  # larger weights, so that answers differ
        variable.assign(3 * variable.value + 0.1)
    return model


def _images(n=6, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, SIDE, SIDE, 3)).astype("uint8")


# ------------------------------------------------------------------ 1


@exercise(
    "ship_it.agree",
    "The two numbers that every export is judged by: how far, and how many answers.",
    minutes=4,
    level="easy",
    function="agree(one, other)",
    hints=(
        "Two questions: how far apart are two probabilities at the most, and how often is the "
        "likeliest class the same?",
        "A mean hides one bad example among a thousand, and a sign hides half of the differences.",
        "Take the largest absolute difference as a float. Then compare `argmax` over the classes "
        "(axis 1) of both and take the mean.",
    ),
)
def agree(answer):
    one = np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.2, 0.6], [0.4, 0.5, 0.1]])
    other = np.array([[0.7, 0.2, 0.1], [0.35, 0.45, 0.2], [0.2, 0.3, 0.5], [0.35, 0.5, 0.15]])
    given = answer(one, other)
    if not isinstance(given, tuple) or len(given) != 2:
        return "Two numbers are asked for: does your function end in `return largest, share`?"
    largest, share = map(float, given)
    if abs(largest - np.abs(one - other).mean()) < 1e-9:
        return "That is the mean difference: what does it say about the one worst example?"
    if max(abs(largest - 0.25), abs(answer(other, one)[0] - 0.25)) > 1e-9:
        return f"The largest difference is 0.25, either way round, and yours {largest:.2f}: why?"
    if share in (75, 3):
        return "The second number should be a share from 0 to 1: what do you divide by?"
    if abs(share - 0.75) > 1e-9:
        return f"3 of the 4 answers are the same, not {share:.2f}: over which axis is argmax?"
    return None


# ------------------------------------------------------------------ 2


@exercise(
    "ship_it.inside",
    "Whoever has this file needs no e-mail about the pixels.",
    minutes=6,
    level="easy",
    function="with_preprocessing(network)",
    hints=(
        "Images are whole numbers from 0 to 255. What must happen to 0, and what to 255?",
        "`keras.Input(..., dtype='uint8')`, then `keras.layers.Rescaling` with a scale and an "
        "offset. 1 / 127.5 and -1 do it.",
        "Make an input of the network's shape, rescale it, call the network on it with "
        "`training=False`, and return `keras.Model(input, output)`.",
    ),
)
def inside(answer):
    network, x = _network(), _images()
    model = answer(network)
    if not isinstance(model, keras.Model):
        return NO_MODEL
    if model is network:
        return "That is the network as it was: where does the preprocessing come in?"
    if model.inputs[0].dtype != "uint8":
        return f"It wants {model.inputs[0].dtype}: which dtype do the pixels of a file have?"
    right = training.predict(network, x / np.float32(127.5) - 1)
    given = training.predict(model, x)
    if given.shape == right.shape and np.abs(given - right).max() < 1e-4:
        return None
    for wrong, said in (
        (x.astype("float32"), "The pixels go in as they are: what range does the network expect?"),
        (x / np.float32(255), "They end up from 0 to 1: the network expects -1 for black, or not?"),
        (x / np.float32(127.5), "They end up from 0 to 2: which offset brings them to -1 to 1?"),
        (x[..., ::-1] / np.float32(127.5) - 1, "Red and blue are exchanged: who asked for that?"),
    ):
        if np.abs(given - training.predict(network, wrong)).max() < 1e-4:
            return said
    return "The answers are not those for pixels / 127.5 - 1: what comes out for 0, what for 255?"


# ------------------------------------------------------------------ 3


@cache
def _contents():
    """Two PNG files in bytes, of two sizes, and the pixels of the second."""
    x = _images(2, seed=3)
    larger = np.repeat(np.repeat(x[0], 2, axis=0), 3, axis=1)
    return [tf.io.encode_png(each).numpy() for each in (larger, x[1])], x[1]


@exercise(
    "ship_it.bytes",
    "A client that knows nothing of arrays gets a name and three numbers.",
    minutes=10,
    level="medium",
    function="endpoint(model, names)",
    hints=(
        "The function that you return gets a string tensor of shape (n,), a file in each. What "
        "does one file need before it may enter the model?",
        "`tf.io.decode_image(content, channels=3, expand_animations=False)`, then "
        "`tf.image.resize` to `model.input_shape[1:3]`. `tf.map_fn` does it for each, with "
        "`fn_output_signature='float32'`.",
        "Inside: `x = tf.map_fn(read, contents, ...)`, then the model, then "
        "`tf.gather(tf.constant(names), tf.argmax(p, axis=1))`. Return a dictionary with "
        "`label` and `probabilities`.",
    ),
)
def from_bytes(answer):
    names, (contents, pixels) = ("ant", "bee", "cat"), _contents()
    model = _wide_model()
    served = answer(model, names)
    if not callable(served):
        return "Your function should return a function, the one that gets the bytes: does it?"
    signature = [tf.TensorSpec((None,), tf.string)]
    inner = getattr(served, "python_function", served)
    graph = tf.function(inner, input_signature=signature)  # as a SavedModel traces it
    found = graph(tf.constant(contents))
    if not isinstance(found, dict) or not {"label", "probabilities"} <= found.keys():
        return "Return a dictionary with the keys `label` and `probabilities`: which has yours?"
    given, label = found["probabilities"].numpy(), found["label"].numpy()
    if given.shape != (2, 3):
        return f"Two files went in, and probabilities {given.shape} came out: one row for each?"
    right = training.predict(model, pixels[None].astype("float32"))[0]
    if np.abs(given[1] - right).max() > 1e-3:
        dark = training.predict(model, pixels[None] / np.float32(255))[0]
        if np.abs(given[1] - dark).max() < 1e-3:
            return "Your pixels go from 0 to 1: this model takes 0 to 255. Who divides them?"
        return "The second file has the right size already, and its answer differs: why?"
    if label.dtype.kind in "iu":
        return "The label is a number: which name belongs to it? `tf.gather` looks it up."
    wanted = [names[i].encode() for i in given.argmax(1)]
    if list(label) != wanted:
        return f"The labels are {list(label)} and should be {wanted}: over which axis is argmax?"
    return None


def _wide_model():
    network = _network(seed=1)
    pixels = keras.Input((SIDE, SIDE, 3))
    return keras.Model(pixels, network(keras.layers.Rescaling(1 / 127.5, -1)(pixels)))


# ------------------------------------------------------------------ 4


@cache
def _saved():
    """A SavedModel on disk, and the model."""
    folder = tempfile.mkdtemp()
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    model.export(folder, verbose=False)
    return folder, model


@exercise(
    "ship_it.keep",
    "The function lives, since what holds its variables does.",
    minutes=5,
    level="easy",
    function="opened(folder)",
    hints=(
        "Who holds the variables of a loaded model: its function, or the loaded object?",
        "A function that you define inside keeps alive every name that it uses.",
        "`loaded = tf.saved_model.load(folder)`, then define a function of x that calls "
        "`loaded.serve(x)` and makes an array of it, and return that function.",
    ),
)
def keep(answer):
    folder, model = _saved()
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    loads, original = [], tf.saved_model.load

    def counting(*args, **kwargs):
        loads.append(1)
        return original(*args, **kwargs)

    with mock.patch.object(tf.saved_model, "load", counting):
        function = answer(folder)
        if not callable(function):
            return "Your function should return a function of x: does it?"
        try:
            given = [function(x) for _ in range(3)]
        except Exception as error:
            if "deleted" in str(error):
                return "Variables have been deleted: who holds the loaded object in the end?"
            raise
    if len(loads) > 1:
        return f"The model was loaded {len(loads)} times: could one loading serve all calls?"
    if not isinstance(given[0], np.ndarray):
        return f"It answers with {type(given[0]).__name__}: an array is asked for, `.numpy()`?"
    if np.abs(given[0] - training.predict(model, x)).max() > 1e-5:
        return "The answers are not the model's: does x go into `serve` as it is?"
    return None


# ------------------------------------------------------------------ 5


@exercise(
    "ship_it.unroll",
    "No loop is left in the graph, so LiteRT can run it: one review at a time.",
    minutes=10,
    level="hard",
    function="for_litert(model)",
    hints=(
        "A loop over words is what LiteRT cannot run. Which argument of `LSTM` writes the steps "
        "out one after the other?",
        "`unroll=True` needs to know how long a sequence is, LiteRT how many come at a time: "
        "`keras.Input((length,), batch_size=1, dtype='int32')`. And a mask is a branch.",
        "Build input, Embedding (without `mask_zero`), LSTM with `unroll=True`, Dense; then "
        "`new.set_weights(model.get_weights())`, since the weights are the same.",
    ),
)
def unroll(answer):
    model = _reader()
    given = answer(model)
    if not isinstance(given, keras.Model):
        return NO_MODEL
    if given is model:
        return "That is the model you were given: which layers must be built anew?"
    kinds = {type(layer): layer for layer in given.layers}
    if keras.layers.LSTM not in kinds or keras.layers.Embedding not in kinds:
        return "Where are Embedding and LSTM? Let them be layers of the model that you return."
    if not kinds[keras.layers.LSTM].unroll:
        return "The LSTM still loops over the words: which of its arguments writes the steps out?"
    if kinds[keras.layers.Embedding].mask_zero:
        return "The embedding still makes a mask: which of its arguments does that?"
    if given.inputs[0].shape[0] != 1:
        return "How many reviews come at a time? LiteRT wants it fixed: see `batch_size` of Input."
    ids = np.random.default_rng(0).integers(2, 20, (1, 6))
    if np.abs(np.subtract(given(ids), model(ids))).max() > 1e-5:
        return "It answers something else than the model: did its weights come along?"
    return None


def _reader():
    training.set_seed(0)
    ids = keras.Input((6,), dtype="int32")
    x = keras.layers.Embedding(20, 4, mask_zero=True)(ids)
    x = keras.layers.LSTM(5)(x)
    return keras.Model(ids, keras.layers.Dense(2, activation="softmax")(x))


# ------------------------------------------------------------------ 6


@exercise(
    "ship_it.replica",
    "The parts add up to the loss of the whole batch, however it is cut.",
    minutes=8,
    level="hard",
    function="part_loss(model, x, y, whole)",
    hints=(
        "The gradients of the devices are *added*. What must each device divide by, so that the "
        "sum is the mean over the whole batch?",
        "Keras' losses as functions give a number for each example: "
        "`keras.losses.sparse_categorical_crossentropy(y, p)`. The part has fewer than `whole`.",
        "Return `tf.reduce_sum(each) / whole`, where `each` are the losses of the part's examples "
        "and `whole` is how many all devices have together.",
    ),
)
def replica(answer):
    model = _head()
    x = np.random.default_rng(0).normal(size=(12, 4)).astype("float32")
    y = np.arange(12) % 3
    each = keras.losses.sparse_categorical_crossentropy(y, model(x)).numpy()
    for cut in (6, 9):
        with tf.GradientTape() as tape:
            parts = [answer(model, x[:cut], y[:cut], 12), answer(model, x[cut:], y[cut:], 12)]
            total = parts[0] + parts[1]
        if np.shape(parts[0]) != ():
            return f"Your loss has the shape {np.shape(parts[0])}: one number is asked for."
        means = each[:cut].mean() + each[cut:].mean()
        if abs(float(total) - means) < 1e-5:
            return "Each part took the mean of its own: what is the sum of two means, if added?"
        if abs(float(total) - each.sum()) < 1e-4:
            return "The parts add up to the sum of all losses: what is it to be divided by?"
        if abs(float(total) - each.mean()) > 1e-5:
            return (
                f"Cut {cut} and {12 - cut} the parts add up to {float(total):.3f}, the loss of the "
                f"whole batch is {each.mean():.3f}: what does each part divide by?"
            )
        gradients = tape.gradient(total, model.trainable_variables)
        if any(gradient is None for gradient in gradients):
            return "No gradient arrives: was the loss computed by TensorFlow from start to end?"
    return None


@cache
def _head():
    training.set_seed(0)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])


# ------------------------------------------------------------------ 7


@exercise(
    "ship_it.shard",
    "It computes once, survives a crash, and never believes half a file.",
    minutes=8,
    level="medium",
    function="once(name, compute, folder)",
    hints=(
        "Three cases: the file is there; it is not; somebody was killed while writing it.",
        "What is written under another name first cannot be mistaken for the result.",
        "If `folder / f'{name}.npy'` exists, load and return it. Else compute, `np.save` to "
        "another name in the same folder, and `os.replace` that by the right one.",
    ),
)
def shard(answer):
    folder = Path(tempfile.mkdtemp())
    try:
        return _tried(answer, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _tried(answer, folder):
    calls, right = [], {"a": np.arange(6.0), "b": np.arange(4.0)}

    def computing(name):
        def compute():
            calls.append(name)
            return right[name]

        return compute

    for name in ("a", "b"):
        given = answer(name, computing(name), folder)
        if given is None or not np.array_equal(given, right[name]):
            return "The first call should return what `compute()` gives: what does yours return?"
    if not all((folder / f"{name}.npy").is_file() for name in right):
        return "Nothing lies under `folder / f'{name}.npy'` afterwards: where is the result kept?"
    again = answer("a", computing("a"), folder)
    if calls.count("a") > 1:
        return "The second call computed again: what should it look for first?"
    if not np.array_equal(again, right["a"]):
        return "The second call returns something else than the first: is the right file read?"
    (folder / "a.npy").unlink()
    with mock.patch.object(np, "save", _dies), mock.patch.object(np, "savez", _dies):
        try:
            answer("a", computing("a"), folder)
        except KeyboardInterrupt:
            pass
    if (folder / "a.npy").exists():
        return "Killed while writing, it left half a file as the result: under which name to write?"
    given = answer("a", computing("a"), folder)
    if not np.array_equal(given, right["a"]):
        return "After a crash the result is wrong: what was left behind, and who believed it?"
    return None


def _dies(file, array, *_, **__):
    """What is left when the power fails while a file is written."""
    target = Path(file if isinstance(file, str | Path) else file.name)
    if target.suffix != ".npy":
        target = target.with_name(target.name + ".npy")
    target.write_bytes(b"\x93NUMPY\x01")
    raise KeyboardInterrupt


# ------------------------------------------------------------------ 8


@exercise(
    "ship_it.request",
    "Whatever comes in, the client learns what was wrong, and the server goes on.",
    minutes=10,
    level="medium",
    function="reply(body, predict)",
    hints=(
        "Make a list of what can be wrong: no JSON, no `instances`, an empty list, rows of "
        "another length, words instead of numbers.",
        "`json.loads` and `np.array(..., 'float32')` raise ValueError; a missing key is a "
        "KeyError, and a list in place of a dictionary a TypeError.",
        "Return `400, {'error': sentence}` for each of them, and else "
        "`200, {'predictions': predict(x).tolist()}`. The model takes x of shape (n, 3), n > 0.",
    ),
)
def request(answer):
    seen = []

    def predict(x):
        seen.append(np.asarray(x))
        if np.shape(x)[1:] != (3,) or not len(x):
            raise RuntimeError("the model was given something that it cannot take")
        return np.asarray(x).sum(axis=1, keepdims=True)

    good = json.dumps({"instances": [[1, 2, 3], [4, 5, 6]]}).encode()
    status, content = answer(good, predict)
    if status != 200 or "predictions" not in content:
        return f"A good request got {status} and {content}: 200 and `predictions` are asked for."
    try:
        if json.loads(json.dumps(content))["predictions"] != [[6.0], [15.0]]:
            return f"The predictions are {content['predictions']}: is there one for each instance?"
    except TypeError:
        return "The predictions cannot be written as JSON: what does `.tolist()` do to an array?"
    for what, body in (
        ("no JSON", b"hello"),
        ("an empty body", b""),
        ("a list in place of a dictionary", b"[1, 2]"),
        ("no instances", b'{"images": []}'),
        ("an empty list", b'{"instances": []}'),
        ("two numbers in place of three", b'{"instances": [[1, 2]]}'),
        ("words", b'{"instances": [["a", "b", "c"]]}'),
        ("rows of different length", b'{"instances": [[1, 2, 3], [1]]}'),
    ):
        try:
            status, content = answer(body, predict)
        except Exception as error:
            return f"With {what} your function stopped ({type(error).__name__}): what to reply?"
        if status == 200:
            return f"With {what} the reply is 200: what should the client be told?"
        if status != 400 or not isinstance(content, dict) or not content.get("error"):
            return f"With {what} the reply is {status}, {content}: 400 and one `error` sentence?"
    return None


# ------------------------------------------------------------------ 9


@exercise(
    "ship_it.alarm",
    "It rings when scores come from another world, and seldom when they do not.",
    minutes=6,
    level="medium",
    function="alarm(reference, scores)",
    hints=(
        "Which of the functions of `scipy.stats` compares two sets of numbers, whatever their "
        "distribution?",
        "`ks_2samp(reference, scores).pvalue` is small when the two are *unlikely* to come from "
        "one world.",
        "Return `bool(ks_2samp(reference, scores).pvalue < 0.05)`.",
    ),
)
def alarm(answer):
    rng = np.random.default_rng(0)
    reference = rng.beta(0.5, 0.5, 400)  # scores near 0 and 1
    same = [bool(answer(reference, rng.beta(0.5, 0.5, 50))) for _ in range(100)]
    unsure = [bool(answer(reference, rng.beta(4, 4, 50))) for _ in range(30)]
    if np.mean(same) > 0.5 and np.mean(unsure) < 0.5:
        return "It rings when all is well: is a small p-value likely or unlikely in one world?"
    if np.mean(unsure) < 0.9:
        return (
            f"All scores near one half, the same mean as before, and it rings in "
            f"{np.mean(unsure):.0%} of windows: do you compare means, or distributions?"
        )
    if np.mean(same) > 0.2:
        return f"False alarms in {np.mean(same):.0%} of windows: which p-value is rare enough?"
    if np.mean(same) == 0 and not answer(reference, rng.beta(0.5, 0.9, 50)[:50] * 0.8):
        return "It hardly ever rings: which p-value is rare enough, 0.05 or less than that?"
    return None


question(
    "ship_it.cold",
    "Predict, then look at Compare: a fresh process opens the model and answers once. Where do the "
    "seconds of the Keras program go?",
    "b",
    a=("into reading the weights", "They are a few megabytes, milliseconds from a disk."),
    b=(
        "into importing TensorFlow and Keras",
        "The same weights in LiteRT or ONNX answer in a fraction of the time, as measured.",
    ),
    c=("into the first image", "A forward pass of this network takes milliseconds."),
)
question(
    "ship_it.export",
    "Predict, then look at Wrong on purpose: `model.export` of an LSTM to LiteRT ends without a "
    "word. What do you have?",
    "c",
    a=("a file that runs", "It holds operations that LiteRT does not bring."),
    b=("no file", "The file is there, and it has a respectable size."),
    c=(
        "a file that nobody has opened yet",
        "An export is done when the engine that will run it gave the right answers.",
    ),
)
question(
    "ship_it.killed",
    "A worker is killed when 60 of 100 shards are done. Each result was written under its key. "
    "How many shards are computed again?",
    "a",
    a=("the one it was at work on", "Results that lie under their key are found, by anyone."),
    b=("all that this worker computed", "So it is when results live in the worker's memory only."),
    c=("all hundred", "Then the key would be of no use."),
)
question(
    "ship_it.ring",
    "The alarm on features rings every day, the alarm on scores never, and accuracy on a labelled "
    "sample is what it was. What do you do?",
    "b",
    a=("retrain at once", "Accuracy is what it was: there is nothing to repair yet."),
    b=(
        "note that the input has changed, and go on watching the scores",
        "Features say that something changed, scores that it matters.",
    ),
    c=("switch both alarms off", "Then the day when it matters passes unheard."),
)
