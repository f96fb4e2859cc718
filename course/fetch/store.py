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
from pathlib import Path, PurePosixPath

import pooch
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from course.fetch import archives
from course.fetch.mirror import Mirror, MirrorError, no_answer
from course.fetch.resume import DownloadError, Patience, Resuming, WrongFileError
from helpers import assets
from helpers.assets import AbsentError, Asset, AssetError
from helpers.disk import cache_folder, quiet, sha256_of, write_atomic

UNPACKS_TO = 1.5  # room that the content of an archive is taken to need, in sizes of the archive
OWN = ("record.json", "stamp.json", "unpacked")  # names that a published file may not take


def home() -> Path:
    """The part of the cache that is kept here; it may be deleted at any time."""
    return cache_folder() / "assets"


def part_of(name: str) -> Path:
    """What has come so far of a download."""
    return home() / ".parts" / f"{assets.folder_of(name).name}.part"


def offline() -> bool:
    """Whether the network is not to be asked for anything, by COURSE_OFFLINE=1."""
    return os.environ.get("COURSE_OFFLINE", "0") not in ("", "0")


class WrongInMirrorError(MirrorError):
    """A file of the mirror is not the one that its index describes."""


class Store:
    """The cache, and where its files may come from; a mirror's index is read once at most.

    Args:
        place: the mirror, a folder or an http(s) address; that of COURSE_MIRROR if None.
        patience: with the network.
        limits: of archives.
    """

    def __init__(
        self,
        place: str | None = None,
        patience: Patience | None = None,
        limits: archives.Limits | None = None,
    ):
        self.place = os.environ.get("COURSE_MIRROR", "") if place is None else place
        self.patience, self.limits = patience or Patience(), limits or archives.Limits()
        self._looked: Mirror | MirrorError | None = None

    def mirror(self) -> Mirror | None:
        """The mirror; None if none is set; MirrorError, each time the same, if it fails."""
        if self.place and self._looked is None:
            try:
                self._looked = Mirror(self.place, self.patience, offline())
            except MirrorError as error:
                self._looked = error
        if isinstance(self._looked, MirrorError):
            raise self._looked
        return self._looked

    # ------------------------------------------------------------ what is wanted

    def expand(self, names: Iterable[str]) -> list[str]:
        """Names of assets, where those of chapters and "all" stand for their assets."""
        catalogue, found = assets.catalogue("full"), []
        for name in names:
            alias = [key for key in catalogue if catalogue[key].source.get("mirror") == name]
            chapter = [
                key
                for key, asset in catalogue.items()
                if asset.chapter and name in ("all", asset.chapter)
            ]
            found += chapter or alias or [name]
        return list(dict.fromkeys(found))

    def missing(self, *names: str) -> list[Asset]:
        """Those of some assets that are not here whole, as they would come."""
        return [self.offered(name) for name in self.expand(names) if not _whole(name)]

    def kept(self) -> list[str]:
        """The names of all assets of which the cache has something."""
        found = []
        for file in sorted(home().glob("[!.]*/record.json")):
            with suppress(OSError, ValueError, KeyError, TypeError):
                found.append(json.loads(file.read_bytes())["name"])
        return [name for name in found if assets.record(name)]

    def offered(self, name: str) -> Asset:
        """An asset as the mirror has it, or else its publisher; AssetError if nobody knows it."""
        mirror = None
        with suppress(MirrorError):
            mirror = self.mirror()
        listed = assets.catalogue("full").get(name)
        if mirror and (served := mirror.asset(name, listed)):
            return served
        if listed is None and not mirror and self.place:
            self.mirror()  # raises: that is why the name is unknown
        known = {*assets.names("full"), *(mirror.entries if mirror else ())}
        if listed is None:
            raise AssetError(assets.unknown(name, "full", sorted(known)))
        return public(name)

    # ------------------------------------------------------------ bringing it

    def bring(self, names: Iterable[str]) -> None:
        """Bring what the mirror has of some assets and the cache has not.

        What the mirror lacks is skipped. One that is down, or whose index is broken, is named in a
        printed sentence, as the rest may do: bundled files can stand in, and what is needed
        complains where it is opened. Nothing is asked if all of it is here.

        Raises:
            AssetError: a file of the mirror is not the one that its index describes, or the disk
                does not take it.
        """
        for name in self.expand(names):
            try:
                if not (_whole(name) or self._mend(name)) and self._mirrored(name):
                    self._get(name, public_too=False)
            except WrongInMirrorError:
                raise
            except MirrorError as error:
                print(error)
                if isinstance(self._looked, MirrorError):
                    return

    def download(self, *names: str) -> None:
        """Bring assets from the mirror or their addresses; AssetError if some cannot be had."""
        self.fail(self.attempt(self.missing(*names)))

    def fail(self, failed: dict[str, str]) -> None:
        """Raise AssetError for what `attempt` could not bring, if anything."""
        if failed:
            first, *others = failed
            more = f"; likewise {', '.join(others)}" if others else ""
            raise AssetError(f"{failed[first].removesuffix('.')}{more}.")

    def attempt(self, todo: list[Asset]) -> dict[str, str]:
        """Bring what can be had of what is missing; for the rest, why not.

        Raises:
            AssetError: the disk has no room for all of it.
        """
        place, failed = cache_folder(), {}
        while not place.exists():
            place = place.parent
        needed, free = self.room_for(todo), shutil.disk_usage(place).free
        if needed > free:
            raise AssetError(
                f"There is no room in {cache_folder()} for {', '.join(a.name for a in todo)}: "
                f"{needed / 1e6:,.1f} MB are needed, unpacked, and {free / 1e6:,.1f} MB free, so "
                "make room there, or set COURSE_CACHE to a folder on another disk."
            )
        for asset in todo:
            try:
                self._get(asset.name)
            except AssetError as error:
                failed[asset.name] = str(error)
        return failed

    def room_for(self, todo: list[Asset]) -> float:
        """The bytes that assets need in the cache, as far as their sizes are known."""
        needed = 0.0
        for asset in todo:
            size = asset.bytes or asset.source.get("roughly", 0)
            linked = Path(asset.where).is_file()  # of a mirror in a folder
            needed += size * (not linked) + size * UNPACKS_TO * ("unpack" in asset.source)
        return needed

    def _mirrored(self, name: str) -> Asset | None:
        mirror = self.mirror()
        return mirror and mirror.asset(name, assets.catalogue("full").get(name))

    def _get(self, name: str, public_too: bool = True) -> None:
        """Bring one asset from the first source that gives it."""
        told, urls = [], ()
        with _disk_errors(name):
            if self._mend(name):
                return
            try:
                if served := self._mirrored(name):
                    return self._from_mirror(served)
            except MirrorError as error:
                if not public_too:
                    raise
                told.append(f"the mirror, as {str(error).removesuffix('.')}")
            asset = public(name)
            urls = asset.source.get("urls", ()) if asset and not offline() else ()
            for url in urls:
                try:
                    self._install(asset, url)
                    if told:
                        print(f"{name} is from {url}, not from {', nor from '.join(told)}.")
                    return
                except (DownloadError, archives.ArchiveError) as error:
                    hint = _pin_hint(asset) if isinstance(error, WrongFileError) else ""
                    told.append(f"{url} ({error}{hint})")
        if not urls:
            raise AssetError(f"{told[0].partition(', as ')[2]}.") if told else self._absent(asset)
        raise AssetError(
            f"The asset {name!r} cannot be downloaded from {', nor from '.join(told)}: check the "
            f"network, then run 'course download {name}' again, which goes on where it stopped."
        )

    def _from_mirror(self, asset: Asset) -> None:
        fix = "put the file there that its index.json describes, or correct the index"
        try:
            self._install(asset, asset.where if self.mirror().remote else Path(asset.where))
        except WrongFileError as error:
            raise WrongInMirrorError(
                f"The mirror's file {asset.where} is not the one of its index ({error}): {fix}."
            ) from error
        except archives.ArchiveError as error:
            raise WrongInMirrorError(
                f"The archive {asset.where} was not unpacked ({error}): put a sound archive into "
                "the mirror and correct its index.json."
            ) from error
        except DownloadError as error:
            raise no_answer(asset.where, error) from error

    def _mend(self, name: str) -> bool:
        """Unpack again what lost files; False if no sound archive is here."""
        kept = assets.record(name)
        if not kept or kept["root"] is None:
            return False
        asset = assets.about(name, "full")
        source = {key: value for key, value in asset.source.items() if key != "holds"}
        file = assets.folder_of(name) / asset.file
        with _disk_errors(name), suppress(WrongFileError, archives.ArchiveError):
            self._install(replace(asset, source={"unpack": "zip or tar", **source}), file)
            return True
        return False

    def _install(self, asset: Asset, place: Path | str) -> None:
        """Copy or download, check, unpack, record; of two processes the second finds it there."""
        with _workshop(asset.name) as work:
            if _whole(asset.name):
                return
            new = work / "new"
            new.mkdir()
            name = PurePosixPath(asset.file).name
            file = new / (f"_{name}" if name in OWN else name)
            if isinstance(place, Path):
                _copy(place, file, asset)
            else:
                asset = self._retrieve(asset, place, file)
            root = self._unpack(asset, file, new / "unpacked") if "unpack" in asset.source else None
            target = file if root is None else new / "unpacked"
            write_atomic(new / "stamp.json", _json(assets.stamp_of(target, asset.sha256)))
            record = _record(replace(asset, file=file.name), root, place)
            write_atomic(new / "record.json", _json(record))
            final = assets.folder_of(asset.name)
            if final.exists():
                os.replace(final, work / "old")
            os.replace(new, final)
            _forget_part(asset.name)

    def _retrieve(self, asset: Asset, url: str, file: Path) -> Asset:
        """Download a file by pooch; the asset with the size and checksum of what came."""
        md5 = asset.source.get("md5")
        known = f"sha256:{asset.sha256}" if asset.sha256 else f"md5:{md5}" if md5 else None
        pooch.get_logger().setLevel("WARNING")  # it would log each file
        with _bar(asset.name, leave=False) as bar:
            wanted = {"size": asset.bytes, "sha256": asset.sha256, "md5": md5}
            way = Resuming(part_of(asset.name), bar, self.patience, **wanted)
            pooch.retrieve(url, known, fname=file.name, path=file.parent, downloader=way)
            bar.leave = True
        return replace(asset, bytes=way.reached(), sha256=way.found["sha256"])

    def _unpack(self, asset: Asset, archive: Path, folder: Path) -> str:
        """Unpack an archive; which folder in it is the asset."""
        with _bar(f"unpacking {asset.name}", delay=1, leave=False) as bar:
            try:
                archives.unpack(archive, folder, bar.update, self.limits)
                return _root(asset, folder)
            except archives.ArchiveError:
                _forget_part(asset.name)
                raise

    # ------------------------------------------------------------ reading it again

    def verify(self, name: str, profile: str) -> None:
        """Read every byte of an asset that is here, and of the folder it was unpacked to.

        What is found damaged is not opened again before it is whole.

        Raises:
            AssetError: it is missing or damaged.
        """
        if profile == "sample" or not (kept := assets.record(name)):
            assets.path(name, profile)
            return
        asset, folder = assets.about(name, "full"), assets.folder_of(name)
        file, unpacked = folder / asset.file, folder / "unpacked"
        with _disk_errors(name):
            if kept["root"] is not None and not file.exists() and _whole(name):
                raise AssetError(
                    f"The archive of {name!r} is gone, so the files of {unpacked} were only "
                    f"counted: delete {folder} and run 'course download {name}' to have every "
                    "byte checked."
                )
            fault, changed = assets.file_fault(file, asset), []
            if kept["root"] is not None and not fault:
                changed = archives.differences(file, unpacked)
            if fault or changed:
                (folder / "stamp.json").unlink(missing_ok=True)
        again = f"run 'course download {name}', which mends it"
        if fault:
            raise AssetError(f"The file {file} of {name!r} {fault}: {again}.")
        if changed:
            which = assets.some(set(changed))
            raise AssetError(f"The folder {unpacked} differs from its archive ({which}): {again}.")

    def original(self, name: str) -> tuple[Asset, Path]:
        """An asset that is here, and its file as it was published; AssetError if it is not."""
        asset = assets.about(name, "full")
        file = assets.folder_of(name) / asset.file
        if not assets.record(name):
            raise self._absent(asset)
        if fault := assets.file_fault(file, asset):
            raise AssetError(f"The file {file} of {name!r} {fault}: run 'course download {name}'.")
        return asset, file

    def _absent(self, asset: Asset) -> AbsentError:
        """The error of what neither is here nor can be fetched as things are."""
        lack = f"is not here and not in the mirror {self.place}" if self.place else "is not here"
        fix = "set COURSE_MIRROR=<folder or address> to a mirror whose index.json names "
        fix += f'"{asset.source.get("mirror", asset.name)}"'
        if asset.source.get("urls"):
            way = "unset COURSE_OFFLINE, then " if offline() else ""
            fix = f"{way}run 'course download {asset.name}', or {fix}"
        else:
            lack += " and has no public address"
        return AbsentError(
            f"The asset {asset.name!r} of the full profile ({asset.size}) {lack}: {fix}."
        )


