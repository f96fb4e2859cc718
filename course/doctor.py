"""Is this computer ready for the course, and if not, what helps: a list of checks.

Each check returns lines of (verdict, what was found, what helps).
"""

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from packaging.requirements import Requirement

from course.fetch.store import Store
from helpers import assets
from helpers.disk import cache_folder

GOOD, HINT, BAD = "ok", "note", "FAULT"
SETTINGS = {"PROFILE", "MIRROR", "CACHE", "OFFLINE", "PROGRESS", "DIALS", "HOME"}
INTERNAL = {"RESULTS", "CLAIMS"}  # set by the course's own commands
KERAS = {"backend": "tensorflow", "floatx": "float32", "image_data_format": "channels_last"}
Lines = list[tuple[str, str, str]]


def report(*, as_json: bool = False) -> int:
    """Print the lines of all checks, or one JSON object; 1 if one of them is a fault."""
    found = []
    for verdict, what, fix in (line for check in CHECKS for line in check()):
        found.append({"verdict": verdict, "what": what, "fix": fix})
        if not as_json:
            print(f"{verdict:<6} {what}" + (f"\n{'':7}-> {fix}" if fix else ""), flush=True)
    ready = BAD not in [each["verdict"] for each in found]
    text = "This computer is ready." if ready else "Mend what is marked FAULT, then try again."
    if as_json:  # for a report that others read, so without the name of a person's folder
        whole = {"ready": ready, "system": platform.platform(), "checks": found}
        home = os.path.expanduser("~").rstrip("/") or "~"  # an account may have none, or the root
        text = json.dumps(whole, indent=1).replace(json.dumps(home)[1:-1], "~")
    print(text if as_json else "\n" + text)
    return int(not ready)


def python() -> Lines:
    """TensorFlow has wheels for a few versions of 64-bit Python only."""
    text = f"Python {platform.python_version()}, {sys.executable}"
    if not (3, 11) <= sys.version_info[:2] <= (3, 13) or sys.maxsize < 2**32:
        return [(BAD, text, "install a 64-bit Python 3.11, 3.12 or 3.13; TensorFlow has no other")]
    return [(GOOD, text, "")]


def packages() -> Lines:
    """Everything that pyproject.toml asks for, against what is installed."""
    try:
        asked = importlib.metadata.requires("transfer-learning-course") or []
    except importlib.metadata.PackageNotFoundError:
        fix = "run 'pip install --editable .' in its folder"
        return [(BAD, "the course is not installed", fix)]
    needs = [Requirement(line) for line in asked]
    needs = [need for need in needs if not need.marker or need.marker.evaluate({"extra": ""})]
    wrong = []
    for need in needs:
        bare = f"{need.name}{need.specifier}"
        found = None
        with suppress(importlib.metadata.PackageNotFoundError):
            found = importlib.metadata.version(need.name)
        if found is None or not need.specifier.contains(found, prereleases=True):
            what = f"{bare} is asked for, {f'{found} found' if found else 'missing'}"
            wrong.append((BAD, what, f"run: {sys.executable} -m pip install '{bare}'"))
    return wrong or [(GOOD, f"{len(needs)} packages as pyproject.toml asks for them", "")]


def settings() -> Lines:
    """The variables of the environment that the course reads."""
    given = {name.removeprefix("COURSE_") for name in os.environ if name.startswith("COURSE_")}
    named = ", ".join(f"COURSE_{n}={os.environ[f'COURSE_{n}']}" for n in sorted(given & SETTINGS))
    text = f"settings: {named or 'none, so the sample profile'}"
    try:
        assets.profile()
    except assets.AssetError as error:
        return [(BAD, text, str(error))]
    if strange := sorted(f"COURSE_{name}" for name in given - SETTINGS - INTERNAL):
        fix = f"the course knows no {', '.join(strange)}: see README.md for the names"
        return [(HINT, text, fix)]
    return [(GOOD, text, "")]


