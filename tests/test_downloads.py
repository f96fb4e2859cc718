"""Downloads against real servers that misbehave: the table of faults and what becomes of them.

Each test's name states a fault and its outcome. After every fault: nothing wrong is opened, what
was good before is still there, a second try succeeds, and nothing temporary is left.
"""

import contextlib
import hashlib
import io
import json
import os
import shutil
import signal
import socket
import ssl
import stat
import struct
import subprocess
import sys
import tarfile
import threading
import time
import zlib
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from nbclient import NotebookClient
from test_assets import ARCHIVES, HOSTILE, fails, tree, zipped

from course.fetch import archives, store
from course.fetch.resume import Patience, Resuming, WrongFileError, discard
from course.fetch.store import Store, part_of
from helpers import assets

ROOT = Path(__file__).resolve().parent.parent
BODY = hashlib.shake_256(b"body").digest(400_000)
OTHER = hashlib.shake_256(b"other").digest(400_000)
QUICK = Patience(connect=10, stall=10, tries=3, pause=0.01)
STALLING = ("silence", "stall")  # of a fault's name: then less than 10 s is waited
SIGKILL = getattr(signal, "SIGKILL", signal.SIGTERM)


# ---------------------------------------------------------------- a server that can misbehave


class Server(ThreadingHTTPServer):
    """Serves `files`; `faults` holds for a path what is done instead, one a request, the last
    again and again. `seen` is every request: path and Range."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.heal()
        self.files, self.seen, self.awake = {}, [], threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def heal(self):
        self.faults = {}

    def handle_error(self, *_):
        pass  # clients are killed and hang up here

    def stop(self):
        self.awake.set()
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.close_connection = True
        path = unquote(urlsplit(self.path).path)
        self.body = self.server.files.get(path)
        self.server.seen.append((path, self.headers.get("Range")))
        faults = self.server.faults.get(path, [])
        fault = faults.pop(0) if len(faults) > 1 else faults[0] if faults else good
        if self.body is None and fault is good:
            fault = status(404)
        fault(self)

    def head(self, code, **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Connection", "close")
        self.end_headers()

    def send(self, content):
        self.wfile.write(content)
        self.wfile.flush()


def etag(content):
    return f'"{hashlib.md5(content).hexdigest()}"'


def good(request, cut_at=None, hold=False):
    """Answers as a good server does, a Range too; perhaps only a part of it."""
    body, code, headers, start = request.body, 200, {}, 0
    asked = request.headers.get("Range")
    if asked and request.headers.get("If-Range") == etag(body):
        start = int(asked.removeprefix("bytes=").partition("-")[0])
        headers["Content_Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        code = 206
    request.head(code, Content_Length=len(body) - start, ETag=etag(body), **headers)
    request.send(body[start:] if cut_at is None else body[start : max(start, cut_at)])
    if hold:
        request.server.awake.wait(20)


def cut(share):
    return lambda request: good(request, cut_at=int(len(request.body) * share))


def hang(share):
    return lambda request: good(request, cut_at=int(len(request.body) * share), hold=True)


def silent(request):
    request.server.awake.wait(20)


def status(code, **headers):
    def fault(request):
        request.head(code, Content_Length=5, **headers)
        request.send(b"sorry")

    return fault


def instead(content, announced=None, **headers):
    """Sends other content, announcing its own size or another."""

    def fault(request):
        size = len(content) if announced is None else announced
        request.head(200, Content_Length=size, **headers)
        request.send(content)

    return fault


def without_size(content):
    """Sends content in chunks; how much comes is not said."""

    def fault(request):
        request.head(200, Transfer_Encoding="chunked")
        for start in range(0, len(content), 50_000):
            piece = content[start : start + 50_000]
            request.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        request.send(b"0\r\n\r\n")

    return fault


def no_ranges(request):
    instead(request.body, ETag=etag(request.body))(request)


def ignores_if_range(request):
    """Answers a Range from the file as it is now, whatever was begun; that tells by its ETag."""
    start = int(request.headers["Range"].removeprefix("bytes=").partition("-")[0])
    place = f"bytes {start}-{len(request.body) - 1}/{len(request.body)}"
    rest = request.body[start:]
    request.head(206, Content_Length=len(rest), Content_Range=place, ETag=etag(request.body))
    request.send(rest)


def lies_about_range(request):
    """The same, and claims that the file is the one that was begun."""
    start = int(request.headers["Range"].removeprefix("bytes=").partition("-")[0])
    place = f"bytes {start}-{len(OTHER) - 1}/{len(OTHER)}"
    same = request.headers["If-Range"]
    request.head(206, Content_Length=len(OTHER) - start, Content_Range=place, ETag=same)
    request.send(OTHER[start:])


def wrong_place(request):
    rest = request.body[10:]
    place = f"bytes 10-{len(request.body) - 1}/{len(request.body)}"
    request.head(206, Content_Length=len(rest), Content_Range=place, ETag=etag(request.body))
    request.send(rest)


def to(target):
    return lambda request: request.head(302, Location=target, Content_Length=0)


PAGE = b"\n<!DOCTYPE html><html><body>Log in to the wireless network</body></html>"


def page(request):
    instead(PAGE, Content_Type="text/html; charset=utf-8")(request)


# ---------------------------------------------------------------- a catalogue of the test's own


@pytest.fixture
def server():
    made = Server()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def clean(tmp_path, monkeypatch):
    """A process without choices, and a cache of its own with an awkward name."""
    for name in os.environ:
        if name.startswith("COURSE_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache für Übungen"))
    monkeypatch.setenv("COURSE_PROGRESS", "0")
    monkeypatch.setattr(assets, "_chosen", None)
    monkeypatch.setattr(assets, "DATA", tmp_path / "data")


class Shop:
    """The full profile of a course with a few public files, all on one server."""

    def __init__(self, server, data):
        self.server, self.data, self.tables = server, data, {}
        data.mkdir()

    def put(self, name, file, content, urls=None, known=True, **more):
        """List a public file and serve it; `known`: its size and checksum are published."""
        self.server.files[f"/{file}"] = content
        table = {"file": file, "kind": "images", "what": "w", "origin": "o", "licence": "CC0"}
        table["urls"] = urls or [f"{self.server.address}/{file}"]
        if known:
            table |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        self.tables[name] = table | more
        lines = ["[sample]"]
        for key, entry in self.tables.items():
            lines.append(f"[full.{key}]")
            for part, value in entry.items():
                if isinstance(value, dict):
                    for pattern, count in value.items():
                        lines.append(f"{part}.{json.dumps(pattern)} = {count}")
                elif value is not None:
                    lines.append(f"{part} = {json.dumps(value)}")
        (self.data / "catalog.toml").write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture
def shop(server, tmp_path):
    """One good file is here before anything happens."""
    made = Shop(server, tmp_path / "data")
    made.put("before", "before.bin", b"what was good before")
    Store(patience=QUICK).download("before")
    made.put("thing", "thing.bin", BODY)
    server.seen.clear()
    return made


def full(name):
    return assets.path(name, profile="full")


def get(name="thing", patience=QUICK):
    Store(patience=patience).download(name)
    return full(name)


def record_of(name):
    return assets.folder_of(name) / "record.json"


def ranges(server, path="/thing.bin"):
    return [asked for where, asked in server.seen if where == path]


def nothing_temporary():
    """The cache holds files, stamps, records and locks; nothing begun, nothing half done."""
    found = [p for p in store.home().rglob("*") if p.is_file() and p.suffix != ".lock"]
    assert [p for p in found if ".parts" in p.parts] == []
    assert not list(store.home().glob(".work-*")) and not list(store.home().glob(".lock-*"))


def aftermath(server, content=BODY, name="thing"):
    """After a fault: the good is still there, and once the fault has gone, all is well."""
    assert full("before").read_bytes() == b"what was good before"
    fails(lambda: full(name), f"'course download {name}'")
    server.heal()
    assert get(name).read_bytes() == content
    nothing_temporary()


# ---------------------------------------------------------------- faults that are survived

SURVIVED = {
    "status 500 once, then good": [status(500), good],
    "status 429 once, then good": [status(429, Retry_After=3600), good],
    "cut at 0 %, then good": [cut(0), good],
    "cut at 50 %, then resumed": [cut(0.5), good],
    "cut at 99 %, then resumed": [cut(0.99), good],
    "cut at 25, 50, 75 and 99 %, resumed each time": [cut(0.25), cut(0.5), cut(0.75), cut(0.99)]
    + [good],
    "silence before the answer, then good": [silent, good],
    "a stall at 50 %, then resumed": [hang(0.5), good],
    "cut at 50 %, no Range support, then whole": [cut(0.5), no_ranges],
    "cut at 50 %, Range from another place, then whole": [cut(0.5), wrong_place, good],
    "cut at 50 %, status 416, then whole": [cut(0.5), status(416), good],
    "more bytes than announced, the surplus ignored": [
        lambda request: instead(BODY + b"surplus", len(BODY))(request)
    ],
    "no size announced, the right bytes": [lambda request: without_size(BODY)(request)],
    "a redirect to a good place": [lambda request: to("/elsewhere")(request)],
}


def patience_for(fault):
    """Wait less where a fault is a stall. Elsewhere a busy machine must not look like one."""
    return replace(QUICK, stall=0.4) if any(word in fault for word in STALLING) else QUICK


@pytest.mark.parametrize("fault", SURVIVED)
def test_survived(shop, server, fault):
    patience = patience_for(fault)
    server.faults["/thing.bin"] = list(SURVIVED[fault])
    server.files["/elsewhere"] = BODY
    assert get(patience=patience).read_bytes() == BODY
    asked = ranges(server)
    resumes = any(word in fault for word in ("resumed", "Range", "416"))
    assert patience != QUICK or any(asked) == resumes
    assert full("before").read_bytes() == b"what was good before"
    nothing_temporary()
    server.seen.clear()
    assert get().read_bytes() == BODY and server.seen == []


def test_a_resumed_download_asks_only_for_the_rest(shop, server):
    server.faults["/thing.bin"] = [cut(0.5), good]
    get()
    assert ranges(server) == [None, "bytes=200000-"]


# ---------------------------------------------------------------- faults that are told

TOLD = {
    "status 403: told at once": ([status(403)], "HTTP status 403", 1),
    "status 404: told at once": ([status(404)], "HTTP status 404", 1),
    "status 500 for ever: told after three tries": ([status(500)], "HTTP status 500", 3),
    "status 429 for ever: told after three tries, whatever wait it asks for": (
        [status(429, Retry_After=3600)],
        "HTTP status 429",
        3,
    ),
    "silence for ever: told after the timeouts": ([silent], "nothing came for a while", 3),
    "a stall at 0 % for ever: told": ([hang(0)], "nothing came for a while", 3),
    "cut at 0 % for ever: told": ([cut(0)], "the connection broke", 3),
    "cut at 50 % for ever: told": ([cut(0.5)], "the connection broke", 4),
    "cut at 99 % for ever: told": ([cut(0.99)], "the connection broke", 4),
    "a shorter body than published: told": (
        [instead(BODY[:-1])],
        "399,999 bytes instead of 400,000",
        1,
    ),
    "a longer body than published: told": (
        [instead(BODY + b"x")],
        "400,001 bytes instead of 400,000",
        1,
    ),
    "an unannounced shorter body: told": (
        [without_size(BODY[:-1])],
        "399,999 bytes instead of 400,000",
        4,
    ),
    "an unannounced longer body: told": ([without_size(BODY + b"x")], "sha256", 1),
    "right size, wrong bytes: told": ([instead(OTHER)], "sha256", 1),
    "a web page instead of the file: told": ([page], "a web page came", 1),
    "a redirect loop: told": ([to("/thing.bin")], "redirects in a loop", 11),
    "a redirect to no address: told": ([to("file:///etc/passwd")], "No connection adapters", 1),
    "an answer that is not HTTP: told": (
        [lambda request: request.send(b"\x00\x01garbage\r\n\r\n")],
        "the connection broke",
        3,
    ),
}


@pytest.mark.parametrize("fault", TOLD)
def test_told(shop, server, fault):
    faults, word, requests = TOLD[fault]
    server.faults["/thing.bin"] = list(faults)
    slow = patience_for(fault)
    message = fails(lambda: get(patience=slow), "'thing'", f"{server.address}/thing.bin (", word)
    assert "'course download thing' again" in message
    assert len(ranges(server)) == requests
    assert not assets.folder_of("thing").exists() and not list(store.home().glob(".work-*"))
    aftermath(server)


def test_a_refused_connection_is_told(shop, server):
    with contextlib.closing(socket.socket()) as taken:  # bound, so that nobody else listens there
        taken.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}/thing.bin"
        shop.put("thing", "thing.bin", BODY, urls=[closed])
        fails(get, f"{closed} (the connection was refused)", "check the network")
    shop.put("thing", "thing.bin", BODY)
    aftermath(server)


def test_a_name_that_does_not_resolve_is_told(shop, server):
    shop.put("thing", "thing.bin", BODY, urls=["http://nowhere.invalid/thing.bin"])
    fails(get, "nowhere.invalid/thing.bin (its name does not resolve)", "check the network")
    shop.put("thing", "thing.bin", BODY)
    aftermath(server)


def test_a_certificate_that_nobody_vouches_for_is_told_and_never_accepted(
    shop, server, tmp_path, monkeypatch
):
    if not shutil.which("openssl"):
        pytest.skip("no openssl here to make a certificate")
    pem = tmp_path / "own.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = "-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1".split()
    made = ["-keyout", pem, "-out", tmp_path / "certificate.pem"]
    subprocess.run([*command.split(), *names, *made], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", pem)
    secure = Server()
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    try:
        address = f"https://127.0.0.1:{secure.server_port}/thing.bin"
        shop.put("thing", "thing.bin", BODY, urls=[address])
        secure.files["/thing.bin"] = BODY
        monkeypatch.setenv("CURL_CA_BUNDLE", "")  # the switch that older tools took for "off"
        fails(get, "TLS certificate is not trusted", "self-signed")
        assert secure.seen == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "certificate.pem"))
        secure.faults["/thing.bin"] = [to(f"{server.address}/thing.bin")]
        server.seen.clear()
        fails(get, "redirects from https to an address without TLS")
        assert server.seen == []
        secure.heal()
        assert get().read_bytes() == BODY
    finally:
        secure.stop()


def test_a_proxy_of_the_environment_is_used(shop, server, monkeypatch):
    proxy = Server()  # asked with the whole address, of which it looks at the path
    proxy.files["/thing.bin"] = BODY
    monkeypatch.setenv("http_proxy", proxy.address)
    shop.put("thing", "thing.bin", BODY, urls=["http://behind-the-proxy.invalid/thing.bin"])
    assert get().read_bytes() == BODY
    assert len(proxy.seen) == 1
    proxy.stop()
    nothing_temporary()


def test_a_proxy_that_does_not_answer_is_told(shop, server, monkeypatch):
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{taken.getsockname()[1]}")
        fails(get, "the proxy that the environment names does not answer")
    monkeypatch.delenv("http_proxy")
    aftermath(server)


# ---------------------------------------------------------------- resuming later


def interrupted(shop, server, share=0.5):
    """A download that ended with the connection, and left its part."""
    server.faults["/thing.bin"] = [cut(share)]
    fails(get, "the connection broke")
    assert part_of("thing").stat().st_size == int(len(server.files["/thing.bin"]) * share)
    server.heal()
    server.seen.clear()


def test_a_later_call_goes_on_where_the_first_stopped(shop, server):
    interrupted(shop, server)
    assert get().read_bytes() == BODY
    assert ranges(server) == ["bytes=200000-"]
    nothing_temporary()


@pytest.mark.parametrize(
    ("answer", "requests"),
    [(good, 1), (ignores_if_range, 2)],
    ids=["told by If-Range", "server ignores If-Range"],
)
def test_a_file_that_changed_meanwhile_is_fetched_whole(shop, server, answer, requests):
    shop.put("thing", "thing.bin", BODY, known=False)
    interrupted(shop, server)
    server.files["/thing.bin"] = OTHER
    server.faults["/thing.bin"] = [answer, good]
    assert get().read_bytes() == OTHER
    assert len(ranges(server)) == requests
    nothing_temporary()


def test_a_range_from_a_changed_file_that_claims_to_be_the_same_is_found_out(shop, server):
    interrupted(shop, server)
    server.faults["/thing.bin"] = [lies_about_range, good]
    fails(get, "sha256")
    assert get().read_bytes() == BODY
    assert ranges(server) == ["bytes=200000-", None]
    nothing_temporary()


def test_a_part_that_was_tampered_with_is_found_out(shop, server):
    interrupted(shop, server)
    part = part_of("thing")
    part.write_bytes(OTHER[:200_000])
    fails(get, "sha256")
    assert get().read_bytes() == BODY
    assert ranges(server) == ["bytes=200000-", None]
    nothing_temporary()


def test_a_web_page_on_the_way_costs_nothing_of_what_had_come(shop, server):
    interrupted(shop, server)
    server.faults["/thing.bin"] = [page]  # of a wireless network that wants a password
    fails(get, "a web page came")
    server.heal()
    server.seen.clear()
    assert get().read_bytes() == BODY
    assert ranges(server) == ["bytes=200000-"]
    nothing_temporary()


def test_a_part_without_its_note_is_fetched_whole(shop, server):
    interrupted(shop, server)
    (note,) = part_of("thing").parent.glob("*.json")
    note.write_text("{ half a no")
    assert get().read_bytes() == BODY
    assert ranges(server) == [None]
    nothing_temporary()


def test_a_hundred_interrupted_downloads_leave_one_part(shop, server):
    for share in range(100):
        server.faults["/thing.bin"] = [cut(share / 100), status(403)]
        fails(get)
        assert len(list(part_of("thing").parent.iterdir())) in (0, 2)
    aftermath(server)


# ---------------------------------------------------------------- checksums and contents


def test_an_unknown_checksum_is_recorded_and_enforced_ever_after(shop, server):
    shop.put("thing", "thing.bin", BODY, known=False)
    fails(lambda: full("thing"), "size not published")
    found = get()
    assert found.read_bytes() == BODY
    record = json.loads(record_of("thing").read_text())
    assert record["sha256"] == hashlib.sha256(BODY).hexdigest() and record["version"] == 2
    assert record["bytes"] == len(BODY) and record["from"] == f"{server.address}/thing.bin"
    found.unlink()
    server.files["/thing.bin"] = OTHER  # the publisher's, or somebody's, other content
    fails(get, "sha256", record["date"], "delete", record_of("thing"))
    fails(lambda: full("thing"))
    server.files["/thing.bin"] = BODY
    assert get().read_bytes() == BODY
    found.write_bytes(BODY[:-1])  # damaged in the cache: found out, fetched again
    fails(lambda: full("thing"), "cut short")
    assert get().read_bytes() == BODY
    nothing_temporary()


def test_a_published_md5_is_enforced_from_the_first_byte(shop, server):
    md5 = hashlib.md5(BODY).hexdigest()
    shop.put("thing", "thing.bin", BODY, known=False, md5=md5, bytes=len(BODY))
    server.files["/thing.bin"] = OTHER
    fails(get, f"it has not the checksum md5:{md5}")
    assert not record_of("thing").exists()
    server.files["/thing.bin"] = BODY
    assert get().read_bytes() == BODY
    nothing_temporary()


def test_an_archive_without_the_folder_that_it_must_hold_is_not_recorded(shop, server):
    right = zipped(("e/a", b"a"))
    shop.put("thing", "thing.zip", right, known=False, unpack="zip", root="e")
    server.files["/thing.zip"] = zipped(("d/a", b"a"))
    fails(get, "thing.zip (", "holds no folder 'e'")
    assert not record_of("thing").exists()
    nothing_temporary()
    server.files["/thing.zip"] = right
    assert tree(get()) == {"a": b"a"}


# ---------------------------------------------------------------- archives from the network


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_or_damaged_archive_is_told_and_leaves_nothing(shop, server, tmp_path, case):
    content, word = HOSTILE[case]
    outside = {p for p in tmp_path.rglob("*") if not p.is_relative_to(assets.cache_folder())}
    shop.put("thing", "thing.zip", content, known=False, unpack="zip")
    fails(get, "thing.zip (", word)
    after = {p for p in tmp_path.rglob("*") if not p.is_relative_to(assets.cache_folder())}
    assert after == outside and not assets.folder_of("thing").exists()
    nothing_temporary()
    server.files["/thing.zip"] = ARCHIVES["zip"]
    assert tree(get()) == {"a": b"a", "e/b": b"b"}
    assert full("before").exists()


def deflated(content: bytes) -> bytes:
    """A piece of a deflated stream that any other piece may follow."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush(zlib.Z_FULL_FLUSH)


