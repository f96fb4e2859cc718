"""Exercises and questions of the audio chapter."""

import numpy as np

from course.exercises import NO_MODEL, exercise, question
from helpers import training, transfer
from helpers.data import Examples
from helpers.ready import keras, tf

# --- exercises ------------------------------------------------------------------------------


@exercise(
    "audio.count",
    "2.5 s are 40,000 numbers, and 248 windows of 25 ms fit, one every 10 ms.",
    minutes=2,
    level="easy",
    hints=(
        "Write both down in samples: how long is the clip, how long is a window, how far apart "
        "do two windows begin?",
        "16 kHz are 16 samples per millisecond: a window of 25 ms has 400 samples, and the next "
        "one begins 160 samples later.",
        "The first window ends at sample 400, and each further one 160 later. Count how often "
        "160 fits into what is left of the clip, and do not forget the first.",
    ),
)
def count(answer):
    try:
        samples, frames = (float(number) for number in answer)
    except TypeError:
        return "Is it a pair of two numbers, (samples, windows)?"
    if (samples, frames) == (40_000, 248):
        return None
    if (samples, frames) == (248, 40_000):
        return "Both numbers are right, in the other order: which is the width of the spectrogram?"
    if samples == 20_000:
        return "That would be 8,000 numbers per second: which rate do the clips of the course have?"
    if samples != 40_000:
        return "How many numbers per second are there at 16 kHz, and how long is the clip?"
    if frames == 250:
        return "250 windows start within the clip: are the last ones still whole?"
    if frames == 100:
        return "That is one window after the other: by how much does a window move on each time?"
    return "The first window needs 400 samples; how many steps of 160 are left after it?"


def _int16_stereo():
    time = np.arange(1600) / 16_000
    left = 30_000 * np.sin(2 * np.pi * 440 * time)
    return np.stack([left, 0.9 * left], axis=1).astype("int16")


@exercise(
    "audio.gain",
    "One number per clip, a new one for every batch, and nothing at all when you predict.",
    minutes=10,
    level="medium",
    hints=(
        "A layer with a method `call(self, x, training=False)` can tell training from "
        "prediction. What should it return when `training` is false?",
        "One number per clip is a random array of shape (clips, 1, 1): added to (clips, frames, "
        "64), it is spread over all frames and bands.",
        "`keras.random.uniform((ops.shape(x)[0], 1, 1), -0.7, 0.7)` draws anew each time the "
        "layer runs. NumPy would draw once, when the graph is built.",
    ),
)
def gain(answer):
    if not isinstance(answer, keras.layers.Layer):
        return "Is it a layer? Define a class `Gain(keras.layers.Layer)`, and answer with `Gain()`."
    x = np.random.default_rng(0).normal(-4, 1, (8, 24, 64)).astype("float32")
    given = tf.constant(x)
    step = tf.function(lambda: (answer(given, training=False), answer(given, training=True)))
    runs = [[np.asarray(each) for each in step()] for _ in range(30)]
    quiet, loud = runs[0]
    if loud.shape != x.shape or quiet.shape != x.shape:
        return f"{x.shape} became {loud.shape}: should a louder clip have another shape?"
    if not np.allclose(quiet, x, atol=1e-5):
        return "The clips change in prediction as well: what is the argument `training` for?"
    if np.allclose(loud, x, atol=1e-5):
        return "Nothing changes in training: is the random number added to x, and returned?"
    return _fault_of_gains(np.stack([after - x for _, after in runs]), x)


def _fault_of_gains(changes, x):
    """What is wrong with changes (runs, clips, frames, bands), if anything is."""
    first, per_clip = changes[0], changes.mean(axis=(2, 3))
    if np.ptp(first, axis=(1, 2)).max() > 1e-3:
        if np.ptp((first + x) / x, axis=(1, 2)).max() < 1e-3:
            return "You multiply: what does a factor on the amplitude become after the logarithm?"
        return "Within one clip the change differs: is it one number per clip, of shape (n, 1, 1)?"
    if np.ptp(per_clip[0]) < 1e-4:
        return "All clips of the batch get the same number: what shape do you draw?"
    if np.ptp(per_clip, axis=0).max() < 1e-4:
        return "Every batch gets the same numbers: are they drawn once, when the graph is built?"
    if np.abs(per_clip).max() > 0.71:
        return f"One clip changed by {np.abs(per_clip).max():.2f}: which limits were asked for?"
    if per_clip.min() > -0.2 or per_clip.max() < 0.2:
        return "The clips only ever change one way, or hardly: do the limits go from -0.7 to 0.7?"
    return None


