"""Name in, path out: the one room that knows where the files of the course come from.

    assets.path("cats-vs-dogs")          # a folder or a file, checked byte by byte
    assets.use("full")                   # from here on the same names mean the public originals
    assets.download("images")            # which this fetches, once
    print(assets.about("cats-vs-dogs"))  # what it is, whose it is, under which licence

The files of the "sample" profile are bundled under data/. Those of the "full" profile come from
the mirror that COURSE_MIRROR names, a folder or an http(s) address with an index.json, or from
their public addresses. Names, sizes, checksums and licences stand in data/catalog.toml;
`course.fetch.cache` keeps what was fetched, `course.fetch.downloads` talks to the network,
`course.fetch.archives` unpacks.
"""

import difflib
import json
import os
import re
import shutil
import tomllib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from course.fetch import archives, cache, downloads
from course.fetch.archives import SUMS, files_in
from course.fetch.cache import Asset, AssetError, cache_folder, megabytes, offline, quiet, sha256_of

__all__ = [
    "SUMS",
    "AbsentError",
    "Asset",
    "AssetError",
    "about",
    "cache_folder",
    "download",
    "files_in",
    "has_left",
    "is_here",
    "listed",
    "mirror_names",
    "missing",
    "names",
    "one_look",
    "original",
    "path",
    "path_or_sample",
    "profile",
    "quiet",
    "room_for",
    "sha256_of",
    "use",
    "verify",
]

PROFILES = ("sample", "full")
CHAPTERS = ("images", "text", "audio")
DATA = Path(__file__).resolve().parent.parent / "data"
UNPACKS_TO = 1.5  # room that the content of an archive is taken to need, in sizes of the archive

_chosen: str | None = None
_looked: dict | None = None


class AbsentError(AssetError):
    """The asset is not here, and the mirror, if there is one, does not have it."""


class _MirrorError(AssetError):
    """The mirror does not give what it should; another source might."""


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


def names(profile: str | None = None) -> tuple[str, ...]:
    """The names in the catalogue of a profile (the current one if None), in its order."""
    return tuple(_catalogue(_profile(profile)))


def about(name: str, *, profile: str | None = None) -> Asset:
    """What `path(name)` would open: of the mirror's copy, if the mirror has one.

    Raises:
        AssetError: the name or the profile is unknown, or the mirror cannot be read.
    """
    return _find(name, _profile(profile))


def path(name: str, *, profile: str | None = None) -> Path:
    """The verified file or folder of an asset, unpacked if it comes in an archive.

    What a mirror has is fetched from there; public addresses are asked by `download` only.

    Args:
        name: a name of the catalogue, or in the "full" profile of the mirror's index.
        profile: "sample" or "full"; the current profile if None.

    Raises:
        AssetError: the asset is unknown, missing or damaged; nothing of it is left half done.
    """
    asset = _find(name, _profile(profile))
    if asset.profile == "sample":
        return _bundled(asset)
    with cache.disk(name):
        try:
            return _opened(asset)
        except _MirrorError as error:
            return _opened(_public_instead(name, error))


def path_or_sample(name: str) -> tuple[Path, Asset]:
    """The path of an asset and what it is; where `full` lacks it, the one of `sample`.

    For weights and vectors without which a chapter can still be worked through on real pictures
    or sentences. A line says that the bundled one stands in. What is here but damaged, and a
    mirror that fails, are errors as ever.

    Raises:
        AssetError: as of `path`; also if the sample profile has no such asset.
    """
    try:
        return path(name), about(name)
    except AbsentError:
        if name not in _catalogue("sample"):
            raise
    lacking, bundled = about(name), about(name, profile="sample")
    print(
        f"{name!r} of the full profile ({lacking.size}) is not here, so the bundled one stands "
        f"in: {bundled.what}. 'course download {name}' fetches the original."
    )
    return path(name, profile="sample"), bundled


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
            f"The catalogue {file} is damaged ({cache.reason_of(error)}): bring it back with "
            "'git checkout -- data/catalog.toml'."
        ) from error
    assets = {}
    for name, table in tables.items():
        urls = tuple(table.pop("urls", ()))
        here = f"data/{table['file']}"
        where = here if profile == "sample" else " or ".join(urls) or "no public address"
        assets[name] = Asset(name=name, profile=profile, where=where, urls=urls, **table)
    return assets


