"""Unpack archives without trusting them.

Only names and bytes are taken from an archive, no owners, no modes, no links, no devices, and no
name that leads out of its folder: stricter than tarfile's own "data" filter, which pooch's
processors use. Sizes are counted while they are written, as headers may lie.
"""

import errno
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from course.fetch.resume import CHUNK, WrongFileError


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
    archive: Path, folder: Path, seen: Callable[[int], object], limit: int | None = None
) -> None:
    """Unpack a zip or tar archive, which is recognised by its content, into a new folder.

    Args:
        archive: the file.
        folder: is made; on an error it is left as far as it came.
        seen: called with the number of bytes just written.
        limit: how many bytes may come out; 2 GB, or 100 sizes of the archive, if None.

    Raises:
        WrongFileError: it is damaged, or holds what no archive of data needs.
        OSError: the disk's.
    """
    folder.mkdir()
    limit = limit or max(2_000_000_000, 100 * archive.stat().st_size)
    written = 0
    try:
        for name, plain, source in _members(archive):
            if not plain:
                raise ValueError(f"{name!r} in it is neither a file nor a folder")
            target = folder.joinpath(*plain_parts(name))
            (target if source is None else target.parent).mkdir(parents=True, exist_ok=True)
            if source is None:
                continue
            with source, open(target, "xb") as out:  # "x": a name that comes twice is an error
                while chunk := source.read(CHUNK):
                    written += len(chunk)
                    if written > limit:
                        raise ValueError(f"it grows beyond {limit:,} bytes")
                    out.write(chunk)
                    seen(len(chunk))
    except Exception as error:  # whatever a damaged or hostile archive makes its reader raise
        twice = isinstance(error, FileExistsError | NotADirectoryError)
        odd = getattr(error, "errno", None) in (errno.EINVAL, errno.ENAMETOOLONG)  # place or name
        if isinstance(error, OSError) and error.errno and not (twice or odd):
            raise  # the disk's error, not the archive's
        text = "it holds the same name twice" if twice else str(error) or type(error).__name__
        raise WrongFileError(text.splitlines()[0].rstrip(" .")) from error


def _members(archive: Path) -> Iterator[tuple[str, bool, BinaryIO | None]]:
    """Of each entry the name, whether it is a file or a folder, and the open file, if it is one."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as bundle:
            for info in bundle.infolist():
                mode = stat.S_IFMT(info.external_attr >> 16)  # 0 where not made on Unix
                plain = mode in (0, stat.S_IFREG, stat.S_IFDIR)
                yield info.filename, plain, None if info.is_dir() else bundle.open(info)
        return
    if not tarfile.is_tarfile(archive):
        raise ValueError("it is neither a zip nor a tar archive")
    with tarfile.open(archive) as bundle:
        for member in bundle:
            plain = member.isfile() or member.isdir()
            yield member.name, plain, bundle.extractfile(member) if plain else None
