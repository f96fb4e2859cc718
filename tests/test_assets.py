"""helpers.assets and its catalogue, on real folders, archives, servers and processes."""

import hashlib
import importlib.util
import io
import json
import os
import re
import signal
import stat
import subprocess
import sys
import tarfile
import tempfile
import threading
import tomllib
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

from course.fetch import archives, store
from course.fetch.resume import Patience, WrongFileError
from course.fetch.store import Store
from helpers import assets

ROOT = Path(__file__).resolve().parent.parent
KINDS = "images text audio hub-module weights vectors source-corpus".split()
SOURCE = set("urls roughly md5 unpack root mirror stands_in".split())


def _real_mirror() -> Path:
    place = os.environ.get("COURSE_MIRROR", "")
    near = ROOT.parent / "shared" / "mirror"
    return Path(place) if place and not place.startswith("http") else near


REAL = _real_mirror()
QUICK = Patience(tries=2, pause=0.01)


@pytest.fixture(autouse=True)
def clean(tmp_path, monkeypatch):
    """A process without choices, and a cache of its own with an awkward name."""
    for name in ("COURSE_PROFILE", "COURSE_MIRROR", "COURSE_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache für Übungen"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(assets, "_chosen", None)


class Shelf:
    """A mirror being filled."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.entries = {}
        folder.mkdir()

    def put(self, name, file, content, /, **entry):
        """Add a file and its entry; keywords put other, possibly wrong, values into the entry."""
        target = self.folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        self.entries[name] = {
            "file": file,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "kind": "images",
            "what": f"the {name} of this mirror",
            "origin": "a test",
            "licence": "CC0",
            **entry,
        }
        text = json.dumps({"assets": self.entries})
        (self.folder / "index.json").write_text(text, encoding="utf-8")
        return target


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    made = Shelf(tmp_path / "mirror of the class")
    monkeypatch.setenv("COURSE_MIRROR", str(made.folder))
    return made


@pytest.fixture
def server(shelf, monkeypatch):
    """The shelf as a real HTTP server; `faults` maps a path to a status, or to "cut" or "end"."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            path = unquote(self.path)
            web.seen.append(path)
            fault = web.faults.get(path)
            if fault is None:
                return super().do_GET()
            if isinstance(fault, int):
                return self.send_error(fault)
            body = (shelf.folder / path.lstrip("/")).read_bytes()
            self.send_response(200)
            if fault == "cut":  # announces all, sends half; "end" announces nothing
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])

    web = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(shelf.folder)))
    web.faults, web.seen = {}, []
    web.address = f"http://127.0.0.1:{web.server_port}"
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("COURSE_MIRROR", web.address)
    yield web
    web.shutdown()
    web.server_close()
    thread.join()


def zipped(*members) -> bytes:
    """A zip archive of (name or ZipInfo, content) pairs, in that order."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in members:
            bundle.writestr(name, content)
    return out.getvalue()


def tarred(*members, mode="w:gz") -> bytes:
    """A tar archive of (name, content) pairs or TarInfo objects, in that order."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as bundle:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                bundle.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                bundle.addfile(info, io.BytesIO(member[1]))
    return out.getvalue()


def special(name, kind, target="") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def fails(call, *words) -> str:
    """The call raises AssetError with one sentence that holds these words."""
    with pytest.raises(assets.AssetError) as caught:
        call()
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message, message
    assert not re.search(r"[.!?] [A-Z]", message), f"more than one sentence: {message}"
    for word in words:
        assert str(word) in message, f"{word!r} is not in: {message}"
    return message


def full(name):
    """The asset as it is in the cache, after the mirror was asked for it."""
    Store(patience=QUICK).bring([name])
    return assets.path(name, profile="full")


def lacks(name, capsys, *words) -> None:
    """The mirror is named in one printed sentence that holds these words; the asset stays away."""
    capsys.readouterr()
    fails(lambda: full(name), "is not here")
    said = capsys.readouterr().out
    assert said.endswith(".\n") and said.count("\n") == 1, said
    for word in words:
        assert str(word) in said, said


