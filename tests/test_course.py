"""The `course` command, on real servers, folders and processes."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from test_assets import ARCHIVES, tree, zipped
from test_downloads import BODY, OTHER, QUICK, clean, cut, full, server, shop, small_disk, status

from course import cli as course
from course import doctor
from course.fetch import mirror, store
from helpers import assets

__all__ = ["clean", "server", "shop", "small_disk"]  # fixtures
ROOT = Path(__file__).resolve().parent.parent
SAMPLE = assets.DATA


@pytest.fixture
def run(shop, capsys):
    """Runs a command in this process: exit status, what it said, what it complained of."""

    def one(*arguments):
        capsys.readouterr()
        code = course.main(list(arguments), patience=QUICK)
        return code, *capsys.readouterr()

    return one


def process(*arguments, path="", **environment):
    """Runs a command as a process of its own, with other packages before the real ones."""
    before = f"{path}{os.pathsep}{ROOT}"
    return subprocess.run(
        [sys.executable, "-m", "course", *arguments],
        env={**os.environ, "PYTHONPATH": before, "PYTHONUTF8": "1", **environment},
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
    )


# ---------------------------------------------------------------- the command itself


def test_course_is_a_command_of_the_package():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"course": "course.cli:main"}
    told = process("--help")
    assert told.returncode == 0
    for command in "status download verify mirror doctor progress edition stamp".split():
        assert f"    {command} " in told.stdout
    assert process("downlaod").returncode == 2


def test_status_imports_nothing_heavy():
    code = (
        "import sys; from course import cli; cli.main(['status']); heavy = {'tensorflow', 'keras',"
        " 'numpy', 'pandas', 'sklearn', 'nbformat'}; print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True)
    assert done.stdout.decode().splitlines()[-1] == "[]", done.stderr


def test_a_package_that_is_missing_is_named(tmp_path):
    (tmp_path / "requests.py").write_text("raise ModuleNotFoundError(name='requests')")
    done = process("doctor", path=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "lacks the package requests" in done.stderr and "pip install" in done.stderr


@pytest.mark.parametrize("level", ["1", "2"])
def test_the_command_needs_no_docstrings_and_no_assertions(level, packages):
    told = process("--help", PYTHONOPTIMIZE=level)
    assert told.returncode == 0 and "read every byte again" in told.stdout
    for command in ("status", "doctor"):
        done = process(command, path=packages, PYTHONOPTIMIZE=level)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(os.name == "nt", reason="an account of Windows has a name")
def test_an_account_without_a_name_and_a_home_has_a_temporary_cache(shop, monkeypatch, tmp_path):
    for name in ("HOME", "COURSE_CACHE", "COURSE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    code = """
import os, pwd
def nobody(uid):
    raise KeyError(uid)
