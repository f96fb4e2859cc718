"""Exercises of the chapter on how far to move: right answers pass, wrong ones learn why."""

import tempfile
from pathlib import Path

import numpy as np
from exercise_cases import closing_tests

from helpers.ready import keras

ops = keras.ops
LOSS = "sparse_categorical_crossentropy"


# 1. count


def by_product(shape, rank):
    return int(np.prod(shape[:-1])) * rank + rank * shape[-1]


def by_keras(shape, rank):
    kind = (
        keras.layers.Dense(shape[-1])
        if len(shape) == 2
        else keras.layers.Conv2D(shape[-1], shape[0])
    )
    kind.build((1, shape[0]) if len(shape) == 2 else (1, 8, 8, shape[2]))
    kind.enable_lora(rank)
    return sum(int(np.prod(v.shape)) for v in kind.variables if "lora" in v.path)


# 2. restore


def trial(weights=True, compile_again=True, fit=True, give=True):
    def answer(model, start, x, y):
        if weights:
            model.set_weights(start)
        if compile_again:
            model.compile(keras.optimizers.Adam(0.01), LOSS)
        if fit:
            model.fit(x, y, epochs=2, batch_size=32, shuffle=False, verbose=0)
        return model if give else None

    return answer


def by_copy(model, start, x, y):
    fresh = keras.models.clone_model(model)
    fresh.set_weights(start)
    fresh.compile(keras.optimizers.SGD(0.1), LOSS)
    fresh.fit(x, y, batch_size=32, shuffle=False, verbose=0)
    return fresh


# 3. rates


def by_factor(make_factor, default=1.0):
    """An answer whose factor for the i-th of n names is make_factor(decay, n - 1 - i)."""

    def answer(names, decay):
        factors = {n: make_factor(decay, len(names) - 1 - i) for i, n in enumerate(names)}

        class Rates(keras.optimizers.Adam):
            def update_step(self, gradient, variable, learning_rate):
                path = self._trainable_variables[self._get_variable_index(variable)].path
                factor = factors.get(path.split("/")[-2], default)
                super().update_step(gradient, variable, learning_rate * factor)

        return Rates(1e-3)

    return answer


def by_contents(names, decay):
    class Rates(keras.optimizers.Adam):
        def update_step(self, gradient, variable, learning_rate):
            path = self._trainable_variables[self._get_variable_index(variable)].path
            depth = next((len(names) - 1 - i for i, n in enumerate(names) if f"{n}/" in path), 0)
            super().update_step(gradient, variable, learning_rate * decay**-depth)

    return Rates(5e-4)


def scaled_gradients(names, decay):
    class Rates(keras.optimizers.Adam):
        def update_step(self, gradient, variable, learning_rate):
            path = self._trainable_variables[self._get_variable_index(variable)].path
            name = path.split("/")[-2]
            depth = len(names) - 1 - names.index(name) if name in names else 0
            super().update_step(gradient * decay**-depth, variable, learning_rate)

    return Rates(1e-3)


# 4. L2-SP


def pulled(pull=True, decay=True, mean=False, zero=False, own=True, everything=False):
    class Pulled(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            loss = super().compute_loss(x, y, y_pred, sample_weight, training) if own else 0.0
            add = ops.mean if mean else ops.sum
            for variable in self.trainable_variables:
                if pull and variable.path in self.start:
                    start = 0 if zero else self.start[variable.path]
                    loss += self.alpha * add(ops.square(variable - start))
                elif everything and self.beta:
                    loss += self.beta * ops.sum(ops.square(variable + 1))
            if decay:
                loss += self.beta * ops.sum(ops.square(self.get_layer("head").kernel))
            return loss

    return Pulled


class AllHeadWeights(keras.Model):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight)
        near = [v for v in self.variables if v.path in self.start]
        far = [v for v in self.variables if "head" in v.path]
        loss += self.alpha * sum(ops.sum((v - self.start[v.path]) ** 2) for v in near)
        return loss + self.beta * sum(ops.sum(v**2) for v in far)


# 5. LoRA


