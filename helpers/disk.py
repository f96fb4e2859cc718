"""The cache folder, files that are written whole or not at all, checksums, progress bars."""

import hashlib
import os
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import pooch
from tqdm.auto import tqdm

IN_MEMORY = 300 * 10**6  # bytes of one array; beyond, a file holds it


def cache_folder() -> Path:
    """Where downloads and features are kept: COURSE_CACHE, or the user's cache folder.

    A container may run under a number without a name or a home: then a temporary one.
    """
    try:
        folder = os.environ.get("COURSE_CACHE") or pooch.os_cache("transfer-learning-course")
        return Path(folder).expanduser().absolute()
    except RuntimeError:
        return Path(tempfile.gettempdir(), f"transfer-learning-course-{os.getuid()}", "cache")


def own_path(given: str | Path, bundled: Iterable[str]) -> Path | None:
    """The file or folder of a person's own that `given` names; None for a bundled name.

    A bundled name is always the course's own; a folder of that name is meant with "./" before it,
    and where there is one, a line says so.

    Example:
        >>> own_path("coughs", ["coughs"]), own_path("./coughs", ["coughs"]).name
        (None, 'coughs')
    """
    if str(given) not in bundled:
        return Path(given).expanduser()
    if Path(given).exists():
        print(f"'{given}' is the course's own data. For your folder, write './{given}'.")
    return None


def write_atomic(path: Path, content: bytes | Callable[[BinaryIO], object]) -> None:
    """Write a file, and the folder around it, so that the file is there whole or not at all.

    `content` is its bytes, or a function that writes them to an open binary file.

    Raises:
        OSError: the disk is full or read-only; a file that was there is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile: open() gives the file the permissions that the user's umask asks for.
    fresh = path.with_name(f"{path.name}.{uuid.uuid4().hex[:12]}.part")
    try:
        with open(fresh, "xb") as file:
            content(file) if callable(content) else file.write(content)
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def array(shape: tuple[int, ...], dtype: str):
    """An empty NumPy array to be filled: in memory, or beyond 300 MB in a temporary file."""
    import numpy as np  # here, as the command `course` does without

    if np.prod(shape, dtype=float) * np.dtype(dtype).itemsize <= IN_MEMORY:
        return np.empty(shape, dtype)
    cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=cache_folder()) as file:  # gone when the array is
        return np.memmap(file, dtype, "w+", shape=shape)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def evict(folder: Path, limit_bytes: int) -> None:
    """Delete the files directly in a folder that were unused for longest until the rest fits.

    A file counts as used when it was written or when `os.utime(file)` was called on it: many
    disks do not note when a file is read.
    """
    files = []
    for path in folder.glob("*"):
        with suppress(OSError):  # another process may delete files, too
            if path.is_file():
                files.append((path.stat().st_mtime_ns, path.stat().st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= limit_bytes:
            break
        with suppress(OSError):
            path.unlink(missing_ok=True)
            total -= size


def quiet() -> bool:
    """Whether progress bars are switched off, by COURSE_PROGRESS=0."""
    return os.environ.get("COURSE_PROGRESS") == "0"


def progress(iterable: Iterable, what: str, total: int | None = None) -> Iterator:
    """Go through `iterable` under a progress bar that disappears; `total` where len() fails."""
    return tqdm(iterable, desc=what, total=total, leave=False, disable=quiet())
