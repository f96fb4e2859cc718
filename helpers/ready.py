"""Is this machine ready? The first lines of every chapter."""

import os
import platform
from importlib.metadata import version

from helpers import assets
from helpers.quiet import keras, tf
from helpers.transfer import set_seed


def report(seed: int = 0) -> None:
    """Set the seed and print versions, device and profile, a line each.

    Raises:
        RuntimeError: Keras does not run on TensorFlow here.
    """
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            f"Keras runs on {keras.backend.backend()} here: the course needs TensorFlow, so unset "
            "KERAS_BACKEND or set it to tensorflow, and restart the kernel."
        )
    set_seed(seed)
    gpus = tf.config.list_physical_devices("GPU")
    device = f"GPU ({len(gpus)})" if gpus else f"CPU ({os.cpu_count()} cores)"
    profile = assets.profile()
    print(f"Python     {platform.python_version()}")
    print(f"TensorFlow {tf.__version__}, Keras {keras.__version__}")
    print(f"TF Hub     {version('tensorflow-hub')}")
    print(f"Device     {device}")
    print(f"Profile    {profile}")