def _tiny_backbone():
    """From waves (n, 1600) to features (n, 6), with batch normalisation inside."""
    waves = keras.Input((1600,))
    x = keras.layers.Reshape((100, 16))(waves)
    x = keras.layers.Conv1D(6, 5, strides=2, name="filters")(x)
    x = keras.layers.BatchNormalization(name="normalise")(x)
    features = keras.layers.GlobalAveragePooling1D()(keras.layers.ReLU()(x))
    return keras.Model(waves, features, name="backbone")


@exercise(
    "audio.frozen",
    "Two epochs of training moved the head and nothing else: that is what frozen means.",
    minutes=8,
    level="easy",
    hints=(
        "Four steps in this order: freeze, add a head, compile, return.",
        "`backbone.trainable = False` freezes a whole model. The head is one Dense layer with an "
        "output for each class, and probabilities that add up to 1.",
        "`keras.Sequential([backbone, ...])` joins them. The labels are integers, so the loss is "
        '"sparse_categorical_crossentropy".',
    ),
)
def frozen(answer):
    if not callable(answer) or isinstance(answer, keras.Model):
        return "Is it a function? Write `def build(backbone)` first."
    backbone, rng = _tiny_backbone(), np.random.default_rng(0)
    model = answer(backbone)
    if not isinstance(model, keras.Model):
        return NO_MODEL
    x, y = rng.normal(size=(16, 1600)).astype("float32"), np.repeat([0, 1], 8)
    output = np.asarray(model(x, training=False))
    if output.shape != (16, 2):
        return f"16 clips gave an output of shape {output.shape}: how many classes are there?"
    if np.abs(output.sum(axis=1) - 1).max() > 1e-3 or output.min() < 0:
        return "The two outputs do not add up to 1: which activation makes probabilities?"
    if not getattr(model, "compiled", False):
        return "The model is not compiled: how would `fit` know the loss?"
    before = [transfer.snapshot(backbone), [weight.numpy() for weight in model.weights]]
    try:
        model.fit(x, y, epochs=2, verbose=0)
    except ValueError as error:
        return (
            "`fit` with integer labels of shape (16,) stopped: which loss takes integers? "
            f"({str(error).splitlines()[0][:80]})"
        )
    if moved := transfer.what_moved(before[0], backbone):
        if not moved.weights:
            return "Statistics of batch normalisation moved: was the backbone set to training?"
        return f"In the backbone {len(moved.weights)} weights moved: what freezes a model?"
    if not any((a != b.numpy()).any() for a, b in zip(before[1], model.weights, strict=True)):
        return "Nothing moved, the head included: what have you frozen besides the backbone?"
    return None


@exercise(
    "audio.split",
    "Every recording is on one side only.",
    minutes=8,
    level="medium",
    function="for_test(recordings)",
    hints=(
        "How many *different* recordings are there, and which of them shall be for the test?",
        "`np.unique` gives every name once. Shuffle these names, and take a fifth of them.",
        "You have the chosen names, and a list with the name of each clip: `np.isin` asks for "
        "each clip whether its name is among them.",
    ),
)
def split(answer):
    recordings = [f"r{number:02d}" for number in range(20) for _ in range(number % 4 + 1)]
    recordings = [recordings[i] for i in np.random.default_rng(0).permutation(len(recordings))]
    chosen = answer(list(recordings))
    if chosen is None:
        return "Your function gave back nothing: does it end in `return`?"
    chosen = np.asarray(chosen)
    if chosen.dtype != bool or chosen.shape != (len(recordings),):
        return f"Give a True or False for each of the {len(recordings)} clips: is it for test?"
    test = {name for name, is_test in zip(recordings, chosen, strict=True) if is_test}
    train = {name for name, is_test in zip(recordings, chosen, strict=True) if not is_test}
    if not test:
        return "Nothing is left for the test: what share did you mean to take?"
    if not train:
        return "Everything is for the test: what is there to learn from?"
    if both := sorted(test & train):
        return (
            f"Recording {both[0]} has clips on both sides: is it the clips that you divide, or "
            "the recordings?"
        )
    if not 2 <= len(test) <= 6:
        return f"{len(test)} of 20 recordings are for test: how many are about a fifth?"
    return None


