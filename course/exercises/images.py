"""Exercises and questions of the images chapter."""

from contextlib import contextmanager
from unittest import mock

import numpy as np

from course.exercises import NO_MODEL, exercise, question
from helpers import training, transfer
from helpers.data import Data, Examples
from helpers.ready import keras, tf


def _small_vgg(batch_norm=False):
    """VGG's layer names on a model that builds at once."""
    layers = [keras.Input((16, 16, 3))]
    for block in (3, 4, 5) if batch_norm else (4, 5):
        for i in (1, 2):
            name = f"block{block}_conv{i}"
            layers.append(keras.layers.Conv2D(4, 3, padding="same", name=name))
            if batch_norm:
                layers.append(keras.layers.BatchNormalization(name=f"{name}_bn"))
        layers.append(keras.layers.MaxPooling2D(name=f"block{block}_pool"))
    layers.append(keras.layers.GlobalAveragePooling2D(name="pooling"))
    stack = keras.Sequential(layers)
    return keras.Model(stack.inputs[0], stack.outputs[0])  # with an output to build upon


@contextmanager
def _watched(method, note):
    """Call `note(model, call)` in place of a method of all Keras models; `call()` goes on."""
    original = getattr(keras.Model, method)

    def watching(model, *args, **kwargs):
        return note(model, lambda: original(model, *args, **kwargs), *args)

    with mock.patch.object(keras.Model, method, watching):
        yield


def _flags(model):
    return {each.name: each.trainable for each in transfer.all_layers(model) if each.weights}


@exercise(
    "images.preprocess",
    "0 became -1, 255 became 1, and the images that came in are as they were.",
    minutes=5,
    level="easy",
    function="prepare(images)",
    hints=(
        "Write down where 0, 127.5 and 255 must go: -1, 0 and 1. Which straight line does that?",
        "First by how much must 0 to 255 shrink, so that it is 2 wide? Then by how much must it "
        "move, so that its middle is 0?",
        "Divide by 127.5 and subtract 1, in floats: uint8 has no negative numbers. A Keras layer "
        "does this too: `layers.Rescaling` has a scale and an offset.",
    ),
)
def preprocess(answer):
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3)).astype("uint8")
    images[0, 0, 0], images[0, 0, 1] = 0, 255
    floats = images.astype("float32")
    made, of_floats = np.asarray(answer(images)), np.asarray(answer(floats))
    if made.shape != images.shape:
        return f"The shape became {made.shape}: should not each pixel keep its place?"
    if not np.array_equal(floats, images):
        return "The images that came in have changed as well: on whose array did you work?"
    if made.dtype.kind != "f":
        return "The result holds whole numbers: which type has room for values between -1 and 1?"
    low, high = float(of_floats.min()), float(of_floats.max())
    if (low, high) == (0, 1):
        return "That is 0 to 1, which TensorFlow Hub's modules take: where must 0 go here?"
    if np.isclose([low, high], [-0.5, 0.5]).all():
        return "The middle is right, and the range is 1 wide: how wide is -1 to 1?"
    right = floats / 127.5 - 1
    if np.allclose(of_floats, -right, atol=0.02):
        return "White became -1 and black 1: which of them has the value 255?"
    if np.allclose(of_floats, right[..., ::-1], atol=0.02):
        return "Red and blue changed places: that is VGG16's order, but which order is wanted here?"
    if not np.allclose(of_floats, right, atol=0.02):
        return f"It goes from {low:.3g} to {high:.3g}: what becomes of 0, and what of 255?"
    if not np.allclose(made, right, atol=0.02):
        return "Floats come out right and uint8 does not: what do bytes do below 0 or above 255?"
    return None


