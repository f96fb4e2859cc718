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


@pytest.mark.parametrize(
    ("fake", "words"),
    [
        (("backend.backend", "jax"), "Keras runs on jax here.*KERAS_BACKEND"),
        (("config.floatx", "float16"), "Keras computes in float16 here.*keras.json"),
    ],
)
def test_another_backend_or_type_is_named(monkeypatch, fake, words):
    room, function = fake[0].split(".")
    monkeypatch.setattr(getattr(ready.keras, room), function, lambda: fake[1])
    with pytest.raises(RuntimeError, match=words):
        ready.report()


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