TUNED = ("layer13_conv", "layer14_conv", "head")


def _small_body():
    """A model with layers named as YAMNet's, of which only the head learns, trained once."""
    model = keras.Sequential([keras.Input((12, 8, 1))])
    for number in (1, 12, 13, 14):
        model.add(keras.layers.Conv2D(3, 3, padding="same", name=f"layer{number}_conv"))
        model.add(keras.layers.Activation("tanh", name=f"layer{number}_tanh"))
    model.add(keras.layers.GlobalAveragePooling2D(name="embedding"))
    model.add(keras.layers.Dense(2, activation="softmax", name="head"))
    for layer in model.layers[:-1]:
        layer.trainable = False
    model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    model.fit(*_patches(), verbose=0)
    return model


def _patches():
    rng = np.random.default_rng(1)
    return rng.normal(size=(16, 12, 8, 1)).astype("float32"), np.repeat([0, 1], 8)


@exercise(
    "audio.tune",
    "Blocks 13 and 14 and the head learn, in small steps, and all before them stands still.",
    minutes=10,
    level="medium",
    hints=(
        "Every layer has a `name` and a `trainable` that you can set. When does Keras look at "
        "`trainable`?",
        "Go through `model.layers`, and set `trainable` to whether the layer's name begins as "
        "those of the blocks 13 and 14 and of the head do.",
        "After the loop, `model.compile(...)` once more: with Adam at a rate of 1e-3 or less, and "
        "the loss for integer labels.",
    ),
)
def tune(answer):
    if not callable(answer) or isinstance(answer, keras.Model):
        return "Is it a function? Write `def unfreeze(model)` first."
    model = _small_body()
    made = answer(model)
    model = made if isinstance(made, keras.Model) else model  # changing it in place is fine
    rate = float(model.optimizer.learning_rate)
    learns = [layer.name for layer in model.layers if layer.trainable_weights]
    before = transfer.snapshot(model)
    model.fit(*_patches(), epochs=2, verbose=0)
    moved = transfer.what_moved(before, model).layers
    if set(learns) == set(TUNED) != set(moved):
        return "`trainable` is right, and the layers did not move: when does Keras read it?"
    if "head" not in moved:
        return "The head stands still: who would turn the new features into probabilities?"
    if early := sorted(set(moved) - set(TUNED)):
        return f"{early[0]} moved as well: from which block on should the model learn?"
    if late := [name for name in TUNED if name not in moved]:
        return f"{late[0]} did not move: which blocks should learn?"
    if rate > 1.1e-3:
        return f"The rate is {rate:g}: how long do borrowed weights survive steps of that size?"
    return None