def cache() -> Lines:
    """A folder for downloads with room; one that may only be read will do once it is full."""
    folder, store = cache_folder(), Store("")
    missing = store.missing("all")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        if not missing:
            return [(GOOD, f"cache {folder}, which holds everything and may only be read", "")]
        fix = "set COURSE_CACHE to a folder that you may write in"
        if not folder.is_dir():
            return [(BAD, f"the cache {folder} cannot be made ({error.strerror})", fix)]
        lacking = ", ".join(asset.name for asset in missing)  # a class may share the folder
        return [(HINT, f"cache {folder} may only be read and for full lacks {lacking}", fix)]
    needed, free = store.room(missing)
    text = f"cache {folder} with {free / 1e6:,.1f} MB free; what is missing of the full profile "
    text += f"needs {needed / 1e6:,.1f} MB"
    fix = "sample needs nothing; for full, set COURSE_CACHE to a larger disk"
    return [(HINT, text, fix) if needed > free else (GOOD, text, "")]


def mirror() -> Lines:
    """The mirror that COURSE_MIRROR names."""
    store = Store()
    if store.trouble:
        return [(BAD, f"mirror {store.place}", store.trouble)]
    if not store.mirror:
        return [(GOOD, "no mirror is set, public addresses are asked", "")]
    return [(GOOD, f"mirror {store.place} with {len(store.mirror.entries)} assets", "")]


def keras() -> Lines:
    """What KERAS_BACKEND and keras.json ask of Keras, and then whether TensorFlow starts."""
    folder = os.environ.get("KERAS_HOME") or "~/.keras"
    file, asked = Path(os.path.expanduser(folder), "keras.json"), {}
    with suppress(OSError, ValueError):  # so does Keras
        asked = dict(json.loads(file.read_text(encoding="utf-8")))
    fixes = dict.fromkeys(KERAS, f"delete {file}, Keras then writes a good one")
    if backend := os.environ.get("KERAS_BACKEND"):
        asked["backend"], fixes["backend"] = backend, "unset KERAS_BACKEND"
    wrong = [key for key, good in KERAS.items() if asked.get(key, good) != good]
    if wrong:
        return [(BAD, f"Keras is set to {key} {asked[key]}", fixes[key]) for key in wrong]
    return _started()


PROBE = """
import json
import tensorflow, keras
print("PROBE" + json.dumps([tensorflow.__version__, keras.__version__,
    keras.config.dtype_policy().name, len(tensorflow.config.list_physical_devices("GPU"))]))
"""


def _started() -> Lines:
    """TensorFlow, Keras and the GPU, tried in a process of its own, as it may crash."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    output = {"capture_output": True, "encoding": "utf-8", "errors": "replace"}
    done = subprocess.run([sys.executable, "-c", PROBE], env=environment, **output)
    found = [line for line in done.stdout.splitlines() if line.startswith("PROBE")]
    if done.returncode or not found:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        fix = f"run: {sys.executable} -m pip install --force-reinstall tensorflow keras"
        if done.returncode == -4:  # SIGILL
            fix = "this processor lacks instructions that TensorFlow needs (AVX): use Colab"
        return [(BAD, f"TensorFlow or Keras does not start: {last}", fix)]
    version, keras, policy, gpus = json.loads(found[0].removeprefix("PROBE"))
    if policy != "float32":
        fix = "remove keras.mixed_precision from the files that Python runs when it starts"
        return [(BAD, f"Keras {keras} computes in {policy}", fix)]
    device = f"{gpus} GPU" if gpus else "no GPU; sample runs in minutes without"
    lines = [(GOOD, f"TensorFlow {version}, Keras {keras}, {device}", "")]
    if not gpus and shutil.which("nvidia-smi"):
        fix = f"run: {sys.executable} -m pip install 'tensorflow[and-cuda]' (Linux or WSL 2)"
        lines.append((HINT, "an NVIDIA GPU that TensorFlow does not use", fix))
    return lines


# What takes longest comes last.
CHECKS = (python, packages, settings, cache, mirror, keras)
