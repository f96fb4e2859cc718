"""Is this computer ready for the course, and if not, what helps: a list of checks.

Each check returns lines of (verdict, what was found, what helps).
"""

import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile

from packaging.requirements import Requirement

from course.fetch.store import Store
from helpers import assets
from helpers.disk import cache_folder

GOOD, HINT, BAD = "ok", "note", "FAULT"
SETTINGS = {"PROFILE", "MIRROR", "CACHE", "OFFLINE", "PROGRESS", "DIALS", "HOME"}
INTERNAL = {"RESULTS", "CLAIMS"}  # set by the course's own commands
Lines = list[tuple[str, str, str]]


def report() -> int:
    """Print the lines of all checks; 1 if one of them is a fault."""
    worst = set()
    for check in CHECKS:
        for verdict, what, fix in check():
            print(f"{verdict:<6} {what}" + (f"\n{'':7}-> {fix}" if fix else ""), flush=True)
            worst.add(verdict)
    ready = BAD not in worst
    print("\nThis computer is ready." if ready else "\nMend what is marked FAULT, then try again.")
    return int(not ready)


def python() -> Lines:
    """TensorFlow has wheels for a few versions of 64-bit Python only."""
    bits = 64 if sys.maxsize > 2**32 else 32
    text = f"Python {platform.python_version()}, {bits} bits, {sys.executable}"
    if not (3, 11) <= sys.version_info[:2] <= (3, 13) or bits == 32:
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
        found, bare = _version(need.name), f"{need.name}{need.specifier}"
        if found is None or not need.specifier.contains(found, prereleases=True):
            what = f"{bare} is asked for, {f'{found} found' if found else 'missing'}"
            wrong.append((BAD, what, f"run: {sys.executable} -m pip install '{bare}'"))
    return wrong or [(GOOD, f"{len(needs)} packages as pyproject.toml asks for them", "")]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def hub() -> Lines:
    """The package tensorflow-hub, where it is installed, needs an old setuptools."""
    if not _version("tensorflow-hub") or importlib.util.find_spec("pkg_resources"):
        return []
    fix = f"run: {sys.executable} -m pip install 'setuptools<82'"
    return [(BAD, "setuptools without pkg_resources, which tensorflow-hub imports", fix)]


def widgets() -> Lines:
    """Progress bars and interactive figures need a part in Python and one in JupyterLab."""
    found, front = _version("ipywidgets"), _version("jupyterlab_widgets")
    pip = f"run: {sys.executable} -m pip install"
    if found is None:
        what = "ipywidgets is missing: no progress bars, no interactive figures"
        return [(BAD, what, f"{pip} ipywidgets")]
    if front is None:
        fix = f"{pip} jupyterlab_widgets, then reload the page"
        return [(HINT, f"ipywidgets {found} without its part in JupyterLab", fix)]
    return [(GOOD, f"ipywidgets {found}, jupyterlab_widgets {front}", "")]


def settings() -> Lines:
    """The variables of the environment that the course reads."""
    given = {name.removeprefix("COURSE_") for name in os.environ if name.startswith("COURSE_")}
    named = ", ".join(f"COURSE_{n}={os.environ[f'COURSE_{n}']}" for n in sorted(given & SETTINGS))
    text, strange = f"settings: {named or 'none, so the sample profile'}", given - SETTINGS
    try:
        assets.profile()
    except assets.AssetError as error:
        return [(BAD, text, str(error))]
    if strange := sorted(f"COURSE_{name}" for name in strange - INTERNAL):
        fix = f"the course knows no {', '.join(strange)}: see README.md for the names"
        return [(HINT, text, fix)]
    return [(GOOD, text, "")]


def cache() -> Lines:
    """A folder for downloads; one that may only be read will do once everything is in it."""
    folder, missing = cache_folder(), []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return [(GOOD, f"cache {folder}", "")]
    except OSError as error:
        missing = [n for n in Store("").expand(["all"]) if not assets.is_here(n, "full")]
        if not missing:
            return [(GOOD, f"cache {folder}, which holds everything and may only be read", "")]
        what = f"the cache {folder} cannot be written ({error.strerror})"
        return [(BAD, what, "set COURSE_CACHE to a folder that you may write in")]


