"""Install on Colab what Colab lacks. The set-up cell of each notebook calls it, there only."""

import importlib
import importlib.metadata
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLABS = ("tensorflow", "numpy", "ipywidgets")  # built for Colab's machines: never replaced


def set_up(root: Path = ROOT) -> None:
    """Install gensim and the course, which is in the folder `root`, silently.

    Raises:
        subprocess.CalledProcessError: pip could not.
        RuntimeError: pip changed one of Colab's own packages.
    """
    kept = {each: importlib.metadata.version(each) for each in COLABS}
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "gensim>=4.4"], check=True)
    subprocess.run([*pip, "--no-deps", "--editable", str(root)], check=True)
    importlib.invalidate_caches()
    changed = [each for each in COLABS if importlib.metadata.version(each) != kept[each]]
    if changed:
        fix = "choose Runtime > Disconnect and delete runtime"
        raise RuntimeError(f"pip changed {changed}: {fix}.")
