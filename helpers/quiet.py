"""Start TensorFlow without its start-up messages. Import this before Keras or TensorFlow.

They come from C++, before any log level is read, and would stand as errors in a notebook.
"""

import contextlib
import os
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@contextlib.contextmanager
def standard_error():
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

    tf.zeros(1)  # the first operation looks for devices, and talks about it

# It warns when a function becomes a graph again and again: here many models are tried, on purpose.
tf.get_logger().setLevel("ERROR")

__all__ = ["keras", "standard_error", "tf"]
