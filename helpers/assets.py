"""Name in, path out: the one room that knows where the files of the course come from.

    assets.path("cats-vs-dogs")          # a folder or a file, checked byte by byte
    assets.use("full")                   # from here on the same names mean the public originals
    print(assets.about("cats-vs-dogs"))  # what it is, whose it is, under which licence

The files of the "sample" profile are bundled under data/. Those of the "full" profile come from
the mirror that COURSE_MIRROR names, a folder or an http(s) address with an index.json, and are
kept in `cache_folder()`. Names, sizes, checksums and licences stand in data/catalog.toml.
"""

import difflib
import hashlib
import io
import json
import os
import re
import shutil
import stat
import tarfile
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import quote

import pooch
from tqdm.auto import tqdm

PROFILES = ("sample", "full")
DATA = Path(__file__).resolve().parent.parent / "data"
SUMS = "SHA256SUMS"  # in each bundled folder, as `sha256sum` writes it

CHUNK = 1 << 20
UNPACKED_LIMIT = 2_000_000_000  # bytes; a larger archive may grow UNPACKED_RATIO-fold
UNPACKED_RATIO = 100
STAMP = ".unpacked.json"  # in an unpacked folder: of which archive, how much
STALE = 3600  # seconds after which a temporary folder is taken for abandoned

_chosen: str | None = None


class AssetError(Exception):
    """An asset cannot be had; the message is one sentence that says which, where, what to do."""


@dataclass(frozen=True)
class Asset:
    """What the catalogue, or the mirror that serves it, says of one asset.

    `file` is relative to data/ (sample) or to the mirror (full). `bytes` and `sha256` are those of
    that file; of a bundled folder, the sum of its files and the checksum of its SHA256SUMS. `root`
    is the folder of an archive that is the asset, `mirror` its name in a mirror's index where that
    differs, `settings` what the code that opens the asset must know of it.
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
    bytes: int | None = None
    sha256: str | None = None
    md5: str | None = None
    unpack: str | None = None
    root: str | None = None
    mirror: str | None = None
    settings: dict = field(default_factory=dict)

    @property
    def size(self) -> str:
        """`bytes` for a reader, in MB (10^6 bytes) or kB."""
        if self.bytes is None:
            return "size not recorded yet"
        large = self.bytes >= 1e6
        return f"{self.bytes / 1e6:,.1f} MB" if large else f"{self.bytes / 1e3:,.1f} kB"

    def __str__(self) -> str:
        lines = [f"{self.name} ({self.profile} profile)"]
        lines += [
            f"  {label:<8}{getattr(self, label)}"
            for label in ("what", "size", "origin", "licence", "where")
        ]
        return "\n".join(lines)


# ---------------------------------------------------------------- profile and catalogue


def use(profile: str) -> None:
    """Choose "sample" or "full" for this process; goes before COURSE_PROFILE.

    Raises:
        AssetError: there is no such profile.
    """
    global _chosen
    _chosen = _known(profile, "assets.use")


def profile() -> str:
    """The current profile: that of `use`, else of COURSE_PROFILE, else "sample"."""
    return _chosen or _known(os.environ.get("COURSE_PROFILE") or "sample", "COURSE_PROFILE")


def _known(profile: str, giver: str) -> str:
    if profile not in PROFILES:
        raise AssetError(f"Unknown profile {profile!r} in {giver}: choose 'sample' or 'full'.")
    return profile


def cache_folder() -> Path:
    """The one folder that downloads are kept in: COURSE_CACHE, or the user's cache folder."""
    folder = os.environ.get("COURSE_CACHE") or pooch.os_cache("transfer-learning-course")
    return Path(folder).expanduser().absolute()


def quiet() -> bool:
    """Whether progress bars are switched off, by COURSE_PROGRESS=0."""
    return os.environ.get("COURSE_PROGRESS") == "0"


def names(profile: str | None = None) -> tuple[str, ...]:
    """The names in the catalogue of a profile (the current one if None), in its order."""
    return tuple(_catalogue(_profile(profile)))