pwd.getpwuid = nobody
from course.cli import main
raise SystemExit(main(["status"]))
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert f"Cache    {tmp_path}/transfer-learning-course-{os.getuid()}/cache" in done.stdout
    assert "You have no home folder: set COURSE_CACHE" in done.stdout
    done = subprocess.run(
        [sys.executable, "-c", code.replace("status", "progress")],
        cwd=ROOT,
        env=environment,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    environment["COURSE_CACHE"] = str(tmp_path / "chosen")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert f"{tmp_path}/chosen" in done.stdout and "no home" not in done.stdout


# ---------------------------------------------------------------- status


def test_status_tells_what_is_here_missing_begun_whose_and_where(shop, server, run):
    shop.put("thing", "thing.bin", BODY, chapter="images")
    server.faults["/thing.bin"] = [cut(0.5)]
    assert run("download", "thing")[0] == 1
    server.heal()
    code, said, _ = run("status")
    assert code == 0
    assert "Profile  sample" in said and "full: 1 of 2 are here" in said
    assert re.search(r"here +before +0\.0 MB +CC0\n +.*before\.bin from http", said)
    assert re.search(r"missing +thing +0\.4 MB, 0\.2 MB of it here *CC0\n", said)
    assert "course download images" in said
    assert run("download", "images")[0] == 0
    code, said, _ = run("status")
    assert "full: 2 of 2 are here" in said and "course download" not in said


def test_status_does_not_wait_for_a_mirror_that_fails(shop, server, run, monkeypatch):
    monkeypatch.setenv("COURSE_MIRROR", f"{server.address}/class")
    server.faults["/class/index.json"] = [status(500)]
    server.seen.clear()
    code, said, _ = run("status")
    assert code == 0 and "HTTP status 500" in said and "full: 1 of 2 are here" in said
    assert len(server.seen) == 1


def test_status_of_the_real_catalogue(run, monkeypatch):
    monkeypatch.setattr(assets, "DATA", SAMPLE)
    code, said, _ = run("status")
    assert code == 0 and "course download images text audio" in said
    for name in assets.names("full"):
        assert name in said
        assert assets.about(name, profile="full").licence in said


# ---------------------------------------------------------------- download


def test_download_says_what_comes_before_it_comes(shop, server, run):
    for name, size in (("thing", len(BODY)), ("other", len(OTHER))):
        shop.put(name, f"{name}.bin", bytes(size), chapter="text", known=name == "thing")
    code, said, complaints = run("download", "text")
    assert (code, complaints) == (0, "")
    assert "0.4 MB" in said and "size not published" in said and "CC0" in said
    assert "In all 0.4 MB and what has no published size." in said
    assert full("thing").stat().st_size == full("other").stat().st_size == 400_000
    assert run("download", "text", "before")[:2] == (0, "Everything is here.\n")
    assert run("download", "all")[0] == 0


def test_download_fetches_what_it_can_and_names_the_rest(shop, server, run):
    for name in ("one", "two", "three"):
        shop.put(name, f"{name}.bin", BODY, chapter="audio")
    server.faults["/one.bin"] = server.faults["/three.bin"] = [status(404)]
    code, _, complaints = run("download", "audio")
    assert code == 1 and "Traceback" not in complaints
    assert "'one' cannot be downloaded" in complaints and "likewise three" in complaints
    assert full("two").exists()
    code, _, complaints = run("download", "tow")
    assert code == 1 and "no asset 'tow'" in complaints and "two" in complaints


def test_download_is_content_where_something_stands_in(shop, server, run):
    shop.put("one", "one.bin", BODY, chapter="audio")
    shop.put("two", "two.bin", BODY, chapter="audio", stands_in="the small two")
    server.faults["/two.bin"] = [status(404)]
    code, said, complaints = run("download", "audio")
    assert (code, complaints) == (0, "")
    assert "'two' cannot be downloaded" in said and "the chapter uses the small two." in said
    assert full("one").exists() and not assets.is_here("two", "full")
    server.faults["/one.bin"] = [status(404)]
    shutil.rmtree(assets.folder_of("one"))
    code, said, complaints = run("download", "audio")
    assert code == 1 and "'one' cannot" in complaints and "likewise" not in complaints


def test_download_with_no_room_asks_for_nothing(small_disk, shop, server, run):
    for name in ("one", "two"):
        shop.put(name, f"{name}.bin", bytes(1_200_000), chapter="audio")
    code, _, complaints = run("download", "audio")
    assert code == 1 and "2.4 MB are needed" in complaints and server.seen == []


# ---------------------------------------------------------------- verify


def test_verify_reads_every_byte_and_the_next_download_mends(shop, server, run):
    archive = zipped(("d/a", b"a" * 1000), ("d/b", b"b"))
    shop.put("thing", "thing.zip", archive, unpack="zip")
    assert run("download", "thing")[0] == 0
    code, said, _ = run("verify")
    assert code == 0 and said.splitlines() == ["ok     before (full)", "ok     thing (full)"]

    file = full("thing") / "a"
    times = file.stat()
    file.write_bytes(b"A" + b"a" * 999)  # same size, same time: counting does not see it
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    code, said, _ = run("verify", "thing")
    assert code == 1 and "FAULT" in said and "d/a differ" in said
    with pytest.raises(assets.AssetError, match="course download thing"):
        full("thing")
    server.seen.clear()
    assert run("download", "thing")[0] == 0 and server.seen == []  # from the archive that is here
    assert (full("thing") / "a").read_bytes() == b"a" * 1000

    kept = assets.folder_of("thing") / "thing.zip"
    times = kept.stat()
    kept.write_bytes(bytes(len(archive)))
    os.utime(kept, ns=(times.st_atime_ns, times.st_mtime_ns))
    code, said, _ = run("verify")
    assert code == 1 and "sha256" in said and "'course download thing'" in said
    assert run("download", "thing")[0] == 0
    assert kept.read_bytes() == archive and run("verify")[0] == 0


def test_verify_tells_of_what_is_cut_gone_or_was_never_here(shop, server, run):
    shop.put("packed", "packed.zip", ARCHIVES["zip"], unpack="zip")
    assert run("download", "packed", "thing")[0] == 0
    full("thing").write_bytes(BODY[:-1])
    (assets.folder_of("packed") / "packed.zip").unlink()
    code, said, _ = run("verify")
    assert code == 1 and "thing.bin is missing or cut short" in said
    assert "ok     packed (full)" in said  # its archive is not needed
    (full("packed") / "a").write_bytes(b"b")
    assert "d/a differ from SHA256SUMS" in run("verify", "packed")[1]
    shop.put("far", "far.bin", BODY)
    code, said, _ = run("verify", "far")
    assert course.main(["verify", "nonsense"]) == 1
    assert code == 1 and "'course download far'" in said


def test_verify_of_the_sample_profile(shop, run):
    content = b"bundled"
    (shop.data / "b.bin").write_bytes(content)
    catalogue = shop.data / "catalog.toml"
    table = '[sample.b]\nfile = "b.bin"\nbytes = 7\nkind = "k"\nwhat = "w"\norigin = "o"\n'
    table += f'licence = "l"\nsha256 = "{assets.sha256_of(shop.data / "b.bin")}"\n'
    catalogue.write_text(catalogue.read_text().replace("[sample]\n", table))
    assert run("verify", "b")[:2] == (0, "ok     b (sample)\n")
    (shop.data / "b.bin").write_bytes(b"damaged")
    code, said, _ = run("verify")
    assert code == 1 and "git checkout" in said and "ok     before (full)" in said


# ---------------------------------------------------------------- mirror


def test_a_mirror_is_served_by_python_s_own_server_to_a_class(
    shop, server, run, tmp_path, monkeypatch
):
    shop.put("packed", "packed.zip", ARCHIVES["zip"], unpack="zip", known=False, mirror="alias")
    shop.put("far", "far.bin", BODY)
    assert run("download", "packed", "thing")[0] == 0
    folder = tmp_path / "Klasse für alle"
    code, said, _ = run("mirror", str(folder))
    assert code == 0 and "CC0" in said and "http.server" in said
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))["assets"]
    assert set(index) == {"before", "alias", "thing"}
    assert set(index["alias"]) == {"file", "bytes", "sha256", "kind", "what", "origin", "licence"}
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        ["index.json", *(entry["file"] for entry in index.values())]
    )

    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    with subprocess.Popen(
        [*command, "--directory", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as classroom:
        try:
            port = re.search(r"port (\d+)", classroom.stdout.readline())[1]
            monkeypatch.setenv("COURSE_MIRROR", f"http://127.0.0.1:{port}")
            monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "a learner"))
            server.seen.clear()
            assert run("download", "thing", "before", "packed")[0] == 0
            assert tree(full("packed")) == {"a": b"a", "e/b": b"b"}
            assert full("thing").read_bytes() == BODY and server.seen == []
        finally:
            classroom.terminate()
    monkeypatch.setenv("COURSE_MIRROR", str(folder))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "another learner"))
    assert run("download", "thing")[0] == 0
    assert full("thing").read_bytes() == BODY and server.seen == []
    assert run("mirror", str(folder), "thing")[0] == 0  # the folder that it comes from
    assert (folder / "thing.bin").read_bytes() == full("thing").read_bytes() == BODY