# ---------------------------------------------------------------- small


def public(name: str) -> Asset | None:
    """An asset as its publisher has it, with the checksum of its first download from there."""
    asset = assets.catalogue("full").get(name)
    with suppress(TypeError, KeyError):
        pin = assets.record(name)["pinned"]
        fits = asset.bytes in (None, pin["bytes"]) and pin["md5"] == asset.source.get("md5")
        if asset.sha256 is None and fits:
            source = {**asset.source, "recorded": pin["date"]}
            return replace(asset, bytes=pin["bytes"], sha256=pin["sha256"], source=source)
    return asset


def _pin_hint(asset: Asset) -> str:
    """What to do where a publisher gives no checksum, and now another file."""
    if not (date := asset.source.get("recorded")):
        return ""
    record = assets.folder_of(asset.name) / "record.json"
    return f", as recorded here on {date}; if its publisher has replaced it, delete {record}"


def _record(asset: Asset, root: str | None, place: Path | str) -> dict:
    """What is written down of a file that has come; a public one is compared with it later."""
    told = ("name", "file", "bytes", "sha256", "kind", "what", "origin", "licence")
    kept, listed = assets.record(asset.name) or {}, assets.catalogue("full").get(asset.name)
    date, pinned = time.strftime("%Y-%m-%d"), kept.get("pinned")
    if listed and place in listed.source.get("urls", ()):
        md5 = listed.source.get("md5")
        pinned = {"bytes": asset.bytes, "sha256": asset.sha256, "md5": md5, "date": date}
    origin = asset.where if isinstance(place, Path) else place
    record = {"version": 2} | {key: getattr(asset, key) for key in told}
    return record | {"root": root, "from": origin, "date": date, "pinned": pinned}


