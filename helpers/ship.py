"""Shipped models: open any of five files, and answer requests in a process of its own.

`python -m helpers.ship model.tflite pets 64` serves a file by the REST of TensorFlow Serving, on
this machine only. It is there to learn with: it checks what comes in, and neither encrypts, nor
knows accounts, nor puts requests together into batches.
"""

import base64
import importlib.util
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

LARGEST, PIXELS, PATIENCE = 4_000_000, 20_000_000, 5  # bytes, of one image, seconds


def has(*packages: str) -> bool:
    """Whether packages of the extras are here; a printed line names each that is absent."""
    for each in (absent := [each for each in packages if not _found(each)]):
        extra = "scale" if each in ("dask", "distributed") else "ship"
        print(f"{each} is absent, so this is left out: pip install '.[{extra}]' brings it.")
    return not absent


def _found(package):
    with suppress(ImportError, ValueError):  # hidden by somebody
        return importlib.util.find_spec(package) is not None
    return False


def open_model(path: str | Path) -> Callable[[np.ndarray], np.ndarray]:
    """A function from inputs (n, ...) to outputs, from .tflite, .onnx, .keras or a SavedModel.

    LiteRT and ONNX run without TensorFlow. LiteRT takes one example after the other.

    Raises:
        ValueError: another ending.
        ModuleNotFoundError: the engine is not installed.
    """
    path = Path(path)
    if path.suffix == ".tflite":
        from ai_edge_litert.interpreter import Interpreter

        run = Interpreter(str(path), num_threads=os.cpu_count()).get_signature_runner()
        (given,), (made,) = run.get_input_details(), run.get_output_details()
        return lambda x: np.concatenate([run(**{given: each[None]})[made] for each in x])
    if path.suffix == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path))
        return lambda x: session.run(None, {session.get_inputs()[0].name: x})[0]
    if path.suffix != ".keras" and not path.is_dir():
        raise ValueError(f"{path.name} is no .tflite, .onnx, .keras and no folder: which engine?")
    from helpers.ready import keras, tf

    if path.suffix == ".keras":
        model = keras.models.load_model(path, compile=False)
        return lambda x: np.asarray(model(x, training=False))
    loaded = tf.saved_model.load(str(path))  # the lambda keeps it, so its variables live
    return lambda x: loaded.serve(x).numpy()


class RequestError(ValueError):
    """A request that cannot be answered: an HTTP status, and one sentence for the client."""


def read_instances(body: bytes, size: int) -> np.ndarray:
    """The images of a request as uint8 (n, size, size, 3).

    An instance is {"b64": "..."} with the bytes of an image file, or pixels as nested lists.

    Raises:
        RequestError: 400, and what is wrong.
    """
    try:
        instances = json.loads(body)["instances"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise RequestError(400, 'Send JSON of the form {"instances": [...]}.') from None
    if not isinstance(instances, list) or not instances:
        raise RequestError(400, "instances must be a list with at least one example in it.")
    return np.stack([_image(each, size, f"Instance {i}") for i, each in enumerate(instances)])


def _image(instance, size, name):
    from PIL import Image

    with suppress(Exception):  # Pillow raises errors of any kind on odd bytes, NumPy on odd lists
        if isinstance(instance, dict):
            content = base64.b64decode(instance["b64"], validate=True)
            with Image.open(io.BytesIO(content)) as image:
                if image.width * image.height <= PIXELS:
                    rgb = image.convert("RGB")
                    return np.asarray(rgb.resize((size, size), Image.Resampling.BICUBIC))
        pixels = np.array(instance, "float64")
        if pixels.shape == (size, size, 3) and (pixels == pixels.clip(0, 255).round()).all():
            return pixels.astype("uint8")
    wanted = f'{{"b64": "..."}} with an image file of at most {PIXELS // 10**6} million pixels'
    raise RequestError(400, f"{name} must be {wanted}, or {size} x {size} x 3 numbers, 0 to 255.")


class _Handler(BaseHTTPRequestHandler):
    protocol_version, timeout = "HTTP/1.1", PATIENCE  # a connection serves many requests

    def do_POST(self):
        try:
            if self.path != f"/v1/models/{self.server.name}:predict":
                raise RequestError(404, f"Ask at /v1/models/{self.server.name}:predict.")
            x = read_instances(self._body(), self.server.size)
            with self.server.lock:  # an interpreter answers one request after the other
                made = self.server.predict(x)
            self._reply(200, {"predictions": made.tolist()})
        except RequestError as error:
            self._reply(error.args[0], {"error": error.args[1]})
        except TimeoutError:
            self._reply(408, {"error": f"Nothing came for {PATIENCE} seconds: send all at once."})
        except Exception as error:  # what the model cannot take, and whatever else goes wrong
            self._reply(500, {"error": f"The model gives no answer ({error}): is the size right?"})

    def _body(self):
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise RequestError(411, "Say in Content-Length how many bytes the request has.")
        if len(length) > 15 or int(length) > LARGEST:
            with suppress(TimeoutError):  # who still sends hears nothing: take some of it
                self.rfile.read(min(int(length[:15]), 4 * LARGEST))
            raise RequestError(413, f"Over {LARGEST:,} bytes are not read: send fewer images.")
        return self.rfile.read(int(length))

    def _reply(self, status, content):
        body = json.dumps(content).encode()
        self.close_connection |= status != 200  # what is unread would look like a new request
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Answers POST /v1/models/NAME:predict from images to predictions, at a free port."""

    request_queue_size, daemon_threads = 128, True  # so many clients may come at once

    def __init__(self, predict, name, size):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.predict, self.name, self.size, self.lock = predict, name, size, threading.Lock()


def start(file: str | Path, name: str, size: int) -> tuple[subprocess.Popen, str]:
    """Serve a file in a process of its own, which ends when this one does; and its address.

    Raises:
        RuntimeError: it did not start.
    """
    program = [sys.executable, "-m", "helpers.ship", str(Path(file).resolve()), name, str(size)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    child = subprocess.Popen(program, cwd=Path(__file__).parents[1], encoding="utf8", **pipes)
    if not (address := child.stdout.readline().strip()):
        child.communicate()  # it has ended: close its pipes
        raise RuntimeError(f"{Path(file).name} is not served: does ship.open_model open it?")
    return child, address


def main() -> None:
    """Serve until standard input ends: whoever started this has ended, or wants it to end."""
    file, name, size = sys.argv[1:]
    server = Server(open_model(file), name, int(size))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}/v1/models/{name}:predict", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