LICENCES = {
    "CC0": True,
    "CC BY 4.0": True,
    "CC BY-SA 4.0": True,
    "CC BY-NC": True,
    "CC-BY per photo": True,
    "Apache-2.0": True,
    "MIT": True,
    "not stated by the publisher": False,
    "for research; not to be passed on": False,
    "for non-commercial research": False,
    "free for research; cite the authors": False,
    "CC0 / CC-BY / unstated: for tests only": False,
    "": False,
}


def test_which_licences_let_a_file_be_passed_on():
    assert {each: mirror.may_be_passed_on(each) for each in LICENCES} == LICENCES


def test_a_mirror_names_before_it_copies_what_is_missing_and_what_may_not_be_passed_on(
    shop, server, run, tmp_path
):
    shop.put("bound", "bound.bin", OTHER, licence="for research; not to be passed on")
    shop.put("far", "far.bin", BODY, chapter="text")
    assert run("download", "bound", "thing")[0] == 0
    code, said, _ = run("mirror", str(tmp_path / "all"))
    assert code == 0
    first, copied = said.split("Their licences")
    assert "Not in this mirror: far" in first and "thing" not in first
    assert copied.index("bound (for research; not to be passed on)") < copied.index("thing  ")
    assert (tmp_path / "all" / "bound.bin").exists()
    code, said, _ = run("mirror", str(tmp_path / "free"), "--free-only")
    assert code == 0 and "they are left out" in said
    index = json.loads((tmp_path / "free" / "index.json").read_text())["assets"]
    assert set(index) == {"before", "thing"} and not (tmp_path / "free" / "bound.bin").exists()


