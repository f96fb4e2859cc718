"""Download one file over http(s), whatever the network does, and never take a wrong one for good.

pooch brings files and compares checksums, but begins anew after a break; the Google News vectors
have 1.7 GB. So `Resuming` is a downloader for pooch that writes into a partial file, hashes while
it streams, tries again with growing pauses, and goes on where it stopped if the server can prove
that the file is still the same (If-Range, RFC 9110).
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
from urllib3.util.retry import Retry

from helpers.disk import write_atomic

CHUNK = 1 << 20
STEP = 65_536  # bytes; a try that brings more is no failure, as the next goes on from there
AGAIN = (408, 425, 429, 500, 502, 503, 504)  # statuses after which asking again makes sense
REDIRECTS = 10  # followed one after the other
BROKE = "the connection broke"
PAGE = (b"<!doctype html", b"<html", b"<?xml", b"<head")


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds, how often to try without getting further, how much to take."""

    connect: float = 10
    stall: float = 30
    tries: int = 5
    pause: float = 0.5  # before the second try; doubles with each
    longest: float = 60  # Retry-After beyond this is not waited for
    slowest: float = 1000  # bytes a second; less for `stall` seconds counts as no answer
    limit: int = 2_000_000_000  # bytes taken from a server that does not say how many come
    margin: int = 20_000_000  # bytes of the disk that a download leaves free


class DownloadError(Exception):
    """An address did not give its file, but may another time; the message is the reason."""

    wait: float | None = None


class UnreachableError(DownloadError):
    """No connection came about; that is tried once more only."""


class RefusedError(DownloadError):
    """Asking that address again at once is no use."""


class WrongFileError(RefusedError):
    """What comes from there is not the file that was asked for."""


class NoRoomError(OSError):
    """The disk has no room for what is still to come."""


