"""Unpack archives without trusting them.

Only names and bytes are taken from an archive, no owners, no modes, no links, no devices, and no
name that leads out of its folder: stricter than tarfile's own "data" filter, which pooch's
processors use. Sizes are counted while they are written, as headers may lie.
"""

import bz2
import gzip
import hashlib
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

CHUNK = 1 << 20
HEADER_LIMIT = 16_000_000  # bytes that a tar archive may ask to be held in memory at once
COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}


@dataclass(frozen=True)
class Limits:
    """How far an archive may grow: in bytes, or in sizes of the archive, and in entries."""

    size: int = 2_000_000_000
    ratio: int = 100  # a larger archive may grow so many times
    entries: int = 500_000

    def of(self, archive: Path) -> int:
        """The bytes that may come out of this archive."""
        return max(self.size, self.ratio * archive.stat().st_size)


DEFAULT = Limits()


class ArchiveError(Exception):
    """An archive is damaged or hostile; the message is the reason in a few words."""


def plain_parts(name: str) -> tuple[str, ...]:
    """The parts of a plain relative name; ValueError if it could lead elsewhere on any system.

    Example:
        >>> plain_parts("train/cats/1.jpg")
        ('train', 'cats', '1.jpg')
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or set(name) & set(":\\\0"):
        raise ValueError(f"the name {name!r} leads out of its folder")
    return path.parts


def unpack(
    archive: Path, folder: Path, seen: Callable[[int], object], limits: Limits = DEFAULT
) -> None:
    """Unpack a zip or tar archive, which is recognised by its content, into a new folder.

    Args:
        archive: the file.
        folder: is made; on an error it is left as far as it came.
        seen: called with the number of bytes just written.
        limits: how far it may grow.

    Raises:
        ArchiveError: it is damaged, or holds what no archive of data needs.
        OSError: the disk's.
    """
    folder.mkdir()
    try:
        written, limit = 0, limits.of(archive)
        for entries, (name, size, source) in enumerate(_members(archive, limit), 1):
            if entries > limits.entries:
                raise ValueError(f"it holds more than {limits.entries:,} files")
            if written + size > limit:
                raise ValueError(f"it grows beyond {limit:,} bytes")
            target = folder.joinpath(*plain_parts(name))
            (target if source is None else target.parent).mkdir(parents=True, exist_ok=True)
            if source is not None:
                written = _write(source, target, written, limit, seen)
    except Exception as error:  # whatever a damaged or hostile archive makes its reader raise
        twice = isinstance(error, FileExistsError | NotADirectoryError)
        if isinstance(error, OSError) and error.errno and not twice:
            raise  # the disk's error, not the archive's
        text = "it holds the same name twice" if twice else str(error) or type(error).__name__
        raise ArchiveError(text.splitlines()[0].rstrip(" .")) from error


def _write(source: BinaryIO, target: Path, written: int, limit: int, seen: Callable) -> int:
    with open(target, "xb") as out:  # "x": a name that comes twice is an error
        while chunk := source.read(CHUNK):
            written += len(chunk)
            if written > limit:
                raise ValueError(f"it grows beyond {limit:,} bytes")
            out.write(chunk)
            seen(len(chunk))
    return written


def differences(archive: Path, folder: Path, limits: Limits = DEFAULT) -> list[str]:
    """The names in an archive whose files in its unpacked folder are missing or changed.

    Every byte is read, on both sides.

    Raises:
        ArchiveError: the archive cannot be read to its end.
    """
    found = []
    try:
        for name, _, source in _members(archive, limits.of(archive)):
            target = folder.joinpath(*plain_parts(name))
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
            yield member.name, member.size, bundle.extractfile(member)
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
