"""Name in, checked path out: where the files of the course are. Never asks the network.

::

    assets.path("cats-vs-dogs")          # a folder or a file, checked before anything opens it
    assets.use("full")                   # from here on the same names mean the public originals
    print(assets.about("cats-vs-dogs"))  # what it is, who made it, under which licence

data/catalog.toml names everything. Files of the "sample" profile are bundled under data/, those
of "full" are brought into the cache by course.fetch; a checked file counts, whoever brought it::

    <cache>/assets/NAME/record.json  "version": 2, "name", "file", "bytes", "sha256", "from",
                                     "date", "root": which folder of an archive, or null
                        FILE         as it was published, its checksum compared when it came
                        unpacked/    what an archive holds
                        SHA256SUMS   of unpacked/, as `sha256sum` writes it
"""

import json
import os
import re
import textwrap
import tomllib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from helpers.disk import cache_folder, sha256_of

PROFILES = ("sample", "full")
DATA = Path(__file__).resolve().parent.parent / "data"
SUMS = "SHA256SUMS"  # in each bundled folder, too
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
        """`bytes` for a reader, in MB (10^6 bytes)."""
        count = self.bytes or self.source.get("roughly")
        return "size not published" if count is None else f"{count / 1e6:,.1f} MB"

    def __str__(self) -> str:
        labels = ("what", "size", "origin", "licence", "where")
        lines = [f"  {label:<8}{getattr(self, label)}" for label in labels]
        return "\n".join([f"{self.name} ({self.profile} profile)", *lines])


def use(profile: str) -> None:
    """Choose "sample" or "full" for this process; AssetError for any other name."""
    global _chosen
    _chosen = _checked(profile, "assets.use")


def profile() -> str:
    """The current profile: that of `use`, else of COURSE_PROFILE, else "sample"."""
    return _chosen or _checked(os.environ.get("COURSE_PROFILE") or "sample", "COURSE_PROFILE")


def _checked(given: str | None, giver: str = "profile=") -> str:
    if given is None:
        return profile()
    if given not in PROFILES:
        raise AssetError(f"Unknown profile {given!r} in {giver}: choose 'sample' or 'full'.")
    return given


def names(profile: str | None = None) -> tuple[str, ...]:
    """The names in the catalogue of a profile (the current one if None), in its order."""
    return tuple(catalogue(_checked(profile)))


def catalogue(profile: str) -> dict[str, Asset]:
    """What data/catalog.toml says of the assets of a profile, by name."""
    file, found = DATA / "catalog.toml", {}
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))[profile]
    except (OSError, tomllib.TOMLDecodeError) as error:
        fault = f"The catalogue {file} cannot be read ({str(error).rstrip('.')})"
        raise AssetError(f"{fault}: clone the course again and install it with make.") from error
    for name, table in tables.items():
        own = {key: value for key, value in table.items() if key in Asset.__dataclass_fields__}
        source = {key: value for key, value in table.items() if key not in own}
        public = " or ".join(source.get("urls", ())) or "no public address"
        where = f"data/{table['file']}" if profile == "sample" else public
        found[name] = Asset(name=name, profile=profile, where=where, source=source, **own)
    return found


def about(name: str, profile: str | None = None) -> Asset:
    """What `path(name)` opens or would open; AssetError for an unknown name or profile."""
    profile = _checked(profile)
    listed = catalogue(profile)
    if profile == "full" and (kept := record(name)):
        fields = ("file", "bytes", "sha256", "kind", "what", "origin", "licence")
        known = {key: kept[key] for key in fields if key in kept} | {"where": kept["from"]}
        return replace(listed.get(name) or Asset(name, "full", "", ""), **known)
    if name not in listed:
        raise AssetError(unknown(name, profile, listed))
    return listed[name]


def unknown(name: str, profile: str, known: Iterable[str]) -> str:
    """The message for a name that is not among the known ones."""
    choose = f"choose one of {', '.join(sorted(known))}"
    return f"There is no asset {name!r} in the {profile} profile: {choose}."


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
    bundled = about(name, "sample")
    print(
        f"{name!r} of the full profile ({about(name).size}) is not here, so the bundled one stands "
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
    target = DATA / asset.file
    listed = target / SUMS if target.is_dir() else target
    fault = file_fault(listed, asset) or (folder_fault(target, listed) if target.is_dir() else "")
    if fault:
        raise AssetError(
            f"The bundled {asset.where} is damaged, as {fault}: bring it back with 'git checkout "
            f"-- {asset.where}' and remove what is not of the course, or clone the course again."
        )
    return target


def _cached(asset: Asset) -> Path:
    """Sizes and names are looked at; `course verify` reads all."""
    kept, folder = record(asset.name), folder_of(asset.name)
    fix = f"run 'course download {asset.name}' in a terminal"
    if not kept:
        raise AbsentError(f"{asset.name!r} of the full profile ({asset.size}) is not here: {fix}.")
    file, unpacked = folder / asset.file, folder / "unpacked"
    if kept["root"] is None:
        whole = file.is_file() and file.stat().st_size == asset.bytes
        lost = set() if whole else {file.name}
    else:
        file, listed = unpacked / kept["root"], folder / SUMS
        lost = {name for name in read_sums(listed) if not (unpacked / name).is_file()}
    if lost:
        fault = f"{asset.name!r} in {folder} is damaged ({_some(lost)} is missing or cut short)"
        raise AssetError(f"{fault}: {fix}, which mends it.")
    return file


def folder_of(name: str) -> Path:
    """The cache's folder of an asset of the full profile."""
    return cache_folder() / "assets" / re.sub(r"^\.|^$|[^\w.-]", "_", name)


def record(name: str) -> dict | None:
    """The record of an asset in the cache; None if there is none, or none of this version."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads((folder_of(name) / "record.json").read_bytes())
        if (kept["version"], kept["name"]) == (2, name):
            return kept
    return None


def file_fault(file: Path, asset: Asset) -> str:
    """What is wrong with a file of an asset, or ""; every byte is read."""
    if not file.is_file():
        return f"{file.name} is missing"
    found = sha256_of(file)
    return "" if found == asset.sha256 else f"{file.name} has the sha256 {found}"


def folder_fault(folder: Path, listed: Path) -> str:
    """What differs between the files of a folder and their SHA256SUMS, or ""; all are read."""
    found = {name: sha256_of(folder / name) for name in files_in(folder)}
    differing = dict(found.items() ^ read_sums(listed).items())
    return f"{_some(differing)} differ from {SUMS}" if differing else ""


def read_sums(file: Path) -> dict[str, str]:
    """The checksum of each name in a SHA256SUMS, whose lines are "<sha256>  <name>"."""
    if not file.exists():
        return {SUMS: ""}
    lines = file.read_text(encoding="utf-8").splitlines()
    return {line[66:]: line[:64] for line in lines}


def files_in(folder: Path) -> list[str]:
    """The files of a folder as sorted relative posix paths, without SHA256SUMS and hidden ones."""
    found = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    skip = {SUMS, "Thumbs.db", "desktop.ini"}
    seen = (p for p in found if not any(part[0] == "." or part in skip for part in p.parts))
    return sorted(file.as_posix() for file in seen)


def _some(names: Iterable[str]) -> str:
    return textwrap.shorten(", ".join(sorted(names)), 200)
