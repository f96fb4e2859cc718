"""The checks of the audio chapter, fed with right answers and with classic wrong ones."""


import keras
import numpy as np
import pytest
from exercise_cases import shortcomings
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from course import exercises
from helpers import training, transfer
from helpers.data import Examples

# What a graph fixes, and what `compile` keeps until it is called again, shows in graphs only.
pytestmark = [
    pytest.mark.usefixtures("eager"),
    pytest.mark.graphs("gain-answer7", "when does Keras read it", "build_in_keras"),
]


class Gain(keras.layers.Layer):
    """An augmentation; what is given turns it into one of the classic wrong ones."""

    def __init__(self, shape=(None, 1, 1), low=-0.7, high=0.7, *, how="add", always=False):
        super().__init__()
        self.shape, self.low, self.high, self.how, self.always = shape, low, high, how, always

    def call(self, x, training=False):
        if not training and not self.always:
            return x
        shape = [keras.ops.shape(x)[0] if size is None else size for size in self.shape]
        change = keras.random.uniform(shape, self.low, self.high)
        return x * (1 + change) if self.how == "multiply" else x + change


class FrozenGain(keras.layers.Layer):
    """Draws with NumPy, which a graph sees once."""

    def call(self, x, training=False):
        change = np.random.default_rng().uniform(-0.7, 0.7, (8, 1, 1)).astype("float32")
        return x + change if training else x


class SpreadGain(keras.layers.Layer):
    """The same, by another road."""

    def __init__(self):
        super().__init__()
        self.seed = keras.random.SeedGenerator(3)

    def call(self, x, training=False):
        if training:
            loud = keras.random.uniform((keras.ops.shape(x)[0],), seed=self.seed) * 1.4 - 0.7
            x = x + loud[:, None, None]
        return x


def freeze_and_build(backbone, *, freeze=True, units=2, activation="softmax", compiled=True,
                     loss="sparse_categorical_crossentropy", all_frozen=False):
    backbone.trainable = not freeze
    head = keras.layers.Dense(units, activation=activation)
    model = keras.Sequential([backbone, head])
    if all_frozen:
        model.trainable = False
    if compiled:
        model.compile("adam", loss)
    return model


def functional(backbone):
    for layer in backbone.layers:
        layer.trainable = False
    inputs = keras.Input(backbone.input_shape[1:])
    outputs = keras.layers.Dense(2, activation="softmax")(backbone(inputs, training=False))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy())
    return model


def wrong_model(**settings):
    return lambda backbone: freeze_and_build(backbone, **settings)


def normalising(backbone):
    """Freezes kernels only, so that the statistics of batch normalisation move."""
    model = freeze_and_build(backbone, freeze=False, compiled=False)
    for layer in backbone.layers:
        layer.trainable = isinstance(layer, keras.layers.BatchNormalization)
        for weight in layer.trainable_weights:
            weight.trainable = False
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def unfreeze(model, *, learns=("layer13", "layer14", "head"), rate=1e-4, compiled=True):
    for layer in model.layers:
        layer.trainable = layer.name.startswith(learns)
    if compiled:
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    return model


def unfreeze_in_place(model):
    names = [layer.name for layer in model.layers]
    for layer in model.layers[names.index("layer13_conv") :]:
        layer.trainable = True
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")


def wrong_tuning(**settings):
    return lambda model: unfreeze(model, **settings)


def build_in_keras(train, validation):
    model = keras.Sequential([keras.Input(train.x.shape[1:]), keras.layers.Dense(2, "softmax")])
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(train.x, train.y, epochs=40, verbose=0)
    threshold = choose(training.predict(model, validation.x)[:, 1], validation.y, 0.9)
    return lambda x: training.predict(model, x)[:, 1] >= threshold


def by_recording(recordings, share=0.2):
    names = sorted(set(recordings))
    chosen = np.random.default_rng(1).permutation(names)[: int(share * len(names))]
    return np.isin(recordings, chosen)


def by_position(recordings):
    names = sorted(set(recordings))[:4]
    return np.array([name in names for name in recordings])


def by_clip(recordings):
    return np.random.default_rng(1).random(len(recordings)) < 0.2


def choose(probabilities, labels, recall):
    coughs = np.sort(probabilities[labels == 1])
    return coughs[int((1 - recall) * len(coughs) + 1e-9)]


def choose_by_trying(probabilities, labels, recall):
    for threshold in np.sort(probabilities)[::-1]:
        if (probabilities[labels == 1] >= threshold).mean() >= recall:
            return threshold


def held_out(x, y, sources):
    found = {}
    for name in np.unique(sources):
        its = sources == name
        head = transfer.fit_head(Examples(x[~its], y[~its]))
        found[name] = training.accuracy(head, Examples(x[its], y[its]))
    return found


def held_out_by_sklearn(x, y, sources):
    return {
        str(name): LogisticRegression()
        .fit(x[sources != name], y[sources != name])
        .score(x[sources == name], y[sources == name])
        for name in set(sources)
    }


