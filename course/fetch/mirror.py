"""A mirror: a folder, or an http(s) address that serves one, with files and an index.json.

index.json is {"assets": {NAME: {"file", "bytes", "sha256", "kind", "what", "origin", "licence"}}}.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import quote

from course.fetch.archives import plain_parts
from course.fetch.resume import DownloadError, Patience, read
from helpers.assets import Asset, AssetError
from helpers.disk import write_atomic

SAID = ("what", "origin", "licence")
FREE = r"(CC0|CC[ -]BY|Apache|MIT|BSD|public domain)\b"  # how licences begin that allow passing on


class Mirror:
    """What a mirror serves; its index is read once, here.

    Raises:
        DownloadError: its index does not come, or is damaged; the message is the reason.
    """

    def __init__(self, place: str, patience: Patience, offline: bool = False):
        self.remote = place.lower().startswith(("http://", "https://"))
        path = place if self.remote else Path(place).expanduser().absolute()
        self.place = str(path).rstrip("/")
        if self.remote and offline:
            raise DownloadError("the network is not asked, as COURSE_OFFLINE is set")
        index = self.where("index.json")
        try:
            content = read(index, patience) if self.remote else Path(index).read_bytes()
            entries = json.loads(content)["assets"]
            self.entries = {name: dict(entry) for name, entry in entries.items()}
        except OSError as error:
            raise DownloadError(error.strerror) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            form = '{"assets": {name: {"file": ..., "bytes": ..., "sha256": ...}}}'
            raise DownloadError(f"it is damaged, as it is not JSON of the form {form}") from error

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
        said = {key: str(entry.get(key, "not stated")) for key in SAID}
        known = {"file": file, "bytes": size, "sha256": sha256, "where": self.where(file)}
        return replace(listed, **said, **known)


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

    Args:
        folder: is made if need be; what it had before stays.
        files: assets of the full profile, each with its file.
        seen: called with each asset that was copied.

    Raises:
        OSError: the disk's; the index is as it was.
    """
    entries = {}
    with suppress(OSError, ValueError, KeyError, TypeError):
        entries = dict(json.loads((folder / "index.json").read_bytes())["assets"])
    for asset, file in files:
        with open(file, "rb") as source:
            write_atomic(folder / file.name, partial(shutil.copyfileobj, source))
        entry = {key: getattr(asset, key) for key in ("bytes", "sha256", "kind", *SAID)}
        entries[asset.source.get("mirror", asset.name)] = {"file": file.name} | entry
        seen(asset)
    index = json.dumps({"assets": entries}, indent=1, ensure_ascii=False) + "\n"
    write_atomic(folder / "index.json", index.encode())