def tree(folder: Path) -> dict[str, bytes]:
    """All files below a folder by relative name, hidden ones too."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def leftovers() -> list[str]:
    """What a failure must not leave in the cache: temporary and unpacked folders."""
    cache = assets.cache_folder()
    return [str(p) for p in cache.glob("assets/.[wl]o[rc]k-*")] + [
        str(p) for p in cache.glob("assets/*/unpacked")
    ]


def kept_files() -> list[Path]:
    """Everything in the cache but the locks, of which each asset has one, empty and reused."""
    found = assets.cache_folder().rglob("*")
    return [file for file in found if file.is_file() and file.suffix != ".lock"]


# ---------------------------------------------------------------- profile


def test_profile_comes_from_use_then_the_environment_then_sample(monkeypatch):
    assert assets.profile() == "sample"
    monkeypatch.setenv("COURSE_PROFILE", "full")
    assert assets.profile() == "full"
    assert "yamnet" in assets.names()
    assets.use("sample")
    assert assets.profile() == "sample"
    assert assets.about("vgg16").profile == "sample"
    assert assets.about("vgg16", profile="full").profile == "full"


def test_unknown_profiles_are_refused_where_they_are_given(monkeypatch):
    fails(lambda: assets.use("ful"), "'ful'", "assets.use", "'sample' or 'full'")
    assert assets.profile() == "sample"
    fails(lambda: assets.path("vgg16", profile=""), "''", "profile=", "'sample' or 'full'")
    monkeypatch.setenv("COURSE_PROFILE", "Full")
    fails(assets.profile, "'Full'", "COURSE_PROFILE", "'sample' or 'full'")
    fails(lambda: assets.path("vgg16"), "'Full'", "COURSE_PROFILE")
    monkeypatch.setenv("COURSE_PROFILE", "")
    assert assets.profile() == "sample"


def test_cache_folder_is_chosen_by_the_environment(monkeypatch, tmp_path):
    assert assets.cache_folder() == tmp_path / "cache für Übungen"
    monkeypatch.setenv("COURSE_CACHE", "~/somewhere")
    assert assets.cache_folder() == Path.home() / "somewhere"
    monkeypatch.delenv("COURSE_CACHE")
    assert "transfer-learning-course" in str(assets.cache_folder())


def test_importing_assets_is_light():
    code = (
        "import sys, helpers.assets;"
        "print([m for m in ('numpy', 'keras', 'tensorflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


# ---------------------------------------------------------------- the catalogue and data/


@pytest.mark.parametrize("name", assets.names("sample"))
def test_bundled_asset_is_there_and_whole(name):
    assert assets.path(name, profile="sample").exists()


@pytest.mark.parametrize("profile", assets.PROFILES)
def test_catalogue_says_everything_of_every_asset(profile):
    for name in assets.names(profile):
        asset = assets.about(name, profile=profile)
        assert asset.kind in KINDS, name
        assert all((asset.what, asset.origin, asset.licence, asset.where)), name
        source = asset.source
        assert source.keys() <= SOURCE, name
        urls = source.get("urls", ())
        assert all(url.startswith(("https://", "http://")) for url in urls), name
        assert re.fullmatch("[0-9a-f]{64}", asset.sha256 or "0" * 64), name
        assert re.fullmatch("[0-9a-f]{32}", source.get("md5", "0" * 32)), name
        assert source.get("unpack") in (None, "zip", "tar"), name
        for label in ("what", "size", "origin", "licence", "where"):
            assert getattr(asset, label) in str(asset)
    only_drawn = {"drawing-scenes"}  # opened by its profile, as photographs have none
    assert set(assets.names("sample")) - only_drawn <= set(assets.names("full"))


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data folder of our own, one file and one folder, as the recipe leaves it."""
    folder = tmp_path / "data"
    pictures = folder / "sample" / "pictures"
    for number in range(12):
        file = pictures / f"class {number % 2}" / f"{number:02}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"%d" % number * 1000)
    (folder / "weights").mkdir()
    (folder / "weights" / "w.h5").write_bytes(b"weights")
    common = 'kind = "images"\nwhat = "w"\norigin = "o"\nlicence = "CC0"\n'
    (folder / "catalog.toml").write_text(
        "# first\n[sample.pictures]\n"
        f'file = "sample/pictures"  # a folder\n{common}'
        f'\n# second\n[sample.weights]\nfile = "weights/w.h5"\nbytes = 1 # wrong\n{common}'
        f'\n# third\n[full.other]\nfile = "o.zip"\n{common}'
    )
    assert recipe().main(["--write"], folder) == 0
    monkeypatch.setattr(assets, "DATA", folder)
    return folder


