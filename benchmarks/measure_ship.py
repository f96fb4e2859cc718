"""What chapter 07 says about load and memory, measured for longer than a page can.

    python benchmarks/measure_ship.py serve       30 clients for 20 s, and three that misbehave
    python benchmarks/measure_ship.py features    features of 100,000 images, shard by shard

Both print a table; the second runs in a process of its own, whose peak memory is the figure.
"""

import argparse
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

SIZE, SMALL = 64, 32  # of the images for the server, and of the hundred thousand


def write_model(folder: Path, size: int, features: bool) -> Path:
    """The model of the chapter, or its backbone, in LiteRT."""
    from helpers import images
    from helpers.ready import keras, standard_error

    pixels = keras.Input((size, size, 3), dtype="uint8", name="image")
    x = keras.ops.flip(keras.ops.cast(pixels, "float32"), axis=-1)
    x = keras.layers.Rescaling(1.0, offset=[-103.939, -116.779, -123.68])(x)
    x = keras.layers.GlobalAveragePooling2D()(images.vgg16(size=size)(x, training=False))
    if not features:
        x = keras.layers.Dense(2, activation="softmax")(x)
    file = folder / "model.tflite"
    with standard_error():
        keras.Model(pixels, x).export(file, format="litert", verbose=False)
    return file


def honest(host, path, body, until, notes):
    """Ask until a moment; seconds of each answer, and failures."""
    connection = http.client.HTTPConnection(host, timeout=60)
    while time.perf_counter() < until:
        start = time.perf_counter()
        try:
            connection.request("POST", path, body)
            reply = connection.getresponse()
            good = b"predictions" in reply.read() and reply.status == 200
        except OSError:
            good = False
        notes.append((time.perf_counter() - start, good))


def troublesome(host, path, until, notes):
    """Send what nobody should, again and again: broken, oversized, empty, slow requests."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: "
    kinds = {
        "broken": (f"{head}5\r\n\r\nhello", 400),
        "empty": (f"{head}0\r\n\r\n", 400),
        "oversized": (f"{head}9999999999\r\n\r\n", 413),
        "slow": (f"{head}100\r\n\r\nhalf", 408),
        "no length": (f"POST {path} HTTP/1.1\r\n\r\n", 411),
    }
    while time.perf_counter() < until:
        for kind, (text, right) in kinds.items():
            name, _, port = host.partition(":")
            with socket.create_connection((name, int(port)), timeout=30) as connection:
                connection.sendall(text.encode())
                said = connection.makefile("rb").read().split()
            notes.append((kind, bool(said) and int(said[1]) == right))


def serve(clients: int, seconds: float) -> None:
    """Measure the server under load."""
    from helpers import ship

    with tempfile.TemporaryDirectory() as folder:
        child, address = ship.start(write_model(Path(folder), SIZE, False), "pets", SIZE)
        host, _, path = address.removeprefix("http://").partition("/")
        image = np.random.default_rng(0).integers(0, 256, (1, SIZE, SIZE, 3)).tolist()
        body = json.dumps({"instances": image}).encode()
        until, good, bad = time.perf_counter() + seconds, [], []
        jobs = [(honest, (host, f"/{path}", body, until, good))] * clients
        jobs += [(troublesome, (host, f"/{path}", until, bad))] * 3
        threads = [threading.Thread(target=job, args=arguments) for job, arguments in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        child.stdin.close()
        ended = child.wait(10)
    took = np.array([each for each, _ in good])
    print(f"{clients} clients for {seconds} s: {len(took) / seconds:.0f} requests a second")
    print(f"median {1000 * np.median(took):.0f} ms, 99 % {1000 * np.quantile(took, 0.99):.0f} ms")
    print(f"errors: {sum(not fine for _, fine in good)} of {len(good)}")
    for kind in dict.fromkeys(kind for kind, _ in bad):
        answers = [fine for each, fine in bad if each == kind]
        print(f"{kind:<10}{sum(answers)} of {len(answers)} answered as they should be")
    print(f"the server ended with {ended}")


WORKER = """
import re, sys, time
from pathlib import Path
import numpy as np
from ai_edge_litert.interpreter import Interpreter

folder, count, shard = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
run = Interpreter(str(folder / "model.tflite"), num_threads=2).get_signature_runner()
few = np.load(folder / "few.npy")
start = time.perf_counter()
for first in range(0, count, shard):
    target = folder / f"{first:07d}.npy"
    if target.exists():
        continue
    rng = np.random.default_rng(first)
    x = few[rng.integers(0, len(few), min(shard, count - first))].astype("int16")
    x = (x + rng.integers(-20, 21, x.shape, dtype="int16")).clip(0, 255).astype("uint8")
    np.save(target, np.concatenate([run(image=each[None])["output_0"] for each in x]))
# Of this program alone: getrusage would count the one that started it as well.
peak = int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) / 1e6
made = sum(len(np.load(file, mmap_mode="r")) for file in folder.glob("0*.npy"))
seconds = time.perf_counter() - start
print(f"{made:,} images, {seconds:.0f} s, peak memory {peak:.2f} GB")
"""


def features(count: int, shard: int) -> None:
    """Features of many images, copies of the bundled ones with noise, in one process."""
    from helpers import images

    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder), SMALL, True)
        np.save(Path(folder, "few.npy"), images.load("cats-vs-dogs", size=SMALL).train.x)
        command = [sys.executable, "-c", WORKER, folder, str(count), str(shard)]
        subprocess.run(command, check=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["serve", "features"])
    parser.add_argument("--clients", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--shard", type=int, default=1000)
    given = parser.parse_args()
    if given.what == "serve":
        serve(given.clients, given.seconds)
    else:
        features(given.count, given.shard)


if __name__ == "__main__":
    main()
