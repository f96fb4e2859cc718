"""Releases as folders: the one that a copy of the course began with, and the one that comes."""

import io
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

RELEASE = "refs/course/release"  # the release that her files were last brought to
NOT_OURS = {".git", ".venv", "build", "__pycache__", ".ipynb_checkpoints"}


class UpdateError(RuntimeError):
    """A release that cannot be had or put in."""


def git(root: Path, *words: str | Path, **more) -> bytes:
    """What a command of git prints; UpdateError, with git's last line, where it fails."""
    try:
        command = ["git", "-C", str(root), *map(str, words)]
        return subprocess.run(command, check=True, capture_output=True, **more).stdout
    except FileNotFoundError:
        raise UpdateError("git is not installed: install it, then try again.") from None
    except subprocess.CalledProcessError as error:
        told = error.stderr.decode("utf8", "replace").strip().splitlines() or ["no reason given"]
        raise UpdateError(f"git {words[0]} failed: {told[-1]}.") from error


def _commit(root, name):
    try:
        return git(root, "rev-parse", "--verify", "--quiet", name).decode().strip()
    except UpdateError:
        return None


def unpack(root: Path, given: Path | None, base: Path, new: Path) -> str | None:
    """Put the release that her files began with into `base`, and the new one into `new`.

    Args:
        root: her files.
        given: a folder or a zip file with the new release; else it is fetched.
        base, new: folders that do not exist yet. `base` stays empty where nobody knows it.

    Returns:
        The commit of the new release, if it was fetched.

    Raises:
        UpdateError: the release cannot be had.
    """
    if given is None:
        return _fetched(root, base, new)
    packed = new.with_name("packed")
    try:
        if given.is_dir():
            shutil.copytree(given, packed, ignore=lambda _, names: NOT_OURS & set(names))
        else:
            shutil.unpack_archive(given, packed, "zip")
    except (OSError, zipfile.BadZipFile) as error:
        raise UpdateError(f"{given} cannot be read ({error}): give a folder or a zip.") from error
    found = [*packed.glob("course/paths.py"), *packed.glob("*/course/paths.py")]
    if not found:
        raise UpdateError(f"{given} holds no course: nothing was changed.")
    found[0].parents[1].rename(new)  # a forge packs it into a folder
    _export(root, _base(root) if (root / ".git").exists() else None, base)
    return None


def _fetched(root, base, new):
    if not (root / ".git").exists():
        raise UpdateError(f"{root} is no git clone: give the release, a folder or a zip file.")
    try:
        git(root, "fetch", "--quiet")
    except UpdateError as error:
        fix = "without a network, give the release as a folder or a zip file"
        raise UpdateError(f"{error} Nothing was changed; {fix}.") from error
    if not (upstream := _commit(root, "@{upstream}")):
        raise UpdateError("This branch follows no remote one: give the release as a folder or zip.")
    _export(root, _base(root), base)
    _export(root, upstream, new)
    return upstream


def _base(root):
    """Of the release last put in and the one she branched from, the later."""
    kept, common = _commit(root, RELEASE), None
    if _commit(root, "@{upstream}"):
        common = git(root, "merge-base", "HEAD", "@{upstream}").decode().strip()
    if kept and common and _commit(root, f"{RELEASE}^{{commit}}"):
        pulled = git(root, "rev-list", "--count", f"{RELEASE}..{common}").decode().strip() != "0"
        return common if pulled else kept
    return kept or common


def _export(root, tree, to):
    to.mkdir()
    if tree:
        with tarfile.open(fileobj=io.BytesIO(git(root, "archive", tree))) as archive:
            archive.extractall(to, filter="data")
