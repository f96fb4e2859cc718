"""Fetch one file over http(s), whatever the network does, and never take a wrong one for good.

`fetch` writes into a partial file, hashes while it streams, tries again with growing pauses, and
goes on where it stopped if the server can prove that the file is still the same (If-Range, RFC
9110). requests does the talking: redirects, TLS, and the proxies that the environment names.
"""

import errno
import hashlib
import itertools
import json
import os
import shutil
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import requests
import urllib3
from filelock import FileLock, Timeout
from requests import exceptions as failures
from urllib3.util.retry import Retry

CHUNK = 1 << 20
LIMIT = 2_000_000_000  # bytes that are taken from a server which does not say how many come
SLOWEST = 1000  # bytes a second; less than this for `stall` seconds counts as no answer
STEP = 65_536  # bytes; a try that brings more is no failure, as the next goes on from there
MARGIN = 20_000_000  # bytes of the disk that a download leaves free
AGAIN = (408, 425, 429, 500, 502, 503, 504)  # statuses after which asking again makes sense
REDIRECTS = 10  # followed one after the other
PAGE = (b"<!doctype html", b"<html", b"<?xml", b"<head")


@dataclass(frozen=True)
class Patience:
    """How long to wait for a network, in seconds, and how often to try without getting further."""

    connect: float = 10
    stall: float = 30
    tries: int = 5
    pause: float = 0.5  # before the second try; doubles with each
    longest: float = 60  # Retry-After beyond this is not waited for


PATIENCE = Patience()


class DownloadError(Exception):
    """An address did not give its file, but may another time; the message is the reason."""

    wait: float | None = None


class Unreachable(DownloadError):
    """No connection came about; that is tried once more only."""


class Refused(DownloadError):
    """Asking that address again at once is no use."""


class Wrong(Refused):
    """What comes from there is not the file that was asked for."""


class NoRoom(OSError):
    """The disk has no room for a file; nothing of it was asked for yet."""


@dataclass(frozen=True)
class Wanted:
    """What is known of a file before it comes; None where it is not."""

    size: int | None = None
    sha256: str | None = None
    md5: str | None = None


@dataclass(frozen=True)
class Receipt:
    """What has come: size and checksum of the file, bytes and seconds on the network."""

    size: int
    sha256: str
    received: int
    seconds: float


# ---------------------------------------------------------------- one file, several tries


def fetch(url: str, part: Path, wanted: Wanted, bar, patience: Patience | None = None) -> Receipt:
    """Bring the file of an address into `part`, whole and checked, or raise.

    Args:
        url: an http or https address.
        part: the partial file; what an earlier call has left there is used if it still fits. Its
            note, of which address and version it is, lies beside it.
        wanted: what must come; what is None is not checked.
        bar: a tqdm progress bar, which learns the total when the server tells it.
        patience: PATIENCE if None.

    Raises:
        DownloadError: with the reason. A part that may be resumed stays, any other goes.
        OSError: the disk's, with an error number; then no part stays.
    """
    patience = patience or PATIENCE
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _session() as session:
            return _persistently(
                lambda: _once(session, url, part, wanted, bar, patience),
                patience,
                lambda: part.stat().st_size if part.exists() else 0,
            )
    except BaseException as error:
        full = isinstance(error, OSError) and not isinstance(error, NoRoom)
        resumable = part.exists() and part.stat().st_size and _read_note(part).get("validator")
        if full or not resumable:
            with suppress(OSError):
                discard(part)
        raise


def read(url: str, patience: Patience | None = None, limit: int = 10_000_000) -> bytes:
    """The content of a small file, in memory; DownloadError as for `fetch`."""
    patience = patience or PATIENCE

    def once() -> bytes:
        with _answer(session, url, {}, patience) as response:
            _check_status(response, patience)
            content = b""
            for chunk in _chunks(response, patience):
                content += chunk
                if len(content) > limit:
                    raise Refused(f"it holds more than {limit:,} bytes")
        if (total := _length(response)) not in (None, len(content)):
            raise DownloadError(f"it ended after {len(content):,} bytes instead of {total:,}")
        return content

    with _session() as session:
        return _persistently(once, patience, lambda: 0)