def _forget_part(name: str) -> None:
    for left in (part_of(name), Path(f"{part_of(name)}.json")):
        left.unlink(missing_ok=True)


def _json(content: dict) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()


def _whole(name: str) -> bool:
    try:
        return bool(assets.path(name, "full"))
    except AssetError:
        return False


def _copy(source: Path, target: Path, asset: Asset) -> None:
    """Take a file of a folder, by a hard link where the disk has them, and check it."""
    if not source.is_file():
        raise WrongFileError("it is missing")
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
    size = target.stat().st_size
    if size != asset.bytes:
        raise WrongFileError(f"it has {size:,} bytes instead of {asset.bytes:,}")
    if (sha256 := sha256_of(target)) != asset.sha256:
        raise WrongFileError(f"it has the sha256 {sha256} instead of {asset.sha256}")


def _root(asset: Asset, folder: Path) -> str:
    """Which folder of an unpacked archive is the asset; ArchiveError if it lacks what it must."""
    root = asset.source.get("root")
    if root is None:  # most archives hold one folder, to which macOS adds one of its own
        tops = [top for top in folder.iterdir() if top.name[0] != "." and top.name != "__MACOSX"]
        root = tops[0].name if len(tops) == 1 and tops[0].is_dir() else ""
    if not (folder / root).is_dir():
        raise archives.ArchiveError(f"it holds no folder {root!r}")
    for pattern, count in asset.source.get("holds", {}).items():
        files = (file for file in (folder / root).glob(pattern) if file.is_file())
        found = sum(file.stat().st_size > 0 for file in files)
        if found != count:
            raise archives.ArchiveError(f"it holds {found:,} files {pattern} instead of {count:,}")
    return root


def _bar(text: str, **more) -> tqdm:
    """A bar for bytes, in a notebook a notebook's."""
    return tqdm(desc=text, unit="B", unit_scale=True, disable=quiet(), **more)


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
    lock, folder = FileLock(home() / ".locks" / f"{key}.lock"), home() / f".work-{key}"
    (home() / ".locks").mkdir(parents=True, exist_ok=True)
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
