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


with standard_error():
    import keras
    import tensorflow as tf

    tf.zeros(1)  # the first operation looks for devices and logs what it finds

# It warns when a function becomes a graph again and again; here many models are tried on purpose.
tf.get_logger().setLevel("ERROR")

__all__ = ["keras", "report", "standard_error", "tf"]


def report(seed: int = 0) -> None:
    """Seed every random generator, and print versions, device and profile, a line each.

    Raises:
        RuntimeError: Keras does not run on TensorFlow here, or not with 32-bit numbers.
    """
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            f"Keras runs on {keras.backend.backend()} here: the course needs TensorFlow, so unset "
            "KERAS_BACKEND or set it to tensorflow, and restart the kernel."
        )
    if keras.config.floatx() != "float32":
        raise RuntimeError(
            f"Keras computes in {keras.config.floatx()} here: the course needs float32, so set "
            '"floatx": "float32" in ~/.keras/keras.json and restart the kernel.'
        )
    keras.utils.set_random_seed(seed)
    gpus = tf.config.list_physical_devices("GPU")
    device = f"GPU ({len(gpus)})" if gpus else f"CPU ({os.cpu_count()} cores)"
    print(f"Python     {platform.python_version()}")
    print(f"TensorFlow {tf.__version__}, Keras {keras.__version__}")
    print(f"Device     {device}")
    print(f"Profile    {assets.profile()}")
