"""What an asset is, and what the cache keeps of those of the "full" profile.

    <cache>/full/NAME-CHECKSUM/    the file as it was published, its stamp, and unpacked/
                 records/          checksums that came with a first download, enforced ever after
                 .parts/ .locks/   downloads under way, one an asset, and who is at them
                 .work-*/          archives being unpacked

Nothing under NAME-CHECKSUM/ was not checked before it came there, and it came in one step.
"""

import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import pooch
from tqdm.auto import tqdm

from course.fetch import archives, downloads

ASSUMED_RATE = 5e6  # bytes a second, until a download here has been timed
TIMED_FROM = 1_000_000  # bytes; a smaller download says little of the network


class AssetError(Exception):
    """An asset cannot be had; the message is one sentence that says which, where, what to do."""


@dataclass(frozen=True)
class Asset:
    """What the catalogue, or the mirror that serves it, says of one asset.

    `file` is relative to data/ (sample), to the mirror, or the name of the public file (full).
    `bytes` and `sha256` are those of that file; of a bundled folder, the sum of its files and the
    checksum of its SHA256SUMS. `root` is the folder of an archive that is the asset, `holds` how
    many files of which pattern the public one has in it, `roughly` its size where `bytes` is not
    published, `mirror` its name in a mirror's index where that differs, `settings` what the code
    that opens the asset must know of it. `served` is "folder" or "address" of a mirror's copy,
    `recorded` the day on which a checksum was written down here that nobody has published.
    """

    name: str
    profile: str
    file: str
    kind: str
    what: str
    origin: str
    licence: str
    where: str
    urls: tuple[str, ...] = ()
    chapter: str | None = None
    bytes: int | None = None
    roughly: int | None = None
    sha256: str | None = None
    md5: str | None = None
    unpack: str | None = None
    root: str | None = None
    holds: dict = field(default_factory=dict)
    mirror: str | None = None
    settings: dict = field(default_factory=dict)
    served: str | None = None
    recorded: str | None = None

    @property
    def size(self) -> str:
        """`bytes` for a reader, in MB (10^6 bytes) or kB."""
        if self.bytes is None:
            return f"about {megabytes(self.roughly)}" if self.roughly else "size not recorded yet"
        return megabytes(self.bytes)

    def __str__(self) -> str:
        lines = [f"{self.name} ({self.profile} profile)"]
        lines += [
            f"  {label:<8}{getattr(self, label)}"
            for label in ("what", "size", "origin", "licence", "where")
        ]
        return "\n".join(lines)


def megabytes(count: float) -> str:
    """A number of bytes for a reader."""
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.1f} kB"


# ---------------------------------------------------------------- choices


def cache_folder() -> Path:
    """The one folder that downloads are kept in: COURSE_CACHE, or the user's cache folder."""
    folder = os.environ.get("COURSE_CACHE") or pooch.os_cache("transfer-learning-course")
    return Path(folder).expanduser().absolute()


def quiet() -> bool:
    """Whether progress bars are switched off, by COURSE_PROGRESS=0."""
    return os.environ.get("COURSE_PROGRESS") == "0"


def offline() -> bool:
    """Whether the network is not to be asked for anything, by COURSE_OFFLINE=1."""
    return os.environ.get("COURSE_OFFLINE", "0") not in ("", "0")


# ---------------------------------------------------------------- places


def home() -> Path:
    """The part of the cache that this module keeps; it may be deleted at any time."""
    return cache_folder() / "full"


def safe(name: str) -> str:
    """A name as that of a file."""
    return re.sub(r"[^\w.-]", "_", name)


def store(asset: Asset) -> Path:
    """Where the cache keeps an asset; another content has another place, so none is overwritten."""
    return home() / f"{safe(asset.name)}-{asset.sha256[:12]}"


def stamp_of(asset: Asset, file: Path) -> Path:
    """The note that a file was read and found right, and when it was last changed."""
    return store(asset) / f"{file.name}.stamp"


def part_of(name: str) -> Path:
    """What has come so far of a download."""
    return home() / ".parts" / f"{safe(name)}.part"


def file_of(asset: Asset) -> Path | None:
    """Where the file of an asset is, or would be; None while its checksum is not known."""
    if asset.served == "folder":
        return Path(asset.where)
    return store(asset) / PurePosixPath(asset.file).name if asset.sha256 else None