def about(name: str, *, profile: str | None = None) -> Asset:
    """What `path(name)` would open: of the mirror's copy, if the mirror has one.

    Raises:
        AssetError: the name or the profile is unknown, or the mirror cannot be read.
    """
    return _find(name, profile)[0]


def path(name: str, *, profile: str | None = None) -> Path:
    """The verified file or folder of an asset, unpacked if it comes in an archive.

    Args:
        name: a name of the catalogue, or in the "full" profile of the mirror's index.
        profile: "sample" or "full"; the current profile if None.

    Raises:
        AssetError: the asset is unknown, missing or damaged; nothing of it is left half done.
    """
    asset, mirror = _find(name, profile)
    if asset.profile == "sample":
        return _bundled(asset)
    if mirror is None:
        raise _missing(asset)
    try:
        return _unpacked(asset, mirror) if asset.unpack else _fetched(asset, mirror)
    except OSError as error:
        raise AssetError(
            f"The asset {name!r} could not be kept in {cache_folder()} ({_reason(error)}): make "
            "room there, or set COURSE_CACHE to a folder that you may write in."
        ) from error


def _profile(given: str | None) -> str:
    return profile() if given is None else _known(given, "profile=")


def _catalogue(profile: str) -> dict[str, Asset]:
    file = DATA / "catalog.toml"
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))[profile]
    except FileNotFoundError:
        raise AssetError(
            f"The catalogue {file} is missing: the course runs from its own folder, so install it "
            "there with 'pip install --editable .'."
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise AssetError(
            f"The catalogue {file} is damaged ({_reason(error)}): bring it back with "
            "'git checkout -- data/catalog.toml'."
        ) from error
    assets = {}
    for name, table in tables.items():
        urls = tuple(table.pop("urls", ()))
        here = f"data/{table['file']}"
        where = here if profile == "sample" else " or ".join(urls) or "no public address"
        assets[name] = Asset(name=name, profile=profile, where=where, urls=urls, **table)
    return assets


def _find(name: str, profile: str | None) -> tuple[Asset, "_Mirror | None"]:
    """An asset and, in the full profile, the mirror that has it."""
    profile = _profile(profile)
    catalogue = _catalogue(profile)
    asset = catalogue.get(name)
    mirror = None
    if profile == "full" and (place := os.environ.get("COURSE_MIRROR")):
        mirror = _Mirror(place)
        if served := mirror.asset(name, asset):
            return served, mirror
    if asset is None:
        known = sorted({*catalogue, *(mirror.entries if mirror else ())})
        raise AssetError(_unknown(name, profile, known))
    return asset, None


def _unknown(name: str, profile: str, known: list[str]) -> str:
    (other,) = set(PROFILES) - {profile}
    if name in _catalogue(other):
        hint = f"it is in the {other} profile, ask for it with profile={other!r}; here are"
    elif near := difflib.get_close_matches(str(name), known):
        hint = f"did you mean {' or '.join(map(repr, near))}, of"
    else:
        hint = "choose one of"
    return f"There is no asset {name!r} in the {profile} profile: {hint} {', '.join(known)}."


def _missing(asset: Asset) -> AssetError:
    place = os.environ.get("COURSE_MIRROR")
    public = f"does not download from {asset.where}" if asset.urls else "knows no public address"
    return AssetError(
        f"The asset {asset.name!r} of the full profile ({asset.size}) is not "
        f"{f'in the mirror {place}' if place else 'here, as COURSE_MIRROR is not set'}, and this "
        f"version of the course {public}: set COURSE_MIRROR=<folder or address> to a mirror whose "
        f'index.json names "{asset.mirror or asset.name}".'
    )


# ---------------------------------------------------------------- checks


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(file, "rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def files_in(folder: Path) -> list[str]:
    """The files of a folder as sorted relative posix paths, without SHA256SUMS and hidden ones."""
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not _hidden(name)]
        here = Path(parent).relative_to(folder).as_posix()
        found += [name if here == "." else f"{here}/{name}" for name in files if not _hidden(name)]
    return sorted(name for name in found if name != SUMS)


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in ("Thumbs.db", "desktop.ini")


def _bundled(asset: Asset) -> Path:
    target = DATA / asset.file
    if asset.sha256 is None:
        raise AssetError(
            f"The bundled {asset.where} has no checksum in data/catalog.toml yet: its maker "
            "records it with 'make catalogue'."
        )
    check = _folder_fault if target.is_dir() else _file_fault
    if fault := check(target, asset):
        raise AssetError(
            f"The bundled {asset.where} {fault}: bring it back with 'git checkout -- "
            f"{asset.where}', or clone the course again."
        )
    return target


def _file_fault(file: Path, asset: Asset, stamp: Path | None = None) -> str:
    """What is wrong with a file, or "". A fitting stamp saves reading a large file again."""
    if not file.is_file():
        return "is missing"
    found = file.stat()
    mark = {"size": found.st_size, "mtime_ns": found.st_mtime_ns, "sha256": asset.sha256}
    if stamp and _read_json(stamp) == mark:
        return ""
    if found.st_size != asset.bytes:
        return f"has {found.st_size:,} bytes instead of {asset.bytes:,}"
    if (sha256 := sha256_of(file)) != asset.sha256:
        return f"has the sha256 {sha256} instead of {asset.sha256}"
    if stamp:
        with suppress(OSError):  # a cache that may only be read: the next use reads it again
            stamp.parent.mkdir(parents=True, exist_ok=True)
            stamp.write_text(json.dumps(mark), encoding="utf-8")
    return ""


def _folder_fault(folder: Path, asset: Asset) -> str:
    """Which files of a bundled folder are missing, changed or extra, or ""."""
    sums = folder / SUMS
    if not sums.is_file() or sha256_of(sums) != asset.sha256:
        return f"has not the {SUMS} of the catalogue"
    lines = sums.read_text(encoding="utf-8").splitlines()
    expected = {line[66:]: line[:64] for line in lines}  # "<sha256>  <path>"
    found = set(files_in(folder))
    here = sorted(found & expected.keys())
    faults = {
        "missing": sorted(expected.keys() - found),
        "changed": [name for name in here if sha256_of(folder / name) != expected[name]],
        "extra": sorted(found - expected.keys()),
    }
    told = [f"{fault} {_some(which)}" for fault, which in faults.items() if which]
    return f"differs from its {SUMS} ({'; '.join(told)})" if told else ""


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _read_json(file: Path):
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None


def _reason(error: Exception) -> str:
    """An error of the disk, the network or an archive in a few words, without a full stop."""
    if (response := getattr(error, "response", None)) is not None:
        return f"HTTP status {response.status_code}"
    text = error.strerror if isinstance(error, OSError) else str(error)
    return (text or type(error).__name__).splitlines()[0].rstrip(" .")


# ---------------------------------------------------------------- the mirror


class _Mirror:
    """A folder or an http(s) address with files and an index.json that describes them."""

    def __init__(self, place: str):
        self.remote = place.lower().startswith(("http://", "https://"))
        self.place = place.rstrip("/") if self.remote else str(Path(place).expanduser().absolute())
        index = self.where("index.json")
        try:
            text = io.BytesIO() if self.remote else open(index, "rb")
            with text:
                if self.remote:
                    _download(index, text)
                    text.seek(0)
                entries = json.load(text)["assets"]
            self.entries = {name: dict(entry) for name, entry in entries.items()}
        except OSError as error:
            raise AssetError(
                f"The mirror's index {index} cannot be read ({_reason(error)}): set COURSE_MIRROR "
                "to a folder or an http(s) address that holds an index.json."
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise AssetError(
                f"The mirror's index {index} is damaged: put a good copy there, which is JSON of "
                'the form {"assets": {name: {"file": ..., "bytes": ..., "sha256": ...}}}.'
            ) from error

    def where(self, file: str) -> str:
        return f"{self.place}/{quote(file)}" if self.remote else str(Path(self.place, file))

    def asset(self, name: str, listed: Asset | None) -> Asset | None:
        """The asset as this mirror serves it, or None; `listed` is its entry in the catalogue."""
        key = next((n for n in (listed and listed.mirror, name) if n in self.entries), None)
        if key is None:
            return None
        entry = self.entries[key]
        file, size, sha256 = (entry.get(part) for part in ("file", "bytes", "sha256"))
        try:
            if not (_steps(file) and re.fullmatch("[0-9a-f]{64}", sha256) and size >= 0):
                raise ValueError
        except (TypeError, ValueError):
            raise AssetError(
                f"The entry {key!r} of {self.where('index.json')} is refused: correct it so that "
                "'file' is a plain relative name inside the mirror, 'bytes' a number and 'sha256' "
                "64 lower-case hexadecimal digits."
            ) from None
        told = {k: str(entry.get(k, "not stated")) for k in ("what", "origin", "licence")}
        if listed is None:
            archive = re.search(r"\.(zip|tgz|tar(\.\w+)?)$", file)
            listed = Asset(name, "full", file, str(entry.get("kind")), where="", **told)
            listed = replace(listed, unpack=archive and archive[1])
        served = {"file": file, "bytes": size, "sha256": sha256, "md5": None}
        return replace(listed, where=self.where(file), **served, **told)


def _store(asset: Asset) -> Path:
    """Where the cache keeps an asset; another content has another place, so none is overwritten."""
    name = re.sub(r"[^\w.-]", "_", asset.name)
    return cache_folder() / "full" / f"{name}-{asset.sha256[:12]}"


def _fetched(asset: Asset, mirror: _Mirror) -> Path:
    """The asset's verified file: in the mirror's own folder, or in the cache if it is remote."""
    name = PurePosixPath(asset.file).name
    file = _store(asset) / name if mirror.remote else Path(asset.where)
    stamp = _store(asset) / f"{name}.stamp"
    fault = _file_fault(file, asset, stamp)
    if fault and mirror.remote:
        with _workshop() as folder:
            part = folder / name
            with open(part, "wb") as out:
                _download(asset.where, out, asset.bytes)
            fault = _file_fault(part, asset, stamp)
            if not fault:
                os.replace(part, file)
    if fault:
        raise AssetError(
            f"The mirror's file {asset.where} {fault}: put the file there that its index.json "
            "describes, or correct the index."
        )
    return file


def _download(url: str, out: BinaryIO, size: int = 0) -> None:
    """Write what an address holds to `out`, with a progress bar if the size is known."""
    with tqdm(desc=url, total=size, unit="B", unit_scale=True, delay=1, disable=quiet()) as bar:
        try:
            pooch.HTTPDownloader(progressbar=bar, chunk_size=CHUNK)(url, out, None)
        except OSError as error:
            if error.errno:  # the disk's error: those of the network come without a number
                raise
            raise AssetError(
                f"{url} cannot be downloaded ({_reason(error)}): check COURSE_MIRROR and the "
                "network, then try again."
            ) from error


# ---------------------------------------------------------------- unpacking


@contextmanager
def _workshop() -> Iterator[Path]:
    """A temporary folder on the cache's own disk, so that moving out of it is one step."""
    home = cache_folder() / "full"
    home.mkdir(parents=True, exist_ok=True)
    for old in home.glob(".work-*"):  # of processes that were killed
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > STALE:
                shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=".work-", dir=home))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unpacked(asset: Asset, mirror: _Mirror) -> Path:
    """The folder that is the asset, from its archive or as an earlier call has unpacked it."""
    final = _store(asset) / "unpacked"
    if not _whole(final, asset.sha256):
        archive = _fetched(asset, mirror)
        with _workshop() as folder:
            content = folder / "content"
            _unpack(archive, content, asset)
            _put(content, final, asset.sha256)
    if asset.root is None:  # most archives hold one folder, to which macOS adds one of its own
        tops = [top for top in final.iterdir() if not _hidden(top.name) and top.name != "__MACOSX"]
        return tops[0] if len(tops) == 1 and tops[0].is_dir() else final
    root = final / asset.root
    if not root.is_dir():
        raise AssetError(
            f"The archive {asset.where} holds no folder {asset.root!r}: put the one into the "
            f"mirror that the catalogue describes under {asset.name!r}."
        )
    return root


