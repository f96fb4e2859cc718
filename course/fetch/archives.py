"""Unpack archives without trusting them, and tell later whether an unpacked folder is whole.

Only names and bytes are taken from an archive, no owners, no modes, no links, no devices, and no
name that leads out of its folder: stricter than tarfile's own "data" filter. Unpacking happens in
a `workshop`, a temporary folder, and `put` moves the finished folder to its place in one step.
"""

import bz2
import gzip
import hashlib
import json
import lzma
import os
import secrets
import shutil
import stat
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from filelock import FileLock, Timeout

SUMS = "SHA256SUMS"  # in each bundled folder, as `sha256sum` writes it
STAMP = ".unpacked.json"  # in an unpacked folder: of which archive, how much

CHUNK = 1 << 20
UNPACKED_LIMIT = 2_000_000_000  # bytes; a larger archive may grow UNPACKED_RATIO-fold
UNPACKED_RATIO = 100
ENTRY_LIMIT = 500_000  # files and folders
HEADER_LIMIT = 16_000_000  # bytes that a tar archive may ask to be held in memory at once
STALE = 3600  # seconds after which a lock without a folder is taken for abandoned

COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}


class ArchiveError(Exception):
    """An archive is damaged or hostile; the message is the reason in a few words."""


# ---------------------------------------------------------------- names and counts


def hidden(name: str) -> bool:
    """Whether a name is one that file managers and operating systems leave behind."""
    return name.startswith(".") or name in ("Thumbs.db", "desktop.ini")


def files_in(folder: Path) -> list[str]:
    """The files of a folder as sorted relative posix paths, without SHA256SUMS and hidden ones."""
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not hidden(name)]
        here = Path(parent).relative_to(folder).as_posix()
        found += [name if here == "." else f"{here}/{name}" for name in files if not hidden(name)]
    return sorted(name for name in found if name != SUMS)