def test_a_mirror_grows_and_tells_what_it_lacks(shop, server, run, tmp_path):
    folder = tmp_path / "mirror"
    assert run("mirror", str(folder), "before")[0] == 0
    code, _, complaints = run("mirror", str(folder), "thing")
    assert code == 1 and "'course download thing'" in complaints
    assert set(json.loads((folder / "index.json").read_text())["assets"]) == {"before"}
    assert run("download", "thing")[0] == 0
    assert run("mirror", str(folder), "thing")[0] == 0
    assert set(json.loads((folder / "index.json").read_text())["assets"]) == {"before", "thing"}
    shutil.rmtree(store.home())
    code, _, complaints = run("mirror", str(folder))
    assert code == 1 and "course download all" in complaints


def test_a_mirror_on_a_full_disk_keeps_what_it_had(small_disk, shop, run):
    folder = small_disk / "mirror"
    assert run("mirror", str(folder), "before")[0] == 0
    shop.put("large", "large.bin", bytes(1_200_000))
    assert run("download", "large")[0] == 0
    code, _, complaints = run("mirror", str(folder), "before", "large")
    assert code == 1 and "No space left" in complaints and str(folder) in complaints
    assert set(json.loads((folder / "index.json").read_text())["assets"]) == {"before"}
    assert sorted(p.name for p in folder.iterdir()) == ["before.bin", "index.json"]


def test_a_path_that_windows_cannot_print_into_a_pipe(tmp_path):
    place = {"COURSE_CACHE": str(tmp_path / "\u65e5\u672c"), "PYTHONIOENCODING": "cp1252"}
    done = process("status", **place)
    assert done.returncode == 0, done.stderr
    assert r"\u65e5\u672c" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="pipes of Windows end in another way")
def test_a_reader_may_leave_early():
    command = [sys.executable, "-u", "-m", "course", "status"]  # -u: each line at once
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdout.close()
    assert child.stderr.read() == b"" and child.wait() == 0


# ---------------------------------------------------------------- doctor

WORKING = {
    "tensorflow.py": "__version__ = '2.99'\nclass config:\n"
    "    list_physical_devices = lambda kind: []\n",
    "keras.py": "__version__ = '3.99'\nclass policy:\n    name = 'float32'\n"
    "class config:\n    dtype_policy = lambda: policy\n",
}