def _unpack(archive: Path, folder: Path, asset: Asset) -> None:
    """Unpack a zip or tar archive into a new folder and stamp it, or raise AssetError."""
    limit = max(UNPACKED_LIMIT, UNPACKED_RATIO * archive.stat().st_size)
    written = 0
    folder.mkdir()
    try:
        with tqdm(desc=archive.name, unit="B", unit_scale=True, delay=1, disable=quiet()) as bar:
            for name, source in _members(archive):
                target = folder.joinpath(*_steps(name))
                (target if source is None else target.parent).mkdir(parents=True, exist_ok=True)
                if source is None:
                    continue
                with open(target, "xb") as out:  # "x": a name that comes twice is an error
                    while chunk := source.read(CHUNK):
                        written += len(chunk)
                        if written > limit:  # counted, as headers may lie
                            raise ValueError(f"it grows beyond {limit:,} bytes")
                        out.write(chunk)
                        bar.update(len(chunk))
                os.utime(folder.parent)  # still at work: not stale
        with open(folder / STAMP, "x", encoding="utf-8") as out:
            json.dump({"sha256": asset.sha256, **_census(folder)}, out)
    except Exception as error:  # whatever a damaged or hostile archive makes its reader raise
        twice = isinstance(error, FileExistsError | NotADirectoryError)
        if isinstance(error, OSError) and error.errno and not twice:
            raise  # the disk's error, not the archive's
        reason = "it holds the same name twice" if twice else _reason(error)
        raise AssetError(
            f"The archive {archive} was not unpacked ({reason}): put a sound archive into the "
            "mirror and correct its index.json."
        ) from error