class Resuming:
    """A downloader for `pooch.retrieve`; afterwards `found` holds the checksums of what came.

    Args:
        part: the partial file; what an earlier call has left there is used if it still fits. Its
            note, of which address and version it is, lies beside it.
        bar: a tqdm progress bar, which learns the total when the server tells it.
        patience: how long to wait.
        size, sha256, md5: what must come; None where it is not known.
    """

    def __init__(self, part: Path, bar, patience: Patience, size=None, sha256=None, md5=None):
        self.part, self.bar, self.patience, self.size = part, bar, patience, size
        self.note = part.with_name(part.name + ".json")
        self.wanted, self.found = {"sha256": sha256} | ({"md5": md5} if md5 else {}), {}

    def __call__(self, url: str, output_file: str, _pooch=None) -> None:
        """Bring the file of an address; the part stays beside it until `discard`.

        Raises:
            DownloadError: with the reason. A part that may be resumed stays, any other goes.
            OSError: the disk's; if it is full, no part stays.
        """
        self.part.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _session() as session:
                persistently(lambda: self._once(session, url), self.patience, self.reached)
        except BaseException as error:
            full = isinstance(error, OSError) and not isinstance(error, NoRoomError)
            if full or not (self.reached() and self._read_note().get("validator")):
                with suppress(OSError):
                    self.discard()
            raise
        os.unlink(output_file)
        try:
            os.link(self.part, output_file)
        except OSError:  # a disk without hard links
            os.replace(self.part, output_file)

    def discard(self) -> None:
        """Remove the partial file and its note."""
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def reached(self) -> int:
        """The bytes that have come."""
        return self.part.stat().st_size if self.part.exists() else 0

    def _once(self, session, url: str) -> None:
        """One request: the whole file, or the rest of it."""
        note, start = self._read_note(), self.reached()
        if note.get("url") != url or not note.get("validator"):
            start = 0
        if start and start == note.get("size"):  # it came to its end before, but was not checked
            return self._check(self._hashers(resumed=True), resumed=True)
        headers = {"Range": f"bytes={start}-", "If-Range": note["validator"]} if start else {}
        with answer(session, url, headers, self.patience) as response:
            start = self._start(response, start, note)
            length = length_of(response)
            total = self.size if length is None else start + length
            chunks = chunks_of(response, self.patience)
            first = next(chunks, b"")
            if start:
                self._check_room((total or 0) - start)
            else:
                self._begin(first, length, total, url, response)
            hashers = self._hashers(resumed=start > 0)
            self.bar.reset(total=total)
            # Rate and time left count what comes now.
            self.bar.n = self.bar.last_print_n = self.bar.initial = start
            self.bar.refresh()
            most = total or self.patience.limit
            count = self._write(itertools.chain([first], chunks), start, most, hashers)
        if count > most:
            self.discard()
            raise WrongFileError(f"it is longer than {most:,} bytes")
        if total is not None and count < total:
            raise DownloadError(f"it ended after {count:,} bytes instead of {total:,}")
        self._check(hashers, resumed=start > 0)

    def _start(self, response, start: int, note: dict) -> int:
        """From which byte an answer goes on; 0 if it is the whole file."""
        if response.status_code == 416:  # asked beyond its end
            self.discard()
            raise DownloadError("the file has become shorter")
        check_status(response, self.patience)
        if response.status_code == 200:
            return 0
        unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
        place, _, total = rest.partition("/")
        same = _validator(response) in (None, note.get("validator"))  # If-Range may be ignored
        known = note.get("size") is None or total in ("*", str(note["size"]))
        if start and unit == "bytes" and place.startswith(f"{start}-") and same and known:
            return start
        self.discard()
        raise DownloadError("the file has changed since it was begun")

    def _begin(self, first: bytes, length, total, url: str, response) -> None:
        """Look at the beginning of a whole file before anything that came earlier is given up."""
        if first.lstrip()[:20].lower().startswith(PAGE):
            raise WrongFileError("a web page came instead of the file")
        if None not in (length, self.size) and length != self.size:
            raise WrongFileError(f"it has {length:,} bytes instead of {self.size:,}")
        self._check_room(total or 0)
        self.discard()
        note = {"url": url, "validator": _validator(response), "size": total}
        write_atomic(self.note, json.dumps(note).encode())

    def _check_room(self, needed: int) -> None:
        free = shutil.disk_usage(self.part.parent).free
        if needed + self.patience.margin > free:
            message = f"{needed / 1e6:,.1f} MB are needed and {free / 1e6:,.1f} MB free"
            raise NoRoomError(errno.ENOSPC, message)

    def _write(self, chunks, count: int, most: int, hashers: dict) -> int:
        """Write and hash what comes, at most until it is too much; the size that was reached."""
        with open(self.part, "ab", buffering=0) as out:
            for chunk in chunks:
                count += len(chunk)
                if count > most:
                    break
                view = memoryview(chunk)
                while view:  # a disk that fills up may take a part of a chunk
                    view = view[out.write(view) :]
                for hasher in hashers.values():
                    hasher.update(chunk)
                self.bar.update(len(chunk))
        return count

    def _hashers(self, resumed: bool) -> dict:
        """SHA-256, and MD5 where the publisher gives only that; fed with what has come before."""
        hashers = {name: hashlib.new(name, usedforsecurity=False) for name in self.wanted}
        if resumed:
            with open(self.part, "rb") as source:
                while chunk := source.read(CHUNK):
                    for hasher in hashers.values():
                        hasher.update(chunk)
        return hashers

    def _check(self, hashers: dict, resumed: bool) -> None:
        fault, size = "", self.reached()
        self.found = {name: hasher.hexdigest() for name, hasher in hashers.items()}
        for name, wanted in self.wanted.items():
            if wanted not in (None, self.found[name]):
                fault = f"it has the {name} {self.found[name]} instead of {wanted}"
        if self.size not in (None, size):
            fault = f"it has {size:,} bytes instead of {self.size:,}"
        if fault:
            self.discard()
            # What was put together from two requests may be sound when it comes in one.
            raise DownloadError(fault) if resumed else WrongFileError(fault)

    def _read_note(self) -> dict:
        with suppress(OSError, ValueError):
            note = json.loads(self.note.read_bytes())
            return note if isinstance(note, dict) else {}
        return {}


def read(url: str, patience: Patience, limit: int = 10_000_000) -> bytes:
    """The content of a small file of an address. Raises DownloadError."""

    def once() -> bytes:
        content = b""
        with answer(session, url, {}, patience) as response:
            check_status(response, patience)
            for chunk in chunks_of(response, patience):
                content += chunk
                if len(content) > limit:
                    raise RefusedError(f"it holds more than {limit:,} bytes")
            if (total := length_of(response)) not in (None, len(content)):
                raise DownloadError(f"it ended after {len(content):,} bytes instead of {total:,}")
        return content

    with _session() as session:
        return persistently(once, patience, lambda: 0)


