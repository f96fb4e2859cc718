"""Name in, checked path out: where the files of the course are. Never asks the network.

    assets.path("cats-vs-dogs")          # a folder or a file, checked before anything opens it
    assets.use("full")                   # from here on the same names mean the public originals
    print(assets.about("cats-vs-dogs"))  # what it is, who made it, under which licence

data/catalog.toml names everything. Files of the "sample" profile are bundled under data/, those
of "full" are brought into the cache by course.fetch; a checked file counts, whoever brought it:

    <cache>/assets/NAME/record.json  "version": 2, "name", "file", "bytes", "sha256", "from",
                                     "date", "root": which folder of an archive, or null
                        FILE         as it was published
                        unpacked/    what an archive holds
                        stamp.json   how FILE, or unpacked/, was when it was checked
"""

import difflib
import json
import math
import os
import re
import tomllib
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from helpers.disk import cache_folder, sha256_of, write_atomic

PROFILES = ("sample", "full")
DATA = Path(__file__).resolve().parent.parent / "data"
SUMS = "SHA256SUMS"  # in each bundled folder, as `sha256sum` writes it
_chosen: str | None = None


class AssetError(Exception):
    """An asset cannot be had; the message is one sentence that says which, where, what to do."""


class AbsentError(AssetError):
    """Nothing of the asset is here."""


@dataclass(frozen=True)
class Asset:
    """What is known of an asset: data/catalog.toml explains the fields; `where` it is from."""

    name: str
    profile: str
    file: str
    where: str
    kind: str = ""
    what: str = "not stated"
    origin: str = "not stated"
    licence: str = "not stated"
    bytes: int | None = None
    sha256: str | None = None
    chapter: str | None = None
    settings: dict = field(default_factory=dict)
    source: dict = field(default_factory=dict)  # the other fields, which course.fetch must know

    @property
    def size(self) -> str:
        """`bytes` for a reader, in MB (10^6 bytes) or kB."""
        count, about = self.bytes or self.source.get("roughly"), "" if self.bytes else "about "
        if count is None:
            return "size not recorded yet"
        return about + (f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.1f} kB")

    def __str__(self) -> str:
        labels = ("what", "size", "origin", "licence", "where")
        lines = [f"  {label:<8}{getattr(self, label)}" for label in labels]
        return "\n".join([f"{self.name} ({self.profile} profile)", *lines])


def use(profile: str) -> None:
    """Choose "sample" or "full" for this process; AssetError for any other name."""
    global _chosen
    _chosen = _known(profile, "assets.use")


def profile() -> str:
    """The current profile: that of `use`, else of COURSE_PROFILE, else "sample"."""
    return _chosen or _known(os.environ.get("COURSE_PROFILE") or "sample", "COURSE_PROFILE")


def _known(given: str, giver: str) -> str:
    if given not in PROFILES:
        raise AssetError(f"Unknown profile {given!r} in {giver}: choose 'sample' or 'full'.")
    return given


def names(profile: str | None = None) -> tuple[str, ...]:
    """The names in the catalogue of a profile (the current one if None), in its order."""
    return tuple(catalogue(_resolve(profile)))


def _resolve(given: str | None) -> str:
    return profile() if given is None else _known(given, "profile=")


def catalogue(profile: str) -> dict[str, Asset]:
    """What data/catalog.toml says of the assets of a profile, by name."""
    file, found = DATA / "catalog.toml", {}
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))[profile]
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise AssetError(
            f"The catalogue {file} cannot be read ({str(error).rstrip('.')}): bring it back with "
            "'git checkout -- data/catalog.toml', or install the course in its own folder with "
            "'pip install --editable .'."
        ) from error
    for name, table in tables.items():
        own = {key: value for key, value in table.items() if key in Asset.__dataclass_fields__}
        source = {key: value for key, value in table.items() if key not in own}
        public = " or ".join(source.get("urls", ())) or "no public address"
        where = f"data/{table['file']}" if profile == "sample" else public
        found[name] = Asset(name=name, profile=profile, where=where, source=source, **own)
    return found


def about(name: str, profile: str | None = None) -> Asset:
    """What `path(name)` opens or would open; AssetError for an unknown name or profile."""
    profile = _resolve(profile)
    listed = catalogue(profile)
    name = next((key for key in listed if name == listed[key].source.get("mirror")), name)
    if profile == "full" and (kept := record(name)):
        fields = ("file", "bytes", "sha256", "kind", "what", "origin", "licence")
        known = {key: kept[key] for key in fields if key in kept} | {"where": kept["from"]}
        return replace(listed.get(name) or Asset(name, "full", "", ""), **known)
    if name not in listed:
        raise AssetError(unknown(name, profile, sorted(listed)))
    return listed[name]


def unknown(name: str, profile: str, known: list[str]) -> str:
    """The message for a name that is not among the known ones."""
    near, other = difflib.get_close_matches(str(name), known), {*PROFILES} - {profile}
    hint = f"did you mean {' or '.join(map(repr, near))}, of" if near else "choose one of"
    if name in names(*other):
        hint = f"ask for the other profile with profile={other.pop()!r}; here are"
    return f"There is no asset {name!r} in the {profile} profile: {hint} {', '.join(known)}."


def path(name: str, profile: str | None = None) -> Path:
    """The checked file or folder of an asset; of an archive, the unpacked folder.

    Raises:
        AbsentError: it is not here; the message says how to fetch it.
        AssetError: the name or the profile is unknown, or the asset is damaged.

    Example:
        >>> path("cats-vs-dogs", profile="sample").name
        'cats-vs-dogs'
    """
    asset = about(name, profile)
    try:
        return _bundled(asset) if asset.profile == "sample" else _cached(asset)
    except OSError as error:
        raise AssetError(f"{name!r} cannot be read ({error}): make its files readable.") from error


