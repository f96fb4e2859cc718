"""Shipped models: five files opened, and a server to which everything may come."""

import base64
import http.client
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image
from surroundings import hidden_extras, says_what_is_absent

from course import paths, run
from helpers import ship

SIZE = 4


def totals(x):
    """A model whose answers show what it was given: mean of red, number of images."""
    return np.stack([x[..., 0].mean((1, 2)), np.full(len(x), len(x))], axis=1)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(ship, "PATIENCE", 1)
    monkeypatch.setattr(ship._Handler, "timeout", 1)
    made = ship.Server(totals, "pets", SIZE)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join(5)
    assert not thread.is_alive()


def ask(server, body, path="/v1/models/pets:predict", method="POST", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    try:
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


def raw(server, *parts, wait=0.0):
    """What comes back for bytes as they are, sent part by part."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(wait)
        with connection.makefile("rb") as reply:
            return reply.read()


def as_json(instances):
    return json.dumps({"instances": instances}).encode()


def in_base64(image, form="PNG"):
    file = io.BytesIO()
    image.save(file, form)
    return {"b64": base64.b64encode(file.getvalue()).decode()}


PIXELS = np.full((2, SIZE, SIZE, 3), 7).tolist()


def test_pixels_and_image_files_are_answered(server):
    assert ask(server, as_json(PIXELS)) == (200, {"predictions": [[7, 2], [7, 2]]})
    image = Image.new("RGB", (30, 20), (9, 0, 0))
    mixed = [PIXELS[0], in_base64(image), in_base64(image.convert("L").convert("P"))]
    status, reply = ask(server, as_json(mixed))
    assert status == 200 and [row[0] for row in reply["predictions"][:2]] == [7, 9]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"hello", 400, "Send JSON"),
        (b"", 400, "Send JSON"),
        (b"[1]", 400, "Send JSON"),
        (b"\xff\xfe", 400, "Send JSON"),
        (b'{"instances": ' + b"[" * 200_000, 400, "Send JSON"),
        (b'{"images": []}', 400, "Send JSON"),
        (as_json([]), 400, "at least one"),
        (as_json({"0": 1}), 400, "must be a list"),
        (as_json(["a cat"]), 400, "Instance 0 must be"),
        (as_json([None]), 400, "Instance 0 must be"),
        (as_json([PIXELS[0], [[[1, 2, 3]]]]), 400, "Instance 1 must be"),
        (as_json([[[[0.5] * 3] * SIZE] * SIZE]), 400, "0 to 255"),
        (as_json([[[[256] * 3] * SIZE] * SIZE]), 400, "0 to 255"),
        (as_json([[[[10**400] * 3] * SIZE] * SIZE]), 400, "0 to 255"),
        (as_json([[[[float("nan")] * 3] * SIZE] * SIZE]), 400, "0 to 255"),
        (as_json([[[[1, 2, 3]] * SIZE, [1]]]), 400, "Instance 0 must be"),
        (as_json([{"b64": "no base 64!"}]), 400, "Instance 0 must be"),
        (as_json([{"b64": "aGVsbG8="}]), 400, "image file"),
        (as_json([{"b64": 3}]), 400, "image file"),
        (as_json([{"bytes": ""}]), 400, "image file"),
        (as_json([{"b64": in_base64(Image.effect_noise((40, 40), 90))["b64"][:400]}]), 400, "file"),
        (b" " * (ship.LARGEST + 1), 413, "fewer images"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(server, body, status, words):
    given, reply = ask(server, body)
    assert given == status and words in reply["error"], reply
    assert ask(server, as_json(PIXELS))[0] == 200  # and the next client is served


def test_a_model_that_fails_is_an_answer_too(server):
    server.predict = lambda x: np.zeros(3) @ x.reshape(len(x), -1)
    status, reply = ask(server, as_json(PIXELS))
    assert status == 500 and "gives no answer (matmul" in reply["error"]
    server.predict = totals
    assert ask(server, as_json(PIXELS))[0] == 200


def test_an_image_that_unfolds_is_not_decoded(server, monkeypatch):
    monkeypatch.setattr(ship, "PIXELS", 1000)
    status, reply = ask(server, as_json([in_base64(Image.new("RGB", (100, 100)))]))
    assert status == 400 and "million pixels" in reply["error"]


def test_places_and_lengths(server):
    assert ask(server, as_json(PIXELS), "/v1/models/cars:predict")[0] == 404
    start = b"POST /v1/models/pets:predict HTTP/1.1\r\n"
    for length in (
        b"",
        b"Content-Length: -5\r\n",
        b"Content-Length: ten\r\n",
        b"Content-Length: \xb2\r\n",
    ):
        assert raw(server, start + length + b"\r\n").split()[1] == b"411"
    for length in (b"9" * 12, b"9" * 5000):  # said, and never sent
        assert raw(server, start + b"Content-Length: " + length + b"\r\n\r\n").split()[1] == b"413"
    assert ask(server, as_json(PIXELS))[0] == 200


def test_slow_clients_are_sent_away_and_keep_nobody_waiting(server):
    head = b"POST /v1/models/pets:predict HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf"
    replies = []
    slow = [threading.Thread(target=lambda: replies.append(raw(server, head))) for _ in range(5)]
    for each in slow:
        each.start()
    assert ask(server, as_json(PIXELS))[0] == 200
    assert replies == []  # it was answered while the others waited
    for each in slow:
        each.join(10)
    assert [reply.split()[1] for reply in replies] == [b"408"] * 5


def test_who_says_nothing_is_let_go(server):
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        assert connection.recv(1) == b""  # closed by the server, not by our timeout


def test_half_a_request_is_half_a_request(server):
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        connection.sendall(b"POST /v1/models/pets:predict HTTP/1.1\r\nContent-Length: 99\r\n\r\n{")
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as reply:
            assert reply.read().split()[1] == b"400"


def test_many_clients_at_once_get_their_own_answers(server):
    wrong = []

    def client(number):
        body = as_json(np.full((1, SIZE, SIZE, 3), number).tolist())
        for _ in range(10):
            if ask(server, body) != (200, {"predictions": [[number, 1]]}):
                wrong.append(number)

    clients = [threading.Thread(target=client, args=[number]) for number in range(30)]
    for each in clients:
        each.start()
    for each in clients:
        each.join(60)
    assert wrong == []


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A small model in each of the five files, images, and Keras' answers."""
    pytest.importorskip("tf2onnx")
    from helpers.ready import keras, standard_error, tf

    folder = tmp_path_factory.mktemp("files")
    keras.utils.set_random_seed(0)
    pixels = keras.Input((SIZE, SIZE, 3), dtype="uint8", name="image")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(pixels))
    model = keras.Model(pixels, keras.layers.Dense(2, activation="softmax")(x))
    small = {"optimizations": [tf.lite.Optimize.DEFAULT]}
    with standard_error():
        model.save(folder / "m.keras")
        model.export(folder / "saved", verbose=False)
        model.export(folder / "m.tflite", format="litert", verbose=False)
        model.export(folder / "int8.tflite", format="litert", verbose=False, **small)
        model.export(folder / "m.onnx", format="onnx", verbose=False)
    images = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3)).astype("uint8")
    return folder, images, model(images).numpy()