def discard(part: Path) -> None:
    """Remove a partial file and its note."""
    for file in (part, _note(part)):
        file.unlink(missing_ok=True)


@contextmanager
def alone(lock: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold a lock file against other processes; the system frees that of a process that dies."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    holder = FileLock(lock)
    try:
        holder.acquire(timeout=0)
    except Timeout:
        waiting()
        holder.acquire()
    try:
        yield
    finally:
        holder.release()


def _persistently(once: Callable, patience: Patience, reached: Callable[[], int]):
    """Call until it succeeds, is refused, or `tries` calls in a row have got no further."""
    furthest, failed = reached(), 0
    while True:
        try:
            return once()
        except Refused:
            raise
        except DownloadError as error:
            failed = 0 if reached() > furthest + STEP else failed + 1
            furthest = max(furthest, reached())
            allowed = min(2, patience.tries) if isinstance(error, Unreachable) else patience.tries
            if failed >= allowed:
                raise
            pause = patience.pause * 2 ** max(0, failed - 1)
            time.sleep(pause if error.wait is None else error.wait)


def _once(session, url: str, part: Path, wanted: Wanted, bar, patience: Patience) -> Receipt:
    """One request: the whole file, or the rest of it."""
    note = _read_note(part)
    start = part.stat().st_size if part.exists() else 0
    if note.get("url") != url or not note.get("validator"):
        start = 0
    if start and start == note.get("size"):  # came to its end before, but was not checked
        return _checked(part, wanted, _hashers(wanted, part), 0, 0.0, resumed=True)
    headers = {"Range": f"bytes={start}-", "If-Range": note["validator"]} if start else {}
    with _answer(session, url, headers, patience) as response:
        start = _agreed(response, part, start, note, patience)
        length = _length(response)
        total = wanted.size if length is None else start + length
        chunks = _chunks(response, patience)
        first = next(chunks, b"")
        if not start:
            _check_beginning(first, length, wanted)
        _check_room(part, (total or 0) - start)
        if not start:
            discard(part)
            _write_note(part, url=url, validator=_validator(response), size=total)
        hashers = _hashers(wanted, part if start else None)
        bar.reset(total=total)
        bar.n = bar.last_print_n = bar.initial = start  # rate and time left count what comes now
        bar.refresh()
        began = time.monotonic()
        count = _pour(itertools.chain([first], chunks), part, start, total, hashers, bar)
        spent = time.monotonic() - began
    if count > (total or LIMIT):
        discard(part)
        raise Wrong(f"it is longer than {total or LIMIT:,} bytes")
    if total is not None and count < total:
        raise DownloadError(f"it ended after {count:,} bytes instead of {total:,}")
    return _checked(part, wanted, hashers, count - start, spent, resumed=start > 0)


def _agreed(response, part: Path, start: int, note: dict, patience: Patience) -> int:
    """From which byte an answer goes on; 0 if it is the whole file. Raises if it is neither."""
    if response.status_code == 416:  # asked beyond its end
        discard(part)
        raise DownloadError("the file has become shorter")
    _check_status(response, patience)
    if response.status_code == 200:
        return 0
    if start and _continues(response, start, note):
        return start
    discard(part)
    raise DownloadError("the file has changed since it was begun")


def _check_beginning(first: bytes, length: int | None, wanted: Wanted) -> None:
    if first.lstrip()[:20].lower().startswith(PAGE):
        raise Wrong("a web page came instead of the file")
    if None not in (length, wanted.size) and length != wanted.size:
        raise Wrong(f"it has {length:,} bytes instead of {wanted.size:,}")


def _pour(chunks, part: Path, count: int, total: int | None, hashers: dict, bar) -> int:
    """Write and hash what comes, and count it on, at most until it is too much."""
    with open(part, "ab", buffering=0) as out:
        for chunk in chunks:
            count += len(chunk)
            if count > (total or LIMIT):
                break
            _write(out, chunk)
            for hasher in hashers.values():
                hasher.update(chunk)
            bar.update(len(chunk))
    return count


def _checked(part: Path, wanted: Wanted, hashers, received, seconds, resumed: bool) -> Receipt:
    size = part.stat().st_size
    found = {name: hasher.hexdigest() for name, hasher in hashers.items()}
    fault = ""
    if wanted.size not in (None, size):
        fault = f"it has {size:,} bytes instead of {wanted.size:,}"
    for name in found:
        if getattr(wanted, name) not in (None, found[name]):
            fault = fault or f"it has the {name} {found[name]} instead of {getattr(wanted, name)}"
    if not fault:
        return Receipt(size, found["sha256"], received, seconds)
    discard(part)
    # What was put together from two requests may be sound when it comes in one.
    raise DownloadError(fault) if resumed else Wrong(fault)


def _hashers(wanted: Wanted, part: Path | None) -> dict:
    """SHA-256, and MD5 where the publisher gives only that; fed with what has come before."""
    hashers = {"sha256": hashlib.sha256()}
    if wanted.md5:
        hashers["md5"] = hashlib.md5(usedforsecurity=False)
    if part:
        with open(part, "rb") as source:
            while chunk := source.read(CHUNK):
                for hasher in hashers.values():
                    hasher.update(chunk)
    return hashers


def _write(out, chunk: bytes) -> None:
    """An unbuffered file may take a part of a chunk, when a disk fills up."""
    view = memoryview(chunk)
    while view:
        view = view[out.write(view) :]


def _check_room(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed + MARGIN > free:
        message = f"{needed / 1e6:,.1f} MB are needed and {free / 1e6:,.1f} MB free"
        raise NoRoom(errno.ENOSPC, message)


# ---------------------------------------------------------------- notes on partial files


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _read_note(part: Path) -> dict:
    try:
        note = json.loads(_note(part).read_bytes())
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _write_note(part: Path, **note) -> None:
    fresh = _note(part).with_suffix(".new")
    fresh.write_text(json.dumps(note), encoding="utf-8")
    os.replace(fresh, _note(part))


def _validator(response) -> str | None:
    """What If-Range may hold: a strong ETag, else the time of the last change."""
    etag = response.headers.get("ETag", "")
    strong = etag.startswith('"') and etag.endswith('"') and len(etag) > 2
    return etag if strong else response.headers.get("Last-Modified")


def _continues(response, start: int, note: dict) -> bool:
    """Whether an answer is the rest of the file that was begun, from the byte that was asked."""
    if response.status_code != 206:
        return False
    unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
    place, _, total = rest.partition("/")
    same = _validator(response) in (None, note["validator"])  # a server may ignore If-Range
    size = note.get("size")
    known = size is None or total in ("*", str(size))
    return unit == "bytes" and place.startswith(f"{start}-") and same and known


# ---------------------------------------------------------------- one request


class _Session(requests.Session):
    """Leaves redirects to us, as requests would read all of a redirect's body, however long."""

    def get_redirect_target(self, response) -> None:
        return None


def _session() -> requests.Session:
    session = _Session()
    session.headers["User-Agent"] = "transfer-learning-course (python-requests)"
    session.headers["Accept-Encoding"] = "identity"  # the file's own bytes
    return session


@contextmanager
def _answer(session, url: str, headers: dict, patience: Patience) -> Iterator[requests.Response]:
    """The answer to a request, its body still to come."""
    with _told(patience):
        response = _redirected(session, url, headers, (patience.connect, patience.stall))
    with response:
        yield response


def _redirected(session, url: str, headers: dict, timeout: tuple) -> requests.Response:
    """Follow redirects, but never from TLS to none."""
    for _ in range(REDIRECTS + 1):
        response = session.get(url, headers=headers, stream=True, timeout=timeout)
        target = requests.Session.get_redirect_target(session, response)
        if target is None:
            return response
        response.close()
        before, url = url, urljoin(url, target)
        if before.startswith("https:") and not url.startswith("https:"):
            raise Refused("it redirects from https to an address without TLS")
    raise Refused("it redirects in a loop")


def _check_status(response, patience: Patience) -> None:
    status = response.status_code
    if status in (200, 206):
        return
    if status not in AGAIN:
        raise Refused(f"HTTP status {status}")
    error = DownloadError(f"HTTP status {status}")
    with suppress(urllib3.exceptions.InvalidHeader):
        if told := response.headers.get("Retry-After"):
            error.wait = max(0.0, Retry().parse_retry_after(told))
    if (error.wait or 0) > patience.longest:
        raise Refused(f"HTTP status {status}, and it asks to wait {error.wait:,.0f} s")
    raise error


def _length(response) -> int | None:
    """The bytes that an answer announces."""
    told = response.headers.get("Content-Length", "")
    return int(told) if told.isdecimal() else None


def _chunks(response, patience: Patience) -> Iterator[bytes]:
    """The body as it comes, in pieces of a MB at most, while it comes fast enough."""
    since, got = time.monotonic(), 0
    while True:
        with _told(patience):
            chunk = response.raw.read1(CHUNK, decode_content=False)
        if not chunk:
            return
        got += len(chunk)
        if (spent := time.monotonic() - since) > patience.stall:
            if got < SLOWEST * spent:
                raise DownloadError(f"only {got:,} bytes came within {spent:.0f} s")
            since, got = time.monotonic(), 0
        yield chunk


@contextmanager
def _told(patience: Patience) -> Iterator[None]:
    """Turn what requests, urllib3 and sockets raise into DownloadError with a plain reason."""
    try:
        yield
    except DownloadError:
        raise
    except (OSError, urllib3.exceptions.HTTPError, ValueError) as error:
        raise _reason(error, patience) from error


def _reason(error: Exception, patience: Patience) -> DownloadError:
    chain = list(_causes(error))

    def one(*kinds):
        return next((found for found in chain if isinstance(found, kinds)), None)

    if one(ssl.SSLCertVerificationError):
        why = one(ssl.SSLCertVerificationError).verify_message
        return Refused(f"its TLS certificate is not trusted ({why})")
    if one(urllib3.exceptions.ProxyError):
        return Unreachable("the proxy that the environment names does not answer")
    if one(urllib3.exceptions.NameResolutionError, socket.gaierror):
        return Unreachable("its name does not resolve")
    if one(ConnectionRefusedError):
        return Unreachable("the connection was refused")
    if one(urllib3.exceptions.NewConnectionError):
        text = next((cause.strerror for cause in chain if getattr(cause, "errno", None)), "")
        return Unreachable(f"no connection{f', {text}' if text else ''}")
    if one(urllib3.exceptions.ConnectTimeoutError):
        return Unreachable(f"no connection within {patience.connect:g} s")
    if one(urllib3.exceptions.ReadTimeoutError, TimeoutError):
        return DownloadError(f"nothing came for {patience.stall:g} s")
    if broken := one(urllib3.exceptions.IncompleteRead):
        got, missing = broken.partial, broken.expected
        return DownloadError(f"the connection broke after {got:,} bytes with {missing:,} to come")
    if one(urllib3.exceptions.ProtocolError, ConnectionError, ssl.SSLError):
        return DownloadError("the connection broke")
    text = (str(error) or type(error).__name__).splitlines()[0].rstrip(" .")
    addressed = isinstance(error, ValueError) and not isinstance(error, failures.ConnectionError)
    return Refused(text) if addressed else DownloadError(text)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and those that it wraps, as requests and urllib3 wrap them."""
    todo, seen = [error], set()
    while todo:
        error = todo.pop(0)
        if not isinstance(error, BaseException) or id(error) in seen:
            continue
        seen.add(id(error))
        yield error
        todo += [getattr(error, "reason", None), error.__cause__, error.__context__, *error.args]
