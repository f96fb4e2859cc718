"""A mirror: a folder, or an http(s) address that serves one, with files and an index.json.

index.json is {"assets": {NAME: {"file", "bytes", "sha256", "kind", "what", "origin", "licence"}}}.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from course.fetch.archives import plain_parts
from course.fetch.resume import DownloadError, Patience, read
from helpers.assets import Asset, AssetError
from helpers.disk import sha256_of, write_atomic

TOLD = ("what", "origin", "licence")
FREE = r"(CC0|CC[ -]BY|Apache|MIT|BSD|public domain)\b"  # how licences begin that allow passing on


class MirrorError(AssetError):
    """The mirror does not give what it should; another source might."""


class Mirror:
    """What a mirror serves; its index is read once, here.

    Raises:
        MirrorError: it cannot be reached, or its index is damaged.
    """

    def __init__(self, place: str, patience: Patience, offline: bool = False):
        self.remote = place.lower().startswith(("http://", "https://"))
        path = place if self.remote else Path(place).expanduser().absolute()
        self.place = str(path).rstrip("/")
        index = self.where("index.json")
        try:
            entries = json.loads(self._read(index, patience, offline))["assets"]
            self.entries = {name: dict(entry) for name, entry in entries.items()}
        except OSError as error:
            raise MirrorError(
                f"The mirror's index {index} cannot be read ({error.strerror}): set COURSE_MIRROR "
                "to a folder or an http(s) address that holds an index.json."
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise MirrorError(
                f"The mirror's index {index} is damaged: put a good copy there, which is JSON of "
                'the form {"assets": {name: {"file": ..., "bytes": ..., "sha256": ...}}}.'
            ) from error

    def _read(self, index: str, patience: Patience, offline: bool) -> bytes:
        if not self.remote:
            return Path(index).read_bytes()
        if offline:
            raise MirrorError(
                f"The mirror {self.place} is not asked, as COURSE_OFFLINE is set: unset it, or "
                "set COURSE_MIRROR to a folder."
            )
        try:  # a mirror that is gone must not take minutes
            return read(index, replace(patience, tries=min(2, patience.tries)))
        except DownloadError as error:
            raise no_answer(index, error) from error

    def where(self, file: str) -> str:
        """The path or address of a file."""
        return f"{self.place}/{quote(file)}" if self.remote else str(Path(self.place, file))

    def asset(self, name: str, listed: Asset | None) -> Asset | None:
        """The asset as it is served here, or None; `listed` is its entry in the catalogue."""
        keys = (listed.source.get("mirror"), name) if listed else (name,)
        key = next((each for each in keys if each in self.entries), None)
        if key is None:
            return None
        entry = self.entries[key]
        try:
            file, size, sha256 = entry["file"], entry["bytes"], entry["sha256"]
            if not (plain_parts(file) and re.fullmatch("[0-9a-f]{64}", sha256) and size >= 0):
                raise ValueError
        except (KeyError, TypeError, ValueError):
            raise AssetError(
                f"The entry {key!r} of {self.where('index.json')} is refused: correct it so that "
                "'file' is a plain relative name inside the mirror, 'bytes' a number and 'sha256' "
                "64 lower-case hexadecimal digits."
            ) from None
        if listed is None:
            archive = re.search(r"\.(zip|tgz|tar(\.\w+)?)$", file)
            source = {"unpack": archive[1]} if archive else {}
            listed = Asset(name, "full", file, "", str(entry.get("kind")), source=source)
        source = {key: value for key, value in listed.source.items() if key not in ("md5", "holds")}
        known = {key: str(entry.get(key, "not stated")) for key in TOLD}
        known |= {"file": file, "bytes": size, "sha256": sha256, "where": self.where(file)}
        return replace(listed, source=source, **known)


def no_answer(url: str, error: DownloadError) -> MirrorError:
    """The error of a mirror that does not answer."""
    return MirrorError(
        f"{url} cannot be downloaded ({error}): check COURSE_MIRROR and the network, then try "
        "again."
    )


# ---------------------------------------------------------------- making one


def may_be_passed_on(licence: str) -> bool:
    """Whether a licence lets anybody pass the files on, if only for teaching without profit.

    Example:
        >>> may_be_passed_on("Apache-2.0"), may_be_passed_on("for research; not to be passed on")
        (True, False)
    """
    doubtful = re.search(r"\bonly\b|\bnot\b|unstated", licence)
    return bool(re.match(FREE, licence, re.IGNORECASE) and not doubtful)


def write(folder: Path, files: Iterable[tuple[Asset, Path]], seen: Callable = print) -> None:
    """Copy files as they were published into a folder, and add them to its index.json.

    What the folder had before stays in its index as long as it is there.

    Args:
        folder: is made if need be.
        files: assets of the full profile, each with its file.
        seen: called with each asset that was copied.

    Raises:
        AssetError: the folder is the mirror that a file comes from, or a copy differs.
        OSError: the disk's; the index is as it was.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries, fresh = _kept(folder), []
    try:
        for asset, file in files:
            target = folder / file.name
            if target.exists() and target.samefile(file):
                raise AssetError(
                    f"The folder {folder} is the mirror that {asset.name!r} comes from: give "
                    "another one."
                )
            fresh.append((folder / f".{file.name}.new", target))
            shutil.copyfile(file, fresh[-1][0])
            if sha256_of(fresh[-1][0]) != asset.sha256:
                raise AssetError(f"The copy of {asset.name!r} in {folder} differs: try again.")
            kept = ("bytes", "sha256", "kind", *TOLD)
            entry = {"file": file.name} | {key: getattr(asset, key) for key in kept}
            entries[asset.source.get("mirror", asset.name)] = entry
            seen(asset)
        for new, target in fresh:
            os.replace(new, target)
    finally:
        for new, _ in fresh:
            new.unlink(missing_ok=True)
    index = json.dumps({"assets": entries}, indent=1, ensure_ascii=False) + "\n"
    write_atomic(folder / "index.json", index.encode())


def _kept(folder: Path) -> dict:
    """The entries of an earlier index whose files are still there."""
    try:
        entries = json.loads((folder / "index.json").read_bytes())["assets"]
        sizes = {name: (folder / entry["file"], entry["bytes"]) for name, entry in entries.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {
        name: entries[name]
        for name, (file, size) in sizes.items()
        if file.is_file() and file.stat().st_size == size
    }