@exercise(
    "images.freeze",
    "Blocks 4 and 5 learn, every BatchNormalization stays frozen, and compile has read it.",
    minutes=8,
    level="medium",
    function="prepare(model)",
    hints=(
        "Two things are needed: the right flags on the layers, and something that reads them.",
        "Go through `model.layers`: each has a name and an attribute `trainable`. Which kind of "
        "layer must not learn, wherever it stands? `isinstance` tells.",
        "First `model.trainable = True`, then a loop over layers with two conditions: the name "
        'begins with `("block4", "block5")`, the layer is no `BatchNormalization`. Then compile.',
    ),
)
def freeze_all_but_two_blocks(answer):
    model, read = _small_vgg(batch_norm=True), {}
    model.trainable = False

    def note(compiled, call, *_):
        call()
        read[id(compiled)] = _flags(compiled)

    with _watched("compile", note):
        returned = answer(model)
    if not isinstance(returned, keras.Model):
        return NO_MODEL
    learning = {layer.name for layer in returned.layers if layer.trainable_weights}
    norms = {name for name in learning if name.endswith("_bn")}
    convolutions = {f"block{block}_conv{i}" for block in (4, 5) for i in (1, 2)}
    if not returned.trainable:
        return "The model itself is frozen, whatever its layers say: which flag is above theirs?"
    if not learning:
        return "Nothing learns now: after freezing everything, which layers do you let go again?"
    if any(name.startswith("block3") for name in learning):
        return "Block 3 still learns: where does the part begin that may change?"
    if norms:
        return f"{min(norms)} still learns, and its statistics move: which kind of layer is it?"
    if learning < convolutions:
        lacking = ", ".join(sorted(convolutions - learning))
        return f"These are still frozen: {lacking}. Is that what both blocks should be?"
    if not returned.compiled:
        return "The flags are right, but who reads them? Keras does so in `compile`: call it last."
    if read.get(id(returned), _flags(returned)) != _flags(returned):
        return "The flags changed after `compile` had read them: what has to be called again?"
    return None


@exercise(
    "images.augment",
    "It changes images in training only, and never turns a dog over.",
    minutes=5,
    level="medium",
    hints=(
        "Keras has a layer for each of the two wishes; their names begin with `Random`.",
        "`RandomFlip` takes the direction as its argument, and `RandomBrightness` how far it may "
        "go, as a share.",
        "RandomBrightness believes that pixels lie between 0 and 255 unless `value_range` says "
        "otherwise: say so all the same, and put both layers into one `keras.Sequential`.",
    ),
)
def augment(answer):
    if not isinstance(answer, keras.Layer):
        return "Is it a Keras model or layer? `keras.Sequential([...])` of random layers makes one."
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, 32, 32, 3)).astype("float32")
    images[:, :16] /= 4  # the upper half is dark, so that turning over can be seen
    still = np.asarray(answer(images, training=False))
    if still.shape != images.shape:
        return f"The shape became {still.shape[1:]}: can the augmented image keep its size?"
    if not np.allclose(still, images, atol=1e-3):
        return "Pictures change even with training=False: should a test image be augmented?"
    changed = np.concatenate([np.asarray(answer(images, training=True)) for _ in range(6)])
    originals = np.concatenate([images] * 6)
    if np.allclose(changed, originals, atol=1e-3):
        return "Nothing changes in training: which of `keras.layers.Random...` have you added?"
    if changed.min() < -1 or changed.max() > 256:
        return "Some pixels leave 0 to 255: which layer brightens, and what is its `value_range`?"
    upper, lower = changed[:, :16].mean((1, 2, 3)), changed[:, 16:].mean((1, 2, 3))
    if (upper > lower).any():
        return "Some images stand on their heads: have you seen a dog like that? Flip which way?"
    mirrored = np.abs(changed - originals[:, :, ::-1]).mean((1, 2, 3))
    same = np.abs(changed - originals).mean((1, 2, 3))
    if not (mirrored < same).any():
        return "No image was mirrored: a dog may look left or right, so which flip fits?"
    return None