@exercise(
    "audio.threshold",
    "As high as it may be, and no more than one cough in ten is missed.",
    minutes=12,
    level="medium",
    function="choose(probabilities, labels, recall)",
    hints=(
        "The other sounds do not matter here: look at the probabilities of the coughs alone.",
        "If you put the threshold on one of these probabilities, all coughs at or above it are "
        "found. What share is that for the highest, for the second highest, and so on?",
        "Go through the sorted probabilities from the highest down, and stop at the first at "
        "which the share of coughs at or above it reaches the recall.",
    ),
)
def threshold(answer):
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], [80, 40])
    probabilities = np.concatenate([rng.beta(2, 5, 80), rng.beta(5, 3, 40)]).round(3)
    found = answer(probabilities.copy(), labels.copy(), 0.9)
    if found is None:
        return "Your function gave back nothing: does it end in `return`?"
    if np.ndim(found) != 0:
        return "It gave back several numbers: which one of them is the threshold?"
    best = np.sort(probabilities[labels == 1])[4]  # 36 of 40 coughs lie at or above it
    found = float(found)
    recall = float((probabilities[labels == 1] >= found).mean())
    if not 0 <= found <= 1:
        return f"{found:g} is no probability: between which numbers do they lie?"
    if recall < 0.9:
        half = " One half is a habit." if found == 0.5 else ""
        return f"At {found:.3f} only {recall:.0%} of the coughs are found.{half} Up or down?"
    below = probabilities[probabilities < best]
    above = probabilities[probabilities > best]
    # Any number between the neighbours of the best one divides the clips in the same way.
    if (below.max() if below.size else 0) < found <= (above.min() if above.size else 1):
        return None
    quiet = np.quantile(probabilities, 0.1)
    if abs(found - quiet) < 0.02:
        return "You looked at all clips: of which class is the recall that matters here?"
    return (
        f"At {found:.3f} you find {recall:.0%} of the coughs and raise more false alarms than you "
        "need: how high can the threshold go?"
    )


SOURCES = ("clinic", "office", "street", "telephone")


def _four_sources():
    """Features, labels, sources: the telephone gives its labels away by its channel alone.

    Without their channels the clinic is easy, the street is hard, and the telephone hopeless: so
    every way to divide the clips has accuracies of its own.
    """
    rng = np.random.default_rng(5)
    y = np.tile([0, 1], 400)
    source = np.repeat(np.arange(4), 200)
    sign = 2 * y - 1
    x = rng.normal(0, 1, (800, 6))
    x[:, 0] += np.array([3, 2, 1.2, 0])[source] * sign
    x[np.arange(800), 1 + source] += np.array([0, 0.5, 1, 4])[source] * sign
    order = rng.permutation(800)
    return x[order].astype("float32"), y[order], np.array(SOURCES)[source[order]]


def _accuracies(x, y, source, train, test):
    """By source: accuracy of a head on the rows of test(source), trained on train(source)."""
    found = {}
    for name in SOURCES:
        rows, others = train(source == name), test(source == name)
        head = transfer.fit_head(Examples(x[rows], y[rows]))
        found[name] = training.accuracy(head, Examples(x[others], y[others]))
    return found


@exercise(
    "audio.sources",
    "Each source was judged by a head that never met it: this is how a channel is found out.",
    minutes=15,
    level="medium",
    function="by_source(x, y, sources)",
    hints=(
        "For each source there are two groups of clips: those that come from it, and all others. "
        "Which of the two trains the head?",
        "`source == name` is a True or False for each clip, and `~(source == name)` the opposite. "
        "Both choose rows of features and labels.",
        "In a loop over `np.unique(sources)`: fit a head on `Examples(x[others], "
        "y[others])`, ask `training.accuracy` about the rest, and keep it under the name.",
    ),
)
def sources(answer):
    x, y, source = _four_sources()
    found = answer(x.copy(), y.copy(), source.copy())
    if found is None:
        return "Your function gave back nothing: does it end in `return`?"
    if np.ndim(found) == 0 and not isinstance(found, dict):
        return "One number hides which source fails: can you keep one for each source?"
    if not isinstance(found, dict) or not set(map(str, found)) <= set(SOURCES):
        return "Is it a dictionary from the name of each source to its accuracy?"
    if missing := sorted(set(SOURCES) - set(map(str, found))):
        return f"There is nothing for {missing[0]}: does the loop go through all sources?"
    found = {str(name): float(share) for name, share in found.items()}
    if max(found.values()) > 1:
        return "An accuracy is a share from 0 to 1: did you give percent, or counts?"

    def near(train, test):
        known = _accuracies(x, y, source, train, test)
        return max(abs(known[name] - found[name]) for name in SOURCES) < 0.08

    if near(lambda its: ~its, lambda its: its):
        return None
    if near(lambda its: its, lambda its: ~its):
        return "You trained on one source and tested on all others: which of them is held out?"
    if near(lambda its: ~its, lambda its: ~its):
        return "That is the accuracy on the clips of training: what did the held-out ones say?"
    if found["telephone"] > 0.8:
        return (
            f"Even the telephone looks easy ({found['telephone']:.0%}): had the head met other "
            "clips of the same source, and learned what its microphone sounds like?"
        )
    return "The accuracies are others: is it all clips of one source, and only these, that judge?"