def recipe():
    spec = importlib.util.spec_from_file_location(
        "catalogue", ROOT / "data" / "recipes" / "catalogue.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_whole_assets_are_served_and_files_of_the_system_ignored(data):
    assert assets.path("weights") == data / "weights" / "w.h5"
    for name in (".DS_Store", "Thumbs.db", ".ipynb_checkpoints/a.jpg"):
        file = data / "sample" / "pictures" / "class 0" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x")
    assert assets.path("pictures") == data / "sample" / "pictures"


def test_each_file_of_a_bundled_folder_is_read_once(data, monkeypatch):
    for number in range(100, 788):
        (data / "sample" / "pictures" / f"{number}.jpg").write_bytes(b"%d" % number * 1000)
    assert recipe().main(["--write"], data) == 0
    reads, real = [], assets.sha256_of
    monkeypatch.setattr(assets, "sha256_of", lambda file: reads.append(file) or real(file))
    assets.path("pictures")
    listed = [file for file in reads if file.name != assets.SUMS]
    assert len(listed) == len(set(listed)) == 700


def test_missing_changed_and_extra_files_of_a_folder_are_named(data):
    pictures = data / "sample" / "pictures"
    (pictures / "class 0" / "00.jpg").unlink()
    (pictures / "class 1" / "01.jpg").write_bytes(b"1" * 1000 + b"2")
    for number in range(7):
        (pictures / f"new{number}.jpg").touch()
    fails(
        lambda: assets.path("pictures"),
        "data/sample/pictures",
        "class 0/00.jpg, class 1/01.jpg, new0.jpg,",
        "git checkout -- data/sample/pictures",
        "remove what is not of the course",
    )


def test_a_folder_needs_the_checksums_of_the_catalogue(data):
    pictures = data / "sample" / "pictures"
    (pictures / "class 0" / "00.jpg").write_bytes(b"forged")
    sums = pictures / "SHA256SUMS"
    forged = sums.read_text().replace(
        hashlib.sha256(b"0" * 1000).hexdigest(), hashlib.sha256(b"forged").hexdigest()
    )
    assert forged != sums.read_text()
    sums.write_text(forged)
    fails(lambda: assets.path("pictures"), "data/sample/pictures", "SHA256SUMS", "git checkout")
    sums.unlink()
    fails(lambda: assets.path("pictures"), "data/sample/pictures", "SHA256SUMS", "git checkout")


def test_a_changed_cut_or_missing_file_is_not_served(data):
    file = data / "weights" / "w.h5"
    file.write_bytes(b"weighty")
    fails(lambda: assets.path("weights"), "data/weights/w.h5", "sha256", "git checkout")
    file.write_bytes(b"weight")
    fails(lambda: assets.path("weights"), "data/weights/w.h5", "sha256", "git checkout")
    file.unlink()
    fails(lambda: assets.path("weights"), "w.h5 is missing", "git checkout -- data/weights/w.h5")


def test_a_wrong_checksum_in_the_catalogue_is_noticed(data):
    catalogue = data / "catalog.toml"
    right = hashlib.sha256(b"weights").hexdigest()
    catalogue.write_text(catalogue.read_text().replace(right, "0" * 64))
    fails(lambda: assets.path("weights"), "data/weights/w.h5", right)


def test_a_damaged_or_missing_catalogue_is_explained(data):
    (data / "catalog.toml").write_text("[sample.weights]\nfile = 1\nfile = 2\n")
    fails(
        lambda: assets.path("weights"), "catalog.toml cannot be read", "line 3", "clone the course"
    )
    (data / "catalog.toml").unlink()
    fails(lambda: assets.path("weights"), "catalog.toml", "No such file", "with make")


def test_unknown_names_come_with_those_that_are_known(data):
    fails(lambda: assets.path("weight"), "'weight'", "sample profile", "one of pictures, weights")
    fails(lambda: assets.about("other"), "'other'", "sample profile", "pictures, weights")
    fails(lambda: full("pictures"), "'pictures'", "full profile", "one of other")


def test_recipe_records_values_and_keeps_the_rest(data):
    text = (data / "catalog.toml").read_text()
    tables = tomllib.loads(text)["sample"]
    assert tables["weights"]["bytes"] == 7
    assert tables["weights"]["sha256"] == hashlib.sha256(b"weights").hexdigest()
    sums = (data / "sample" / "pictures" / "SHA256SUMS").read_bytes()
    assert tables["pictures"]["sha256"] == hashlib.sha256(sums).hexdigest()
    for part in (
        "# first",
        'pictures"  # a folder\nbytes = 14000',
        "bytes = 7 # wrong",
        "# third\n",
    ):
        assert part in text
    assert list(tables) == ["pictures", "weights"] and "bytes" not in text.split("# third")[1]
    checked = subprocess.run(
        ["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=data / "sample" / "pictures"
    )
    assert checked.returncode == 0


def test_recipe_check_names_what_differs(data, capsys, monkeypatch):
    catalogue = recipe()
    before = tree(data)
    assert catalogue.main(["--check"], data) == 0
    (data / "weights" / "w.h5").write_bytes(b"other weights")
    (data / "sample" / "pictures" / "class 0" / "00.jpg").unlink()
    (data / "stray.bin").write_bytes(b"stray")
    (data / "recipes").mkdir()
    (data / "recipes" / "one.py").touch()
    monkeypatch.setattr(catalogue, "FILE_LIMIT", 1_999)
    monkeypatch.setattr(catalogue, "DATA_LIMIT", 9_000)
    before = tree(data)
    capsys.readouterr()
    assert catalogue.main(["--check"], data) == 1
    told = capsys.readouterr().err
    assert tree(data) == before
    for part in (
        "[sample.weights] has bytes 7 instead of 13.",
        "SHA256SUMS does not fit its files: class 0/00.jpg.",
        "data/stray.bin belongs to no entry of catalog.toml.",
        "10.jpg has 2,000 bytes, more than 1,999.",
        "bytes in all, more than 9,000.",
        "--write",
    ):
        assert part in told, told
    assert "one.py" not in told and "catalog.toml has" not in told
    (data / "weights" / "w.h5").unlink()
    assert catalogue.main(["--check"], data) == 1
    told = capsys.readouterr().err
    assert "[sample.weights] names data/weights/w.h5, which is not there." in told


# ---------------------------------------------------------------- a mirror in a folder


def test_without_a_mirror_the_error_says_how_to_get_one():
    fails(
        lambda: full("word-vectors"),
        "'word-vectors'",
        "1,743.6 MB",
        "is not here",
        "'course download word-vectors' in a terminal",
    )
    fails(lambda: full("spoken-digits"), "'course download spoken-digits' in a terminal")
    fails(lambda: Store().download("spoken-digits"), "no public address", "COURSE_MIRROR=")


def test_an_asset_that_the_mirror_lacks_is_not_taken_from_the_sample(shelf, capsys):
    shelf.put("something", "s.bin", b"s")
    fails(lambda: full("cats-vs-dogs"), "'cats-vs-dogs'", "68.6 MB", "is not here")
    assert capsys.readouterr().out == ""
    fails(lambda: Store().download("spoken-digits"), "nor in the mirror", shelf.folder)


def test_a_plain_file_is_copied_into_the_cache(shelf):
    file = shelf.put("vgg16", "weights/vgg.h5", b"weights")
    before = tree(shelf.folder)
    found = full("vgg16")
    assert found.is_relative_to(assets.cache_folder()) and found.read_bytes() == b"weights"
    assert tree(shelf.folder) == before
    file.write_bytes(b"other weights")
    assert full("vgg16") == found and found.read_bytes() == b"weights"


def test_a_file_in_the_cache_is_a_file_whatever_becomes_of_the_mirror(
    shelf, monkeypatch, tmp_path, capsys
):
    shelf.put("vgg16", "vgg.h5", b"weights")
    shelf.put("spoken-digits", "d.zip", ARCHIVES["zip"])
    found = {name: full(name) for name in ("vgg16", "spoken-digits")}
    for place in ("", str(tmp_path / "nowhere"), "http://127.0.0.1:1/"):
        monkeypatch.setenv("COURSE_MIRROR", place)
        assert {name: full(name) for name in found} == found
    assert capsys.readouterr().out == ""  # no mirror was asked
    assert assets.about("vgg16", "full").where == str(shelf.folder / "vgg.h5")


def test_a_mirror_that_is_down_stops_no_chapter_for_which_bundled_files_stand_in(
    monkeypatch, tmp_path, capsys
):
    assets.use("full")
    monkeypatch.setenv("COURSE_MIRROR", str(tmp_path / "nowhere"))
    Store().bring(["cats-vs-dogs", "vgg16", "word-vectors"])
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "nowhere" in said and "COURSE_MIRROR" in said
    path, asset = assets.path_or_sample("vgg16")
    assert path.exists() and asset.profile == "sample"
    assert "the bundled one stands in" in capsys.readouterr().out
    fails(lambda: assets.path("cats-vs-dogs"), "'course download cats-vs-dogs'")


def test_nothing_stands_in_for_what_is_damaged(shelf):
    assets.use("full")
    shelf.put("vgg16", "vgg.h5", b"weights")
    full("vgg16")
    full("vgg16").write_bytes(b"weigh")
    fails(lambda: assets.path_or_sample("vgg16"), "damaged", "'course download vgg16'", "cut short")


def old_cache(version=None):
    """What the version before left: other folders, or records of another version."""
    home = assets.cache_folder()
    old = home / "full" / "vgg16-0123456789ab"
    (home / "full" / "records").mkdir(parents=True)
    old.mkdir()
    (old / "vgg.h5").write_bytes(b"weights")
    sha256 = hashlib.sha256(b"weights").hexdigest()
    record = {"file": "vgg.h5", "bytes": 7, "sha256": sha256, "url": "u", "date": "2026-01-01"}
    (home / "full" / "records" / "vgg16.json").write_text(json.dumps(record))
    if version is not None:
        place = assets.folder_of("vgg16")
        place.mkdir(parents=True)
        (place / "vgg.h5").write_bytes(b"weights")
        more = {"version": version, "name": "vgg16", "from": "somewhere", "root": None}
        (place / "record.json").write_text(json.dumps(record | more))


@pytest.mark.parametrize("version", [None, 1, 3, "2"])
def test_a_cache_of_another_version_is_ignored(shelf, version):
    old_cache(version)
    assert not assets.is_here("vgg16", "full")
    fails(lambda: full("vgg16"), "is not here")
    shelf.put("vgg16", "new.h5", b"new weights")
    assert full("vgg16").read_bytes() == b"new weights"


def test_a_cache_of_this_version_is_used(shelf):
    old_cache(2)
    assert full("vgg16").read_bytes() == b"weights"


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"version": 2}', '{"version": 2, "na'])
def test_a_record_that_is_none_is_ignored_and_written_anew(shelf, text):
    shelf.put("vgg16", "vgg.h5", b"weights")
    full("vgg16")
    (assets.folder_of("vgg16") / "record.json").write_text(text)
    fails(lambda: assets.path("vgg16", "full"), "is not here")
    assert full("vgg16").read_bytes() == b"weights"


def test_the_mirror_name_of_an_asset_is_used_and_about_describes_its_copy(shelf):
    shelf.put(
        "movie-review-sentences", "rt.tar.gz", tarred(("rt-polaritydata/rt-polarity.pos", b"+"))
    )
    assert [file.name for file in full("film-reviews").iterdir()] == ["rt-polarity.pos"]
    asset = assets.about("film-reviews", profile="full")
    assert asset.what == "the movie-review-sentences of this mirror"
    assert asset.where == str(shelf.folder / "rt.tar.gz")
    assert asset.kind == "text" and asset.name == "film-reviews"
    assert Store().expand(["movie-review-sentences"]) == ["film-reviews"]


def test_a_name_that_only_the_index_has_is_served(shelf):
    shelf.put("our-own", "own.zip", zipped(("own/a.txt", b"a"), ("own/b.txt", b"b")))
    shelf.put("our-table", "table.csv.gz", b"not an archive by name")
    assert tree(full("our-own")) == {"a.txt": b"a", "b.txt": b"b"}
    assert full("our-table").read_bytes() == b"not an archive by name"
    fails(lambda: Store().download("our-won"), "our-own, our-table")
    fails(lambda: assets.path("our-own"), "sample profile")


@pytest.mark.parametrize("name", ["../../out", "..", ".", "", "a/b", ".locks", "C:x"])
def test_a_name_of_the_index_cannot_leave_the_cache(shelf, name):
    shelf.put(name, "o.zip", zipped(("a.txt", b"a")))
    place = full(name).resolve()
    assert place.parent.parent == store.home().resolve() and not place.parent.name.startswith(".")


ARCHIVES = {
    "zip": zipped(("d/", b""), ("d/a", b"a"), ("d/e/b", b"b")),
    "tar": tarred(("d/a", b"a"), ("d/e/b", b"b"), mode="w"),
    "tar.gz": tarred(special("./", tarfile.DIRTYPE), ("./d/a", b"a"), ("./d/e/b", b"b")),
    "tar.xz": tarred(("d/a", b"a"), ("d/e/b", b"b"), mode="w:xz"),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_archives_are_told_by_content(shelf, kind):
    shelf.put("spoken-digits", "named.zip", ARCHIVES[kind])
    found = full("spoken-digits")
    assert found.name == "d" and tree(found) == {"a": b"a", "e/b": b"b"}
    assert full("spoken-digits") == found


def test_which_folder_of_an_archive_is_the_asset(shelf):
    module = (("saved_model.pb", b"m"), ("variables/v", b"v"))
    shelf.put("yamnet", "y.tar.gz", tarred(*module))
    assert (full("yamnet") / "saved_model.pb").is_file()
    shelf.put("own-module", "m.tar.gz", tarred(*module))
    assert (full("own-module") / "saved_model.pb").is_file()
    shelf.put("from-a-mac", "mac.zip", zipped(("d/a", b"a"), ("__MACOSX/d/._a", b""), (".x", b"")))
    assert tree(full("from-a-mac")) == {"a": b"a"}
    shelf.put("flower-photos", "f.zip", zipped(("flowers/roses/1.jpg", b"r")))
    fails(lambda: full("flower-photos"), "f.zip", "no folder 'flower_photos'")
    named = (("flower_photos/roses/1.jpg", b"r"), ("README", b"read me"))
    shelf.put("flower-photos", "f.zip", zipped(*named))
    assert tree(full("flower-photos")) == {"roses/1.jpg": b"r"}


def test_an_unpacked_folder_is_trusted_until_it_loses_something(shelf):
    file = shelf.put("spoken-digits", "d.zip", zipped(("d/a", b"aa"), ("d/b", b"bb")))
    found = full("spoken-digits")
    file.unlink()  # not needed any more, as the cache has it
    (found / "own.txt").write_text("a learner's note")
    assert full("spoken-digits") == found and (found / "own.txt").exists()
    (found / "own.txt").unlink()
    (found / "a").unlink()
    fails(lambda: assets.path("spoken-digits", "full"), "d/a is missing", "which mends it")
    Store("").download("spoken-digits")  # from the archive in the cache
    assert tree(found) == {"a": b"aa", "b": b"bb"}
    (found / "a").unlink()
    Store("/nowhere").bring(["spoken-digits"])  # no mirror is needed for what can be mended here
    assert tree(found) == {"a": b"aa", "b": b"bb"}
    (assets.folder_of("spoken-digits") / "SHA256SUMS").unlink()
    fails(lambda: assets.path("spoken-digits", "full"), "SHA256SUMS is missing")
    assert tree(full("spoken-digits")) == {"a": b"aa", "b": b"bb"}


def test_a_folder_that_lost_files_comes_from_the_mirror_where_its_archive_is_gone(shelf):
    shelf.put("spoken-digits", "d.zip", ARCHIVES["zip"])
    found = full("spoken-digits")
    (assets.folder_of("spoken-digits") / "d.zip").unlink()
    assert full("spoken-digits") == found
    (found / "a").unlink()
    assert tree(full("spoken-digits")) == {"a": b"a", "e/b": b"b"}


def test_opening_a_large_file_does_not_read_it(shelf, monkeypatch):
    shelf.put("word-vectors", "vectors.gz", b"vectors")
    file = full("word-vectors")
    reads = []
    monkeypatch.setattr(assets, "sha256_of", lambda file: reads.append(file))
    os.utime(file, ns=(1, 1))
    assert full("word-vectors") == file and reads == []
    file.write_bytes(b"vector")
    fails(lambda: assets.path("word-vectors", "full"), "vectors.gz", "cut short", "damaged")


def test_a_file_cut_short_in_the_mirror_is_refused(shelf):
    archive = zipped(("d/a", b"a" * 1000))
    file = shelf.put("spoken-digits", "d.zip", archive)
    file.write_bytes(archive[:-30])
    fails(lambda: full("spoken-digits"), file, "sha256", "correct the mirror")
    file.write_bytes(archive[::-1])
    fails(lambda: full("spoken-digits"), file, "sha256", "correct the mirror")
    file.unlink()
    fails(lambda: full("spoken-digits"), file, "is missing")
    assert leftovers() == []


@pytest.mark.parametrize(
    "text", ["", "<html>", "[]", "{}", '{"assets": []}', '{"assets": {"a": 1}}', '{"assets": nul']
)
def test_an_index_that_is_none_is_refused(shelf, text, capsys):
    index = shelf.folder / "index.json"
    index.write_text(text)
    lacks("vgg16", capsys, index, "damaged", "JSON")
    fails(lambda: Store().download("spoken-digits"), index, "damaged", "JSON")
    assert assets.about("vgg16", "full").name == "vgg16"


def test_a_mirror_that_is_not_there_is_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("COURSE_MIRROR", str(tmp_path / "nowhere"))
    index = tmp_path / "nowhere" / "index.json"
    lacks("vgg16", capsys, index, "No such file", "COURSE_MIRROR")
    monkeypatch.setenv("COURSE_MIRROR", "ftp://example.org/mirror")
    lacks("vgg16", capsys, "http(s) address", "COURSE_MIRROR")


@pytest.mark.parametrize(
    "wrong",
    [
        {"file": "../secret"},
        {"file": "a/../../secret"},
        {"file": "/etc/passwd"},
        {"file": "C:secret"},
        {"file": "..\\secret"},
        {"file": ""},
        {"file": "."},
        {"file": None},
        {"file": 5},
        {"bytes": None},
        {"bytes": -1},
        {"bytes": "7"},
        {"sha256": None},
        {"sha256": "abc"},
        {"sha256": "../" * 21 + "a"},
    ],
    ids=str,
)
def test_entries_that_are_not_plain_are_refused(shelf, wrong):
    (shelf.folder.parent / "secret").write_bytes(b"weights")
    shelf.put("vgg16", "vgg.h5", b"weights", **wrong)
    fails(
        lambda: full("vgg16"), "'vgg16'", shelf.folder / "index.json", "refused", "plain relative"
    )


# ---------------------------------------------------------------- hostile and damaged archives


def _zip_link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("link")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


def _zip_with_a_wrong_byte() -> bytes:
    content = bytearray(zipped(("a", b"some text that is long enough to be squeezed" * 9)))
    content[40] ^= 0xFF
    return bytes(content)


def _zip_with_a_wrong_place() -> bytes:
    content = bytearray(zipped(("a", b"1")))
    content[-6] += 1  # where the list of files begins: the file then begins before the archive
    return bytes(content)


EVIL = Path(tempfile.gettempdir(), f"evil-{os.getpid()}").absolute()
NOISE = hashlib.shake_256(b"noise").digest(200_000)  # does not shrink, so a cut hits the content
HOSTILE = {
    "zip parent": (zipped(("good", b""), ("../evil", b"")), "'../evil' leads out"),
    "zip deep parent": (zipped(("a/../../evil", b"")), "leads out"),
    "zip absolute": (zipped((str(EVIL), b"")), "leads out"),
    "zip backslash": (zipped(("..\\evil", b"")), "leads out"),
    "zip drive": (zipped(("C:evil", b"")), "leads out"),
    "zip link": (zipped((_zip_link(), b"/etc/passwd")), "'link' in it is neither"),
    "zip twice": (zipped(("a", b"1"), ("./a", b"2")), "same name twice"),
    "zip file and folder": (zipped(("a", b"1"), ("a/b", b"2")), "same name twice"),
    "zip wrong byte": (_zip_with_a_wrong_byte(), ""),
    "zip cut": (zipped(("a", NOISE))[:-40], "neither a zip nor a tar"),
    "tar parent": (tarred(("good", b""), ("../evil", b"")), "'../evil' leads out"),
    "tar absolute": (tarred((str(EVIL), b"")), "leads out"),
    "tar symlink": (tarred(special("l", tarfile.SYMTYPE, "/etc")), "'l' in it is neither"),
    "tar link inside": (tarred(("a", b""), special("l", tarfile.SYMTYPE, "a")), "neither"),
    "tar hardlink": (tarred(("a", b""), special("l", tarfile.LNKTYPE, "a")), "neither"),
    "tar fifo": (tarred(special("f", tarfile.FIFOTYPE)), "'f' in it is neither"),
    "tar device": (tarred(special("d", tarfile.CHRTYPE)), "'d' in it is neither"),
    "zip long name": (zipped(("n" * 300, b"1")), "File name too long"),
    "zip wrong place": (_zip_with_a_wrong_place(), "Invalid argument"),
    "tar twice": (tarred(("a", b"1"), ("a", b"2")), "same name twice"),
    "tar.gz cut": (tarred(("a", NOISE), ("b", NOISE))[:-1000], ""),
    "tar.xz cut": (tarred(("a", NOISE), ("b", NOISE), mode="w:xz")[:-1000], ""),
    "tar cut": (tarred(("a", b""), ("b", NOISE), mode="w")[:5000], "unexpected end of data"),
    "no archive": (b"just text", "neither a zip nor a tar"),
    "empty": (b"", "neither a zip nor a tar"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_bad_archive_leaves_nothing(shelf, tmp_path, case):
    content, word = HOSTILE[case]
    file = shelf.put("spoken-digits", "d.zip", content)
    outside = {p for p in tmp_path.rglob("*") if not p.is_relative_to(assets.cache_folder())}
    fails(lambda: full("spoken-digits"), file, word, "correct the mirror")
    assert leftovers() == []
    after = {p for p in tmp_path.rglob("*") if not p.is_relative_to(assets.cache_folder())}
    assert after == outside and not EVIL.exists()
    shelf.put("spoken-digits", "d.zip", ARCHIVES["zip"])
    assert tree(full("spoken-digits")) == {"a": b"a", "e/b": b"b"}


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_archive_that_grows_without_end_is_stopped(tmp_path, pack):
    archive = tmp_path / "archive"
    archive.write_bytes(pack(("a", bytes(1_500_000)), ("b", bytes(1_500_000))))
    with pytest.raises(WrongFileError, match="grows beyond 2,000,000 bytes"):
        archives.unpack(archive, tmp_path / "new", print, limit=2_000_000)
    archive.write_bytes(pack(("a", bytes(1_500_000))))
    archives.unpack(archive, tmp_path / "again", print, limit=2_000_000)
    assert (tmp_path / "again" / "a").stat().st_size == 1_500_000


# ---------------------------------------------------------------- several processes, and none left

CHILD = """
import sys, time
from course.fetch import archives
from course.fetch.store import Store
from helpers import assets
{extra}
print("ready", flush=True)
sys.stdin.readline()
Store().bring(["spoken-digits"])
print(assets.path("spoken-digits", profile="full"), flush=True)
"""


def child(extra=""):
    return subprocess.Popen(
        [sys.executable, "-c", CHILD.format(extra=extra)],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def test_two_processes_bring_the_same_at_once_one_copy(shelf, tmp_path):
    members = [(f"d/{number}", b"%d" % number) for number in range(500)]
    shelf.put("spoken-digits", "d.tar.gz", tarred(*members))
    # Whoever unpacks waits until the other waits for it.
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    wait = f"""
import os, pathlib
real, seen = archives.unpack, pathlib.Path({str(unpacked)!r})
def slow(*args):
    (seen / str(os.getpid())).touch()
    time.sleep(1)
    real(*args)
archives.unpack = slow
"""
    children = [child(wait), child(wait)]
    for one in children:
        assert one.stdout.readline() == "ready\n"
    for one in children:
        one.stdin.write("go\n")
        one.stdin.flush()
    said = [one.communicate(timeout=60) for one in children]
    assert [one.returncode for one in children] == [0, 0]
    (place,) = {out.strip() for out, _ in said}
    assert tree(Path(place)) == {str(number): b"%d" % number for number in range(500)}
    assert len(list(unpacked.iterdir())) == 1
    assert sum("waiting for it" in complaints for _, complaints in said) == 1
    assert not list(assets.cache_folder().glob("assets/.work-*"))


def test_a_killed_unpacking_is_never_used_and_is_cleared_away(shelf):
    members = [(f"d/{number}", b"%d" % number) for number in range(5)]
    shelf.put("spoken-digits", "d.zip", zipped(*members))
    half = """
real, seen = archives.unpack, []
def slow(count):
    seen.append(count)
    if len(seen) == 3:
        print("half", flush=True)
        time.sleep(60)
archives.unpack = lambda archive, folder, seen: real(archive, folder, slow)
"""
    one = child(half)
    one.stdout.readline()
    one.stdin.write("go\n")
    one.stdin.flush()
    assert one.stdout.readline() == "half\n"
    os.kill(one.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    one.wait()
    for pipe in (one.stdin, one.stdout, one.stderr):
        pipe.close()
    (left,) = store.home().glob(".work-*")
    assert len(tree(left)) == 4 and not list(store.home().glob("*/unpacked"))  # and the archive
    assert len(tree(full("spoken-digits"))) == 5
    assert not left.exists() and leftovers() == [str(full("spoken-digits").parent)]


def test_an_interrupted_unpacking_leaves_nothing(shelf, monkeypatch):
    shelf.put("spoken-digits", "d.zip", ARCHIVES["zip"])

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(store.tqdm, "update", interrupt)
        full("spoken-digits")
    assert leftovers() == []
    assert tree(full("spoken-digits")) == {"a": b"a", "e/b": b"b"}


def test_a_cache_that_cannot_be_written_is_named(shelf, monkeypatch, tmp_path):
    shelf.put("spoken-digits", "d.zip", ARCHIVES["zip"])
    blocked = tmp_path / "a file"
    blocked.touch()
    monkeypatch.setenv("COURSE_CACHE", str(blocked))
    fails(lambda: full("spoken-digits"), "'spoken-digits'", blocked, "COURSE_CACHE")


def test_a_full_disk_is_not_blamed_on_the_archive(shelf, monkeypatch):
    shelf.put("spoken-digits", "d.zip", ARCHIVES["zip"])

    def no_room(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store.tqdm, "update", no_room)
        fails(lambda: full("spoken-digits"), "'spoken-digits'", "No space left", "make room")
    assert leftovers() == []


def test_a_filled_cache_may_be_read_only(shelf):
    shelf.put("spoken-digits", "d.zip", ARCHIVES["zip"])
    shelf.put("vgg16", "vgg.h5", b"weights")
    found = [full("spoken-digits"), full("vgg16")]
    store.home().chmod(0o500)
    if os.access(store.home(), os.W_OK):
        pytest.skip("permissions do not bind this user")
    try:
        assert [full("spoken-digits"), full("vgg16")] == found
        shelf.put("yamnet", "d.zip", zipped(("d/a", b"new")))
        fails(lambda: full("yamnet"), "Permission denied", "COURSE_CACHE")
    finally:
        store.home().chmod(0o700)


# ---------------------------------------------------------------- a mirror on a server


def test_a_file_is_downloaded_once(shelf, server):
    content = b"weights" * 1000
    shelf.put("vgg16", "some weights/vgg#1 ü.weights.h5", content)
    found = full("vgg16")
    assert found.name == "vgg#1 ü.weights.h5" and found.read_bytes() == content
    assert found.is_relative_to(assets.cache_folder())
    path = "/some weights/vgg#1 ü.weights.h5"
    assert full("vgg16") == found and server.seen == ["/index.json", path]
    found.write_bytes(content[:-1])
    fails(lambda: assets.path("vgg16", "full"), "cut short")
    assert full("vgg16").read_bytes() == content
    assert server.seen.count(path) == 2


def test_an_address_may_be_in_capitals(shelf, server, monkeypatch):
    shelf.put("vgg16", "vgg.h5", b"weights")
    monkeypatch.setenv("COURSE_MIRROR", server.address.replace("http", "HTTP"))
    assert full("vgg16").read_bytes() == b"weights"


def test_an_index_is_read_once_for_many_files(shelf, server):
    for name in ("vgg16", "resnet50", "yamnet"):
        shelf.put(name, f"{name}.zip", zipped(("d/a", name.encode())))
    Store(patience=QUICK).bring(["vgg16", "resnet50", "yamnet", "word-vectors"])
    assert sorted(server.seen) == ["/index.json", "/resnet50.zip", "/vgg16.zip", "/yamnet.zip"]


def test_a_mirror_that_fails_is_asked_once_for_many_files(shelf, server, capsys):
    server.faults["/index.json"] = 404
    Store(patience=QUICK).bring(["vgg16", "resnet50", "yamnet"])
    assert server.seen == ["/index.json"] and capsys.readouterr().out.count("\n") == 1


def test_an_archive_is_downloaded_and_unpacked_once(shelf, server):
    shelf.put("spoken-digits", "d.tar.xz", ARCHIVES["tar.xz"])
    for _ in range(2):
        assert tree(full("spoken-digits")) == {"a": b"a", "e/b": b"b"}
    assert server.seen.count("/d.tar.xz") == 1
    assert assets.about("spoken-digits", profile="full").where == f"{server.address}/d.tar.xz"


@pytest.mark.parametrize(
    ("fault", "word"),
    [(404, "HTTP status 404"), (500, "HTTP status 500"), ("cut", "the connection broke")],
)
def test_a_failing_server_is_named_and_leaves_nothing(shelf, server, capsys, fault, word):
    shelf.put("spoken-digits", "d.zip", zipped(("d/a", NOISE)))
    server.faults["/d.zip"] = fault
    lacks("spoken-digits", capsys, f"{server.address}/d.zip", word, "again")
    assert kept_files() == []
    assert leftovers() == []
    server.faults = {"/index.json": fault}
    lacks("spoken-digits", capsys, f"{server.address}/index.json", word, "again")
    server.faults = {}
    assert tree(full("spoken-digits")) == {"a": NOISE}


def test_a_body_that_ends_early_or_differs_is_not_kept(shelf, server, capsys):
    file = shelf.put("vgg16", "vgg.h5", NOISE)
    server.faults["/vgg.h5"] = "end"
    fault = "100,000 bytes instead of 200,000"
    lacks("vgg16", capsys, f"{server.address}/vgg.h5", fault)
    server.faults = {}
    file.write_bytes(NOISE[::-1])
    fails(lambda: full("vgg16"), f"{server.address}/vgg.h5", "sha256")
    assert kept_files() == []
    file.write_bytes(NOISE)
    assert full("vgg16").read_bytes() == NOISE


def test_a_server_that_is_down_is_named(shelf, server, capsys):
    shelf.put("vgg16", "vgg.h5", b"weights")
    server.shutdown()
    server.server_close()
    lacks("vgg16", capsys, f"{server.address}/index.json", "COURSE_MIRROR", "refused")


# ---------------------------------------------------------------- the real mirror

EXPECTED = {  # what the code of the chapters looks for
    "cats-vs-dogs": ("train/cats/*.jpg", 450),
    "mobilenet-v2-feature-vector": ("saved_model.pb", 1),
    "mobilenet-v2-classification": ("saved_model.pb", 1),
    "film-reviews": ("rt-polarity.*", 2),
    "yamnet": ("assets/yamnet_class_map.csv", 1),
    "environmental-sounds": ("meta/esc50.csv", 1),
    "flower-photos": ("roses/*.jpg", 45),
    "imagenet-samples": ("*.JPEG", 50),
    "spoken-digits": ("*.wav", 300),
}


@pytest.mark.mirror
@pytest.mark.skipif(
    not (REAL / "index.json").is_file(), reason=f"no mirror of real assets at {REAL}"
)
def test_every_real_asset_is_brought_and_opened(monkeypatch):
    monkeypatch.setenv("COURSE_MIRROR", str(REAL))
    monkeypatch.setenv("COURSE_PROGRESS", "0")
    index = json.loads((REAL / "index.json").read_text(encoding="utf-8"))["assets"]
    assets.use("full")
    Store().bring(index)
    index = Store().expand(index)
    for name in index:
        found = assets.path(name)
        assert found.is_relative_to(assets.cache_folder()) and assets.is_here(name)
        assert assets.about(name).where.startswith(str(REAL))
    for name, (pattern, number) in EXPECTED.items():
        assert len(list(assets.path(name).glob(pattern))) == number, name
    monkeypatch.delenv("COURSE_MIRROR")
    assert all(assets.path(name).exists() for name in index)
    assert Store().missing(*index) == []