def present(asset: Asset) -> bool:
    """Whether an asset is here, told by sizes and counts alone."""
    if asset.sha256 is None:
        return False
    if asset.unpack and archives.whole(store(asset) / "unpacked", asset.sha256):
        return True
    file = file_of(asset)
    return file.is_file() and file.stat().st_size == asset.bytes


def damaged(asset: Asset) -> bool:
    """Whether a fetched file is not what it was; a large one that has not changed is not read."""
    file = file_of(asset)
    if asset.served == "folder":
        return False
    if file.exists():
        return bool(file_fault(file, asset, stamp_of(asset, file)))
    return not archives.whole(store(asset) / "unpacked", asset.sha256)


# ---------------------------------------------------------------- records


def record_of(name: str, served: str | None) -> Path:
    """Where size and checksum are written down that came with a download."""
    return home() / "records" / f"{safe(name)}{'.mirror' if served else ''}.json"


def with_record(asset: Asset) -> Asset:
    """A public asset, with the checksum of its first download if none is published."""
    told = read_json(record_of(asset.name, None))
    with suppress(TypeError, ValueError, KeyError):
        size, sha256, date = told["bytes"], told["sha256"], told["date"]
        fits = asset.bytes in (None, size) and asset.md5 in (None, told["md5"])
        if asset.sha256 is None and fits and re.fullmatch("[0-9a-f]{64}", sha256):
            return replace(asset, bytes=size, sha256=sha256, recorded=date)
    return asset


def write_record(asset: Asset, url: str) -> None:
    """Write down what has come and from where, before it is moved to its place."""
    told = ("file", "bytes", "sha256", "md5", "kind", "what", "origin", "licence", "where")
    entry = {part: getattr(asset, part) for part in told}
    date = time.strftime("%Y-%m-%d")
    write_json(record_of(asset.name, asset.served), {**entry, "url": url, "date": date})


def note_rate(source: str, receipt: downloads.Receipt) -> None:
    """Remember how fast the last large download was, for `duration`."""
    if receipt.received >= TIMED_FROM and receipt.seconds > 0:
        rates = read_json(home() / "rate.json")
        rates = rates if isinstance(rates, dict) else {}
        write_json(home() / "rate.json", {**rates, source: receipt.received / receipt.seconds})


def duration(count: float | None, served: str | None = None) -> str:
    """How long so many bytes take here from a mirror or elsewhere, and the rate that says so."""
    if not count:
        return "how long it takes depends on its size, which only its server knows"
    rates = read_json(home() / "rate.json")
    with suppress(TypeError, KeyError, ZeroDivisionError):
        rate = rates["mirror" if served else "public"]
        return f"about {clock(count / rate)} at {rate / 1e6:,.1f} MB/s, as last time"
    return f"about {clock(count / ASSUMED_RATE)} at an assumed {ASSUMED_RATE / 1e6:,.1f} MB/s"


def clock(took: float) -> str:
    """A number of seconds for a reader."""
    return f"{took / 60:.0f} min" if took > 90 else f"{max(1, took):.0f} s"