@pytest.fixture
def packages(tmp_path):
    """A folder of stand-ins for TensorFlow and its kin, which would take seconds to import."""
    folder = tmp_path / "packages"
    folder.mkdir()
    for name, code in WORKING.items():
        (folder / name).write_text(code)
    return folder


def test_doctor_gives_a_verdict_on_each_thing(packages):
    done = process("doctor", path=packages)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    seen = ["Python 3", "packages", "settings", "free", "mirror", "Keras 3.99, no GPU"]
    verdicts = [line for line in lines if line.startswith(("ok", "note"))]
    assert len(verdicts) == len(seen)
    for what, line in zip(seen, verdicts, strict=True):
        assert what in line
    assert lines[-1] == "This computer is ready."


def test_doctor_writes_json_for_a_report(packages, tmp_path):
    home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    done = process("doctor", "--json", path=packages, COURSE_CACHE=str(tmp_path / "cache"), **home)
    whole = json.loads(done.stdout)
    assert whole["ready"] is True and done.returncode == 0 and whole["system"]
    assert {each["verdict"] for each in whole["checks"]} <= {"ok", "note"}
    assert any("Keras 3.99, no GPU" in each["what"] for each in whole["checks"])
    assert str(tmp_path) not in done.stdout and "cache ~" in done.stdout
    done = process("doctor", "--json", path=packages, COURSE_MIRROR="/nowhere", **home)
    (fault,) = [c for c in json.loads(done.stdout)["checks"] if c["verdict"] == "FAULT"]
    assert str(Path("/nowhere/index.json")) in fault["fix"] and done.returncode == 1


@pytest.mark.skipif(os.name == "nt", reason="an account of Windows has a home")
@pytest.mark.parametrize("home", ["/", None])
def test_doctor_writes_json_in_a_container_without_a_home(monkeypatch, capsys, home):
    import pwd

    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    monkeypatch.delenv("HOME", raising=False)
    if home:
        monkeypatch.setenv("HOME", home)
    monkeypatch.setattr(doctor, "CHECKS", (doctor.python,))
    assert doctor.report(as_json=True) == 0
    (check,) = json.loads(capsys.readouterr().out)["checks"]
    assert check["what"].endswith(f", {sys.executable}")


BROKEN = {
    "TensorFlow raises": ({"tensorflow.py": "1 / 0"}, {}, "ZeroDivisionError", "pip install"),
    "TensorFlow is missing": (
        {"tensorflow.py": "raise ModuleNotFoundError('No module named tensorflow')"},
        {},
        "No module named tensorflow",
        "pip install",
    ),
    "TensorFlow crashes": (
        {"tensorflow.py": "import os\nos.abort()"},
        {},
        "does not start",
        "pip install",
    ),
    "the processor is too old": (
        {"tensorflow.py": "import os, signal\nos.kill(os.getpid(), signal.SIGILL)"},
        {},
        "does not start",
        "AVX",
    ),
    "mixed precision": (
        {"keras.py": WORKING["keras.py"].replace("float32", "mixed_float16")},
        {},
        "computes in mixed_float16",
        "remove keras.mixed_precision",
    ),
    "Keras on a backend that is not installed": (
        {"keras.py": "raise ModuleNotFoundError('No module named jax')"},
        {"KERAS_BACKEND": "jax"},
        "Keras is set to backend jax",
        "unset KERAS_BACKEND",
    ),
    "an unknown profile": ({}, {"COURSE_PROFILE": "ful"}, "COURSE_PROFILE=ful", "'sample' or"),
    "a misspelt setting": ({}, {"COURSE_CASHE": "x"}, "settings", "no COURSE_CASHE"),
    "a mirror that is gone": (
        {},
        {"COURSE_MIRROR": "/nowhere"},
        f"mirror {Path('/nowhere')}",
        f"{Path('/nowhere/index.json')} (No such file",
    ),
    "a cache that cannot be written": (
        {},
        {"COURSE_CACHE": str(Path(__file__) / "nowhere")},  # no folder can be made in a file
        "cannot be made",
        "set COURSE_CACHE",
    ),
}