def _find(name: str, profile: str) -> Asset:
    """An asset: bundled, or as the mirror serves it, or the public one."""
    catalogue = _catalogue(profile)
    listed, mirror = catalogue.get(name), None
    if profile == "full" and (place := os.environ.get("COURSE_MIRROR")):
        try:
            mirror = _look(place)
        except _MirrorError as error:
            return _instead(name, error)
        if served := mirror.asset(name, listed):
            return served
    if listed is None:
        known = sorted({*catalogue, *(mirror.entries if mirror else ())})
        raise AssetError(_unknown(name, profile, known))
    return cache.with_record(listed) if profile == "full" else listed


def listed(name: str, *, profile: str) -> Asset:
    """The entry of the catalogue, whatever is here or in a mirror."""
    return _catalogue(profile)[name]


def _public(name: str) -> Asset | None:
    """An asset as its publisher has it, whatever a mirror says."""
    listed = _catalogue("full").get(name)
    return listed and cache.with_record(listed)


def _instead(name: str, error: _MirrorError) -> Asset:
    """What the cache has of an asset while its mirror cannot be asked."""
    copy = cache.read_json(cache.record_of(name, "address"))
    with suppress(TypeError, ValueError, KeyError):
        if copy["where"].startswith(_place(os.environ["COURSE_MIRROR"]) + "/"):
            kept = _served(name, _catalogue("full").get(name), copy)
            if cache.present(kept) and not cache.damaged(kept):
                return kept
    return _public_instead(name, error)


def _public_instead(name: str, error: _MirrorError) -> Asset:
    """The public original in the cache; without one the mirror's error is raised again.

    Without the network by choice it is for `path` to tell of what is not here.
    """
    public = _public(name)
    if public and (offline() or cache.present(public)):
        if not offline():
            warnings.warn(f"{error} The public {name!r} in the cache is used.", stacklevel=3)
        return public
    raise error


def _unknown(name: str, profile: str, known: list[str]) -> str:
    (other,) = set(PROFILES) - {profile}
    if name in _catalogue(other):
        hint = f"it is in the {other} profile, ask for it with profile={other!r}; here are"
    elif near := difflib.get_close_matches(str(name), known):
        hint = f"did you mean {' or '.join(map(repr, near))}, of"
    else:
        hint = "choose one of"
    return f"There is no asset {name!r} in the {profile} profile: {hint} {', '.join(known)}."


def _missing(asset: Asset, fault: str = "") -> AssetError:
    """The error of an asset that is not here, with the command that fetches it and its time.

    AbsentError, unless there is something here and `fault` says what is wrong with it.
    """
    place = os.environ.get("COURSE_MIRROR")
    told = f"in {cache_folder()} {fault}" if fault else "is not here"
    if place and offline() and _is_address(place):
        told += f" and the mirror {place} is not asked"
    elif place:
        told += f" and not in the mirror {place}"
    fix = (
        "set COURSE_MIRROR=<folder or address> to a mirror whose index.json names "
        f'"{asset.mirror or asset.name}"'
    )
    if asset.urls:
        fix = (
            f"{'unset COURSE_OFFLINE, then ' if offline() else ''}run 'course download "
            f"{asset.name}' in a terminal or assets.download({asset.name!r}) in a cell "
            f"({cache.duration(asset.bytes or asset.roughly)}), or {fix}"
        )
    else:
        told += " and has no public address"
    kind = AssetError if fault else AbsentError
    return kind(f"The asset {asset.name!r} of the full profile ({asset.size}) {told}: {fix}.")


# ---------------------------------------------------------------- bundled


def _bundled(asset: Asset) -> Path:
    target = DATA / asset.file
    if asset.sha256 is None:
        raise AssetError(
            f"The bundled {asset.where} has no checksum in data/catalog.toml yet: its maker "
            "records it with 'make catalogue'."
        )
    check = _folder_fault if target.is_dir() else cache.file_fault
    if fault := check(target, asset):
        raise AssetError(
            f"The bundled {asset.where} {fault}: bring it back with 'git checkout -- "
            f"{asset.where}', or clone the course again."
        )
    return target


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