def _clips_for_an_alarm():
    """Features of training, validation and new clips, too few and too wide to learn by heart."""
    rng = np.random.default_rng(11)
    direction = rng.normal(0, 1, 32)
    direction /= np.linalg.norm(direction)

    def part(count):
        y = rng.permutation(np.repeat([0, 1], count))
        x = rng.normal(0, 1, (2 * count, 32)) + np.outer(2 * y - 1, 1.2 * direction)
        return Examples(x.astype("float32"), y)

    return part(40), part(100), part(1000)


def _choose(probability, labels):
    coughs = np.sort(probability[labels == 1])
    return coughs[int(0.1 * len(coughs))]


def _fault_of_form(rings, validation):
    """What is wrong with an alarm whoever trained it, if anything is."""
    raw = np.asarray(rings(validation.x))
    if raw.shape != validation.y.shape:
        return f"200 clips gave an answer of shape {raw.shape}: is it one True or False per clip?"
    if not np.isin(raw, (0, 1)).all():
        return "These are probabilities, not alarms: with what do you compare them?"
    heard = raw.astype(bool)
    alone = [bool(np.ravel(rings(validation.x[i : i + 1]))[0]) for i in range(10)]
    if alone != heard[:10].tolist():
        return (
            "The same clip gets another answer when it comes alone: is the threshold "
            "fixed before new clips arrive?"
        )
    coughs, others = heard[validation.y == 1].mean(), heard[validation.y == 0].mean()
    if others == coughs == 1:
        return "It rings at every clip: what is an alarm worth that always rings?"
    if not heard.any():
        return "It never rings: on which side of the threshold is a cough?"
    if coughs < others:
        return "It rings at the other sounds rather than at coughs: which column belongs to 1?"
    return None


@exercise(
    "audio.alarm",
    "Trained on one set, its threshold chosen on a second, judged on a third: a real alarm.",
    minutes=20,
    level="hard",
    function="build(train, validation)",
    hints=(
        "Three sets, three jobs: the training clips fit the head, the validation clips choose the "
        "threshold, and the clips that come later only get an answer.",
        "Begin with `head = transfer.fit_head(train)`. `training.predict(head, validation.x)` "
        "has a column for each class, and column 1 is the probability of a cough.",
        "The threshold is what your function of exercise 6 gives for the validation clips at a "
        "recall of 0.9. Inside `build` define a function of x that compares the probabilities of "
        "new clips with it, and return that function.",
    ),
)
def alarm(answer):
    train, validation, later = _clips_for_an_alarm()
    rings = answer(*(Examples(part.x.copy(), part.y.copy()) for part in (train, validation)))
    if isinstance(rings, tuple):
        return "It gave back several things: can you put them into one function of new features?"
    if not callable(rings):
        return "`build` should give back a function: did you define one inside it and return it?"
    if fault := _fault_of_form(rings, validation):
        return fault
    heard = np.asarray(rings(validation.x)).astype(bool)
    coughs = heard[validation.y == 1].mean()
    head = transfer.fit_head(train)
    probability = training.predict(head, validation.x)[:, 1]

    def like(threshold):
        return ((probability >= threshold) == heard).mean() > 0.985

    if coughs < 0.9:
        if like(_choose(training.predict(head, train.x)[:, 1], train.y)):
            return (
                f"It finds {coughs:.0%} of the coughs of validation: was the threshold chosen on "
                "clips that the head had learned from?"
            )
        if like(0.5):
            return f"It finds {coughs:.0%} of the coughs of validation: who chose one half?"
        return f"It finds {coughs:.0%} of the coughs of validation: at which threshold is it 90 %?"
    new = np.asarray(rings(later.x)).astype(bool)
    # Validation may move the threshold, and then one alarm rings wherever the other one does.
    turned = answer(train, Examples(validation.x, 1 - validation.y))
    after = np.asarray(turned(later.x)).astype(bool)
    if min((new & ~after).mean(), (after & ~new).mean()) > 0.15:
        return (
            "With other labels of validation it orders new clips otherwise: has the head learned "
            "from the clips that were to choose the threshold?"
        )
    found, vain = new[later.y == 1].mean(), new[later.y == 0].mean()
    line = _choose(probability, validation.y)
    if vain > (training.predict(head, later.x)[later.y == 0, 1] >= line).mean() + 0.2:
        return (
            f"It finds {found:.0%} of new coughs, and raises a false alarm at {vain:.0%} of the "
            "other sounds: how high can the threshold go?"
        )
    return None


