"""Install the course into the environment of this Python: with uv, or with pip where uv cannot.

    .venv/bin/python .ci/install.py requirements.txt '.[lab,dev]'

uv takes a sixth of pip's time. It does not read pip's settings (index, certificates, time-outs),
so they are handed on. The first argument is a file of constraints, or empty.
"""

import os
import subprocess
import sys
from pathlib import Path

# pip's setting, uv's variable
SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "constraint": "UV_CONSTRAINT",
    "cert": "SSL_CERT_FILE",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def pip_settings(lines: str) -> dict[str, str]:
    """What `pip config list` prints, as environment variables for uv; the last one counts.

    Example:
        >>> pip_settings("global.index-url='https://x.y/simple'")
        {'UV_DEFAULT_INDEX': 'https://x.y/simple'}
    """
    order = {"global": 0, "install": 1, ":env:": 2}
    found = []
    for line in lines.splitlines():
        key, _, value = line.partition("=")
        place, _, name = key.rpartition(".")
        if name in SETTINGS and place in order:
            found.append((order[place], SETTINGS[name], value.strip("'\"")))
    made = {name: value for _, name, value in sorted(found, key=lambda each: each[0])}
    if "UV_INDEX" in made:  # as pip does: the best version of all indexes
        made["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if "UV_FIND_LINKS" in made:
        made["UV_FIND_LINKS"] = ",".join(made["UV_FIND_LINKS"].split())
    return made


def main(constraints: str, *wanted: str) -> int:
    """Install; the exit status of what installed."""
    asked = {**os.environ, "PYTHONUTF8": "1"}  # a path in the settings may have an umlaut
    listed = subprocess.run(
        [*PIP, "config", "list"], env=asked, capture_output=True, encoding="utf8"
    ).stdout
    environment = {**pip_settings(listed), **os.environ}
    what = [*(["--constraint", constraints] if constraints else []), "--editable", *wanted]
    limit = ["--only-binary", ":all:", "--quiet"]
    uv = Path(sys.executable).with_name("uv.exe" if os.name == "nt" else "uv")
    if not uv.exists():
        subprocess.run([*PIP, "install", *limit, "uv"], capture_output=True)
    if uv.exists():
        command = [str(uv), "pip", "install", "--quiet", "--python", sys.executable, *what]
        if subprocess.run(command, env=environment).returncode == 0:
            return 0
        print("uv could not install the course; now pip tries.", file=sys.stderr)
    return subprocess.run([*PIP, "install", "--quiet", *what]).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