def zeros(megabytes: int) -> bytes:
    """So many MB of zeros, deflated: the same piece again and again, and an end."""
    end = zlib.compressobj(9, zlib.DEFLATED, -15).flush()
    return deflated(bytes(1_000_000)) * megabytes + end


def zip_bomb(announced: int) -> bytes:
    """10 GB of zeros in 10 MB, by whatever size its header announces."""
    packed = zeros(10_000)
    out = io.BytesIO()
    sizes = struct.pack("<III", 0, len(packed), announced)
    local = b"PK\3\4" + struct.pack("<HHHHH", 20, 0, 8, 0, 33) + sizes + struct.pack("<HH", 4, 0)
    out.write(local + b"zero" + packed)
    central = out.tell()
    out.write(b"PK\1\2" + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 33) + sizes)
    out.write(struct.pack("<HHHHHII", 4, 0, 0, 0, 0, 0, 0) + b"zero")
    size = out.tell() - central
    out.write(b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, size, central, 0))
    return out.getvalue()


def tar_bomb() -> bytes:
    info = tarfile.TarInfo("zero")
    info.size = 10**10
    header = deflated(info.tobuf(tarfile.GNU_FORMAT))
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + header + zeros(10_000) + bytes(8)


BOMBS = {
    "zip that announces 4 GB": (lambda: zip_bomb(4_000_000_000), "grows beyond"),
    "zip that announces 9 bytes": (lambda: zip_bomb(9), "Bad CRC-32"),
    "tar that announces 10 GB": (tar_bomb, "grows beyond"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_of_10_GB_in_10_MB_is_refused_hardly_written(tmp_path, bomb):
    make, word = BOMBS[bomb]
    archive, written = tmp_path / "bomb", []
    archive.write_bytes(make())
    assert 9e6 < archive.stat().st_size < 11e6
    with pytest.raises(WrongFileError, match=word):
        archives.unpack(archive, tmp_path / "new", written.append, limit=20_000_000)
    assert sum(written) <= 20_000_000


# ---------------------------------------------------------------- sources, one after the other


def write_mirror(server, name, file, content, **wrong):
    entry = {"file": file, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    server.files[f"/class/{file}"] = content
    index = {"assets": {name: entry | wrong}}
    server.files["/class/index.json"] = json.dumps(index).encode()


def test_the_mirror_is_asked_first_then_each_address_in_turn(shop, server, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_MIRROR", f"{server.address}/class")
    write_mirror(server, "thing", "thing.bin", OTHER)
    addresses = [f"{server.address}/{name}" for name in ("first.bin", "second.bin", "thing.bin")]
    shop.put("thing", "thing.bin", BODY, urls=addresses)
    server.faults["/class/thing.bin"] = [status(500)]
    server.faults["/first.bin"] = [status(404)]
    server.faults["/second.bin"] = [page]
    server.seen.clear()
    assert get().read_bytes() == BODY
    order = list(dict.fromkeys(path for path, _ in server.seen if "index" not in path))
    assert order == ["/class/thing.bin", "/first.bin", "/second.bin", "/thing.bin"]
    said = capsys.readouterr().out
    for reason in ("HTTP status 500", "first.bin (HTTP status 404)", "second.bin (a web page"):
        assert reason in said
    server.heal()
    server.seen.clear()
    assert get().read_bytes() == BODY and server.seen == []  # a checked file is a file
    shutil.rmtree(assets.folder_of("thing"))
    assert get().read_bytes() == OTHER  # the mirror's, whose index says so
    nothing_temporary()


def test_when_every_source_fails_each_is_named_with_its_reason(shop, server, monkeypatch):
    monkeypatch.setenv("COURSE_MIRROR", f"{server.address}/class")
    write_mirror(server, "thing", "thing.bin", OTHER)
    shop.put("thing", "t.bin", BODY, urls=[f"{server.address}/{n}.bin" for n in "ab"])
    server.faults["/class/thing.bin"] = [instead(BODY)]
    server.faults["/a.bin"] = [status(403)]
    message = fails(
        get, "class/thing.bin (", "sha256", "a.bin (HTTP status 403), nor from", "b.bin ("
    )
    assert message.index("class") < message.index("a.bin") < message.index("b.bin")
    nothing_temporary()


def test_what_a_mirror_gave_is_here_without_the_mirror(shop, server, monkeypatch):
    monkeypatch.setenv("COURSE_MIRROR", f"{server.address}/class")
    write_mirror(server, "lesson", "lesson.zip", ARCHIVES["zip"])
    found = get("lesson")
    assert tree(found) == {"a": b"a", "e/b": b"b"}
    server.seen.clear()
    for place in (f"{server.address}/class", f"{server.address}/other", "/nowhere", ""):
        monkeypatch.setenv("COURSE_MIRROR", place)
        server.faults["/class/index.json"] = [status(500)]
        assert full("lesson") == found == get("lesson")
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    assert full("lesson") == found and server.seen == []


def test_offline_asks_the_network_for_nothing(shop, server, monkeypatch):
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    fails(get, "'thing'", "unset COURSE_OFFLINE, then run 'course download thing'")
    fails(lambda: full("thing"), "'course download thing'")
    assert full("before").exists() and get("before")
    monkeypatch.setenv("COURSE_MIRROR", f"{server.address}/class")
    fails(get, "/class", "COURSE_OFFLINE")
    assert full("before").exists()
    assert server.seen == []


def test_a_missing_asset_is_named_with_its_command_and_size_and_not_fetched(shop, server):
    shop.put("large", "large.bin", bytes(2_000_000), bytes=60_000_000)
    fails(lambda: full("large"), "(60.0 MB) is not here", "'course download large'")
    assert server.seen == []


def test_the_bar_knows_what_was_there_and_what_comes(shop, server, tmp_path):
    interrupted(shop, server)
    url = f"{server.address}/thing.bin"
    (tmp_path / "out").touch()
    with store.tqdm(file=io.StringIO(), unit="B", unit_scale=True) as bar:
        bring = Resuming(part_of("thing"), bar, QUICK, size=len(BODY))
        bring(url, str(tmp_path / "out"), None)
        assert (bar.total, bar.n, bar.initial) == (400_000, 400_000, 200_000)
        assert "400k/400k" in str(bar) and "B/s" in str(bar)
    assert (tmp_path / "out").read_bytes() == BODY
    discard(part_of("thing"))
    nothing_temporary()


CELL = """
from pathlib import Path
from course import fetch
from helpers import assets
assets.DATA = Path({data!r})
assets.use("full")
try:
    assets.path("thing")
except assets.AssetError as error:
    print(error)
fetch.download("thing")
print(assets.path("thing").read_bytes() == {body!r})
"""


def test_in_a_notebook_the_command_is_told_and_the_bar_is_a_widget(shop, server, monkeypatch):
    def slowly(request):
        request.head(200, Content_Length=len(request.body), ETag=etag(request.body))
        for start in range(0, len(request.body), 1000):
            request.send(request.body[start : start + 1000])
            request.server.awake.wait(0.05)

    body = BODY[:30_000]
    shop.put("thing", "thing.bin", body)
    server.faults["/thing.bin"] = [slowly]
    monkeypatch.setenv("COURSE_PROGRESS", "1")
    cell = nbformat.v4.new_code_cell(CELL.format(data=str(shop.data), body=body))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    resources = {"metadata": {"path": str(ROOT)}}
    NotebookClient(notebook, kernel_name="python3", timeout=60, resources=resources).execute()
    kinds = [set(output.get("data", {})) for output in cell.outputs]
    assert any("application/vnd.jupyter.widget-view+json" in kind for kind in kinds), cell.outputs
    told = "".join(output.get("text", "") for output in cell.outputs)
    assert "run 'course download thing' in a terminal" in told
    assert told.endswith("True\n")
    assert not [output for output in cell.outputs if output.get("name") == "stderr"]


# ---------------------------------------------------------------- several processes, killed ones

CHILD = """
import sys, time
from pathlib import Path
from course.fetch import archives, store
from course.fetch.resume import Patience
from helpers import assets
assets.DATA = Path({data!r})
{extra}
print("ready", flush=True)
patience = Patience(connect=5, stall=30, tries=3, pause=0.01)
store.Store(patience=patience).download("thing")
print(assets.path("thing", profile="full"), flush=True)
"""


@pytest.fixture
def child(shop):
    """Starts processes that download "thing"; none outlives the test."""
    started = []

    def start(extra=""):
        code = CHILD.format(data=str(shop.data), extra=extra)
        environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
        one = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment, **pipes)
        started.append(one)
        assert one.stdout.readline() == "ready\n", one.stderr.read()
        return one

    yield start
    for one in started:
        one.kill()
        one.wait()
        one.stdout.close()
        one.stderr.close()


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


def killed(one):
    os.kill(one.pid, SIGKILL)
    one.wait()


def test_two_processes_fetch_the_same_at_once_one_copy(shop, server, child):
    server.faults["/thing.bin"] = [hang(0.5), good]
    first = child()
    until(lambda: part_of("thing").exists())
    second = child()
    assert "waiting for it" in second.stderr.readline()
    server.awake.set()  # the first connection breaks, and the first process resumes
    places = {one.communicate(timeout=20)[0].strip() for one in (first, second)}
    assert [first.returncode, second.returncode] == [0, 0]
    (place,) = places
    assert Path(place).read_bytes() == BODY
    assert ranges(server) == [None, "bytes=200000-"]
    nothing_temporary()


def test_killed_while_downloading_the_next_goes_on_at_once(shop, server, child):
    server.faults["/thing.bin"] = [hang(0.5)]
    one = child()
    until(lambda: part_of("thing").exists() and part_of("thing").stat().st_size)
    until(lambda: part_of("thing").stat().st_size == 200_000)
    killed(one)
    fails(lambda: full("thing"), "is not here")
    assert full("before").exists()
    server.heal()
    assert get().read_bytes() == BODY  # at once, as its lock died with it
    assert ranges(server) == [None, "bytes=200000-"]
    nothing_temporary()


def test_killed_while_the_other_waits_the_other_takes_over(shop, server, child):
    server.faults["/thing.bin"] = [hang(0.5), good]
    first = child()
    until(lambda: part_of("thing").exists())
    second = child()
    assert "waiting for it" in second.stderr.readline()
    killed(first)
    place = second.communicate(timeout=20)[0].strip()
    assert second.returncode == 0 and Path(place).read_bytes() == BODY
    nothing_temporary()


WHILE_CHECKING = """
import pooch
def slow(*_, **__):
    print("checking", flush=True)
    time.sleep(60)
pooch.core.hash_matches = slow
"""


def test_killed_while_checking_what_came_is_checked_again_not_fetched(shop, server, child):
    one = child(WHILE_CHECKING)
    assert one.stdout.readline() == "checking\n"
    killed(one)
    fails(lambda: full("thing"), "is not here")
    assert get().read_bytes() == BODY
    assert ranges(server) == [None]
    nothing_temporary()


WHILE_UNPACKING = """
real, seen = archives.unpack, []
def slow(count):
    seen.append(count)
    if len(seen) == 3:
        print("unpacking", flush=True)
        time.sleep(60)
archives.unpack = lambda archive, folder, seen: real(archive, folder, slow)
"""


def test_killed_while_unpacking_nothing_half_is_opened(shop, server, child):
    members = [(f"d/{number}", b"%d" % number) for number in range(5)]
    archive = zipped(*members)
    shop.put("thing", "thing.zip", archive, known=False, unpack="zip")
    one = child(WHILE_UNPACKING)
    assert one.stdout.readline() == "unpacking\n"
    killed(one)
    (left,) = store.home().glob(".work-*")
    assert len(tree(left)) == 4  # and the archive
    fails(lambda: full("thing"), "is not here")
    assert len(tree(get())) == 5
    assert ranges(server, "/thing.zip") == [None]
    nothing_temporary()


def test_killed_again_and_again_leaves_one_half_at_most(shop, server, child):
    shop.put("thing", "thing.zip", zipped(*[(f"d/{n}", b"%d" % n) for n in range(5)]), unpack="zip")
    for _ in range(3):
        one = child(WHILE_UNPACKING)
        assert one.stdout.readline() == "unpacking\n"
        killed(one)
        assert len(list(store.home().glob(".work-*"))) == 1
    assert len(tree(get())) == 5
    nothing_temporary()


WHILE_MOVING = """
import os, pathlib
real = os.replace
def slow(source, target):
    real(source, target)
    if pathlib.Path(target) == assets.folder_of("thing"):
        print("moving", flush=True)
        time.sleep(60)
os.replace = slow
"""


def test_killed_while_moving_the_whole_file_is_used(shop, server, child):
    shop.put("thing", "thing.zip", ARCHIVES["zip"], known=False, unpack="zip")
    one = child(WHILE_MOVING)
    assert one.stdout.readline() == "moving\n"
    killed(one)
    assert tree(full("thing")) == {"a": b"a", "e/b": b"b"}
    assert tree(get()) == {"a": b"a", "e/b": b"b"}
    assert ranges(server, "/thing.zip") == [None]


def test_interrupted_by_hand_it_goes_on(shop, server, child):
    server.faults["/thing.bin"] = [hang(0.5)]
    one = child()
    until(lambda: part_of("thing").exists())
    until(lambda: part_of("thing").stat().st_size == 200_000)
    one.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in one.communicate(timeout=20)[1]
    server.heal()
    assert get().read_bytes() == BODY
    assert ranges(server) == [None, "bytes=200000-"]
    nothing_temporary()


# ---------------------------------------------------------------- disks


@pytest.fixture
def small_disk(tmp_path, monkeypatch):
    """A disk of 2 MB as the cache, or a skip where this machine does not let us mount one."""
    place = tmp_path / "small disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("this machine lets the test mount no small disk")
    monkeypatch.setenv("COURSE_CACHE", str(place / "cache"))
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def used(place):
    return shutil.disk_usage(place).used


LARGE = hashlib.shake_256(b"large").digest(3_000_000)


def test_no_room_is_told_before_the_first_byte(small_disk, shop, server):
    shop.put("thing", "thing.bin", LARGE)
    fails(get, "no room", "thing", "3.0 MB are needed", "free", "COURSE_CACHE")
    assert server.seen == []
    shop.put("thing", "thing.bin", BODY)
    aftermath(server)


def test_a_disk_that_fills_up_while_downloading_is_told(small_disk, shop, server):
    shop.put("thing", "thing.bin", LARGE, known=False)
    server.faults["/thing.bin"] = [without_size(LARGE)]
    before = used(small_disk)
    fails(get, "'thing'", "No space left", "make room", "COURSE_CACHE")
    assert used(small_disk) - before < 50_000
    shop.put("thing", "thing.bin", BODY)
    aftermath(server)


def test_a_disk_that_fills_up_while_unpacking_is_told(small_disk, shop, server, monkeypatch):
    monkeypatch.setattr(store, "UNPACKS_TO", 0)
    archive = zipped(("d/a", bytes(3_000_000)))
    shop.put("thing", "thing.zip", archive, known=False, unpack="zip")
    before = used(small_disk)
    fails(get, "'thing'", "No space left", "make room", "COURSE_CACHE")
    assert used(small_disk) - before < 100_000
    assert full("before").exists()
    subprocess.run(["mount", "-o", "remount,size=9m", str(small_disk)], check=True)
    assert tree(get()) == {"a": bytes(3_000_000)}
    nothing_temporary()


def test_a_read_only_cache_serves_what_it_has_and_tells_what_it_cannot(small_disk, shop, server):
    shop.put("packed", "packed.zip", ARCHIVES["zip"], unpack="zip")
    found = get("packed")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert full("packed") == found and full("before").exists()
    fails(get, "'thing'", "Read-only file system", "COURSE_CACHE")
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    aftermath(server)


def test_a_cache_that_may_not_be_written_is_told(shop, server, monkeypatch, tmp_path):
    blocked = tmp_path / "a file"
    blocked.touch()
    monkeypatch.setenv("COURSE_CACHE", str(blocked))
    fails(get, "'thing'", blocked, "COURSE_CACHE")


@pytest.mark.parametrize("place", ["with space", "Ünïcödé-数据", "a'b\"c", "-dash", "x" * 120])
def test_odd_cache_paths_work(shop, server, monkeypatch, tmp_path, place):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / place))
    shop.put("packed", "ein Päckchen.zip", ARCHIVES["tar.gz"], unpack="tar")
    assert tree(get("packed")) == {"a": b"a", "e/b": b"b"}
    assert get().read_bytes() == BODY
    nothing_temporary()


def test_nothing_is_written_outside_the_cache(shop, server, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "KERAS_HOME", "TFHUB_CACHE_DIR", "XDG_CACHE_HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(home))
    shop.put("packed", "packed.zip", ARCHIVES["zip"], unpack="zip")
    get("packed")
    get()
    assert list(home.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
@pytest.mark.parametrize("umask", [0o022, 0o002])
def test_a_cache_may_be_shared_by_a_class(shop, server, tmp_path, monkeypatch, umask):
    """Files have the modes that the umask allows, and any account may take a lock."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "shared"))
    before = os.umask(umask)
    try:
        shop.put("packed", "packed.zip", ARCHIVES["zip"], unpack="zip")
        get("packed")
        get()
    finally:
        os.umask(before)
    modes = {True: {}, False: {}}
    for each in (tmp_path / "shared").rglob("*"):
        kind = "lock" if each.suffix == ".lock" else "file"
        modes[each.is_dir()].setdefault(kind, set()).add(stat.S_IMODE(each.stat().st_mode))
    assert modes[True] == {"file": {0o777 & ~umask}}
    assert modes[False] == {"file": {0o666 & ~umask}, "lock": {0o666}}


@pytest.mark.skipif(os.name == "nt" or os.getuid() != 0, reason="only root may be somebody else")
def test_another_account_reads_a_shared_cache_and_waits_for_its_locks(shop, server, tmp_path):
    get()
    for folder in (tmp_path, *tmp_path.parents):  # pytest keeps its folders to its own user
        if "pytest-of" in str(folder):
            folder.chmod(0o755)
    code = """
import os, sys
from pathlib import Path
from filelock import FileLock
from course.fetch.store import Store
from helpers import assets
os.setgid(54321)
os.setuid(54321)
assets.DATA = Path(sys.argv[1])
print(assets.path("thing", "full").stat().st_size)
with FileLock(assets.cache_folder() / "assets/.locks/thing.lock", mode=0o666):
    print("locked")
Store().download("thing")
"""
    command = [sys.executable, "-c", code, str(shop.data)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["400000", "locked"], done.stderr
    assert done.returncode == 0, done.stderr
