"""Keep the checksums of the bundled files true, and the folder small. Takes a second.

--write makes SHA256SUMS of every bundled folder anew and puts bytes and sha256 of every bundled
asset that is there into data/catalog.toml; comments and order stay. --check changes nothing and
names what --write would change. Both name assets that are missing, files that belong to no asset,
and files that are too large.
"""

import argparse
import hashlib
import os
import re
import sys
import tomllib
from pathlib import Path

DATA = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(DATA.parent))

from helpers.assets import SUMS, files_in, sha256_of  # noqa: E402

DATA_LIMIT = 40_000_000  # bytes
FILE_LIMIT = 8_000_000
NO_ASSETS = ("recipes/", "README.md", "catalog.toml")


def survey(data: Path = DATA) -> tuple[dict[Path, str], list[str], list[str]]:
    """The files to write (path: text), why, and what only a person can put right."""
    catalogue = data / "catalog.toml"
    text = catalogue.read_text(encoding="utf-8")
    writes, reasons, faults, owned = {}, [], [], []
    for name, entry in tomllib.loads(text)["sample"].items():
        target = data / entry["file"]
        owned.append(entry["file"])
        if not target.exists():
            faults.append(f"[sample.{name}] names data/{entry['file']}, which is not there.")
            continue
        if target.is_dir():
            sums = "".join(f"{sha256_of(target / file)}  {file}\n" for file in files_in(target))
            old = (target / SUMS).read_text(encoding="utf-8") if (target / SUMS).exists() else ""
            if sums != old:
                changed = {line[66:] for line in {*sums.splitlines()} ^ {*old.splitlines()}}
                some = ", ".join(sorted(changed)[:5]) or "the order"
                reasons.append(f"data/{entry['file']}/{SUMS} does not fit its files: {some}.")
                writes[target / SUMS] = sums
            facts = {
                "bytes": sum((target / file).stat().st_size for file in files_in(target)),
                "sha256": hashlib.sha256(sums.encode()).hexdigest(),
            }
        else:
            facts = {"bytes": target.stat().st_size, "sha256": sha256_of(target)}
        for key, value in facts.items():
            if entry.get(key) != value:
                reasons.append(f"[sample.{name}] has {key} {entry.get(key)} instead of {value}.")
                text = recorded(text, name, key, value)
                writes[catalogue] = text
    return writes, reasons, faults + misfits(data, owned)


def recorded(text: str, name: str, key: str, value: int | str) -> str:
    """The catalogue's text with one value in [sample.NAME] replaced, or added below `file`."""
    start = re.search(rf"^\[sample\.{re.escape(name)}\]", text, flags=re.M).end()
    after = re.search(r"^\[", text[start:], flags=re.M)
    end = start + after.start() if after else len(text)
    line = f"{key} = {value}" if isinstance(value, int) else f'{key} = "{value}"'
    table, known = re.subn(rf"^{key} *=[^#\n]*?(?= *(#|$))", line, text[start:end], flags=re.M)
    if not known:
        # bytes stands before sha256, as in the tables of the full profile
        above = "bytes" if key == "sha256" else "file"
        table = re.sub(rf"^{above} *=.*$", rf"\g<0>\n{line}", table, flags=re.M)
    return text[:start] + table + text[end:]


def misfits(data: Path, owned: list[str]) -> list[str]:
    """Sentences on files that are too large or belong to no asset."""
    faults, total = [], 0
    for name in (name for name in files_in(data) if "__pycache__/" not in name):
        size = (data / name).stat().st_size
        total += size
        if size > FILE_LIMIT:
            faults.append(f"data/{name} has {size:,} bytes, more than {FILE_LIMIT:,}.")
        if not name.startswith((*NO_ASSETS, *(f"{file}/" for file in owned))) and name not in owned:
            faults.append(f"data/{name} belongs to no entry of catalog.toml.")
    if total > DATA_LIMIT:
        faults.append(f"data/ has {total:,} bytes in all, more than {DATA_LIMIT:,}.")
    return faults


def main(arguments: list[str] | None = None, data: Path = DATA) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--check", action="store_true", help="name what is wrong, change nothing")
    task.add_argument("--write", action="store_true", help="record the files as they are")
    args = parser.parse_args(arguments)
    writes, reasons, faults = survey(data)
    if args.write:
        for file, text in writes.items():
            part = file.with_name(f".{file.name}.part")  # the whole file or nothing
            part.write_text(text, encoding="utf-8", newline="\n")
            os.replace(part, file)
            print(f"data/{file.relative_to(data).as_posix()} written.")
    elif reasons:
        faults += [*reasons, "If the files are right, run data/recipes/catalogue.py --write."]
    print(*faults, sep="\n", end="\n" * bool(faults), file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