def judged_by(train, test):
    """A function for audio.sources: from the rows of a source to those that train and that test."""

    def by_source(x, y, sources):
        found = {}
        for name in np.unique(sources):
            its = sources == name
            head = transfer.fit_head(Examples(x[train(its)], y[train(its)]))
            found[name] = training.accuracy(head, Examples(x[test(its)], y[test(its)]))
        return found

    return by_source


def half_of_each(x, y, sources):
    found = {}
    test = np.arange(len(y)) % 2 == 0
    head = transfer.fit_head(Examples(x[~test], y[~test]))
    for name in np.unique(sources):
        its = test & (sources == name)
        found[name] = training.accuracy(head, Examples(x[its], y[its]))
    return found


def build(train, validation, *, fit=None, chooser=None, column=1, share=0.9, line=None):
    """An alarm; what is given turns it into one of the classic wrong ones."""
    head = transfer.fit_head(fit(train, validation) if fit else train)
    by = chooser(train, validation) if chooser else validation
    probability = training.predict(head, by.x)[:, column]
    threshold = choose(probability, by.y, share) if line is None else line

    def rings(x):
        return training.predict(head, x)[:, column] >= threshold

    return rings


def build_with_sklearn(train, validation):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    model.fit(train.x, train.y)
    threshold = choose_by_trying(model.predict_proba(validation.x)[:, 1], validation.y, 0.9)
    return lambda x: (model.predict_proba(x)[:, 1] >= threshold).astype(int)


def both(train, validation):
    return Examples(*map(np.concatenate, zip(train, validation, strict=True)))


def build_anew(train, validation):
    head = transfer.fit_head(train)

    def rings(x):
        probability = training.predict(head, x)[:, 1]
        return probability >= np.quantile(probability, 0.4)

    return rings


def wrong_alarm(**settings):
    return lambda train, validation: build(train, validation, **settings)


