"""A Keras 3 layer around a TensorFlow Hub module.

`hub.KerasLayer` belongs to Keras 2, and a plain wrapper around a module shows no weights, so it
silently never learns. `HubLayer` registers the module's own variables: they are counted, frozen,
trained and saved like those of any other layer. The module itself is an ordinary SavedModel, so
the package tensorflow_hub is not needed to load it from a folder.
"""

import inspect

from google.protobuf.message import DecodeError

from helpers import assets
from helpers.disk import own_path
from helpers.ready import keras, tf


@keras.saving.register_keras_serializable("transfer_learning_course")
class HubLayer(keras.layers.Layer):
    """A TF2 SavedModel from TensorFlow Hub as a Keras layer, frozen to begin with.

    To fine-tune it, set `layer.trainable = True` and compile again. Its batch-normalisation
    statistics move only if `batch_norm` is true as well: by default the weights learn and the
    statistics stay, which is what a small data set wants.

    Args:
        module: the name of an asset in the catalogue, or the folder of a SavedModel. A saved
            model remembers the name and the profile, and looks the asset up again.
        output: what to return of a module with several outputs: a position or a key.
        batch_norm: whether `training=True` reaches the module of an unfrozen layer.
        profile: "sample" or "full", for an asset; the current profile if None.

    Raises:
        ValueError: the folder holds no module that can be called.
        assets.AssetError: no such asset, or it is not there.
    """

    def __init__(
        self, module, *, output=None, batch_norm=False, profile=None, trainable=False, **kwargs
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        # XLA cannot compile every op that a module may hold.
        self.supports_jit = False
        self.module, self.chosen, self.batch_norm = str(module), output, batch_norm
        folder = own_path(self.module, assets.names("sample") + assets.names("full"))
        if folder and folder.is_dir():
            self.profile = None
        else:
            self.profile = profile or assets.profile()
            folder = assets.path(self.module, profile=self.profile)
        self.module_callable = _load(folder)
        with keras.name_scope(self.name):
            # As an attribute, so that Keras tracks them.
            self.shared = [_share(*each) for each in _variables(self.module_callable)]
        self.built = True
        self.trainable = trainable

    def call(self, inputs, training=False):
        """Run the module; `training` reaches it only with `trainable` and `batch_norm`."""
        given = {}
        if "training" in inspect.signature(self.module_callable.__call__).parameters:
            given["training"] = bool(training and self.trainable and self.batch_norm)
        outputs = self.module_callable(inputs, **given)
        return outputs if self.chosen is None else outputs[self.chosen]

    def get_config(self):
        """Return what saving needs: the name of the module, not its files."""
        own = {"module": self.module, "output": self.chosen, "batch_norm": self.batch_norm}
        return {**super().get_config(), **own, "profile": self.profile}


def _load(folder):
    try:
        module = tf.saved_model.load(str(folder))
    except (OSError, ValueError, DecodeError) as error:
        raise ValueError(
            f"{folder} holds no readable SavedModel ({type(error).__name__}): give the folder "
            "that contains saved_model.pb and variables/."
        ) from error
    if not callable(module):
        raise ValueError(
            f"The SavedModel in {folder} cannot be called: it has signatures only, so take a "
            "module in the TF2 format."
        )
    return module


def _variables(module):
    """The module's variables, each with whether it learns."""
    if hasattr(module, "variables"):
        learning = {id(v) for v in getattr(module, "trainable_variables", module.variables)}
        return [(v, id(v) in learning) for v in module.variables]
    # YAMNet lists none: its functions know what they read.
    found = {id(v): v for f in module.__call__.concrete_functions for v in f.variables}
    return [(v, v.trainable) for v in found.values()]


def _share(variable, learns):
    """A Keras variable whose storage is the module's own."""
    name = variable.name.split(":")[0].replace("/", "-")
    shared = keras.Variable(tf.zeros_like(variable), trainable=learns, name=name)
    # Keras has no public way to adopt a variable: it copies what it is given.
    shared._value = variable  # noqa: SLF001
    return shared
