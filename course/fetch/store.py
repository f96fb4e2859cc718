"""Files of the full profile on their way into the cache, from a mirror or a public address.

The layout is that of helpers.assets. Beside the assets lie .parts/ (downloads under way), .locks/
(two processes, one download) and .work-*/ (what is being put together). A folder of an asset is
made there, checked, and moved to its place in one step.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import pooch
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from course.fetch import archives
from course.fetch.mirror import Mirror
from course.fetch.resume import DownloadError, Patience, Resuming, WrongFileError, discard
from helpers import assets
from helpers.assets import AbsentError, Asset, AssetError
from helpers.disk import cache_folder, quiet, sha256_of, write_atomic

UNPACKS_TO = 1.5  # room that the content of an archive is taken to need, in sizes of the archive


class UnavailableError(AssetError):
    """No place gives the asset now; another time one might."""


def home() -> Path:
    """The part of the cache that is kept here; it may be deleted at any time."""
    return cache_folder() / "assets"


def part_of(name: str) -> Path:
    """What has come so far of a download."""
    return home() / ".parts" / f"{assets.folder_of(name).name}.part"


def offline() -> bool:
    """Whether the network is not to be asked for anything, by COURSE_OFFLINE=1."""
    return os.environ.get("COURSE_OFFLINE", "0") not in ("", "0")


def is_whole(name: str) -> bool:
    """Whether an asset, of the catalogue or of a mirror only, is here whole."""
    with suppress(AssetError):
        return bool(assets.path(name, "full"))
    return False


class Store:
    """The cache, and where its files may come from; a mirror's index is read once at most.

    Args:
        place: the mirror, a folder or an http(s) address; that of COURSE_MIRROR if None.
        patience: with the network.
    """

    def __init__(self, place: str | None = None, patience: Patience | None = None):
        self.place = os.environ.get("COURSE_MIRROR", "") if place is None else place
        self.patience = patience or Patience()

    @cached_property
    def _looked(self) -> tuple[Mirror | None, str]:
        """The mirror, if there is one, and why it fails, if it does."""
        try:
            return Mirror(self.place, self.patience, offline()) if self.place else None, ""
        except DownloadError as error:
            return None, f"{self.place}/index.json ({error})"

    @property
    def mirror(self) -> Mirror | None:
        """The mirror; None if none is set, or if it fails."""
        return self._looked[0]

    @property
    def trouble(self) -> str:
        """Why the mirror fails and what helps, in a sentence; "" if it does not."""
        fix = "set COURSE_MIRROR to a folder or an http(s) address that holds one, or try again"
        return f"The mirror gives no index, {self._looked[1]}: {fix}." if self._looked[1] else ""

    # ------------------------------------------------------------ what is wanted

    def expand(self, names: Iterable[str]) -> list[str]:
        """Names of assets, where those of chapters and "all" stand for their assets."""
        listed, found = assets.catalogue("full").values(), []
        for name in names:
            chapter = [a.name for a in listed if a.chapter and name in ("all", a.chapter)]
            alias = [a.name for a in listed if a.source.get("mirror") == name]
            found += chapter or alias or [name]
        return list(dict.fromkeys(found))

    def kept(self) -> list[str]:
        """The names of all assets of which the cache has a record."""
        found = []
        for file in sorted(home().glob("[!.]*/record.json")):
            with suppress(OSError, ValueError, KeyError, TypeError):
                found.append(json.loads(file.read_bytes())["name"])
        return [name for name in found if assets.record(name)]

    def missing(self, *names: str) -> list[Asset]:
        """Those of some assets that are not here whole, as they would come."""
        return [self.offered(name) for name in self.expand(names) if not is_whole(name)]

    def offered(self, name: str) -> Asset:
        """An asset as the mirror has it, or else its publisher; AssetError if nobody knows it."""
        listed = assets.catalogue("full")
        served = self.mirror and self.mirror.asset(name, listed.get(name))
        if not served and name not in listed:
            known = {*listed, *(self.mirror.entries if self.mirror else ())}
            raise AssetError(self.trouble or assets.unknown(name, "full", known))
        return served or listed[name]

    def room(self, todo: list[Asset]) -> tuple[float, float]:
        """The bytes that assets need in the cache, as far as that is known, and those free."""
        place = cache_folder()
        place = next(each for each in (place, *place.parents) if each.exists())
        sizes = {asset.name: asset.bytes or asset.source.get("roughly", 0) for asset in todo}
        unpacked = [sizes[asset.name] for asset in todo if "unpack" in asset.source]
        return sum(sizes.values()) + UNPACKS_TO * sum(unpacked), shutil.disk_usage(place).free

    # ------------------------------------------------------------ bringing it

    def bring(self, names: Iterable[str]) -> None:
        """Bring what the mirror has of some assets and the cache has not.

        What the mirror lacks is skipped. Where it does not answer, a line says so, and the rest
        goes on: bundled files can stand in, and what is needed complains where it is opened.

        Raises:
            AssetError: a file of the mirror is not the one that its index describes, or the disk
                does not take it.
        """
        todo = [name for name in self.expand(names) if not is_whole(name)]
        served = [name for name in todo if self._places(name, public=False)]
        if served != todo and self.trouble:
            print(self.trouble)
        for name in served:
            try:
                self._fetch(name, public=False)
            except UnavailableError as error:
                print(error)

    def download(self, *names: str) -> None:
        """Bring assets, from the mirror before the public addresses. What is here stays.

        Where one cannot be had that something else stands in for, a line says so.

        Raises:
            AssetError: another cannot be had, or the disk has no room for all.
        """
        todo, failed = self.missing(*names), {}
        needed, free = self.room(todo)
        if needed > free:
            raise AssetError(
                f"There is no room in {cache_folder()} for {', '.join(a.name for a in todo)}: "
                f"{needed / 1e6:,.1f} MB are needed, unpacked, and {free / 1e6:,.1f} MB free, so "
                "make room there, or set COURSE_CACHE to a folder on another disk."
            )
        for asset in todo:
            try:
                self._fetch(asset.name)
            except AssetError as error:
                if instead := asset.source.get("stands_in"):
                    print(f"{error} Without it the chapter uses {instead}.")
                else:
                    failed[asset.name] = str(error)
        if failed:
            first, *others = failed
            more = f"; likewise {', '.join(others)}" if others else ""
            raise AssetError(f"{failed[first].removesuffix('.')}{more}.")

    def _places(self, name: str, public: bool = True) -> list[tuple[Asset, str]]:
        """The paths and addresses that an asset may come from, the nearest first, each with it."""
        listed, kept = assets.catalogue("full").get(name), assets.record(name)
        places = []
        if kept and kept["root"] is not None:  # unpacked here before, from an archive that stayed
            asset, file = assets.about(name, "full"), assets.folder_of(name) / kept["file"]
            asset = replace(asset, source={"unpack": "zip or tar"} | asset.source)
            places = [(asset, str(file))] if file.is_file() else []
        if self.mirror and (served := self.mirror.asset(name, listed)):
            places.append((served, served.where))
        urls = listed.source.get("urls", ()) if public and listed and not offline() else ()
        return places + [(replace(listed, where=url), url) for url in urls]

    def _fetch(self, name: str, public: bool = True) -> None:
        """Bring one asset from the first place that gives it."""
        places, wrong = self._places(name, public), False
        reasons = [self._looked[1]] if public and self._looked[1] else []
        for asset, place in places:
            try:
                self._install(asset, place)
            except DownloadError as error:
                reasons.append(f"{place} ({error})")
                wrong = wrong or isinstance(error, WrongFileError)
            else:
                if reasons:
                    print(f"{name} is from {place}, not from {', nor from '.join(reasons)}.")
                return
        if not places:
            raise self._absent(name)
        fix = "check the network" if public else "correct the mirror or COURSE_MIRROR"
        raise (AssetError if wrong else UnavailableError)(
            f"The asset {name!r} cannot be downloaded from {', nor from '.join(reasons)}: {fix}, "
            f"then run 'course download {name}' again, which goes on where it stopped."
        )

    def _absent(self, name: str) -> AbsentError:
        """The error of what neither is here nor can be fetched as things are."""
        asset = self.offered(name)
        also = f", nor in the mirror {self._looked[1] or self.place}" if self.place else ""
        fix = f"set COURSE_MIRROR=<folder or address> to a mirror that has {name!r}"
        if asset.source.get("urls"):
            fix = f"unset COURSE_OFFLINE, then run 'course download {name}', or {fix}"
        else:
            also += ", and has no public address"
        return AbsentError(f"The asset {name!r} ({asset.size}) is not here{also}: {fix}.")

    def _install(self, asset: Asset, place: str) -> None:
        """Copy or download, check, unpack, record; of two processes the second finds it there."""
        with _disk_errors(asset.name), _workshop(asset.name) as work:
            if is_whole(asset.name):
                return
            new, final = work / "new", assets.folder_of(asset.name)
            new.mkdir()
            asset = self._retrieve(asset, place, new)
            root = self._unpack(asset, new) if "unpack" in asset.source else None
            said = ("name", "file", "bytes", "sha256", "kind", "what", "origin", "licence")
            record = {"version": 2} | {key: getattr(asset, key) for key in said}
            record |= {"root": root, "from": asset.where, "date": time.strftime("%Y-%m-%d")}
            write_atomic(new / "record.json", json.dumps(record, ensure_ascii=False).encode())
            if final.exists():
                os.replace(final, work / "old")
            os.replace(new, final)
            discard(part_of(asset.name))

    def _retrieve(self, asset: Asset, place: str, folder: Path) -> Asset:
        """Bring a file by pooch, which checks it; the asset with what is now known of it."""
        file, md5, hint = folder / Path(asset.file).name, asset.source.get("md5"), ""
        known = f"sha256:{asset.sha256}" if asset.sha256 else f"md5:{md5}" if md5 else None
        kept = assets.record(asset.name)
        if not known and kept and kept["from"] == place:  # the first download is the measure
            known = f"sha256:{kept['sha256']}"
            record = assets.folder_of(asset.name) / "record.json"
            hint = f" of {kept['date']}; if its publisher has replaced it, delete {record}"
        pooch.get_logger().setLevel("WARNING")  # it would log each file
        with _bar(asset.name) as bar:
            remote = place.lower().startswith(("http://", "https://"))
            resuming = Resuming(part_of(asset.name), bar, self.patience, asset.bytes)
            way = resuming if remote else _copy
            try:
                pooch.retrieve(place, known, fname=file.name, path=folder, downloader=way)
            except ValueError as error:
                discard(part_of(asset.name))
                raise WrongFileError(f"it has not the checksum {known}{hint}") from error
        sha256 = asset.sha256 or sha256_of(file)
        return replace(asset, file=file.name, bytes=file.stat().st_size, sha256=sha256)

    def _unpack(self, asset: Asset, folder: Path) -> str:
        """Unpack an archive and note the checksums; which folder in it is the asset."""
        unpacked = folder / "unpacked"
        try:
            with _bar(f"unpacking {asset.name}") as bar:
                archives.unpack(folder / asset.file, unpacked, bar.update)
            root = _root(asset, unpacked)
        except WrongFileError:
            discard(part_of(asset.name))
            raise
        lines = [f"{sha256_of(unpacked / name)}  {name}\n" for name in assets.files_in(unpacked)]
        write_atomic(folder / assets.SUMS, "".join(lines).encode())
        return root

    # ------------------------------------------------------------ reading it again

    def verify(self, name: str, profile: str) -> None:
        """Read every byte of an asset that is here, and of the folder it was unpacked to.

        What is found damaged is not opened again before it is whole.

        Raises:
            AssetError: it is missing or damaged.
        """
        assets.path(name, profile)
        if profile == "sample":
            return
        asset, folder = assets.about(name, "full"), assets.folder_of(name)
        file, sums = folder / asset.file, folder / assets.SUMS
        with _disk_errors(name):
            fault = sums.exists() and assets.folder_fault(folder / "unpacked", sums)
            damaged = [sums] if fault else [sums, file]
            if not fault and file.exists():  # an archive is not needed once it is unpacked
                fault = assets.file_fault(file, asset)
        if fault:
            with suppress(OSError):  # a cache that may only be read
                for each in damaged:
                    each.unlink(missing_ok=True)
            fix = f"run 'course download {name}', which mends it"
            raise AssetError(f"{name!r} in {folder} is damaged, as {fault}: {fix}.")

    def original(self, name: str) -> tuple[Asset, Path]:
        """An asset that is here, and its file as it was published; AssetError if it is not."""
        assets.path(name, "full")
        asset = assets.about(name, "full")
        file = assets.folder_of(name) / asset.file
        if fault := assets.file_fault(file, asset):
            fix = f"delete {file.parent}, then run 'course download {name}'"
            raise AssetError(f"The original of {name!r} is not here, as {fault}: {fix}.")
        return asset, file


def _copy(place: str, output_file: str, _pooch=None) -> None:
    """The downloader of a mirror in a folder."""
    if not Path(place).is_file():
        raise WrongFileError("it is missing")
    os.unlink(output_file)  # made by pooch, to be read by its owner only
    shutil.copyfile(place, output_file)


def _root(asset: Asset, folder: Path) -> str:
    """Which folder of an unpacked archive is the asset; WrongFileError if it is not there."""
    root = asset.source.get("root")
    if root is None:  # most archives hold one folder, to which macOS adds one of its own
        tops = [top for top in folder.iterdir() if top.name[0] != "." and top.name != "__MACOSX"]
        root = tops[0].name if len(tops) == 1 and tops[0].is_dir() else ""
    if not (folder / root).is_dir():
        raise WrongFileError(f"it holds no folder {root!r}")
    return root


def _bar(text: str) -> tqdm:
    """A bar for bytes, in a notebook a notebook's."""
    return tqdm(desc=text, unit="B", unit_scale=True, disable=quiet(), leave=False)


@contextmanager
def _disk_errors(name: str) -> Iterator[None]:
    """Name an error of the disk for what it is."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).rstrip(" .")
        raise AssetError(
            f"The asset {name!r} could not be kept in {cache_folder()} ({reason}): make room "
            "there, or set COURSE_CACHE to a folder that you may write to."
        ) from error


@contextmanager
def _workshop(name: str) -> Iterator[Path]:
    """A temporary folder for an asset, which other processes leave until this one is done.

    The system frees the lock of a process that dies; the next one clears away what it left.
    """
    key = assets.folder_of(name).name
    folder = home() / f".work-{key}"
    (home() / ".locks").mkdir(parents=True, exist_ok=True)
    lock = FileLock(home() / ".locks" / f"{key}.lock", mode=0o666)  # a class may share the cache
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"Another process is fetching {name}: waiting for it.", file=sys.stderr)
        lock.acquire()
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
