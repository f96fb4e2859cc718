"""The `course` command, also `python -m course`: what is here, fetch it, check it, serve it."""

import argparse
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

try:
    from course import progress
    from course.fetch import mirror as mirrors
    from course.fetch.resume import Patience
    from course.fetch.store import Store, offline, part_of
    from helpers import assets
    from helpers.disk import cache_folder
except ModuleNotFoundError as missing:
    sys.exit(
        f"The course lacks the package {missing.name}: run '{sys.executable} -m pip install "
        "--editable .' in its folder."
    )

GOOD, BAD = "ok", "FAULT"
AT_ONCE = Patience(connect=2, stall=2, tries=1)  # a silent mirror is named, not waited for


def main(arguments: list[str] | None = None, patience: Patience | None = None) -> int:
    """Run one command; returns the exit status, 1 if something is wrong with the assets."""
    given = _parser().parse_args(arguments, argparse.Namespace(patience=patience))
    for stream in (sys.stdout, sys.stderr):  # a path that a pipe's encoding cannot write
        stream.reconfigure(errors="backslashreplace")
    try:
        return given.run(given) or 0
    except BrokenPipeError:  # `course status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        ours = type(error).__module__.startswith(("course.", "helpers."))
        if not (ours or isinstance(error, OSError)):
            raise
        print(error, file=sys.stderr)  # the course's own are written for people, the disk's name it
        return 1
    except KeyboardInterrupt:
        print("Stopped; the same command goes on from here.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="course", description="Files, exercises and editions.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(run, text, name=None):
        command = commands.add_parser(name or run.__name__, help=text)
        command.set_defaults(run=run)
        return command.add_argument

    every = "all that is here if none is given"
    add(status, "what is here and what is missing")
    option = add(download, "fetch what is missing of the full profile")
    option("names", nargs="+", metavar="CHAPTER|all|NAME")
    option = add(verify, "read every byte again")
    option("names", nargs="*", metavar="NAME", help=every)
    option = add(mirror, "write a folder that a class can be served from")
    option("folder", type=Path, metavar="DIR")
    option("names", nargs="*", metavar="NAME", help=every)
    option("--free-only", action="store_true", help="leave out what may not be passed on")
    option = add(doctor, "is this computer ready, and if not, what helps")
    option("--json", action="store_true", help="for a report of a fault")
    add(start, "write the page that `make lab` opens: what is done, what is next")
    option = add(card, "a page to take away: what your run of a chapter measured")
    option("chapter", metavar="CHAPTER", help="such as 01")
    option("--out", type=Path, metavar="FILE", help="else a file in your own folder")
    option = add(solved, "which exercises you have solved", "progress")
    option("--forget", action="store_true", help="begin anew")
    option = add(edition, "make an edition for students, a solved one, or slides")
    option("kind", metavar="student|solved|slides")
    option("--out", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    option("--dials", type=Path, metavar="DIR", help="dials that go before the course's")
    option("--force", action="store_true", help="write over what is in DIR")
    option("--check", action="store_true", help="solved: run it, name what is not right")
    option("--reveal", metavar="DIR|URL", help="slides: where reveal.js is")
    option = add(update, "a new release, and what you changed stays")
    option("release", nargs="?", type=Path, metavar="DIR|ZIP", help="else from the clone's remote")
    add(stamp, "carry the repository's address to all places")
    return parser


# ---------------------------------------------------------------- what is here


def status(_) -> None:
    """Print the choices in force and, of each asset, whether it is here, how large, whose."""
    store, chapters, cache = Store(patience=AT_ONCE), {}, cache_folder()
    print(f"Profile  {assets.profile()}\nCache    {cache}\nMirror   {store.place or 'none'}")
    if not os.environ.get("COURSE_CACHE") and cache.is_relative_to(tempfile.gettempdir()):
        print("         You have no home folder: set COURSE_CACHE to keep what is downloaded.")
    if offline():
        print("Offline  the network is not asked, as COURSE_OFFLINE is set")
    if store.trouble:
        print(f"         {store.trouble}")
    for profile in assets.PROFILES:
        here = {name: assets.is_here(name, profile) for name in assets.names(profile)}
        print(f"\n{profile}: {sum(here.values())} of {len(here)} are here")
        for name in here:
            asset = assets.about(name, profile)
            if not here[name]:
                with suppress(assets.AssetError):  # an entry of the mirror that is refused
                    asset = store.offered(name)
                chapters |= {asset.chapter: None} if asset.chapter else {}
            print(_line(asset, here[name]))
    if chapters:
        print(f"\nFetch what the chapters need of 'full': course download {' '.join(chapters)}")


def _line(asset: assets.Asset, here: bool) -> str:
    size, where, part = asset.size, asset.where, part_of(asset.name)
    if asset.profile == "full" and here:
        where = f"{assets.folder_of(asset.name) / asset.file} from {where}"
    elif asset.profile == "full" and part.exists():
        size += f", {part.stat().st_size / 1e6:,.1f} MB of it here"
    state = "here" if here else "missing"
    return f"  {state:<8} {asset.name:<29}{size:<22}{asset.licence}\n{'':11}{where}"


# ---------------------------------------------------------------- fetch, check, serve


def download(given) -> None:
    """Say what is to come, then fetch it."""
    store = Store(patience=given.patience)
    todo = store.missing(*given.names)
    if not todo:
        print("Everything is here.")
        return
    for asset in todo:
        print(f"{asset.name:<29}{asset.size:<22}{asset.licence}\n{'':4}from {asset.where}")
    known = [asset.bytes or asset.source.get("roughly") for asset in todo]
    more = " and what has no published size" if None in known else ""
    print(f"In all {sum(filter(None, known)) / 1e6:,.1f} MB{more}.", flush=True)
    store.download(*given.names)
    print(f"Kept in {cache_folder()}. Use it with COURSE_PROFILE=full or assets.use('full').")


def verify(given) -> int:
    """Check assets of both profiles byte by byte; 1 if any is damaged."""
    store = Store()
    here = [(name, "sample") for name in assets.names("sample")]
    here += [(name, "full") for name in store.kept()]
    wanted, faults = store.expand(given.names), 0
    if lacking := [name for name in wanted if name not in dict(here)]:
        faults += 1
        fix = f"fetch it with 'course download {' '.join(lacking)}'"
        print(f"{BAD:<6} Nothing of {', '.join(lacking)} is here: {fix}.")
    for name, profile in here:
        if wanted and name not in wanted:
            continue
        try:
            store.verify(name, profile)
            print(f"{GOOD:<6} {name} ({profile})", flush=True)
        except assets.AssetError as error:
            faults += 1
            print(f"{BAD:<6} {error}", flush=True)
    return min(faults, 1)


def mirror(given) -> None:
    """Copy originals, as they were published, with an index.json that describes them."""
    folder, store = given.folder.expanduser().absolute(), Store()
    names = store.expand(given.names) or store.kept()
    if not names:
        raise assets.AssetError(
            "Nothing of the full profile is here to be served: fetch it first with "
            "'course download all'."
        )
    files = [store.original(name) for name in names]
    lacking = [name for name in store.expand(["all"]) if name not in names]
    if lacking and not given.names:
        print(f"Not in this mirror: {', '.join(lacking)}. 'course download all' fetches them.")
    bound = [asset for asset, _ in files if not mirrors.may_be_passed_on(asset.licence)]
    if bound:
        left = "are left out" if given.free_only else "are copied; --free-only leaves them out"
        print(f"Their licences do not let you pass these on freely, and they {left}:")
        print("".join(f"  {a.name} ({a.licence})\n" for a in bound), end="", flush=True)
    if given.free_only:
        files = [(asset, file) for asset, file in files if asset not in bound]
    try:
        mirrors.write(folder, files, lambda a: print(f"{a.name:<29}{a.size:<12}{a.licence}"))
    except OSError as error:
        raise assets.AssetError(
            f"The mirror could not be written to {folder} ({error.strerror}): make room there."
        ) from error
    print(
        f"Serve it with: python -m http.server --directory '{folder}' 8000\n"
        "Learners set:  COURSE_MIRROR=http://<this computer>:8000"
    )


# ---------------------------------------------------------------- the rest


def doctor(given) -> int:
    """Print a verdict on each thing the course needs, with what helps; 1 if any is a fault."""
    from course import doctor

    return doctor.report(as_json=given.json)


def start(_) -> None:
    """Write the page of the chapters, and say where it opens."""
    from course import launch

    print(f"With 'make lab' running: http://localhost:8888/lab/tree/{launch.opened()}")


def card(given) -> None:
    """Make the transfer card of a chapter from the run that is kept."""
    from course import card

    print(f"Open it in a browser: {card.write(given.chapter, given.out)}")


def update(given) -> None:
    """Bring a new release in beside what was changed here."""
    from course import update

    print(*update.update(given=given.release), sep="\n")


def solved(given) -> None:
    """Print, chapter by chapter, what was solved; nothing of it leaves this computer."""
    if given.forget:
        progress.forget()
        print(f"Forgotten: {progress.file()} is gone.")
    known = progress.solved()
    for chapter, names in progress.asked().items():
        left = [name.partition(".")[2] for name in names if name not in known]
        line = f"{chapter:<16}{progress.bar(len(names) - len(left), len(names))}"
        print(line + (f"; open: {', '.join(left)}" if left and len(left) < len(names) else ""))
    if not given.forget:
        print(f"Kept in {progress.file()}, and nowhere else.")


def edition(given) -> int:
    """Make an edition; 1 if a check of the solved one does not pass."""
    from course import editions  # takes time that other commands need not spend

    if given.check and given.kind != "solved":
        raise editions.EditionError("--check is for the solved edition: leave it out.")
    written = editions.build(
        given.kind, given.out, given=given.dials, force=given.force, reveal=given.reveal
    )
    print(f"{len(written)} chapters are in {given.out}; README.md there says how to use them.")
    faults = 0
    for path in written if given.check else ():
        wrong = editions.check(path)
        for name, why in wrong.items():
            print(f"{BAD:<6} {path.name}: {name} does not pass: {why}")
        if not wrong:
            print(f"{GOOD:<6} {path.name}: every check passes", flush=True)
        faults += len(wrong)
    return min(faults, 1)


def stamp(_) -> None:
    """Stamp the repository's address into badges and set-up cells."""
    from course import stamp

    public, changed = stamp.address(), stamp.stamp()
    print(f"{len(changed)} files changed ({public or 'no address is set, so no badges'}).")