def steps(name: str) -> tuple[str, ...]:
    """The parts of a plain relative name; ValueError if it could lead elsewhere on any system."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or set(name) & set(":\\\0"):
        raise ValueError(f"the name {name!r} leads out of its folder")
    return path.parts


def census(folder: Path) -> dict[str, int]:
    """How many files a folder holds, and their bytes in all."""
    sizes = [os.stat(f"{folder}/{name}").st_size for name in files_in(folder)]
    return {"files": len(sizes), "bytes": sum(sizes)}


def whole(folder: Path, sha256: str) -> bool:
    """Whether a folder was unpacked from that archive and has lost nothing since.

    Counted, not read: what empties a cache (cleaners of old files, full disks) removes files.
    """
    try:
        stamp = json.loads((folder / STAMP).read_bytes())
        if stamp["sha256"] != sha256:
            return False
        return all(found >= stamp[part] for part, found in census(folder).items())
    except (OSError, ValueError, KeyError, TypeError):
        return False


# ---------------------------------------------------------------- unpacking


@contextmanager
def workshop(home: Path) -> Iterator[Path]:
    """A temporary folder in `home`, so on its disk: moving out of it is one step."""
    home.mkdir(parents=True, exist_ok=True)
    _clear(home)
    token = secrets.token_hex(4)
    folder, lock = home / f".work-{token}", FileLock(home / f".lock-{token}")
    try:
        with lock:  # before the folder is there, so that nobody takes it for abandoned
            folder.mkdir()
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            Path(lock.lock_file).unlink(missing_ok=True)


def _clear(home: Path) -> None:
    """Remove what killed processes have left; the system has freed their locks."""
    for lock in home.glob(".lock-*"):
        folder = home / lock.name.replace(".lock-", ".work-")
        with suppress(OSError, Timeout):
            if folder.exists() or time.time() - lock.stat().st_mtime > STALE:
                with FileLock(lock, timeout=0):
                    shutil.rmtree(folder, ignore_errors=True)
                lock.unlink(missing_ok=True)


def unpack(archive: Path, folder: Path, sha256: str, seen: Callable = lambda count: None) -> None:
    """Unpack a zip or tar archive into a new folder and stamp it with the archive's checksum.

    Args:
        archive: the file; its kind is told by its content.
        folder: is made; on an error it is left as far as it came.
        sha256: of the archive, which the stamp keeps for `whole`.
        seen: called with the number of bytes just written.

    Raises:
        ArchiveError: it is damaged, or holds what no archive of data needs.
        OSError: the disk's.
    """
    limit = max(UNPACKED_LIMIT, UNPACKED_RATIO * archive.stat().st_size)
    folder.mkdir()
    try:
        written = entries = 0
        for name, size, source in _members(archive, limit):
            entries += 1
            if entries > ENTRY_LIMIT:
                raise ValueError(f"it holds more than {ENTRY_LIMIT:,} files")
            if written + size > limit:
                raise ValueError(f"it grows beyond {limit:,} bytes")
            target = folder.joinpath(*steps(name))
            (target if source is None else target.parent).mkdir(parents=True, exist_ok=True)
            if source is None:
                continue
            with open(target, "xb") as out:  # "x": a name that comes twice is an error
                while chunk := source.read(CHUNK):
                    written += len(chunk)
                    if written > limit:  # counted, as headers may lie
                        raise ValueError(f"it grows beyond {limit:,} bytes")
                    out.write(chunk)
                    seen(len(chunk))
        with open(folder / STAMP, "x", encoding="utf-8") as out:
            json.dump({"sha256": sha256, **census(folder)}, out)
    except Exception as error:  # whatever a damaged or hostile archive makes its reader raise
        twice = isinstance(error, FileExistsError | NotADirectoryError)
        if isinstance(error, OSError) and error.errno and not twice:
            raise  # the disk's error, not the archive's
        text = "it holds the same name twice" if twice else str(error) or type(error).__name__
        raise ArchiveError(text.splitlines()[0].rstrip(" .")) from error


def differences(archive: Path, folder: Path) -> list[str]:
    """The names in an archive whose files in its unpacked folder are missing or changed.

    Every byte is read, on both sides.

    Raises:
        ArchiveError: the archive cannot be read to its end.
    """
    found = []
    limit = max(UNPACKED_LIMIT, UNPACKED_RATIO * archive.stat().st_size)
    try:
        for name, _, source in _members(archive, limit):
            target = folder.joinpath(*steps(name))
            if source is None:
                same = target.is_dir()
            else:
                same = target.is_file() and _digest(source) == _digest(open(target, "rb"))
            found += [] if same else [name]
    except Exception as error:
        raise ArchiveError(str(error) or type(error).__name__) from error
    return found


def _digest(source: BinaryIO) -> bytes:
    with source:
        hasher = hashlib.sha256()
        while chunk := source.read(CHUNK):
            hasher.update(chunk)
    return hasher.digest()


def put(content: Path, final: Path, sha256: str) -> None:
    """Move a finished folder to its place, unless another process was first with the same."""
    final.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(3):
        with suppress(OSError):
            os.replace(content, final)
        if whole(final, sha256):
            return
        with suppress(OSError):  # what is there has lost files
            os.replace(final, content.with_name(f"old-{attempt}"))
    os.replace(content, final)


# ---------------------------------------------------------------- the two kinds of archives


def _members(archive: Path, limit: int) -> Iterator[tuple[str, int, BinaryIO | None]]:
    """Name, announced size and open file of each entry; None for a folder. Refuses all else."""
    if zipfile.is_zipfile(archive):
        yield from _zip_members(archive)
    else:
        with open(archive, "rb") as source:
            start = source.read(6)
        opened = (way for magic, way in COMPRESSED.items() if start.startswith(magic))
        with next(opened, open)(archive, "rb") as plain:
            yield from _tar_members(_Guarded(plain), limit)


def _zip_members(archive: Path):
    with zipfile.ZipFile(archive) as bundle:
        for info in bundle.infolist():
            mode = stat.S_IFMT(info.external_attr >> 16)  # 0 where not made on Unix
            if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ValueError(f"{info.filename!r} in it is neither a file nor a folder")
            if info.is_dir():
                yield info.filename, 0, None
            else:
                with bundle.open(info) as source:
                    yield info.filename, info.file_size, source


def _tar_members(plain: "_Guarded", limit: int):
    try:
        bundle = tarfile.open(fileobj=plain, mode="r:")
    except tarfile.ReadError as error:
        raise ValueError("it is neither a zip nor a tar archive") from error
    with bundle:
        for member in bundle:
            if not (member.isfile() or member.isdir()):
                raise ValueError(f"{member.name!r} in it is neither a file nor a folder")
            source = bundle.extractfile(member)
            yield member.name, member.size, source
    rest = 0
    while chunk := plain.read(CHUNK):  # to the end, where compressed files carry their checksum
        rest += len(chunk)
        if rest > limit:
            raise ValueError(f"it grows beyond {limit:,} bytes")


class _Guarded:
    """A file for tarfile, which would read a header of any announced size into memory."""

    def __init__(self, plain: BinaryIO):
        self.seek, self.tell, self.seekable = plain.seek, plain.tell, plain.seekable
        self._plain = plain

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= HEADER_LIMIT:
            raise ValueError("a header in it is too large")
        return self._plain.read(size)