def disk() -> Lines:
    """Room for what is missing of the full profile."""
    store, place = Store(), cache_folder()
    while not place.exists():
        place = place.parent
    try:
        needed = store.room_for(store.missing("all"))
    except assets.AssetError:
        needed = 0.0
    free = shutil.disk_usage(place).free
    text = f"{free / 1e6:,.1f} MB free; the rest of the full profile needs {needed / 1e6:,.1f} MB"
    fix = "sample needs nothing; for full, set COURSE_CACHE to a larger disk"
    return [(HINT, text, fix) if free < needed else (GOOD, text, "")]


def mirror() -> Lines:
    """The mirror that COURSE_MIRROR names."""
    store = Store()
    try:
        found = store.mirror()
    except assets.AssetError as error:
        return [(BAD, f"mirror {store.place}", str(error))]
    if not found:
        return [(GOOD, "no mirror is set, public addresses are asked", "")]
    return [(GOOD, f"mirror {store.place} with {len(found.entries)} assets", "")]


def colab() -> Lines:
    """On Colab the cache goes with the session."""
    if release := os.environ.get("COLAB_RELEASE_TAG"):
        fix = "its files go when the session ends: fetch 'full' again, or set COURSE_CACHE to Drive"
        return [(HINT, f"Colab, {release}", fix)]
    return [(GOOD, "not on Colab", "")]


PROBE = """
import json
import tensorflow, keras
gpus = tensorflow.config.list_physical_devices("GPU")
print("PROBE" + json.dumps([tensorflow.__version__, keras.__version__, keras.backend.backend(),
                            keras.config.floatx(), keras.config.image_data_format(), len(gpus)]))
"""


def tensorflow() -> Lines:
    """TensorFlow, Keras and the GPU, tried in a process of its own, as it may crash."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROBE],
            capture_output=True,
            env=environment,
            encoding="utf-8",
            errors="replace",
            timeout=300,
        )
    except subprocess.TimeoutExpired:
        fix = "restart the computer, then try again"
        return [(BAD, "TensorFlow did not start within 300 s", fix)]
    found = [line for line in done.stdout.splitlines() if line.startswith("PROBE")]
    if done.returncode or not found:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        fix = f"run: {sys.executable} -m pip install --force-reinstall tensorflow keras"
        if backend != "tensorflow":
            fix = f"KERAS_BACKEND is {backend}: unset KERAS_BACKEND, or set it to tensorflow"
        if done.returncode == -4:  # SIGILL
            fix = "this processor lacks instructions that TensorFlow needs (AVX): use Colab"
        return [(BAD, f"TensorFlow or Keras does not start: {last}", fix)]
    version, keras, backend, floats, channels, gpus = json.loads(found[0].removeprefix("PROBE"))
    lines = [(GOOD, f"TensorFlow {version}, Keras {keras}", "")]
    if backend != "tensorflow":
        fix = "unset KERAS_BACKEND, or set it to tensorflow"
        lines = [(BAD, f"Keras {keras} runs on {backend}", f"{fix}; see also ~/.keras/keras.json")]
    elif (floats, channels) != ("float32", "channels_last"):
        fix = 'set "floatx": "float32" and "image_data_format": "channels_last" in '
        fix += "~/.keras/keras.json"
        lines = [(BAD, f"Keras {keras} computes in {floats}, {channels}", fix)]
    return [*lines, _gpu(gpus)]


def _gpu(count: int) -> tuple[str, str, str]:
    if count:
        return GOOD, f"GPU: {count} that TensorFlow uses", ""
    if shutil.which("nvidia-smi"):
        fix = f"run: {sys.executable} -m pip install 'tensorflow[and-cuda]' (Linux or WSL 2)"
        return HINT, "an NVIDIA GPU that TensorFlow does not use", fix
    if os.environ.get("COLAB_RELEASE_TAG"):
        return HINT, "no GPU", "Runtime > Change runtime type > T4 GPU"
    return GOOD, "no GPU; sample runs in minutes without", ""


# What takes longest comes last.
CHECKS = (python, packages, hub, widgets, settings, cache, disk, mirror, colab, tensorflow)