if os.name == "nt":  # which knows no such signal
    del BROKEN["the processor is too old"]


@pytest.mark.parametrize("fault", BROKEN)
def test_doctor_names_the_fault_and_its_fix(packages, fault):
    changed, environment, what, fix = BROKEN[fault]
    for name, code in changed.items():
        (packages / name).write_text(code)
    done = process("doctor", path=packages, **environment)
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    lines = done.stdout.splitlines()
    (place,) = [n for n, line in enumerate(lines) if what in line and not line.startswith("ok")]
    assert fix in lines[place + 1] and lines[place + 1].lstrip().startswith("-> ")
    fault = lines[place].startswith("FAULT")
    assert done.returncode == int(fault)
    assert fault == (what != "settings")


KERAS_JSON = {
    '{"backend": "theano", "image_dim_ordering": "th"}': "backend theano",
    '{"backend": "jax"}': "backend jax",
    '{"floatx": "float16"}': "floatx float16",
    '{"floatx": "float64", "image_data_format": "channels_last"}': "floatx float64",
    '{"image_data_format": "channels_first"}': "image_data_format channels_first",
    "": None,
    "{ half": None,  # Keras takes its own settings, too
    '{"floatx": "float32", "epsilon": 1e-07, "backend": "tensorflow"}': None,
}


@pytest.mark.parametrize("variable", ["KERAS_HOME", "HOME"])
@pytest.mark.parametrize("text", KERAS_JSON)
def test_doctor_reads_keras_json(tmp_path, monkeypatch, text, variable):
    folder = tmp_path if variable == "KERAS_HOME" else tmp_path / ".keras"
    folder.mkdir(exist_ok=True)
    (folder / "keras.json").write_text(text)
    for name in ("KERAS_HOME", "KERAS_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    if variable == "HOME":
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setattr(doctor, "_started", lambda: [])
    lines = doctor.keras()
    if KERAS_JSON[text] is None:
        assert lines == []
    else:
        ((verdict, what, fix),) = lines
        assert verdict == doctor.BAD and KERAS_JSON[text] in what
        assert f"delete {folder / 'keras.json'}" in fix


def test_doctor_says_which_of_two_settings_of_keras_counts(tmp_path, monkeypatch):
    (tmp_path / "keras.json").write_text('{"backend": "jax", "floatx": "float16"}')
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setattr(doctor, "_started", lambda: [])
    (_, backend, unset), (_, floatx, delete) = doctor.keras()
    assert "torch" in backend and unset == "unset KERAS_BACKEND"
    assert "float16" in floatx and delete.startswith("delete")
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert len(doctor.keras()) == 1


def test_a_cache_that_may_only_be_read_will_do_once_everything_is_in_it(small_disk, shop, run):
    shop.put("thing", "thing.bin", BODY, chapter="audio")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    ((verdict, what, fix),) = doctor.cache()
    assert verdict == doctor.HINT and what.endswith("lacks thing") and "COURSE_CACHE" in fix
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert run("download", "audio")[0] == 0
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    ((verdict, what, _),) = doctor.cache()
    assert verdict == doctor.GOOD and "may only be read" in what


def test_doctor_sees_packages_that_are_missing_or_too_old(packages, monkeypatch):
    real = doctor.importlib.metadata.version
    wrong = {"pandas": "1.0", "setuptools": "82.0"}

    def version(name):
        if name == "gensim":
            raise doctor.importlib.metadata.PackageNotFoundError(name)
        return wrong.get(name) or real(name)

    monkeypatch.setattr(doctor.importlib.metadata, "version", version)
    told = doctor.packages()
    assert {verdict for verdict, _, _ in told} == {doctor.BAD}
    text = "\n".join(f"{what}: {fix}" for _, what, fix in told)
    for part in ("gensim>=4.4 is asked for, missing", "1.0 found", "setuptools<82", "pip install"):
        assert part in text