RIGHT = [
    ("audio.count", (40_000, 248)),
    ("audio.count", [2.5 * 16_000, 1 + (40_000 - 400) // 160]),
    ("audio.split", by_recording),
    ("audio.split", by_position),
    ("audio.threshold", choose),
    ("audio.threshold", choose_by_trying),
    ("audio.sources", held_out),
    ("audio.sources", held_out_by_sklearn),
    ("audio.alarm", build),
    ("audio.alarm", build_with_sklearn),
    ("audio.alarm", build_in_keras),
    ("audio.gain", Gain()),
    ("audio.gain", SpreadGain()),
    ("audio.frozen", freeze_and_build),
    ("audio.frozen", functional),
    ("audio.tune", unfreeze),
    ("audio.tune", unfreeze_in_place),
]
WRONG = [
    ("audio.gain", lambda x: x + 0.5, "Is it a layer"),
    ("audio.gain", keras.layers.Flatten(), "have another shape"),
    ("audio.gain", Gain(always=True), "in prediction as well"),
    ("audio.gain", Gain(low=0, high=0), "Nothing changes"),
    ("audio.gain", Gain(how="multiply"), "You multiply"),
    ("audio.gain", Gain(shape=(None, 24, 64)), "Within one clip"),
    ("audio.gain", Gain(shape=(1, 1, 1)), "All clips"),
    ("audio.gain", FrozenGain(), "Every batch gets the same"),
    ("audio.gain", Gain(low=-3, high=3), "which limits"),
    ("audio.gain", Gain(low=0), "one way"),
    ("audio.frozen", 3, "Is it a function"),
    ("audio.frozen", lambda backbone: None, "no model"),
    ("audio.frozen", wrong_model(units=1, activation="sigmoid"), "how many classes"),
    ("audio.frozen", wrong_model(activation=None), "add up to 1"),
    ("audio.frozen", wrong_model(activation="sigmoid"), "add up to 1"),
    ("audio.frozen", wrong_model(compiled=False), "not compiled"),
    ("audio.frozen", wrong_model(loss="categorical_crossentropy"), "which loss takes integers"),
    ("audio.frozen", wrong_model(freeze=False), "weights moved"),
    ("audio.frozen", normalising, "Statistics of batch normalisation"),
    ("audio.frozen", wrong_model(all_frozen=True), "the head included"),
    ("audio.tune", 14, "Is it a function"),
    ("audio.tune", wrong_tuning(compiled=False), "when does Keras read it"),
    ("audio.tune", wrong_tuning(learns=("layer13", "layer14")), "The head stands still"),
    ("audio.tune", wrong_tuning(learns=("layer", "head")), "from which block on"),
    ("audio.tune", wrong_tuning(learns=("layer14", "head")), "layer13_conv did not move"),
    ("audio.tune", lambda model: model, "did not move: which blocks"),
    ("audio.tune", wrong_tuning(rate=0.1), "The rate is 0.1"),
    ("audio.count", 40_000, "Is it a pair"),
    ("audio.count", (248, 40_000), "in the other order"),
    ("audio.count", (20_000, 248), "which rate"),
    ("audio.count", (16_000, 248), "how long is the clip"),
    ("audio.count", (40_000, 250), "still whole"),
    ("audio.count", (40_000, 100), "move on"),
    ("audio.count", (40_000, 247), "steps of 160"),
    ("audio.split", [True], "Is it a function"),
    ("audio.split", lambda recordings: None, "gave back nothing"),
    ("audio.split", lambda recordings: sorted(set(recordings))[:4], "a True or False"),
    ("audio.split", lambda recordings: np.zeros(len(recordings), bool), "Nothing is left"),
    ("audio.split", lambda recordings: np.ones(len(recordings), bool), "Everything"),
    ("audio.split", by_clip, "on both sides"),
    ("audio.split", lambda recordings: by_recording(recordings, 0.5), "about a fifth"),
    ("audio.threshold", 0.5, "Is it a function"),
    ("audio.threshold", lambda p, y, r: None, "gave back nothing"),
    ("audio.threshold", lambda p, y, r: np.sort(p), "several numbers"),
    ("audio.threshold", lambda p, y, r: 90.0, "no probability"),
    ("audio.threshold", lambda p, y, r: 0.5, "One half is a habit"),
    ("audio.threshold", lambda p, y, r: np.quantile(p[y == 1], 0.9), "Up or down?"),
    ("audio.threshold", lambda p, y, r: np.quantile(p, 1 - r), "You looked at all clips"),
    ("audio.threshold", lambda p, y, r: p[y == 1].min(), "more false alarms"),
    ("audio.sources", {"clinic": 0.9}, "Is it a function"),
    ("audio.sources", lambda x, y, s: None, "gave back nothing"),
    ("audio.sources", lambda x, y, s: np.mean(list(held_out(x, y, s).values())), "One number"),
    ("audio.sources", lambda x, y, s: list(held_out(x, y, s).values()), "a dictionary"),
    ("audio.sources", lambda x, y, s: {0: 0.9, 1: 0.9}, "a dictionary"),
    ("audio.sources", lambda x, y, s: {"clinic": 0.99}, "nothing for office"),
    (
        "audio.sources",
        lambda x, y, s: {name: 100 * share for name, share in held_out(x, y, s).items()},
        "percent, or counts",
    ),
    ("audio.sources", judged_by(lambda its: its, lambda its: ~its), "which of them is held out"),
    ("audio.sources", judged_by(lambda its: ~its, lambda its: ~its), "clips of training"),
    ("audio.sources", judged_by(np.ones_like, lambda its: its), "Even the telephone looks easy"),
    ("audio.sources", half_of_each, "Even the telephone looks easy"),
    ("audio.sources", lambda x, y, s: dict.fromkeys(np.unique(s), 0.5), "accuracies are others"),
    ("audio.alarm", 0.5, "Is it a function"),
    ("audio.alarm", lambda train, validation: None, "should give back a function"),
    ("audio.alarm", lambda t, v: (transfer.fit_head(t), 0.4), "several things"),
    ("audio.alarm", lambda t, v: transfer.fit_head(t), "an answer of shape (200, 2)"),
    (
        "audio.alarm",
        lambda t, v: lambda x: training.predict(transfer.fit_head(t), x)[:, 1],
        "probabilities, not alarms",
    ),
    ("audio.alarm", build_anew, "when it comes alone"),
    ("audio.alarm", wrong_alarm(line=0), "rings at every clip"),
    ("audio.alarm", wrong_alarm(line=1.1), "never rings"),
    ("audio.alarm", wrong_alarm(column=0, line=0.5), "which column belongs to 1"),
    ("audio.alarm", wrong_alarm(line=0.5), "who chose one half"),
    ("audio.alarm", wrong_alarm(chooser=lambda t, v: t), "that the head had learned from"),
    ("audio.alarm", wrong_alarm(share=0.5), "at which threshold is it"),
    ("audio.alarm", wrong_alarm(fit=both), "were to choose the threshold"),
    ("audio.alarm", wrong_alarm(share=0.995), "how high can the threshold go"),
]


@pytest.mark.parametrize("name", exercises.names("audio")[0])
def test_every_exercise_has_its_examples_and_hints(name):
    right = [answer for known, answer in RIGHT if known == name]
    wrong = [(answer, words) for known, answer, words in WRONG if known == name]
    assert shortcomings(name, right, wrong) == []


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers_pass(name, answer):
    verdict = exercises.judge(name, answer)
    assert verdict.state == "correct", verdict.message


@pytest.mark.parametrize(("name", "answer", "message"), WRONG)
def test_wrong_answers_are_told_what_is_wrong(name, answer, message):
    verdict = exercises.judge(name, answer)
    assert verdict.state == "not yet" and message in verdict.message, verdict.message
