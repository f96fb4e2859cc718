"""The `course` command, also `python -m helpers`: what is here, fetch it, check it, serve it.

course status                       what is here, what is missing, how large, whose, where
course download images|text|audio|all|NAME...
course verify [NAME...]             read every byte again
course mirror DIR [NAME...]         a folder that a classroom can serve
course doctor                       is this computer ready, and if not, what helps
course progress [--forget]           which exercises you have solved
course edition student|solved|slides --out DIR [--dials DIR]
course stamp                        the repository's address, into badges and set-up cells
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    from course import progress
    from course.fetch import archives, cache, downloads
    from helpers import assets
except ModuleNotFoundError as missing:
    sys.exit(
        f"The course lacks the package {missing.name}: run '{sys.executable} -m pip install "
        "--editable .' in its folder."
    )

GOOD, HINT, BAD = "ok", "note", "FAULT"
PACKAGE = "transfer-learning-course"
SETTINGS = (
    "COURSE_PROFILE COURSE_MIRROR COURSE_CACHE COURSE_OFFLINE COURSE_PROGRESS COURSE_DIALS".split()
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status, 1 if something is wrong with the assets."""
    parser = argparse.ArgumentParser(prog="course", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add = commands.add_parser
    add("status", help="what is here and what is missing").set_defaults(run=status)
    one = add("download", help="fetch what is missing of the full profile")
    one.add_argument("names", nargs="+", metavar="images|text|audio|all|NAME")
    one.set_defaults(run=download)
    one = add("verify", help="read every byte again")
    one.add_argument("names", nargs="*", metavar="NAME", help="all that is here if none is given")
    one.set_defaults(run=verify)
    one = add("mirror", help="write a folder that a classroom can serve")
    one.add_argument("folder", type=Path, metavar="DIR")
    one.add_argument("names", nargs="*", metavar="NAME", help="all that is here if none is given")
    one.set_defaults(run=mirror)
    add("doctor", help="is this computer ready, and if not, what helps").set_defaults(run=doctor)
    one = add("progress", help="which exercises you have solved")
    one.add_argument("--forget", action="store_true", help="begin anew")
    one.set_defaults(run=solved)
    one = add("edition", help="make an edition for students, a solved one, or slides")
    one.add_argument("kind", metavar="student|solved|slides")
    one.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    one.add_argument("--dials", type=Path, metavar="DIR", help="dials that go before the course's")
    one.add_argument("--force", action="store_true", help="write over what is in DIR")
    one.add_argument("--check", action="store_true", help="solved: run it, name what is not right")
    one.add_argument("--reveal", metavar="DIR|URL", help="slides: where reveal.js is")
    one.set_defaults(run=edition)
    add("stamp", help="carry the repository's address to all places").set_defaults(run=stamp)
    given = parser.parse_args(arguments)
    try:
        return given.run(given)
    except assets.AssetError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; the same command goes on from here.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `course status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


# ---------------------------------------------------------------- what is solved


def solved(given) -> int:
    """Print, chapter by chapter, what was solved; nothing of it leaves this computer."""
    if given.forget:
        progress.forget()
        print(f"Forgotten: {progress.file()} is gone.")
    known = progress.solved()
    for chapter, names in progress.asked().items():
        left = [name.partition(".")[2] for name in names if name not in known]
        line = f"{chapter:<16}{progress.bar(len(names) - len(left), len(names))}"
        print(line + (f"; open: {', '.join(left)}" if left and len(left) < len(names) else ""))
    if not given.forget:
        print(f"Kept in {progress.file()}, and nowhere else.")
    return 0


# ---------------------------------------------------------------- what is here


def status(_) -> int:
    """Print the choices in force and, of each asset, whether it is here, how large, whose."""
    print(f"Profile  {assets.profile()}")
    print(f"Cache    {cache.cache_folder()} ({cache.megabytes(_size(cache.cache_folder()))})")
    print(f"Mirror   {os.environ.get('COURSE_MIRROR') or 'none'}")
    if cache.offline():
        print("Offline  the network is not asked, as COURSE_OFFLINE is set")
    lacking = []
    with _hurry(), assets.one_look(), warnings.catch_warnings(action="ignore"):
        try:
            assets.mirror_names()
        except assets.AssetError as error:
            print(f"         {error}")
        for profile in assets.PROFILES:
            found = [_found(name, profile) for name in assets.names(profile)]
            print(f"\n{profile}: {sum(here for _, here in found)} of {len(found)} are here")
            for asset, here in found:
                print(_line(asset, here))
                if asset.chapter and asset.chapter not in lacking and not here:
                    lacking.append(asset.chapter)
    if lacking:
        print(f"\nFetch what the chapters need of 'full': course download {' '.join(lacking)}")
    return 0


@contextmanager
def _hurry() -> Iterator[None]:
    """A mirror that does not answer at once is told, not waited for."""
    patience = downloads.PATIENCE
    downloads.PATIENCE = downloads.Patience(connect=0.3, stall=0.3, tries=1, pause=0)
    try:
        yield
    finally:
        downloads.PATIENCE = patience


def _found(name: str, profile: str) -> tuple[assets.Asset, bool]:
    try:
        asset = assets.about(name, profile=profile)
        return asset, assets.is_here(name, profile=profile)
    except assets.AssetError:  # the mirror's, which is told above
        return assets.listed(name, profile=profile), False


def _line(asset: assets.Asset, here: bool) -> str:
    size, where = asset.size, asset.where
    part = cache.part_of(asset.name)
    if asset.profile == "full" and not here and part.exists():
        size += f", {cache.megabytes(part.stat().st_size)} of it here"
    if asset.profile == "full" and here and asset.served != "folder":
        file = cache.file_of(asset)
        where = f"{file if file.exists() else cache.store(asset)} from {where}"
    state = "here" if here else "missing"
    return f"  {state:<8} {asset.name:<29}{size:<22}{asset.licence}\n{'':11}{where}"


def _size(folder: Path) -> int:
    sizes = 0
    for parent, _, files in os.walk(folder):
        for file in files:
            path = os.path.join(parent, file)
            sizes += os.path.getsize(path) if os.path.exists(path) else 0
    return sizes


# ---------------------------------------------------------------- fetch, check, serve


def download(given) -> int:
    """Say what is to come, then fetch it."""
    todo = assets.missing(*given.names)
    if not todo:
        print("Everything is here.")
        return 0
    for asset in todo:
        print(f"{asset.name:<29}{asset.size:<22}{asset.licence}\n{'':4}from {asset.where}")
    known = sum(asset.bytes or asset.roughly or 0 for asset in todo)
    unknown = sum(not (asset.bytes or asset.roughly) for asset in todo)
    more = f" and {unknown} whose size only the server knows" if unknown else ""
    served = all(asset.served for asset in todo) or None
    took = cache.duration(known, served and "address")
    print(f"In all {cache.megabytes(known)}{more}: {took}.", flush=True)
    assets.download(*given.names)
    print(f"Kept in {cache.home()}. Use it with COURSE_PROFILE=full or assets.use('full').")
    return 0


def verify(given) -> int:
    """Check assets of both profiles byte by byte; 1 if any is damaged."""
    faults, seen = 0, set()
    listed = {profile: assets.names(profile) for profile in assets.PROFILES}
    for profile, other in (("sample", "full"), ("full", "sample")):
        for name in given.names or listed[profile]:
            elsewhere = name not in listed[profile] and (
                profile == "sample" or name in listed[other]
            )
            if elsewhere or not assets.has_left(name, profile=profile):
                continue
            seen.add(name)
            try:
                assets.verify(name, profile=profile)
                print(f"{GOOD:<6} {name} ({profile})", flush=True)
            except assets.AssetError as error:
                faults += 1
                print(f"{BAD:<6} {error}", flush=True)
    for name in set(given.names) - seen:
        faults += 1
        print(f"{BAD:<6} Nothing of {name!r} is here: fetch it with 'course download {name}'.")
    return min(faults, 1)


def mirror(given) -> int:
    """Copy originals, as they were published, with an index.json that tells of them."""
    folder = given.folder.expanduser().absolute()
    names = given.names or [n for n in assets.names("full") if assets.is_here(n, profile="full")]
    if not names:
        raise assets.AssetError(
            "Nothing of the full profile is here to be served: fetch it first with "
            "'course download all'."
        )
    with cache.disk("index.json", folder):
        folder.mkdir(parents=True, exist_ok=True)
        entries = _served_already(folder)
        with archives.workshop(folder) as shop:
            for name in dict.fromkeys(names):
                try:
                    asset, file = assets.original(name)
                except assets.AssetError as error:
                    if given.names:
                        raise
                    print(f"left out: {error}")  # unpacked here, but its archive is gone
                    continue
                _copy(asset, file, folder, shop)
                told = ("bytes", "sha256", "kind", "what", "origin", "licence")
                entry = {key: getattr(asset, key) for key in told}
                entries[asset.mirror or name] = {"file": file.name, **entry}
                print(f"{name:<29}{asset.size:<12}{asset.licence}", flush=True)
            index = json.dumps({"assets": entries}, indent=1, ensure_ascii=False)
            (shop / "index.json").write_text(index + "\n", encoding="utf-8")
            os.replace(shop / "index.json", folder / "index.json")
    print(
        f"Serve it with: python -m http.server --directory '{folder}' 8000\n"
        "Learners set:  COURSE_MIRROR=http://<this computer>:8000\n"
        "Mind the licences above: not all of these may be passed on."
    )
    return 0


def _served_already(folder: Path) -> dict:
    """The entries of an earlier index whose files are still there."""
    index = cache.read_json(folder / "index.json")
    entries = index.get("assets") if isinstance(index, dict) else None
    kept = {}
    for name, entry in (entries or {}).items():
        file = folder / str(entry.get("file"))
        if file.is_file() and file.stat().st_size == entry.get("bytes"):
            kept[name] = entry
    return kept


def _copy(asset: assets.Asset, file: Path, folder: Path, shop: Path) -> None:
    """Copy a file into a mirror by way of a temporary folder, and read the copy again."""
    target = folder / file.name
    if target.exists() and target.samefile(file):
        raise assets.AssetError(
            f"The folder {folder} is the mirror that {asset.name!r} comes from: give another one."
        )
    shutil.copyfile(file, shop / file.name)
    if cache.sha256_of(shop / file.name) != asset.sha256:
        raise assets.AssetError(f"The copy of {asset.name!r} in {folder} differs: try again.")
    os.replace(shop / file.name, target)


# ---------------------------------------------------------------- for instructors


def edition(given) -> int:
    """Make an edition; 1 if it cannot be made, or if a check of the solved one does not pass."""
    from course import dials, editions
    from course.editions import slides  # takes time that other commands need not spend

    try:
        if given.check and given.kind != "solved":
            raise editions.EditionError("--check is for the solved edition: leave it out.")
        written = editions.build(
            given.kind,
            given.out,
            given=given.dials,
            force=given.force,
            reveal=given.reveal,
        )
    except (editions.EditionError, slides.SlidesError, dials.DialError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(written)} chapters are in {given.out}; README.md there says how to use them.")
    return _check(written) if given.check else 0


def _check(written: list[Path]) -> int:
    """Run solved notebooks and name each exercise whose check does not pass."""
    from course import editions

    faults = 0
    for path in written:
        wrong = editions.check(path)
        for name, said in wrong.items():
            print(f"{BAD:<6} {path.name}: {name} does not pass: {said}")
        if not wrong:
            print(f"{GOOD:<6} {path.name}: every check passes", flush=True)
        faults += len(wrong)
    return min(faults, 1)


def stamp(_) -> int:
    """Stamp the repository's address into badges and set-up cells; 1 if it cannot be."""
    from course import stamp

    try:
        public, changed = stamp.address(), stamp.stamp()
    except stamp.StampError as error:
        print(error, file=sys.stderr)
        return 1
    where = public or "no address is set, so no badges"
    print(f"{len(changed)} files changed ({where}).")
    return 0


# ---------------------------------------------------------------- is this computer ready?


def doctor(_) -> int:
    """Print a verdict on each thing the course needs, with what helps; 1 if any is a fault."""
    worst = GOOD
    for verdict, what, fix in _checks():
        print(f"{verdict:<6} {what}" + (f"\n{'':7}-> {fix}" if fix else ""), flush=True)
        worst = BAD if BAD in (worst, verdict) else HINT if HINT in (worst, verdict) else GOOD
    if worst == BAD:
        print("\nMend what is marked FAULT, then run 'course doctor' again.")
        return 1
    print("\nThis computer is ready.")
    return 0


def _checks() -> Iterator[tuple[str, str, str]]:
    """Verdict, what was found, what helps; what takes longest comes last."""
    yield _python()
    yield from _packages()
    yield _pkg_resources()
    yield _widgets()
    yield _settings()
    yield _cache()
    yield _disk()
    yield _mirror()
    yield _colab()
    yield from _tensorflow()


def _python():
    version = platform.python_version()
    bits = 64 if sys.maxsize > 2**32 else 32
    text = f"Python {version}, {bits} bits, {sys.executable}"
    if not (3, 11) <= sys.version_info[:2] <= (3, 13) or bits == 32:
        return BAD, text, "install a 64-bit Python 3.11, 3.12 or 3.13; TensorFlow has no other"
    return GOOD, text, ""


def _packages():
    """Everything that pyproject.toml asks for, against what is installed."""
    from packaging.requirements import Requirement  # comes with pooch

    try:
        asked = importlib.metadata.requires(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        yield BAD, "the course is not installed", "run 'pip install --editable .' in its folder"
        return
    wrong, count = [], 0
    for line in asked:
        need = Requirement(line)
        if need.marker and not need.marker.evaluate({"extra": ""}):
            continue
        count += 1
        try:
            found = importlib.metadata.version(need.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append((need, "missing"))
            continue
        if not need.specifier.contains(found, prereleases=True):
            wrong.append((need, f"{found} found"))
    for need, found in wrong:
        bare = f"{need.name}{need.specifier}"
        yield BAD, f"{bare} is asked for, {found}", f"run: {sys.executable} -m pip install '{bare}'"
    if not wrong:
        yield GOOD, f"{count} packages as pyproject.toml asks for them", ""


def _pkg_resources():
    version = _version("setuptools")
    if importlib.util.find_spec("pkg_resources") is None:
        fix = f"run: {sys.executable} -m pip install 'setuptools<82'"
        return BAD, f"setuptools {version} without pkg_resources, which TF Hub imports", fix
    return GOOD, f"setuptools {version} with pkg_resources, which TF Hub imports", ""


def _widgets():
    found, front = _version("ipywidgets"), _version("jupyterlab_widgets")
    if found is None:
        fix = f"run: {sys.executable} -m pip install ipywidgets"
        return BAD, "ipywidgets is missing: no progress bars, no interactive figures", fix
    if front is None:
        fix = f"run: {sys.executable} -m pip install jupyterlab_widgets, then reload the page"
        return HINT, f"ipywidgets {found} without its part in JupyterLab", fix
    return GOOD, f"ipywidgets {found}, jupyterlab_widgets {front}", ""


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _settings():
    given = [f"{name}={os.environ[name]}" for name in SETTINGS if os.environ.get(name)]
    strange = sorted({n for n in os.environ if n.startswith("COURSE_")} - {*SETTINGS, *OTHERS})
    text = f"settings: {', '.join(given) or 'none, so the sample profile'}"
    try:
        assets.profile()
    except assets.AssetError as error:
        return BAD, text, str(error)
    if strange:
        return HINT, text, f"the course knows no {', '.join(strange)}: see README.md for the names"
    return GOOD, text, ""


OTHERS = ("COURSE_RESULTS",)  # set by course.run for the kernels that it starts


def _cache():
    folder = cache.cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        fix = "set COURSE_CACHE to a folder that you may write in"
        return BAD, f"the cache {folder} cannot be written ({cache.reason_of(error)})", fix
    return GOOD, f"cache {folder}, {cache.megabytes(_size(folder))}", ""


def _disk():
    place = cache.cache_folder()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    try:
        todo = assets.missing("all")
    except assets.AssetError:
        todo = []
    needed = assets.room_for(todo)
    text = f"{cache.megabytes(free)} free; the rest of the full profile needs "
    text += f"{cache.megabytes(needed)}, unpacked"
    if free < needed:
        return HINT, text, "sample needs nothing; for full, set COURSE_CACHE to a larger disk"
    return GOOD, text, ""


def _mirror():
    place = os.environ.get("COURSE_MIRROR")
    if not place:
        return GOOD, "no mirror is set, public addresses are asked", ""
    try:
        served = assets.mirror_names()
    except assets.AssetError as error:
        return BAD, f"mirror {place}", str(error)
    return GOOD, f"mirror {place} with {len(served)} assets", ""


def _colab():
    if release := os.environ.get("COLAB_RELEASE_TAG"):
        fix = "its files go when the session ends: fetch 'full' again, or set COURSE_CACHE to Drive"
        return HINT, f"Colab, {release}", fix
    return GOOD, "not on Colab", ""


PROBE = """
import json
import tensorflow, keras, tensorflow_hub
gpus = tensorflow.config.list_physical_devices("GPU")
print("PROBE" + json.dumps([tensorflow.__version__, keras.__version__, keras.backend.backend(),
                            tensorflow_hub.__version__, [gpu.name for gpu in gpus]]))
"""


def _tensorflow():
    """TensorFlow, Keras, TF Hub and the GPU, tried in a process of its own: it may well crash."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, "-c", PROBE]
    fix = f"run: {sys.executable} -m pip install --force-reinstall tensorflow keras tensorflow-hub"
    try:
        done = subprocess.run(
            command, capture_output=True, env=environment, text=True, errors="replace", timeout=300
        )
    except subprocess.TimeoutExpired:
        yield BAD, "TensorFlow did not start within 300 s", "restart the computer, then try again"
        return
    told = [line for line in done.stdout.splitlines() if line.startswith("PROBE")]
    if done.returncode or not told:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        if done.returncode == -4:  # SIGILL
            fix = "this processor lacks instructions that TensorFlow needs (AVX): use Colab"
        yield BAD, f"TensorFlow, Keras or TF Hub does not start: {last}", fix
        return
    version, keras, backend, hub, gpus = json.loads(told[0].removeprefix("PROBE"))
    if backend == "tensorflow":
        yield GOOD, f"TensorFlow {version}, Keras {keras}, TF Hub {hub}", ""
    else:
        fix = "unset KERAS_BACKEND, or set it to tensorflow"
        yield BAD, f"Keras {keras} runs on {backend}", fix
    yield _gpu(gpus)


def _gpu(found: list[str]):
    if found:
        return GOOD, f"GPU: {len(found)} that TensorFlow uses", ""
    if shutil.which("nvidia-smi"):
        fix = f"run: {sys.executable} -m pip install 'tensorflow[and-cuda]' (Linux or WSL 2)"
        return HINT, "an NVIDIA GPU that TensorFlow does not use", fix
    if os.environ.get("COLAB_RELEASE_TAG"):
        return HINT, "no GPU", "Runtime > Change runtime type > T4 GPU"
    return GOOD, "no GPU; sample runs in minutes without", ""


if __name__ == "__main__":
    sys.exit(main())
