"""The engine that runs a frozen network over many examples: Keras's graph, or LiteRT.

A frozen network computes the same function whatever executes it. LiteRT (once TensorFlow Lite)
only infers, on kernels made for processors (XNNPACK). Where TensorFlow has none as fast, it is
several times quicker, but converting takes seconds.
"""

import os
import time
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from helpers import disk
from helpers.ready import keras, standard_error, tf

ENGINES = ("auto", "keras", "litert")
PAYS = 20.0  # seconds that Keras would still take, above which a conversion may pay
ALLOWED = 1e-4  # difference from Keras, relative to the largest output

_graphs = weakref.WeakKeyDictionary()


def graph(model: keras.Model, spec: tf.TensorSpec, version) -> Callable:
    """`model` in inference as one graph for batches of any size, kept for the next call.

    `spec` is of its one input, the first dimension None. `version` differs as soon as the model
    does something else; if that is not known, None has the graph made anew.
    """
    kept_for, forward = _graphs.get(model, (None, None))
    if version is None or kept_for != (spec, version):
        reference = weakref.ref(model)  # the graph must not keep its own key alive

        @tf.function(input_signature=[spec])
        def forward(x):
            return reference()(x, training=False)

        _graphs[model] = (spec, version), forward
    return forward


def run(
    model: keras.Model, batches: Iterable[np.ndarray], count: int, engine="auto", version=None
) -> Iterator[np.ndarray]:
    """The outputs of `model` in inference, batch by batch.

    "auto" takes Keras on a GPU; on a processor it takes LiteRT if Keras would need more than 20 s
    for what is left and LiteRT is faster. LiteRT is believed only if its outputs of one batch are
    those of Keras, to 1e-4 of the largest. A printed line says what was chosen.

    `batches` are `count` arrays of one shape (n, ...) and dtype, the last perhaps shorter.

    Raises:
        ValueError: there is no such engine.
    """
    if engine not in ENGINES:
        raise ValueError(f"There is no engine {engine!r}: choose from {', '.join(ENGINES)}.")
    function = lite = None
    for number, batch in enumerate(batches):
        x = tf.convert_to_tensor(batch)
        if function is None:
            first = batch.shape
            function = graph(model, tf.TensorSpec((None, *first[1:]), x.dtype), version)
        start = time.perf_counter()
        output = lite(batch) if lite and batch.shape == first else function(x).numpy()
        seconds = time.perf_counter() - start
        yield output
        asked = number == 0 and engine == "litert"
        # The first batch makes the graph, so the second is the one to go by.
        slow = number == 1 and engine == "auto" and seconds * (count - 2) > PAYS
        if asked or (slow and not tf.config.list_logical_devices("GPU")):
            lite, said = _agreeing(model, function, batch, output, np.inf if asked else seconds)
            if asked or not disk.quiet():
                print(f"{model.name} runs in {said}.")


def _agreeing(model, function, batch, expected, limit):
    """LiteRT for batches of this shape, or None if it must not be taken; and which, in words."""
    try:
        with standard_error(), warnings.catch_warnings(action="ignore"):
            lite = _convert(model, function, batch.shape)
            found = lite(batch)
            start = time.perf_counter()
            lite(batch)
            seconds = time.perf_counter() - start
    except Exception as error:  # whatever the converter cannot do, Keras can
        return None, f"Keras: LiteRT cannot run it ({type(error).__name__})"
    gap = np.abs(found - expected).max(initial=0) / (np.abs(expected).max(initial=0) or 1)
    if found.shape != expected.shape or not gap <= ALLOWED:
        return None, f"Keras: LiteRT is off by {gap:.0e}"
    return (lite, "LiteRT") if seconds < limit else (None, "Keras: LiteRT is not faster here")


def _convert(model, function, shape):
    """The model in LiteRT, on all processors, for batches of one shape."""
    try:  # of its own package, or as long as TensorFlow still has it
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        Interpreter = tf.lite.Interpreter
    holder = tf.Module()
    holder.constants = [weight.value for weight in model.weights]
    concrete = [function.get_concrete_function()]
    content = tf.lite.TFLiteConverter.from_concrete_functions(concrete, holder).convert()
    interpreter = Interpreter(model_content=content, num_threads=os.cpu_count())
    given = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(given, shape)
    interpreter.allocate_tensors()
    made = interpreter.get_output_details()[0]["index"]

    def lite(batch):
        interpreter.set_tensor(given, batch)
        interpreter.invoke()
        return interpreter.get_tensor(made)  # a copy

    return lite
