"""Download one file over http(s), and go on where a broken download stopped.

pooch brings files and compares checksums, urllib3 asks again where a server does not answer; but
both begin anew after a break, and the Google News vectors have 1.7 GB. So `Resuming` is a
downloader for pooch that writes into a partial file and goes on where it stopped if the server can
prove that the file is still the same (If-Range, RFC 9110).
"""

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from helpers.disk import write_atomic

CHUNK = 1 << 20
AGAIN = (408, 425, 429, 500, 502, 503, 504)  # statuses after which asking again makes sense
REASONS = {  # what the messages of requests and urllib3 mean
    r"certificate verify failed: (.+?)\.? \(_ssl": r"its TLS certificate is not trusted (\1)",
    r"ProxyError\(": "the proxy that the environment names does not answer",
    r"Failed to resolve": "its name does not resolve",
    r"Connection refused|actively refused": "the connection was refused",
    r"Read timed out": "nothing came for a while",
    r"timed out": "no connection came about in time",
    r"Exceeded \d+ redirects": "it redirects in a loop",
    r"Connection (broken|aborted)|IncompleteRead": "the connection broke",
}


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds, and how often to try without getting further."""

    connect: float = 10
    stall: float = 30
    tries: int = 5
    pause: float = 0.5  # before the second try; doubles with each


class DownloadError(Exception):
    """A place did not give its file, but may another time; the message is the reason."""


class BrokenError(DownloadError):
    """The file stopped coming; asking again goes on from there."""


class WrongFileError(DownloadError):
    """What comes from there is not the file that was asked for."""


class Resuming:
    """A downloader for `pooch.retrieve`.

    Args:
        part: the partial file; what an earlier call has left there is used if it still fits. Its
            note, of which address and version it is, lies beside it.
        bar: a tqdm progress bar, which learns the total when the server tells it.
        patience: how long to wait.
        size: the bytes that must come; None where that is not known.
    """

    def __init__(self, part: Path, bar, patience: Patience, size: int | None = None):
        self.part, self.bar, self.patience, self.size = part, bar, patience, size

    def __call__(self, url: str, output_file: str, _pooch=None) -> None:
        """Bring the file of an address; the part stays until `discard` and is not asked for again.

        Raises:
            DownloadError: with the reason; a part that can be resumed stays.
            OSError: the disk's; no part stays, as the disk may be full.
        """
        try:
            self._bring(url)
        except BaseException as error:
            if isinstance(error, OSError) or not self._read_note().get("validator"):
                with suppress(OSError):
                    discard(self.part)
            raise
        # The temporary file of pooch can be read by its owner only, the part as the umask says.
        os.unlink(output_file)
        try:
            os.link(self.part, output_file)
        except OSError:  # a disk without hard links
            os.replace(self.part, output_file)

    def reached(self) -> int:
        """The bytes that have come."""
        return self.part.stat().st_size if self.part.exists() else 0

    def _bring(self, url: str) -> None:
        """Ask again until all is here or `tries` requests in a row have brought nothing."""
        failed = 0
        while True:
            before = self.reached()
            try:
                return self._once(url)
            except BrokenError:
                failed = 0 if self.reached() > before else failed + 1
                if failed == self.patience.tries:
                    raise
                time.sleep(self.patience.pause * 2**failed)

    def _once(self, url: str) -> None:
        """One request: the whole file, or the rest of it."""
        note = self._read_note()
        known = note.get("url") == url and note.get("validator")
        start = self.reached() if known else 0
        if start and start == note["size"]:  # it came to its end before, but was not put in place
            return
        headers = {"Range": f"bytes={start}-", "If-Range": known} if start else {}
        with answer(url, self.patience, headers) as response:
            start = self._start(response, start, known)
            length = response.headers.get("Content-Length", "")
            total = start + int(length) if length.isdecimal() else self.size
            if self.size not in (None, total):
                raise WrongFileError(f"it has {total:,} bytes instead of {self.size:,}")
            if not start:
                discard(self.part)
                note = {"url": url, "validator": _validator(response), "size": total}
                write_atomic(_note_of(self.part), json.dumps(note).encode())
            self.bar.reset(total=total)
            self.bar.n = self.bar.initial = start  # rate and time left count what comes now
            with open(self.part, "ab") as out:
                for chunk in _chunks(response):
                    out.write(chunk)
                    out.flush()
                    self.bar.update(len(chunk))
        if total is not None and self.reached() < total:
            raise BrokenError(f"it ended after {self.reached():,} bytes instead of {total:,}")

    def _start(self, response: requests.Response, start: int, known: str | None) -> int:
        """From which byte an answer goes on; 0 if it is the whole file."""
        if response.headers.get("Content-Type", "").lower().startswith("text/html"):
            raise WrongFileError("a web page came instead of the file")
        if response.status_code == 200:
            return 0
        place = response.headers.get("Content-Range", "")
        same = _validator(response) in (None, known)  # a server may ignore If-Range
        if response.status_code == 206 and place.startswith(f"bytes {start}-") and same:
            return start
        discard(self.part)
        raise BrokenError("the file has changed since it was begun")

    def _read_note(self) -> dict:
        with suppress(OSError, ValueError):
            return dict(json.loads(_note_of(self.part).read_bytes()))
        return {}


def discard(part: Path) -> None:
    """Remove a partial file and its note."""
    part.unlink(missing_ok=True)
    _note_of(part).unlink(missing_ok=True)


def _note_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def read(url: str, patience: Patience) -> bytes:
    """The content of a small file of an address. Raises DownloadError."""
    with answer(url, patience) as response:
        return b"".join(_chunks(response))


@contextmanager
def answer(
    url: str, patience: Patience, headers: dict | None = None
) -> Iterator[requests.Response]:
    """The answer to a request, its body still to come. No redirect leads from TLS to none.

    Where no answer comes, or one that may change, it is asked for again.
    """
    again = patience.tries - 1
    retry = Retry(
        total=None,
        connect=min(1, again),
        read=again,
        status=again,
        other=0,
        status_forcelist=AGAIN,
        backoff_factor=patience.pause,
        raise_on_status=False,
        respect_retry_after_header=False,  # that may be an hour
    )
    with requests.Session() as web:
        web.max_redirects = 10
        web.hooks["response"].append(_keep_tls)
        web.headers["User-Agent"] = "transfer-learning-course (python-requests)"
        web.headers["Accept-Encoding"] = "identity"  # the file's own bytes
        for scheme in ("http://", "https://"):
            web.mount(scheme, HTTPAdapter(max_retries=retry))
        waits = (patience.connect, patience.stall)
        try:
            response = web.get(url, headers=headers, stream=True, timeout=waits)
        except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
            raise DownloadError(_reason(error)) from error
        with response:
            if response.status_code not in (200, 206, 416):
                raise DownloadError(f"HTTP status {response.status_code}")
            yield response


def _keep_tls(response: requests.Response, **_) -> None:
    target = response.headers.get("Location", "").lower()
    if response.url.startswith("https:") and target.startswith("http:"):
        raise DownloadError("it redirects from https to an address without TLS")


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """The body as it comes, in pieces of a MB at most; BrokenError if it stops."""
    try:
        while chunk := response.raw.read1(CHUNK, decode_content=False):
            yield chunk
    except (OSError, urllib3.exceptions.HTTPError) as error:
        raise BrokenError(_reason(error)) from error


def _reason(error: Exception) -> str:
    """The plain reason of an error of requests, urllib3 or a socket."""
    text = str(error) or type(error).__name__
    for pattern, reason in REASONS.items():
        if found := re.search(pattern, text):
            return found.expand(reason)
    return text.splitlines()[0].rstrip(" .")


def _validator(response: requests.Response) -> str | None:
    """What If-Range may hold: a strong ETag, else the time of the last change."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified")