# --- questions ------------------------------------------------------------------------------

question(
    "audio.picture",
    "Why can the same kind of network work on images and on sounds?",
    "b",
    a=(
        "Because a sound is a row of numbers, as an image is.",
        "So is a text. What matters is what stands next to what.",
    ),
    b=(
        "Because a spectrogram is an image: time runs across, frequency runs up, and shapes mean "
        "something.",
        "Neighbours in time and in frequency belong together, and that is what a convolution uses.",
    ),
    c=(
        "Because it was trained on photographs first.",
        "YAMNet was not: it learned from the sound tracks of videos.",
    ),
)
question(
    "audio.leak",
    "One recording is cut into ten windows, and windows are split at random. What happens?",
    "c",
    a=(
        "Nothing, as no window is on both sides.",
        "But its neighbours are: the same voice, room and microphone.",
    ),
    b=("The test becomes harder.", "It becomes easier: the network has met this recording."),
    c=(
        "The test score is too good, because voice, room and microphone are known from training.",
        "You have measured it. Divide the recordings, never their windows.",
    ),
)
question(
    "audio.recall",
    "A cough alarm misses one cough in three. Its accuracy is 90 %. What do you do first?",
    "a",
    a=(
        "Lower the threshold until the validation set says that few coughs are missed.",
        "Accuracy hid the misses. The price is more false alarms, and the curve tells how many.",
    ),
    b=(
        "Nothing: 90 % is good.",
        "Where coughs are rare, an alarm that never rings has a good accuracy, too.",
    ),
    c=(
        "Lower the threshold until the test set says that few coughs are missed.",
        "Then the test set has chosen, and can no longer judge. Which other set is there?",
    ),
)
question(
    "audio.channel",
    "Nearly all coughs of a collection come from one telephone. How do you learn what it costs?",
    "b",
    a=(
        "Split by recording: then the test is fair.",
        "The telephone is on both sides of that split, and tells coughs from others in each.",
    ),
    b=(
        "Hold back a source: train without it, and test on it, and the other way round.",
        "What is then lost was the channel. Exercise 7 does it for every source in turn.",
    ),
    c=(
        "Train a larger network, until it hears coughs rather than telephones.",
        "It has no reason to: the telephone is a shorter way to the same training score.",
    ),
)
question(
    "audio.matrix",
    "You lower the threshold. Which of the four counts of the confusion matrix can get smaller?",
    "c",
    a=(
        "Coughs that are found, and false alarms.",
        "A lower threshold only adds alarms: what was found stays found.",
    ),
    b=(
        "False alarms, and coughs that are missed.",
        "Missed coughs, yes. But every new alarm at another sound is a false one.",
    ),
    c=(
        "Coughs that are missed, and other sounds that are left alone.",
        "Clips only ever move from no alarm to alarm, in both rows of the matrix.",
    ),
)
question(
    "audio.backwards",
    "Before you look: the head was trained on clips as recorded, and is tested on clips played "
    "backwards. What does its accuracy do?",
    "b",
    a=(
        "Nothing: all frequencies are still there, only in another order.",
        "The mean over patches forgets their order, but within a patch of 0.96 s the network "
        "sees in which direction a burst fades.",
    ),
    b=(
        "It falls, and stays well above guessing.",
        "Onset and fading trade places, while the frequencies stay. Run the next cell.",
    ),
    c=(
        "It falls to one half: backwards is another language.",
        "Much is the same in both directions: hiss, hum, stripes, silence. Run the next cell.",
    ),
)