@exercise(
    "images.head",
    "Maps became one vector per image, and every row of probabilities adds up to 1.",
    minutes=5,
    level="easy",
    hints=(
        "Two layers do it: one that makes a vector of the maps, and one with a weight from each "
        "number of that vector to each class.",
        "`keras.Input` wants the shape of one example, without the number of examples. "
        "`GlobalAveragePooling2D` averages each map over its places.",
        "Input of shape (3, 3, 256), pooling, then one `Dense` layer with a unit for each class, "
        "and the activation that makes the units add up to 1.",
    ),
)
def head(answer):
    if not isinstance(answer, keras.Model):
        return "Is it a Keras model? `keras.Sequential([...])` makes one of a list of layers."
    maps = np.random.default_rng(0).normal(size=(5, 3, 3, 256)).astype("float32")
    try:
        out = np.asarray(answer(maps, training=False))
    except (ValueError, tf.errors.InvalidArgumentError):
        return "It does not take maps of shape (n, 3, 3, 256): what does `keras.Input` say?"
    if out.ndim != 2:
        return f"Its answer has the shape {out.shape}: what makes one vector of all places?"
    if out.shape[1] == 1:
        if np.allclose(out, 1):
            return "Softmax over one unit is always 1: what is left to choose? Give it two."
        return "One sigmoid unit can tell two classes apart, but two columns were asked for."
    if out.shape[1] != 2:
        return f"There are {out.shape[1]} columns: how many classes are there?"
    if (out < 0).any() or (out > 1).any():
        return "These are not probabilities yet: which activation turns scores into them?"
    if not np.allclose(out.sum(1), 1, atol=1e-4):
        return "The two do not add up to 1: a sigmoid looks at one unit; which one at both?"
    if np.ptp(out, axis=0).max() < 1e-6:
        return "Every image gets the same answer: does the head look at the maps?"
    return None


def _rehearsal():
    """Models for four learning rates, whose predictions are fixed, and the task they predict.

    The best on the training, the validation and the test images are three different ones.
    """
    accuracy = {  # correct predictions of 20 in train, validation and test
        1e-5: (14, 15, 17),
        1e-4: (17, 18, 15),
        1e-3: (18, 16, 19),
        1e-2: (20, 12, 12),
    }
    y = np.arange(60, dtype="int32") % 2
    x = np.arange(60, dtype="float32")[:, None]
    models, trained = {}, []
    for rate, right in accuracy.items():
        said = y.copy()
        for split, count in enumerate(right):
            wrong = slice(20 * split + count, 20 * split + 20)
            said[wrong] = 1 - said[wrong]
        table = keras.layers.Embedding(60, 2)
        model = keras.Sequential([keras.Input((1,)), table, keras.layers.Flatten()])
        table.set_weights([np.where(np.eye(2)[said] > 0, 0.9, 0.1)])
        loss = "sparse_categorical_crossentropy"
        model.compile("adam", loss, metrics=["accuracy"])
        models[rate] = model

    def fit(rate):
        trained.append(rate)
        return models[rate]

    parts = (Examples(x[i : i + 20], y[i : i + 20]) for i in (0, 20, 40))
    return fit, list(accuracy), Data(*parts, class_names=("cats", "dogs")), trained


@exercise(
    "images.choose",
    "Validation chose the rate, and the test reported on the chosen model only.",
    minutes=10,
    level="medium",
    function="choose(fit, rates, data)",
    hints=(
        "Which of the three splits is there for choosing, and which for reporting?",
        "Train one model per rate and keep its validation accuracy beside it. "
        "`model.evaluate(x, y, verbose=0)` returns the loss and the accuracy.",
        "A dictionary from rate to model helps: `max` finds the rate whose model does best on "
        "`data.validation`, if you give it a `key`. Then evaluate that one model on `data.test`.",
    ),
)
def choose(answer):
    fit, rates, data, trained = _rehearsal()
    chosen = answer(fit, rates, data)
    if not isinstance(chosen, tuple) or len(chosen) != 2:
        return "Two things are asked for, in this order: the rate, and the accuracy to report."
    if len(set(trained)) < len(rates):
        return f"{len(set(trained))} of {len(rates)} rates were tried: did you call `fit` for each?"
    rate, reported = chosen
    if rate == 1e-3:
        return "The test set did the choosing: what is then left to say how good the choice is?"
    if rate == 1e-2:
        return "That rate is best on the training images: what does a model know by heart?"
    if rate != 1e-4:
        return "Which rate does best on the images that are there for choosing?"
    if np.isclose(reported, 0.9):
        return "The validation score chose the model, so it flatters it: which images are unseen?"
    if np.isclose(reported, 75):
        return "The accuracy is asked for as a share, 0 to 1."
    if not np.isclose(reported, 0.75):
        return "Which number says how the chosen model does on the test images?"
    return None


