"""TensorFlow and Keras without start-up messages (`from helpers.ready import keras, tf`).

The messages come from C++, before any log level is read, and would stand as errors in a notebook.
"""

import contextlib
import os
import platform
import sys
import tempfile
from collections.abc import Iterator

from helpers import assets

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@contextlib.contextmanager
def standard_error() -> Iterator[None]:
    """Hold back what is written to standard error; print it after all if an exception comes."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


BACKEND = (
    "the course needs TensorFlow, so unset KERAS_BACKEND, delete ~/.keras/keras.json (Keras writes "
    "a good one), and restart the kernel."
)

with standard_error():
    try:
        import keras
    except (ImportError, ValueError) as error:  # a backend that is not installed, or unknown
        raise ImportError(f"Keras does not start here ({error}): {BACKEND}") from error
    import tensorflow as tf

    tf.zeros(1)  # the first operation looks for devices and logs what it finds

# It warns when a function becomes a graph again and again; here many models are tried on purpose.
tf.get_logger().setLevel("ERROR")

__all__ = ["keras", "report", "standard_error", "tf"]


def report(seed: int = 0) -> None:
    """Seed every random generator, and print versions, device and profile, a line each.

    Raises:
        RuntimeError: Keras does not run on TensorFlow here, or computes in another form.
    """
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(f"Keras runs on {keras.backend.backend()} here: {BACKEND}")
    found = {
        "floatx": (keras.config.floatx(), "float32"),
        "image_data_format": (keras.config.image_data_format(), "channels_last"),
        "dtype policy": (keras.config.dtype_policy().name, "float32"),
    }
    for setting, (given, wanted) in found.items():
        if given != wanted:
            raise RuntimeError(
                f"The {setting} of Keras is {given} here and must be {wanted}: correct "
                "~/.keras/keras.json, or the code that changed it, and restart the kernel."
            )
    keras.utils.set_random_seed(seed)
    gpus = tf.config.list_physical_devices("GPU")
    device = f"GPU ({len(gpus)})" if gpus else f"CPU ({os.cpu_count()} cores)"
    print(f"Python     {platform.python_version()}")
    print(f"TensorFlow {tf.__version__}, Keras {keras.__version__}")
    print(f"Device     {device}")
    print(f"Profile    {assets.profile()}")