def _members(archive: Path) -> Iterator[tuple[str, BinaryIO | None]]:
    """Names and open files of an archive, None for a folder.

    Links and devices are refused; only names and bytes are taken, no owners and no modes, which
    is stricter than tarfile's own "data" filter.
    """
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as bundle:
            for info in bundle.infolist():
                mode = stat.S_IFMT(info.external_attr >> 16)  # 0 where not made on Unix
                if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise ValueError(f"{info.filename!r} in it is neither a file nor a folder")
                if info.is_dir():
                    yield info.filename, None
                else:
                    with bundle.open(info) as source:
                        yield info.filename, source
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as bundle:
            for member in bundle:
                if not (member.isfile() or member.isdir()):
                    raise ValueError(f"{member.name!r} in it is neither a file nor a folder")
                yield member.name, bundle.extractfile(member)
    else:
        raise ValueError("it is neither a zip nor a tar archive")


def _steps(name: str) -> tuple[str, ...]:
    """The parts of a plain relative name; ValueError if it could lead elsewhere on any system."""
    steps = PurePosixPath(name)
    if steps.is_absolute() or ".." in steps.parts or set(name) & set(":\\\0"):
        raise ValueError(f"the name {name!r} leads out of its folder")
    return steps.parts


def _census(folder: Path) -> dict[str, int]:
    sizes = [os.stat(f"{folder}/{name}").st_size for name in files_in(folder)]
    return {"files": len(sizes), "bytes": sum(sizes)}


def _whole(folder: Path, sha256: str) -> bool:
    """Whether a folder was unpacked from that archive and has lost nothing since.

    Counted, not read: what empties a cache (cleaners of old files, full disks) removes files.
    """
    stamp = _read_json(folder / STAMP)
    if not isinstance(stamp, dict) or stamp.get("sha256") != sha256:
        return False
    return all(found >= stamp.get(part, 0) for part, found in _census(folder).items())


def _put(content: Path, final: Path, sha256: str) -> None:
    """Move a finished folder to its place, unless another process was first with the same."""
    final.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(3):
        with suppress(OSError):
            os.replace(content, final)
        if _whole(final, sha256):
            return
        with suppress(OSError):  # what is there has lost files
            os.replace(final, content.with_name(f"old-{attempt}"))
    os.replace(content, final)