@pytest.mark.parametrize("name", ["m.keras", "saved", "m.tflite", "int8.tflite", "m.onnx"])
def test_five_files_give_one_answer(files, name):
    pytest.importorskip("ai_edge_litert")
    folder, images, right = files
    given = ship.open_model(folder / name)(images)
    assert np.abs(given - right).max() < (0.05 if name.startswith("int8") else 1e-5)


def test_other_endings_are_named(tmp_path):
    with pytest.raises(ValueError, match="m.pt is no .tflite"):
        ship.open_model(tmp_path / "m.pt")


def test_a_process_serves_without_tensorflow_and_ends_with_its_parent(files):
    psutil = pytest.importorskip("psutil")
    pytest.importorskip("ai_edge_litert")
    folder, images, right = files
    child, address = ship.start(folder / "m.tflite", "pets", SIZE)
    try:
        host, _, path = address.removeprefix("http://").partition("/")
        connection = http.client.HTTPConnection(host, timeout=10)
        connection.request("POST", f"/{path}", as_json(images.tolist()))
        reply = json.loads(connection.getresponse().read())
        connection.close()
        assert np.abs(np.array(reply["predictions"]) - right).max() < 1e-5
        maps = {file.path for file in psutil.Process(child.pid).memory_maps()}
        assert not [path for path in maps if "/tensorflow/" in path]
    finally:
        child.stdin.close()
        assert child.wait(10) == 0
        child.stdout.close()


def test_a_server_that_cannot_start_says_so_and_leaves_nothing(tmp_path, monkeypatch):
    made, popen = [], subprocess.Popen
    noting = lambda *a, **k: made.append(popen(*a, **k)) or made[0]  # noqa: E731
    monkeypatch.setattr(ship.subprocess, "Popen", noting)
    with pytest.raises(RuntimeError, match="m.tflite"):
        ship.start(tmp_path / "m.tflite", "pets", SIZE)
    assert made[0].returncode and made[0].stdin.closed and made[0].stdout.closed


def test_what_is_absent_is_named(monkeypatch, capsys):
    assert ship.has("json", "numpy") and capsys.readouterr().out == ""
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert not ship.has("json", "distributed", "onnx")
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2 and "distributed is absent" in said[0] and ".[scale]" in said[0]
    assert ".[ship]" in said[1]


def test_it_needs_no_tensorflow_itself():
    ask = "import sys, helpers.ship\nprint('tensorflow' in sys.modules, 'keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.skipif(bool(shutil.which("chromedriver")), reason="test_browser.py shows it as well")
def test_without_the_extras_the_chapter_says_what_is_absent_and_goes_on(tmp_path):
    notebook = run.execute(
        paths.NOTEBOOKS / "07_ship_it.ipynb",
        PYTHONPATH=os.pathsep.join([hidden_extras(tmp_path), str(paths.ROOT)]),
        COURSE_DIALS=str(paths.ROOT / "tests" / "dials"),
        COURSE_PROFILE="sample",
    )  # a cell that fails would raise
    says_what_is_absent(notebook)