def persistently(once: Callable, patience: Patience, reached: Callable[[], int]):
    """Call until it succeeds, is refused, or `tries` calls in a row have got no further."""
    furthest, failed = reached(), 0
    while True:
        try:
            return once()
        except RefusedError:
            raise
        except DownloadError as error:
            failed = 0 if reached() > furthest + STEP else failed + 1
            furthest = max(furthest, reached())
            unreachable = isinstance(error, UnreachableError)
            if failed >= (min(2, patience.tries) if unreachable else patience.tries):
                raise
            pause = patience.pause * 2 ** max(0, failed - 1)
            time.sleep(pause if error.wait is None else error.wait)


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
def answer(session, url: str, headers: dict, patience: Patience) -> Iterator[requests.Response]:
    """The answer to a request, its body still to come. No redirect leads from TLS to none."""
    with _plain_reasons(patience):
        for _ in range(REDIRECTS + 1):
            timeout = (patience.connect, patience.stall)
            response = session.get(url, headers=headers, stream=True, timeout=timeout)
            target = requests.Session.get_redirect_target(session, response)
            if target is None:
                break
            response.close()
            before, url = url, urljoin(url, target)
            if before.startswith("https:") and not url.startswith("https:"):
                raise RefusedError("it redirects from https to an address without TLS")
        else:
            raise RefusedError("it redirects in a loop")
    with response:
        yield response


def check_status(response, patience: Patience) -> None:
    """Raise for a status that brings no file, saying how long to wait before asking again."""
    status = response.status_code
    if status in (200, 206):
        return
    if status not in AGAIN:
        raise RefusedError(f"HTTP status {status}")
    error = DownloadError(f"HTTP status {status}")
    with suppress(urllib3.exceptions.InvalidHeader):
        if after := response.headers.get("Retry-After"):
            error.wait = max(0.0, Retry().parse_retry_after(after))
    if (error.wait or 0) > patience.longest:
        raise RefusedError(f"HTTP status {status}, and it asks to wait {error.wait:,.0f} s")
    raise error


def length_of(response) -> int | None:
    """The bytes that an answer announces."""
    announced = response.headers.get("Content-Length", "")
    return int(announced) if announced.isdecimal() else None


def _validator(response) -> str | None:
    """What If-Range may hold: a strong ETag, else the time of the last change."""
    etag = response.headers.get("ETag", "")
    strong = etag.startswith('"') and etag.endswith('"') and len(etag) > 2
    return etag if strong else response.headers.get("Last-Modified")


def chunks_of(response, patience: Patience) -> Iterator[bytes]:
    """The body as it comes, in pieces of a MB at most, while it comes fast enough."""
    since, got = time.monotonic(), 0
    while True:
        with _plain_reasons(patience):
            chunk = response.raw.read1(CHUNK, decode_content=False)
        if not chunk:
            return
        got += len(chunk)
        if (spent := time.monotonic() - since) > patience.stall:
            if got < patience.slowest * spent:
                raise DownloadError(f"only {got:,} bytes came within {spent:.0f} s")
            since, got = time.monotonic(), 0
        yield chunk


@contextmanager
def _plain_reasons(patience: Patience) -> Iterator[None]:
    """Turn what requests, urllib3 and sockets raise into DownloadError with a plain reason."""
    try:
        yield
    except DownloadError:
        raise
    except (OSError, urllib3.exceptions.HTTPError, ValueError) as error:
        raise _reason(error, patience) from error


def _reason(error: Exception, patience: Patience) -> DownloadError:
    """The first line of this table that fits the error, or one that it wraps."""
    silent, away = f"nothing came for {patience.stall:g} s", UnreachableError
    kinds, chain = urllib3.exceptions, list(_causes(error))
    table = [
        (ssl.SSLCertVerificationError, RefusedError, "its TLS certificate is not trusted ({0})"),
        (kinds.ProxyError, away, "the proxy that the environment names does not answer"),
        ((kinds.NameResolutionError, socket.gaierror), away, "its name does not resolve"),
        (ConnectionRefusedError, away, "the connection was refused"),
        (kinds.NewConnectionError, away, "no connection"),
        (kinds.ConnectTimeoutError, away, f"no connection within {patience.connect:g} s"),
        ((kinds.ReadTimeoutError, TimeoutError), DownloadError, silent),
        ((kinds.ProtocolError, ConnectionError, ssl.SSLError), DownloadError, BROKE),
    ]
    for found, kind, text in table:
        if hit := next((each for each in chain if isinstance(each, found)), None):
            return kind(text.format(getattr(hit, "verify_message", "")))
    text = (str(error) or type(error).__name__).splitlines()[0].rstrip(" .")
    failed = isinstance(error, requests.exceptions.ConnectionError)
    refused = isinstance(error, ValueError) and not failed  # an address that is none
    return RefusedError(text) if refused else DownloadError(text)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and those that it wraps, as requests and urllib3 wrap them."""
    todo, seen = [error], set()
    while todo:
        error = todo.pop(0)
        if isinstance(error, BaseException) and id(error) not in seen:
            seen.add(id(error))
            yield error
            wrapped = (getattr(error, "reason", None), error.__cause__, error.__context__)
            todo += [*wrapped, *error.args]