def _two_tasks():
    """The same images as features of two backbones, one of which has much larger numbers."""
    rng = np.random.default_rng(0)
    y = {name: np.arange(n, dtype="int32") % 2 for name, n in (("a", 12), ("b", 6), ("c", 8))}

    def task(width, scale):
        scales = (scale, 3 * scale, 5 * scale)  # validation and test differ from train
        parts = zip(y.values(), scales, strict=True)
        examples = [Examples(rng.normal(0, s, (len(each), width)), each) for each, s in parts]
        return Data(*examples, class_names=("cats", "dogs"))

    return task(4, 1.0), task(3, 100.0)


@exercise(
    "images.together",
    "Both backbones stand side by side, equally loud, in all three splits.",
    minutes=12,
    level="medium",
    function="join(one, two)",
    hints=(
        "Joined features are longer vectors: each image keeps its row, and the columns of both "
        "backbones stand side by side.",
        "`np.concatenate([a, b], axis=1)` joins columns. Divide each backbone's features by one "
        "number first, so that neither drowns the other. From which split may it come?",
        "The number is `data.train.x.std()`, one for each backbone, and it divides all three "
        "splits. `Data(train, validation, test, class_names)` takes three `Examples(x, y)`.",
    ),
)
def together(answer):
    one, two = _two_tasks()
    joined = answer(one, two)
    if not isinstance(joined, Data):
        return "It should return `Data` with three splits: is this one array, or one split?"
    for name, (x, y) in joined.splits():
        a, b = getattr(one, name), getattr(two, name)
        x = np.asarray(x)
        if x.shape[1:] != (7,):
            return f"{name} has features of shape {x.shape}: should there not be 4 + 3 per image?"
        if len(x) != len(a.y) or not np.array_equal(y, a.y):
            return f"Rows or labels of {name} are not those that came in: what belongs together?"
        if not _parallel(x[:, :4], a.x) or not _parallel(x[:, 4:], b.x):
            return f"In {name} the columns are not those of the first, then those of the second."
    parts = joined.train.x[:, :4], joined.train.x[:, 4:]
    ratio = parts[1].std() / parts[0].std()
    if not 0.5 < ratio < 2:
        return f"The numbers of one are {max(ratio, 1 / ratio):.0f} times as large: who is heard?"
    if not 2 < joined.test.x[:, :4].std() / parts[0].std() < 9:
        return "Each split was scaled by itself: may the test images say how they are scaled?"
    return None


def _parallel(x, y):
    """Whether two arrays are the same but for one centre per column and one scale."""
    x, y = x - x.mean(0), y - y.mean(0)
    product = (x * y).sum() / (np.linalg.norm(x) * np.linalg.norm(y) or 1)
    return bool(product > 0.99)


def _red_or_blue():
    """Sixteen small images: those of class 0 are reddish, those of class 1 bluish."""
    rng = np.random.default_rng(0)
    y = np.arange(16, dtype="int32") % 2
    tint = np.where(y[:, None] == 0, (180, 120, 60), (60, 120, 180))
    x = rng.normal(tint[:, None, None], 30, (16, 16, 16, 3))
    return Examples(np.clip(x, 0, 255).astype("float32"), y)


def _by_layer(model):
    """The weights of each layer by its name, wherever in the model it stands."""
    return {
        each.name: [weight.numpy().copy() for weight in each.weights]
        for each in transfer.all_layers(model)
        if each.name.startswith("block") and each.weights
    }


