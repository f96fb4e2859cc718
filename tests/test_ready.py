"""The quiet start and the report of the machine."""

import os
import random
import subprocess
import sys

import numpy as np
import pytest

from helpers import ready


def test_the_report_names_versions_device_and_profile(capsys):
    ready.report(3)
    lines = capsys.readouterr().out.splitlines()
    words = [line.split()[0] for line in lines]
    assert words == ["Python", "TensorFlow", "Device", "Profile"]
    assert ready.keras.__version__ in lines[1] and lines[3].split()[1] in ("sample", "full")


def test_the_report_seeds_every_generator(capsys):
    def drawn():
        return random.random(), np.random.random(), float(ready.tf.random.uniform(()))

    ready.report(3)
    first = drawn()
    ready.report(3)
    assert drawn() == first
    ready.report(4)
    assert drawn() != first


def test_another_backend_is_named(monkeypatch):
    monkeypatch.setattr(ready.keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="Keras runs on jax here.*KERAS_BACKEND"):
        ready.report()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("floatx", "float16", "The floatx of Keras is float16 here and must be float32"),
        ("image_data_format", "channels_first", "image_data_format of Keras is channels_first"),
        ("dtype_policy", "mixed_float16", "dtype policy of Keras is mixed_float16"),
    ],
)
def test_other_settings_of_keras_are_named(name, value, words):
    config = ready.keras.config
    usual, change = getattr(config, name)(), getattr(config, f"set_{name}")
    try:
        change(value)
        with pytest.raises(RuntimeError, match=words):
            ready.report()
    finally:
        change(usual)
    ready.report()


@pytest.mark.parametrize("backend", ["jax", "theano"])
def test_a_backend_that_cannot_start_is_one_sentence(backend):
    done = subprocess.run(
        [sys.executable, "-c", "import helpers.ready"],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    last = done.stderr.strip().splitlines()[-1]
    assert "Keras does not start here" in last and "unset KERAS_BACKEND" in last


def test_standard_error_is_held_back_unless_something_fails(capfd):
    with ready.standard_error():
        os.write(2, b"chatter")
    assert capfd.readouterr().err == ""
    with pytest.raises(ValueError, match="real"), ready.standard_error():
        os.write(2, b"what went wrong")
        raise ValueError("real")
    assert capfd.readouterr().err == "what went wrong"


def test_the_start_is_quiet_and_needs_no_tensorflow_hub():
    code = "import sys, helpers.hub; print('tensorflow_hub' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("False", "")
