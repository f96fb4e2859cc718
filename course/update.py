"""`course update`: a new release comes in, and what an instructor changed stays.

Three states are compared: the release that she began with, her files, the new release. What one
side changed is taken. Of a notebook cell or a file that both changed, the new one is taken and
hers is kept beside it, named. Everything is worked out first; then files are replaced, after a
copy of each was put aside.
"""

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

from course import merge, paths, replace

RELEASE = "refs/course/release"  # the release that her files were last brought to
NOT_OURS = {".git", ".venv", "build", "__pycache__", ".ipynb_checkpoints"}


class UpdateError(RuntimeError):
    """A release that cannot be had or put in; her files are as they were."""


def update(root: Path = paths.ROOT, given: Path | None = None) -> list[str]:
    """Bring the course in `root` to a new release, and return what is to be said, line by line.

    `given` is a folder or a zip file with the release; else it comes from the clone's remote.

    Raises:
        UpdateError: the release cannot be had, or a file cannot be written.
    """
    if not find_spec("nbdime"):
        raise UpdateError("Notebooks are merged by nbdime: install it by 'pip install nbdime'.")
    with tempfile.TemporaryDirectory() as scratch:
        base, new = Path(scratch, "base"), Path(scratch, "new")
        state = _fetched(root, base, new) if given is None else _given(root, given, base, new)
        files, said = merge.plan(root, base, new)
        if files:
            backup = paths.user_folder() / f"before-update-{datetime.now():%Y-%m-%d-%H%M%S}"
            try:
                replace.replace(root, files, backup)
            except OSError as error:
                raise UpdateError(f"{error}: all files are as they were.") from error
            said.append(f"{len(files)} files changed. What was there before is in {backup}.")
        try:
            _remember(root, new if given else None, state)
        except UpdateError as error:
            raise UpdateError(f"The files are in place, but {error} Run it again.") from error
    return said or ["Nothing to do: the files are those of this release, and yours."]


# ---------------------------------------------------------------- the releases, as folders


def _git(root, *words, **more):
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
        return _git(root, "rev-parse", "--verify", "--quiet", name).decode().strip()
    except UpdateError:
        return None


def _fetched(root, base, new):
    if not (root / ".git").exists():
        raise UpdateError(f"{root} is no git clone: give the release, a folder or a zip file.")
    try:
        _git(root, "fetch", "--quiet")
    except UpdateError as error:
        fix = "without a network, give the release as a folder or a zip file"
        raise UpdateError(f"{error} Nothing was changed; {fix}.") from error
    if not (upstream := _commit(root, "@{upstream}")):
        raise UpdateError("This branch follows no remote one: give the release as a folder or zip.")
    _unpack(root, _base(root), base)
    _unpack(root, upstream, new)
    return upstream


def _base(root):
    """Of the release last put in and the one she branched from, the later."""
    kept, common = _commit(root, RELEASE), None
    if _commit(root, "@{upstream}"):
        common = _git(root, "merge-base", "HEAD", "@{upstream}").decode().strip()
    if kept and common and _commit(root, f"{RELEASE}^{{commit}}"):
        pulled = _git(root, "rev-list", "--count", f"{RELEASE}..{common}").decode().strip() != "0"
        return common if pulled else kept
    return kept or common


def _unpack(root, tree, to):
    to.mkdir()
    if tree:
        with tarfile.open(fileobj=io.BytesIO(_git(root, "archive", tree))) as archive:
            archive.extractall(to, filter="data")


def _given(root, given, base, new):
    try:
        if given.is_dir():
            shutil.copytree(given, new, ignore=lambda _, names: NOT_OURS & set(names))
        else:
            with zipfile.ZipFile(given) as archive:
                archive.extractall(new)
    except (OSError, zipfile.BadZipFile) as error:
        raise UpdateError(f"{given} cannot be read ({error}): give a folder or a zip.") from error
    if inner := next(new.glob("*/course/paths.py"), None):  # as a forge packs it
        inner.parents[1].rename(new.with_name("inner"))
        shutil.rmtree(new)
        new.with_name("inner").rename(new)
    if not (new / "course" / "paths.py").is_file():
        raise UpdateError(f"{given} holds no course: nothing was changed.")
    _unpack(root, _base(root) if (root / ".git").exists() else None, base)


def _remember(root, folder, commit):
    """Note the release in the clone, which is what the next update compares with."""
    if not (root / ".git").exists():
        return
    if folder:
        with tempfile.TemporaryDirectory() as scratch:
            own = {**os.environ, "GIT_INDEX_FILE": str(Path(scratch, "index"))}
            _git(root, f"--work-tree={folder}", "add", "--all", "--force", ".", env=own)
            commit = _git(root, "write-tree", env=own).decode().strip()
    elif not int(_git(root, "rev-list", "--count", f"{commit}..HEAD")):
        _git(root, "reset", "--quiet", commit)  # no commits of hers: the branch moves, files stay
    _git(root, "update-ref", RELEASE, commit)
