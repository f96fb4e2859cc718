"""Write several files or none of them: what was there is put aside first, and back on any fault."""

import shutil
from contextlib import suppress
from pathlib import Path

from helpers import disk


def replace(root: Path, files: dict[Path, bytes | None], backup: Path) -> None:
    """Write files, after a copy of all that they replace was made; on any fault all is as before.

    Raises:
        OSError: something could not be read or written.
    """
    there = [path for path in files if (root / path).is_file()]
    for path in there:
        (backup / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / path, backup / path)
    try:
        for path, content in files.items():
            if content is None:
                (root / path).unlink()
            else:
                disk.write_atomic(root / path, content)
                if path in there:
                    shutil.copymode(backup / path, root / path)
    except BaseException:
        for path in files:  # whichever it was that failed
            with suppress(OSError):  # on a full disk, say; the copy is there in any case
                if path not in there:
                    (root / path).unlink(missing_ok=True)
                else:
                    disk.write_atomic(root / path, (backup / path).read_bytes())
                    shutil.copymode(backup / path, root / path)
        raise