def with_lora(
    on=("middle", "high"),
    freeze_first=False,
    layer_flag=False,
    biases=False,
    head=True,
    low=False,
    early=False,
    compiled=True,
):
    def answer(model):
        if early:
            model.compile("adam", LOSS)
            model.fit(np.zeros((4, 5)), np.zeros(4), verbose=0)
        if freeze_first:
            for name in on:
                model.get_layer(name).trainable = False
        for name in on:
            model.get_layer(name).enable_lora(2)
        for variable in model.variables if not freeze_first else ():
            layer, what = variable.path.split("/")[-2:]
            learns = "lora" in what or (head and layer == "head")
            learns |= (biases and what == "bias") or (low and layer == "low")
            variable.trainable = learns
        if freeze_first:
            model.get_layer("low").trainable = False
        if layer_flag:
            for name in on:
                model.get_layer(name).trainable = False
                model.get_layer(name).trainable = True
        if compiled and not early:
            model.compile(keras.optimizers.Adam(0.01), LOSS)
        return model

    return answer


def lora_by_layers(model):
    model.get_layer("low").trainable = False
    for name in ("middle", "high"):
        layer = model.get_layer(name)
        layer.enable_lora(4)
        layer.bias.trainable = False
    model.compile(keras.optimizers.SGD(0.5), LOSS)
    return model


# 6. merge


def merged(model, plain):
    for layer in model.layers:
        if layer.weights:
            plain.get_layer(layer.name).set_weights([layer.kernel, layer.bias])
    return plain


def by_file(model, plain):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "merged.weights.h5")
        model.save_weights(file)
        plain.load_weights(file)
    return plain


def without_product(model, plain):
    for layer in model.layers:
        if layer.weights:
            plain.get_layer(layer.name).set_weights(layer.get_weights()[:2])
    return plain


def one_forgotten(model, plain):
    for name in ("low", "middle", "high"):
        layer = model.get_layer(name)
        plain.get_layer(name).set_weights([layer.kernel, layer.bias])
    return plain


# 7. schedule


def stagewise(first=1, compile_again=True, from_below=False, head=True, fit=True):
    def answer(model, x, y, stages):
        layers = [layer for layer in model.layers if layer.weights]
        for stage in range(1, stages + 1):
            count = stage + first - 1
            chosen = layers[:count] + layers[-1:] if from_below else layers[-count:]
            for layer in layers:
                layer.trainable = layer in chosen and (head or layer.name != "head")
            if compile_again or stage == 1:
                model.compile(keras.optimizers.Adam(0.01), LOSS)
            if fit:
                model.fit(x, y, verbose=0)
        return model

    return answer


def backwards_loop(model, x, y, stages):
    names = ["head", "high", "middle", "low"]
    for layer in model.layers:
        layer.trainable = False
    for name in names[:stages]:
        model.get_layer(name).trainable = True
        model.compile("sgd", LOSS)
        model.fit(x, y, epochs=2)
    return model


# 8. budget


def choose(by="validation", report="test", within=True, mean=True):
    def answer(table, budget):
        if within:
            table = table[table.numbers <= budget]
        if not mean:
            best = table.loc[table[by].idxmax()]
            return best.method, best[report]
        means = table.groupby("method")[["validation", "test"]].mean()
        return means[by].idxmax(), means[report][means[by].idxmax()]

    return answer


def choose_by_hand(table, budget):
    best, name = -1, None
    for method in table.method.unique():
        rows = table[table.method == method]
        if rows.numbers.iloc[0] <= budget and rows.validation.mean() > best:
            best, name = rows.validation.mean(), method
    return name, table[table.method == name].test.mean()


RIGHT = {
    "how_far.count": [by_product, by_keras],
    "how_far.restore": [trial(), by_copy],
    "how_far.rates": [by_factor(lambda decay, depth: decay**-depth), by_contents],
    "how_far.l2sp": [pulled(), AllHeadWeights],
    "how_far.lora": [with_lora(), lora_by_layers],
    "how_far.merge": [merged, by_file],
    "how_far.schedule": [stagewise(), backwards_loop],
    "how_far.budget": [choose(), choose_by_hand],
}