# ---------------------------------------------------------------- checks


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(file, "rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def file_fault(file: Path, asset: Asset, stamp: Path | None = None) -> str:
    """What is wrong with a file, or "". A fitting stamp saves reading a large file again."""
    if not file.is_file():
        return "is missing"
    mark = mark_of(file, asset)
    if stamp and read_json(stamp) == mark:
        return ""
    if mark["size"] != asset.bytes:
        return f"has {mark['size']:,} bytes instead of {asset.bytes:,}"
    if (sha256 := sha256_of(file)) != asset.sha256:
        return f"has the sha256 {sha256} instead of {asset.sha256}"
    if stamp:
        with suppress(OSError):  # a cache that may only be read: the next use reads it again
            write_json(stamp, mark)
    return ""


def mark_of(file: Path, asset: Asset) -> dict:
    """What a stamp holds."""
    found = file.stat()
    return {"size": found.st_size, "mtime_ns": found.st_mtime_ns, "sha256": asset.sha256}


def content_fault(asset: Asset, root: Path) -> str:
    """What an unpacked public original lacks of what it must hold, or ""."""
    if not root.is_dir():
        return f"it holds no folder {asset.root!r}"
    for pattern, count in asset.holds.items():
        found = sum(file.is_file() and file.stat().st_size > 0 for file in root.glob(pattern))
        if found != count:
            return f"it holds {found:,} files {pattern} instead of {count:,}"
    if asset.kind == "hub-module":
        return module_fault(root)
    return ""


def module_fault(root: Path) -> str:
    """Whether a folder looks like a SavedModel of TensorFlow 2, told without TensorFlow."""
    graph, index = root / "saved_model.pb", root / "variables" / "variables.index"
    if not graph.is_file() or graph.read_bytes()[:1] not in (b"\x08", b"\x12"):
        return "it holds no saved_model.pb that TensorFlow could read"
    if not index.is_file() or index.read_bytes()[-8:] != bytes.fromhex("57fb808b247547db"):
        return "it holds no variables/variables.index that TensorFlow could read"  # table's end
    if not any(file.stat().st_size for file in root.glob("variables/variables.data-*")):
        return "it holds no variables/variables.data"
    return ""


def root_of(asset: Asset, folder: Path) -> Path:
    """Which folder of an unpacked archive is the asset."""
    if asset.root is not None:
        return folder / asset.root
    # Most archives hold one folder, to which macOS adds one of its own.
    tops = [
        top for top in folder.iterdir() if not archives.hidden(top.name) and top.name != "__MACOSX"
    ]
    return tops[0] if len(tops) == 1 and tops[0].is_dir() else folder


# ---------------------------------------------------------------- fetching


def fetch(asset: Asset, url: str) -> Path:
    """Bring a file into the cache, checked; of two processes the second finds it there."""

    def waiting() -> None:
        print(f"Another process is fetching {asset.name}: waiting for it.", file=sys.stderr)

    with downloads.alone(home() / ".locks" / f"{safe(asset.name)}.lock", waiting):
        asset = asset if asset.served else with_record(asset)
        if file := file_of(asset):
            if not file_fault(file, asset, stamp_of(asset, file)):
                return file
        part = part_of(asset.name)
        expected = downloads.Wanted(asset.bytes, asset.sha256, asset.md5)
        with progress(asset.name, leave=False) as bar:
            receipt = downloads.fetch(url, part, expected, bar)
            bar.leave = True
        asset = replace(asset, bytes=receipt.size, sha256=receipt.sha256)
        note_rate("mirror" if asset.served else "public", receipt)
        try:
            return keep(asset, part, url)
        except archives.ArchiveError as error:
            downloads.discard(part)
            raise downloads.Wrong(str(error)) from error


def keep(asset: Asset, part: Path, url: str) -> Path:
    """Move a fetched file to its place; a public archive only if it holds what it must."""
    final = store(asset)
    with archives.workshop(home()) as folder:
        content = folder / "content"
        if asset.unpack and not asset.served:
            unpack(part, content, asset)
            if fault := content_fault(asset, root_of(asset, content)):
                raise archives.ArchiveError(fault)
        write_record(asset, url)
        final.mkdir(parents=True, exist_ok=True)
        file = file_of(asset)
        os.replace(part, file)
        downloads.discard(part)  # its note
        write_json(stamp_of(asset, file), mark_of(file, asset))
        if content.exists():
            archives.put(content, final / "unpacked", asset.sha256)
    return file


def unpack(archive: Path, folder: Path, asset: Asset) -> None:
    """Unpack with a progress bar; raises as `archives.unpack` does."""
    with progress(f"unpacking {asset.name}", delay=1, leave=False) as bar:
        archives.unpack(archive, folder, asset.sha256, bar.update)


def progress(text: str, **more) -> tqdm:
    """A bar for bytes, in a notebook a notebook's."""
    return tqdm(desc=text, unit="B", unit_scale=True, disable=quiet(), **more)


@contextmanager
def disk(name: str, folder: Path | None = None) -> Iterator[None]:
    """Tell an error of the disk for what it is; it is the cache's if no folder is given."""
    try:
        yield
    except OSError as error:
        where = folder or cache_folder()
        ways = "" if folder else ", or set COURSE_CACHE to a folder that you may write in"
        raise AssetError(
            f"The asset {name!r} could not be kept in {where} ({reason_of(error)}): make room "
            f"there{ways}."
        ) from error


# ---------------------------------------------------------------- small


def read_json(file: Path):
    """The content of a small file; None if there is none or it is damaged."""
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None


def write_json(file: Path, content) -> None:
    """Write a small file so that it is there whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        fresh.write_text(json.dumps(content), encoding="utf-8")
        os.replace(fresh, file)
    finally:
        fresh.unlink(missing_ok=True)


def reason_of(error: Exception) -> str:
    """An error of the disk or of a file in a few words, without a full stop."""
    text = error.strerror if isinstance(error, OSError) else str(error)
    return (text or type(error).__name__).splitlines()[0].rstrip(" .")