def _changed(before, after):
    return {
        name
        for name in before.keys() & after.keys()
        if any(not np.array_equal(a, b) for a, b in zip(before[name], after[name], strict=True))
    }


@exercise(
    "images.recipe",
    "The head settled first, then block 5 adapted by small steps, and the rest stayed as it was.",
    minutes=20,
    level="hard",
    function="recipe(backbone, examples)",
    hints=(
        "Write down the two stages first. What may move in each, and how large are the steps?",
        "Stage one: leave the backbone frozen, put a softmax layer on it, compile, fit. Stage "
        "two: change the flags, compile once more with a small rate, fit again.",
        "`keras.Sequential([backbone, layers.Dense(2, activation='softmax')])` is the model of "
        "both stages. Between them set `backbone.trainable = True`, then `trainable` of each of "
        "its layers by name, and compile a second time with `keras.optimizers.Adam(1e-4)`.",
    ),
)
def recipe(answer):
    training.set_seed(0)
    backbone, part = _small_vgg(), _red_or_blue()
    backbone.trainable = False
    start = _by_layer(backbone)
    stages, pixels, swapped = [], [], []

    def note(model, call, *inputs):
        before, rate = _by_layer(model), None
        if inputs and isinstance(inputs[0], np.ndarray) and inputs[0].ndim == 4:
            pixels.append(inputs[0].max())
            if len(inputs) > 1 and np.array_equal(inputs[0], part.x):
                swapped.append(np.array_equal(np.ravel(inputs[1]), 1 - part.y))
        settled = False
        if model.built:  # called as it is: `predict` would trace one more graph each time
            guesses = np.asarray(model(part.x, training=False)).argmax(axis=-1)
            settled = (guesses == part.y).mean() > 0.9
        history = call()
        rate = float(np.asarray(model.optimizer.learning_rate))
        stages.append((_changed(before, _by_layer(model)), settled, rate))
        return history

    with _watched("fit", note):
        model = answer(backbone, part)
    if not isinstance(model, keras.Model):
        return NO_MODEL
    out = np.asarray(model(part.x, training=False))
    if out.ndim == 2 and out.shape[1] == 1 and np.allclose(out, 1):
        return "Softmax over one unit is always 1: what is left to choose? Give the head two."
    if out.shape != (16, 2) or not np.allclose(out.sum(axis=1), 1, atol=1e-3):
        return "A row of two probabilities per image is wanted: what does the head end in?"
    if pixels and max(pixels) <= 1.5:
        return "Your pixels end at 1: who rescales them in this course, you or the backbone?"
    now = _by_layer(model)
    moved = _changed(start, now)
    if len(start.keys() & now.keys()) < len(start):
        return "The backbone is not in your model: on whose features does the head stand?"
    if any(swapped):
        return "Every label is the other one in your training: which class is 0, and which is 1?"
    return _fault_of_stages(moved, stages, _flags(model))


def _fault_of_stages(moved, stages, flags):
    if any(name.startswith("block4") for name in moved):
        return "Block 4 moved as well: was the base frozen, and which layers were to be let go?"
    if not moved and any(flags[name] for name in flags if name.startswith("block5")):
        return (
            "The flags say that block 5 learns, and yet it did not move: when were the flags set, "
            "and which call reads them?"
        )
    if not moved:
        return "Nothing in the backbone moved, so the features are as borrowed: where is stage two?"
    if len(moved) < 2:
        return f"Only {moved.pop()} moved: what about the other convolution of block 5?"
    second = next((i for i, (changed, *_) in enumerate(stages) if changed), None)
    if second is None:
        return None  # a training loop of their own: it cannot be watched
    if second == 0 and not stages[0][1]:
        return (
            "The backbone moved under a head of random weights: what should have settled before "
            "it is let go?"
        )
    if max(rate for changed, _, rate in stages if changed) > 5e-4:
        return (
            "Stage two takes steps as large as training from scratch does: what becomes of what "
            "the backbone knows?"
        )
    return None