WRONG = {
    "how_far.count": [
        (lambda shape, rank: int(np.prod(shape)), "the frozen kernel itself"),
        (lambda shape, rank: rank * (shape[-2] + shape[-1]), "3 x 3 places"),
        (lambda shape, rank: by_product(shape, rank) + shape[-1], "the biases as well"),
        (lambda shape, rank: 2 * rank * int(np.prod(shape[:-1])), "B is as large as A"),
        (lambda shape, rank: 7, "shapes of A and B first"),
        (480, "`def count(shape, rank)"),
    ],
    "how_far.restore": [
        (trial(weights=False), "went on where the first ended"),
        (trial(compile_again=False), "what does Adam remember"),
        (trial(fit=False), "where does the training come in"),
        (trial(give=False), "return model"),
        ("set_weights", "Is it a function"),
    ],
    "how_far.rates": [
        (by_factor(lambda decay, depth: 1.0), "did you scale the gradient"),
        (scaled_gradients, "did you scale the gradient"),
        (by_factor(lambda decay, depth: 1 / decay ** (2 - depth)), "Adam's whole step"),
        (by_factor(lambda decay, depth: decay**depth), "moves the most"),
        (by_factor(lambda decay, depth: decay**-depth, default=0.0), "The head does not move"),
        (by_factor(lambda decay, depth: 1 / (1 + decay * depth)), "a quarter and a half"),
        (lambda names, decay: None, "gave back no optimiser"),
        (keras.optimizers.Adam(), "Is it a function"),
    ],
    "how_far.l2sp": [
        (pulled(zero=True), "distance taken to the start, or to zero"),
        (pulled(decay=False), "beta changes nothing"),
        (pulled(mean=True), "too weak"),
        (pulled(own=False), "do you add to super's loss"),
        (pulled(everything=True, decay=False), "that alone"),
        ("compute_loss", "Hand in the class"),
    ],
    "how_far.lora": [
        (with_lora(layer_flag=True), "kernels learn again"),
        (with_lora(freeze_first=True), "A and B of `middle` did not move"),
        (with_lora(biases=True), "Borrowed biases"),
        (with_lora(head=False), "The head does not learn"),
        (with_lora(low=True), "Borrowed biases"),
        (with_lora(on=("high",)), "LoRA is on in high"),
        (with_lora(on=("low", "middle", "high")), "more than `middle`"),
        (with_lora(compiled=False), "Which call reads"),
        (with_lora(early=True), "recreate a new optimizer"),
        (lambda model: None, "return model"),
    ],
    "how_far.merge": [
        (without_product, "without A times B"),
        (lambda model, plain: model, "still has LoRA"),
        (lambda model, plain: plain, "did not change"),
        (one_forgotten, "Which one is left out"),
        (lambda model, plain: plain.set_weights(model.get_weights()), "stopped with ValueError"),
        (lambda model, plain: None, "gave back no model"),
    ],
    "how_far.schedule": [
        (stagewise(first=4), "Everything learns from the start"),
        (stagewise(compile_again=False), "which call reads the flags again"),
        (stagewise(from_below=True), "from which end"),
        (stagewise(first=2, head=False), "the head is frozen"),
        (stagewise(first=2), "Is that one layer more"),
        (stagewise(fit=False), "`fit` was called 0 times"),
        (lambda model, x, y, stages: None, "return model"),
    ],
    "how_far.budget": [
        (choose(within=False), "what is the budget"),
        (choose(by="test"), "The test set did the choosing"),
        (choose(mean=False), "won one draw by luck"),
        (choose(report="validation"), "which one is unseen"),
        (lambda table, budget: "LoRA", "Two things are asked for"),
        (lambda table, budget: ("frozen", 84.0), "best mean on the validation"),
    ],
}

(
    test_right_answers_pass,
    test_wrong_answers_are_told_what_is_wrong,
    test_exercises_and_their_examples_lack_nothing,
    test_every_exercise_is_tried,
) = closing_tests("how_far", RIGHT, WRONG)