# ---------------------------------------------------------------- the mirror


class _Mirror:
    """A folder or an http(s) address with files and an index.json that describes them."""

    def __init__(self, place: str):
        self.place = _place(place)
        self.remote = _is_address(place)
        index = self.where("index.json")
        try:
            entries = json.loads(self._read(index))["assets"]
            self.entries = {name: dict(entry) for name, entry in entries.items()}
        except OSError as error:
            raise _MirrorError(
                f"The mirror's index {index} cannot be read ({cache.reason_of(error)}): set "
                "COURSE_MIRROR to a folder or an http(s) address that holds an index.json."
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise AssetError(
                f"The mirror's index {index} is damaged: put a good copy there, which is JSON of "
                'the form {"assets": {name: {"file": ..., "bytes": ..., "sha256": ...}}}.'
            ) from error

    def _read(self, index: str) -> bytes:
        if not self.remote:
            return Path(index).read_bytes()
        if offline():
            raise _MirrorError(
                f"The mirror {self.place} is not asked, as COURSE_OFFLINE is set: unset it, or "
                "set COURSE_MIRROR to a folder."
            )
        try:
            # Asked at every opening, so a mirror that is gone must not take minutes.
            patience = downloads.PATIENCE
            return downloads.read(index, replace(patience, tries=min(2, patience.tries)))
        except downloads.DownloadError as error:
            raise _no_answer(index, error) from error

    def where(self, file: str) -> str:
        return f"{self.place}/{quote(file)}" if self.remote else str(Path(self.place, file))

    def asset(self, name: str, listed: Asset | None) -> Asset | None:
        """The asset as this mirror serves it, or None; `listed` is its entry in the catalogue."""
        key = next((n for n in (listed and listed.mirror, name) if n in self.entries), None)
        if key is None:
            return None
        entry = self.entries[key]
        try:
            return _served(name, listed, {**entry, "where": self.where(entry["file"])})
        except (KeyError, TypeError, ValueError):
            raise AssetError(
                f"The entry {key!r} of {self.where('index.json')} is refused: correct it so that "
                "'file' is a plain relative name inside the mirror, 'bytes' a number and 'sha256' "
                "64 lower-case hexadecimal digits."
            ) from None


def mirror_names() -> tuple[str, ...]:
    """The names in the index of the mirror; none without a mirror. AssetError if it fails."""
    place = os.environ.get("COURSE_MIRROR")
    return tuple(_look(place).entries) if place else ()


@contextmanager
def one_look() -> Iterator[None]:
    """Within, a mirror's index is read once, and a mirror that fails is asked only once."""
    global _looked
    _looked = {}
    try:
        yield
    finally:
        _looked = None


def _look(place: str) -> _Mirror:
    if _looked is None:
        return _Mirror(place)
    if place not in _looked:
        try:
            _looked[place] = _Mirror(place)
        except AssetError as error:
            _looked[place] = error
    if isinstance(_looked[place], AssetError):
        raise _looked[place]
    return _looked[place]


def _served(name: str, listed: Asset | None, entry: dict) -> Asset:
    """An asset as an entry of a mirror's index tells of it, with its place as "where"."""
    file, size, sha256 = entry["file"], entry["bytes"], entry["sha256"]
    if not (archives.steps(file) and re.fullmatch("[0-9a-f]{64}", sha256) and size >= 0):
        raise ValueError
    told = {k: str(entry.get(k, "not stated")) for k in ("what", "origin", "licence")}
    if listed is None:
        archive = re.search(r"\.(zip|tgz|tar(\.\w+)?)$", file)
        listed = Asset(name, "full", file, str(entry.get("kind")), where="", **told)
        listed = replace(listed, unpack=archive and archive[1])
    told |= {"file": file, "bytes": size, "sha256": sha256, "md5": None, "where": entry["where"]}
    return replace(listed, served="address" if _is_address(entry["where"]) else "folder", **told)


def _is_address(place: str) -> bool:
    return place.lower().startswith(("http://", "https://"))


def _place(place: str) -> str:
    return place.rstrip("/") if _is_address(place) else str(Path(place).expanduser().absolute())


def _no_answer(url: str, error: downloads.DownloadError) -> _MirrorError:
    return _MirrorError(
        f"{url} cannot be downloaded ({error}): check COURSE_MIRROR and the network, then try "
        "again."
    )


def _wrong_in_mirror(asset: Asset, fault: str) -> _MirrorError:
    return _MirrorError(
        f"The mirror's file {asset.where} {fault}: put the file there that its index.json "
        "describes, or correct the index."
    )


# ---------------------------------------------------------------- from the cache or the mirror


def _opened(asset: Asset) -> Path:
    return _unpacked(asset) if asset.unpack else _file(asset)


def _file(asset: Asset) -> Path:
    """The asset's verified file, an archive still packed; fetched if a mirror serves it."""
    file = cache.file_of(asset)
    if file is None:
        raise _missing(asset)
    fault = cache.file_fault(file, asset, cache.stamp_of(asset, file))
    if not fault:
        return file
    if asset.served == "folder":
        raise _wrong_in_mirror(asset, fault)
    if not asset.served:
        raise _missing(asset, fault if file.exists() else "")
    try:
        return cache.fetch(asset, asset.where)
    except downloads.Wrong as error:
        raise _wrong_in_mirror(asset, f"is not the one of its index: {error}") from error
    except downloads.DownloadError as error:
        raise _no_answer(asset.where, error) from error


def _unpacked(asset: Asset) -> Path:
    """The folder that is the asset, from its archive or as an earlier call has unpacked it."""
    final = asset.sha256 and cache.store(asset) / "unpacked"
    if not (final and archives.whole(final, asset.sha256)):
        archive = _file(asset)
        with archives.workshop(cache.home()) as folder:
            content = folder / "content"
            try:
                cache.unpack(archive, content, asset)
            except archives.ArchiveError as error:
                raise _MirrorError(
                    f"The archive {archive} was not unpacked ({error}): put a sound archive into "
                    "the mirror and correct its index.json."
                ) from error
            archives.put(content, final, asset.sha256)
    root = cache.root_of(asset, final)
    if not root.is_dir():
        raise AssetError(
            f"The archive {asset.where} holds no folder {asset.root!r}: put the one into the "
            f"mirror that the catalogue describes under {asset.name!r}."
        )
    return root


def original(name: str) -> tuple[Asset, Path]:
    """An asset of the full profile that is here, and its verified file as it was published."""
    asset = _find(name, "full")
    with cache.disk(name):
        return asset, _file(asset)


def is_here(name: str, *, profile: str | None = None) -> bool:
    """Whether `path(name)` would find an asset here; quick, as sizes and counts are believed."""
    asset = _find(name, _profile(profile))
    if asset.profile == "sample":
        return (DATA / asset.file).exists()
    return cache.present(asset)


def has_left(name: str, *, profile: str | None = None) -> bool:
    """Whether there is anything of an asset here, whole or damaged."""
    asset = _find(name, _profile(profile))
    if asset.profile == "sample":
        return True
    file = cache.file_of(asset)
    return bool(file) and (file.exists() or (cache.store(asset) / "unpacked").exists())


def verify(name: str, *, profile: str | None = None) -> None:
    """Read every byte of an asset that is here, and of the folder it was unpacked to.

    What is found damaged is not opened again before it is whole.

    Raises:
        AssetError: it is missing or damaged.
    """
    asset = _find(name, _profile(profile))
    if asset.profile == "sample":
        _bundled(asset)
        return
    file = cache.file_of(asset)
    if file is None:
        raise _missing(asset)
    folder = cache.store(asset) / "unpacked"
    if asset.unpack and not file.exists() and archives.whole(folder, asset.sha256):
        raise AssetError(
            f"The archive of {name!r} is gone, so the files of {folder} were only counted: delete "
            f"that folder and run 'course download {name}' to have every byte checked."
        )
    with cache.disk(name):
        if fault := cache.file_fault(file, asset):
            cache.stamp_of(asset, file).unlink(missing_ok=True)
            if asset.served == "folder":
                raise _wrong_in_mirror(asset, fault)
            raise _missing(asset, fault if file.exists() else "")
        if asset.unpack and folder.is_dir():
            if changed := archives.differences(file, folder):
                (folder / archives.STAMP).unlink(missing_ok=True)
                raise AssetError(
                    f"The folder {folder} differs from its archive ({_some(changed)}): the next "
                    f"use of {name!r} unpacks it again."
                )


# ---------------------------------------------------------------- downloading


def download(*names: str) -> None:
    """Fetch what is missing of some assets of the full profile, and keep it in the cache.

    A mirror is asked first, then each public address in turn. What an interrupted call has left is
    gone on with.

    Args:
        names: of assets, of a chapter ("images", "text", "audio"), or "all" for the three.

    Raises:
        AssetError: a name is unknown, the disk has no room for all of it, or some of it cannot be
            had; then the rest is here.
    """
    todo = missing(*names)
    _check_room(todo)
    failed = {}
    for asset in todo:
        with cache.disk(asset.name):
            try:
                _download(asset.name)
            except AssetError as error:
                failed[asset.name] = str(error).removesuffix(".")
    if failed:
        first, *others = failed
        more = f"; likewise {', '.join(others)}" if others else ""
        raise AssetError(f"{failed[first]}{more}.")


def missing(*names: str) -> list[Asset]:
    """Those of some assets of the full profile that are not here, or damaged; names as above."""
    catalogue, wanted = _catalogue("full"), []
    for name in names:
        chapters = CHAPTERS if name == "all" else (name,)
        members = [key for key, asset in catalogue.items() if asset.chapter in chapters]
        wanted += members or [name]
    found = []
    for name in dict.fromkeys(wanted):
        try:
            asset = _find(name, "full")
        except _MirrorError:
            asset = _public(name)
            if asset is None:
                raise
        if not cache.present(asset) or cache.damaged(asset):
            found.append(asset)
    return found


def room_for(todo: list[Asset]) -> float:
    """The bytes that assets need in the cache, as far as their sizes are known."""
    needed = 0.0
    for asset in todo:
        size = asset.bytes or asset.roughly or 0
        needed += size * (asset.served != "folder") + size * UNPACKS_TO * bool(asset.unpack)
    return needed


def _check_room(todo: list[Asset]) -> None:
    place = cache_folder()
    while not place.exists():
        place = place.parent
    needed, free = room_for(todo), shutil.disk_usage(place).free
    if needed > free:
        raise AssetError(
            f"There is no room in {cache_folder()} for {', '.join(a.name for a in todo)}: "
            f"{megabytes(needed)} are needed, unpacked, and {megabytes(free)} free, so make room "
            "there, or set COURSE_CACHE to a folder on another disk."
        )


def _download(name: str) -> None:
    """Fetch one asset from the first source that gives it."""
    told = []
    try:
        asset = _find(name, "full")
        if asset.served:
            _file(asset)
            _opened(asset)
            return
    except _MirrorError as error:
        told.append(f"the mirror, as {str(error).removesuffix('.')}")
    public = _public(name)
    if offline() or not (public and public.urls):
        raise AssetError(f"{told[0].partition(', as ')[2]}.") if told else _missing(public)
    for url in public.urls:
        try:
            cache.fetch(public, url)
            return
        except downloads.DownloadError as error:
            hint = _recorded_hint(public) if isinstance(error, downloads.Wrong) else ""
            told.append(f"{url} ({error}{hint})")
    raise AssetError(
        f"The asset {name!r} cannot be downloaded from {', nor from '.join(told)}: check the "
        f"network, then run 'course download {name}' again, which goes on where it stopped."
    )


def _recorded_hint(asset: Asset) -> str:
    if not asset.recorded:
        return ""
    return (
        f", as recorded here on {asset.recorded}; if its publisher has replaced it on purpose, "
        f"delete {cache.record_of(asset.name, None)}"
    )