question(
    "images.grey",
    "Predict: the validation images lose their colour. How much accuracy does the frozen VGG16 "
    "with its head lose?",
    "a",
    a=(
        "Hardly any: less than 8 points.",
        "In these drawings colour says nothing about the class, so the head had no use for it.",
    ),
    b=(
        "About half of what it was above chance.",
        "That would be so if colour told the classes apart. Look again at the first figure.",
    ),
    c=(
        "All of it: VGG16 was trained on colour.",
        "Grey images keep three channels and their range, so edges and shapes are still seen.",
    ),
)
question(
    "images.upside",
    "Predict: the validation images are mirrored, or turned upside down. What costs accuracy?",
    "b",
    a=(
        "Both cost about the same.",
        "Which of the two has the network met in photographs, and which hardly ever?",
    ),
    b=(
        "Upside down costs much, mirrored next to nothing.",
        "Photographs show animals facing either way, and hardly ever animals on their heads. "
        "Convolutions do not turn their patterns by themselves.",
    ),
    c=(
        "Neither: pooling over all places forgets where things were.",
        "Pooling forgets the place of a pattern. An ear upside down is another pattern.",
    ),
)
question(
    "images.once",
    "When may features be computed once and then kept?",
    "b",
    a=(
        "Whenever the head is small.",
        "A small head is quick to train, but that is not why the features stay the same.",
    ),
    b=(
        "When the backbone is frozen and each image stays as it is.",
        "Then an image gives the same features every time, and running it again adds nothing.",
    ),
    c=(
        "When each epoch augments the images anew.",
        "On the contrary: new versions want a new run. A few fixed versions of each can be kept.",
    ),
)
question(
    "images.compile",
    "You set `trainable = True` on block 5 of a compiled model and go on with `fit`. What happens?",
    "c",
    a=(
        "Keras raises an error.",
        "It would be kind. There is no error, and that makes this mistake so common.",
    ),
    b=(
        "Block 5 learns from now on.",
        "The training step was built for the weights that were trainable when it was compiled.",
    ),
    c=(
        "Block 5 stays as it is until you compile again.",
        "You have seen it: 2 weights moved before `compile`, 8 after it.",
    ),
)
question(
    "images.norm",
    "You unfreeze a backbone with batch normalisation to fine-tune it on 20 images. How do you "
    "keep its running statistics?",
    "a",
    a=(
        "Call it with `training=False`, or leave its BatchNormalization layers frozen.",
        "Either keeps the layers in inference mode, and the other weights can still learn.",
    ),
    b=(
        "Choose a small learning rate.",
        "No gradient moves the statistics: they follow the layer's momentum, at any rate.",
    ),
    c=(
        "Nothing is needed: statistics belong to the weights and are frozen with the convolutions.",
        "Each BatchNormalization has its own flag. Unfrozen and in training mode, it moves them.",
    ),
)
question(
    "images.rate",
    "Why is the learning rate of fine-tuning so small, although the head has settled before?",
    "a",
    a=(
        "Large steps overwrite what the backbone knows, and few images cannot teach it again.",
        "You have measured it: with a large rate the loss rose at once.",
    ),
    b=(
        "Because the random head would send large gradients down.",
        "That is why the head comes first. Once it has settled, it is random no more.",
    ),
    c=(
        "Because block 5 has many weights.",
        "The step is taken for each weight; how many there are does not set its size.",
    ),
)
question(
    "images.fair",
    "A friend reports 99 %, choosing among forty models by their test accuracy. What is wrong?",
    "c",
    a=(
        "Nothing: the test images were never trained on.",
        "They were not trained on, but they were chosen by, forty times.",
    ),
    b=(
        "Forty models are too few.",
        "More models would make it worse: the luckiest of many looks ever better.",
    ),
    c=(
        "The test set did the choosing, so its score is too good.",
        "Choose on the validation set, and look at the test set once.",
    ),
)
