"""Settings for all tests and for `pytest --nbval notebooks`, whatever the environment says."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

for name in [name for name in os.environ if name.startswith("COURSE_")]:
    if name not in ("COURSE_CACHE", "COURSE_MIRROR"):
        del os.environ[name]
# What a test solves is not the progress of the person who runs it.
home = tempfile.mkdtemp(prefix="course-home-")
atexit.register(shutil.rmtree, home, ignore_errors=True)
os.environ |= {"COURSE_PROFILE": "sample", "COURSE_PROGRESS": "0", "COURSE_HOME": home}
if "PYTEST_XDIST_WORKER" not in os.environ:
    # Features are computed once in each run, for all of its processes and under its settings:
    # those that another processor setting left behind would prove nothing.
    os.environ["COURSE_CACHE"] = os.path.join(home, "cache")


def pytest_configure(config):
    """The kernels are this Python's, and take their time; outputs may differ in what varies."""
    usual = {
        "nbval_sanitize_with": str(Path(__file__).parent / "tests" / "sanitise.cfg"),
        "nbval_cell_timeout": 600,
        "nbval_current_env": True,
    }
    for name, value in usual.items():
        if hasattr(config.option, name):
            setattr(config.option, name, value)


def pytest_collection_modifyitems(items):
    """What takes longest comes first, so that all processes end at about the same time."""

    def place(item):
        order = "test_browser.py", "test_recipes.py", ".ipynb", "test_site.py", ".py"
        kind = next(i for i, ending in enumerate(order) if item.path.name.endswith(ending))
        return kind, -item.path.stat().st_size, item.path.name

    items.sort(key=place)