def path_or_sample(name: str) -> tuple[Path, Asset]:
    """The path of an asset and what it is; where `full` lacks it, the bundled one of that name.

    For weights and vectors without which a chapter still works on real images or sentences; a
    line says that the bundled one stands in. A damaged file is an error, as for `path`.
    """
    try:
        return path(name), about(name)
    except AbsentError:
        if name not in names("sample"):
            raise
    lacking, bundled = about(name), about(name, "sample")
    print(
        f"{name!r} of the full profile ({lacking.size}) is not here, so the bundled one stands "
        f"in: {bundled.what}. 'course download {name}' fetches the original."
    )
    return path(name, "sample"), bundled


def is_here(name: str, profile: str | None = None) -> bool:
    """Whether `path(name)` finds the asset, whole; AssetError if there is none of that name."""
    about(name, profile)
    with suppress(AssetError):
        return path(name, profile).exists()
    return False


def _bundled(asset: Asset) -> Path:
    target, back = DATA / asset.file, f"bring it back with 'git checkout -- {asset.where}'"
    fault = _folder_fault(target, asset) if target.is_dir() else file_fault(target, asset)
    if asset.sha256 is None:
        fault, back = "has no checksum in data/catalog.toml yet", "record it with 'make catalogue'"
    if fault:
        raise AssetError(f"The bundled {asset.where} {fault}: {back}, or clone the course again.")
    return target


def _folder_fault(folder: Path, asset: Asset) -> str:
    if not (folder / SUMS).is_file() or sha256_of(folder / SUMS) != asset.sha256:
        return f"has not the {SUMS} of the catalogue"
    lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()  # "<sha256>  <path>"
    expected, found = {line[66:]: line[:64] for line in lines}, set(files_in(folder))
    both, faults = found & expected.keys(), {"missing": expected.keys() - found}
    faults["changed"] = {name for name in both if sha256_of(folder / name) != expected[name]}
    faults["extra"] = found - expected.keys()
    parts = [f"{fault} {some(which)}" for fault, which in faults.items() if which]
    return f"differs from its {SUMS} ({'; '.join(parts)})" if parts else ""


def some(names: set[str]) -> str:
    """The first five of some names, and how many more there are."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(sorted(names)[:5]) + more


def files_in(folder: Path) -> list[str]:
    """The files of a folder as sorted relative posix paths, without SHA256SUMS and hidden ones."""
    found = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    names = {SUMS, "Thumbs.db", "desktop.ini"}
    seen = (p for p in found if not any(part[0] == "." or part in names for part in p.parts))
    return sorted(file.as_posix() for file in seen)


def folder_of(name: str) -> Path:
    """The cache's folder of an asset of the full profile."""
    return cache_folder() / "assets" / re.sub(r"^\.|^$|[^\w.-]", "_", name)


def record(name: str) -> dict | None:
    """The record of an asset in the cache; None if there is none, or none of this version."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads((folder_of(name) / "record.json").read_bytes())
        fits = (kept["version"], kept["name"], Path(kept["file"]).name) == (2, name, kept["file"])
        if fits and len(kept["sha256"]) == 64 and kept["bytes"] >= 0 and kept["from"]:
            return {"root": None, **kept}
    return None


def _cached(asset: Asset) -> Path:
    kept, folder = record(asset.name), folder_of(asset.name)
    fetch = f"run 'course download {asset.name}' in a terminal"
    if not kept:
        if not asset.source.get("urls"):
            mirror = "set COURSE_MIRROR=<folder or address> to a mirror that has it"
            fetch = f"it has no public address, so {mirror}, then {fetch}"
        size = asset.size
        raise AbsentError(f"{asset.name!r} of the full profile ({size}) is not here: {fetch}.")
    target = folder / (asset.file if kept["root"] is None else "unpacked")
    if fault := file_fault(target, asset, folder / "stamp.json"):
        what = f"{asset.name!r} in the cache is damaged, as {target} {fault}"
        raise AssetError(f"{what}: {fetch}, which mends it.")
    return target / (kept["root"] or "")


def stamp_of(target: Path, sha256: str) -> dict:
    """What stamp.json holds: a file's size and time of change, or how much a folder holds."""
    if not target.is_dir():
        found = target.stat()
        return {"sha256": sha256, "bytes": found.st_size, "mtime_ns": found.st_mtime_ns}
    sizes = [(target / name).stat().st_size for name in files_in(target)]
    return {"sha256": sha256, "bytes": sum(sizes), "files": len(sizes)}


def file_fault(target: Path, asset: Asset, stamp: Path | None = None) -> str:
    """What is wrong with a file or an unpacked folder, or "".

    A fitting stamp saves reading a large file again. The files of a folder are counted, not read:
    what empties a cache (cleaners of old files, full disks) removes files.
    """
    if not target.exists():
        return "is missing"
    found, kept = stamp_of(target, asset.sha256), {}
    with suppress(OSError, ValueError, TypeError):
        kept = dict(json.loads(stamp.read_bytes()) if stamp else {})
    if kept == found:
        return ""
    if target.is_dir():
        enough = all(found[key] >= kept.get(key, math.inf) for key in ("files", "bytes"))
        same = kept.get("sha256") == asset.sha256
        return "" if same and enough else "has lost files since it was unpacked"
    if found["bytes"] != asset.bytes:
        return f"has {found['bytes']:,} bytes instead of {asset.bytes or 0:,}"
    if (sha256 := sha256_of(target)) != asset.sha256:
        return f"has the sha256 {sha256} instead of {asset.sha256}"
    with suppress(OSError):  # a cache that may only be read: the next use reads the file again
        if stamp:
            write_atomic(stamp, json.dumps(found).encode())
    return ""
