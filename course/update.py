"""`course update`: a new release comes in, and what an instructor changed stays.

Three states are compared: the release that she began with, her files, the new release. What one
side changed is taken. Of a notebook cell or a file that both changed, the new one is taken and
hers is kept beside it, named. Everything is worked out first; then files are replaced, after a
copy of each was put aside.
"""

import os
import tempfile
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

from course import merge, paths, release, replace
from course.release import UpdateError


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
        commit = release.unpack(root, given, base, new)
        files, said = merge.plan(root, base, new)
        if files:
            backup = paths.user_folder() / f"before-update-{datetime.now():%Y-%m-%d-%H%M%S}"
            try:
                replace.replace(root, files, backup)
            except OSError as error:
                raise UpdateError(
                    f"{error}. What had been replaced was put back; copies are in {backup}."
                ) from error
            said.append(f"{len(files)} files changed. What was there before is in {backup}.")
        try:
            _remember(root, new, commit)
        except UpdateError as error:
            raise UpdateError(f"The files are in place, but {error} Run it again.") from error
    return said or ["Nothing to do: the files are those of this release, and yours."]


def _remember(root, folder, commit):
    """Note the release in the clone, which is what the next update compares with."""
    if not (root / ".git").exists():
        return
    if not commit:  # it came as files
        with tempfile.TemporaryDirectory() as scratch:
            own = {**os.environ, "GIT_INDEX_FILE": str(Path(scratch, "index"))}
            release.git(root, f"--work-tree={folder}", "add", "--all", "--force", ".", env=own)
            commit = release.git(root, "write-tree", env=own).decode().strip()
    elif not int(release.git(root, "rev-list", "--count", f"{commit}..HEAD")):
        # No commits of hers: the branch moves, the files stay.
        release.git(root, "reset", "--quiet", commit)
    release.git(root, "update-ref", release.RELEASE, commit)
