"""Set the course up and run it, with nothing but Python: `python start.py lab`.

The Makefile calls this file, so `make lab` is the same. What stands behind the target goes to what
it runs: `python start.py test tests/test_data.py -x`, or `make test ARGS="tests/test_data.py -x"`.
Settings are given as NAME=VALUE, to both, or stand in the environment:

    PYTHON=/path/to/python3.12  the Python that .venv is made with
    CONSTRAINTS=                no pins: the newest versions of all packages
    EXTRAS=lab                  the extras of pyproject.toml to install, with commas
    START=notebooks/01_images.ipynb  what JupyterLab opens first
    VENV=.venv                  the folder of the environment
    CHAPTERS=notebooks/01_images.ipynb  what test-colab runs
"""

# Any Python 3.8 can read this file, so that an unfitting one ends in a sentence or finds another.
import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
# The pins are the versions that the course was last tested with.
SETTINGS = {
    "PYTHON": "",
    "CONSTRAINTS": "requirements.txt",
    "EXTRAS": "",
    "START": "",
    "VENV": ".venv",
    "CHAPTERS": "notebooks",
}
FITTING = ("3.11", "3.12", "3.13")
COLABS = ("3.12", "3.13")  # Colab has 3.13, and 3.12 will do
OPTIONAL = ("ship", "scale")  # some systems have no wheels for them
LEARNERS = ("lab", *OPTIONAL)
EVERY = (*LEARNERS, "dev", "site")
# Three processes for two cores, as kernels and browsers wait; two threads each would be in the way.
THREE = ("-n", "3", "--dist", "loadfile", "--no-loadscope-reorder")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
NBVAL = ("--nbval",)  # its settings stand in conftest.py
UTF8 = {"PYTHONIOENCODING": "utf8"}  # what goes into a pipe or a log, on Windows as well
TARGETS = {}
settings = {name: os.environ.get(name, usual) for name, usual in SETTINGS.items()}


def target(function):
    """Make a function a target, called as it is, with dashes."""
    TARGETS[function.__name__.replace("_", "-")] = function
    return function


def call(*command, **environment):
    """Run a command in the course's folder; where it fails, end with its exit status."""
    if status := attempt(*command, **environment):
        sys.exit(status)


def attempt(*command, **environment):
    """Run a command in the course's folder; its exit status."""
    words = [str(word) for word in command]
    child = subprocess.Popen(words, cwd=str(ROOT), env={**os.environ, **UTF8, **environment})
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:  # which the child gets as well, and ends in its own way
            continue


def ask(*command):
    """What a command prints: its exit status and its output; the errors it writes are dropped."""
    try:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=str(ROOT),
            env={**os.environ, **UTF8},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return 1, ""
    return done.returncode, done.stdout.decode("utf8", "replace")


# ---------------------------------------------------------------- setting up


def candidates():
    """Commands that may be a Python: what PYTHON names, else this one and the usual names."""
    if named := settings["PYTHON"]:
        return [[named]] if shutil.which(named) else [[word] for word in named.split()]
    names = ["python3", "python3.13", "python3.12", "python3.11", "python"]
    launcher = [["py", f"-{version}"] for version in reversed(FITTING)] if os.name == "nt" else []
    return [[sys.executable], *([name] for name in names), *launcher]


def version_of(command):
    """The version, as "3.12", of a 64-bit Python; other words for another one, None for none."""
    probe = "import sys; print('%d.%d' % sys.version_info[:2], sys.maxsize > 2**32)"
    status, shown = ask(*command, "-c", probe)
    version, _, wide = shown.strip().partition(" ")
    if status or not version:
        return None
    return version if wide == "True" else f"{version} with 32 bits"


def find_python(fitting=FITTING):
    """The command of a fitting Python, and its version; one sentence where there is none."""
    seen = []
    for command in candidates():
        version = version_of(command)
        if version in fitting:
            return command, version
        if version:
            seen.append(f"{' '.join(command)} is {version}")
    *most, last = fitting
    found = ", ".join(dict.fromkeys(seen)) or "found no Python that runs"
    sys.exit(
        f"The course needs Python {', '.join(most)} or {last}, but {found}; install one of them, "
        "or name yours: PYTHON=/path/to/python3.12"
    )


def python_in(folder):
    """The Python of an environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def is_fresh(stamp, *sources):
    """Whether a file is there and no older than those it was made from."""
    return stamp.exists() and stamp.stat().st_mtime >= max(s.stat().st_mtime for s in sources)


def extras_of_the_course():
    """The names under [project.optional-dependencies] in pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf8")
    part = text.partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    return re.findall(r"^([\w-]+) *= *\[", part, re.MULTILINE)


def set_up(*extras):
    """Make the environment, or bring it up to date; returns its Python.

    The install is editable, so that an instructor's change in helpers/ counts at once. The stamp
    holds the extras that are installed, which a later install keeps, and with "no-" before them
    those that cannot be.
    """
    folder, constraints = ROOT / settings["VENV"], settings["CONSTRAINTS"]
    python, stamp = python_in(folder), folder / ".ready"
    sources = [ROOT / "pyproject.toml", ROOT / ".ci" / "install.py"]
    if constraints:
        sources.append(ROOT / constraints)
        if not sources[-1].is_file():
            sys.exit(f"CONSTRAINTS names {constraints}, which is not there: name a file, or none.")
    named = re.findall(r"[\w-]+", settings["EXTRAS"])
    here = stamp.read_text(encoding="utf8").split() if is_fresh(stamp, *sources) else []
    tried = here if named else [each.replace("no-", "", 1) for each in here]
    known = extras_of_the_course()
    if here and {each for each in named or extras if each in known} <= set(tried):
        return python
    if ask(python, "-m", "pip", "--version")[0]:
        new_environment(folder, *find_python())
    kept = stamp.read_text(encoding="utf8").split() if stamp.exists() else []
    wanted = [each for each in known if each in (*(named or extras), *kept)]
    done = install(python, constraints, wanted, () if named else OPTIONAL)
    left_out = [f"no-{each}" for each in wanted if each not in done]
    stamp.write_text(" ".join([*done, *left_out]) + "\n", encoding="utf8")
    return python


def install(python, constraints, extras, optional):
    """Install the course with extras, if need be without the optional ones; what was installed."""
    least = [each for each in extras if each not in optional]
    program = (python, ".ci/install.py", constraints)
    if least != extras:
        if not attempt(*program, f".[{','.join(extras)}]"):
            return extras
        left_out = ", ".join(each for each in extras if each in optional)
        print(f"Now without the extras {left_out}; the chapter that uses them says what it lacks.")
        sys.stdout.flush()
    call(*program, f".[{','.join(least)}]")
    return least


def new_environment(folder, command, version):
    """An empty environment, in place of what is in the folder."""
    name = str(folder).replace(str(ROOT) + os.sep, "")
    print(f"Setting up {name} with {' '.join(command)} ({version}): a minute or two, once.")
    sys.stdout.flush()
    call(*command, "-m", "venv", "--clear", folder)


# ---------------------------------------------------------------- for learners


@target
def lab():
    """Open the course in JupyterLab, on the page that shows your progress."""
    python = set_up(*LEARNERS)
    start = settings["START"]
    if not start:
        status, shown = ask(python, "-m", "course.launch")
        start = shown.strip() if not status and shown.strip() else first_chapter()
    root = ["--allow-root"] if os.name != "nt" and os.geteuid() == 0 else []  # in a container
    call(python, "-m", "jupyter", "lab", f"--LabApp.default_url=/lab/tree/{start}", *root)


def first_chapter():
    """Where to begin; a class's folder has a handout in place of the notebooks."""
    found = [f for place in ("notebooks", "handout") for f in (ROOT / place).glob("00_*.ipynb")]
    return found[0].relative_to(ROOT).as_posix() if found else "notebooks"


@target
def setup():
    """Only make .venv, or bring it up to date."""
    set_up(*LEARNERS)


@target
def course(*arguments):
    """Run the course command, such as: course doctor."""
    call(set_up(*LEARNERS), "-m", "course", *arguments)


@target
def run(*chapters):
    """Run every chapter, or 01 02, without a browser; pages and results under build/."""
    call(set_up(*LEARNERS), "-m", "course.run", *chapters)


# ---------------------------------------------------------------- checks


@target
def test(*arguments):
    """Check helpers, data and notebooks, or only the files that are named."""
    lint()
    files = arguments or ("tests", "notebooks")
    call(set_up(*EVERY), "-m", "pytest", *THREE, *NBVAL, *files, **ONE_THREAD)


@target
def test_portable(*arguments):
    """Run the notebooks as on the weakest processor: AVX2, no oneDNN, one thread."""
    python = set_up(*EVERY)
    status, shown = ask(python, "benchmarks/claims.py", "--weakest")
    if status:
        call(python, "benchmarks/claims.py", "--weakest")  # ends with what is wrong
    weakest = dict(pair.split("=", 1) for pair in shown.split())
    call(python, "-m", "pytest", *THREE, *NBVAL, *(arguments or ("notebooks",)), **weakest)


@target
def test_colab(*arguments):
    """Run the notebooks, one after the other, with Colab's versions in build/colab."""
    # The set-up cells believe to be on Colab and install what is lacking: this needs the network.
    folder, pins = ROOT / "build" / "colab", ROOT / "tests" / "colab-requirements.txt"
    python, stamp = python_in(folder), folder / ".ready"
    if not is_fresh(stamp, pins):
        new_environment(folder, *find_python(COLABS))
        pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        call(python, *pip, "--requirement", pins)
        stamp.touch()
    chapters = arguments or settings["CHAPTERS"].split()
    call(python, "-m", "pytest", *NBVAL, *chapters, COLAB_RELEASE_TAG="as-on-colab")


@target
def lint():
    """Check the code's form and the catalogue of the data."""
    python = set_up(*EVERY)
    call(python, "-m", "ruff", "check", "--quiet", ".")
    call(python, "data/recipes/catalogue.py", "--check")


# ---------------------------------------------------------------- for authors


@target
def notebooks(*chapters):
    """Execute the notebooks in place, or only 01 02."""
    call(set_up(*EVERY), "-m", "course.run", "--in-place", *chapters)


@target
def site(*arguments):
    """Build the site under build/site."""
    call(set_up(*EVERY), "-m", "course.site", *arguments)


@target
def bench(*arguments):
    """Measure what the course is fast at; docs/speed.md says how."""
    call(set_up(*EVERY), "benchmarks/bench.py", *arguments)


@target
def claims(*chapters):
    """Measure how far the claims lie from their bounds, for docs/claims.md: an hour."""
    call(set_up(*EVERY), "benchmarks/claims.py", *chapters)


@target
def git():
    """Set this clone up for changes: notebooks cell by cell in git, lint before a commit."""
    # .gitattributes names the drivers; what they leave out stands in nbdime_config.json.
    python = set_up(*EVERY)
    nbdime = f"{shlex.quote(python.as_posix())} -m nbdime.vcs.git"
    for key, value in (
        ("diff.jupyternotebook.command", f"{nbdime}.diffdriver diff"),
        ("merge.jupyternotebook.driver", f"{nbdime}.mergedriver merge %O %A %B %L %P"),
        ("merge.jupyternotebook.name", "notebooks, cell by cell"),
    ):
        call("git", "config", key, value)
    call(python, "-m", "pre_commit", "install")


@target
def catalogue():
    """Refresh the catalogue of the data."""
    call(set_up(*EVERY), "data/recipes/catalogue.py", "--write")


@target
def constraints():
    """Refresh the pins in requirements.txt with the newest versions."""
    settings.update(VENV="build/newest", CONSTRAINTS="")
    shutil.rmtree(str(ROOT / "build" / "newest"), ignore_errors=True)  # it may be of last year
    status, shown = ask(set_up(*EVERY), "-m", "pip", "freeze", "--exclude-editable")
    if status or not shown:
        sys.exit("pip could not list what is in build/newest; requirements.txt stays as it was.")
    head = "# The exact versions CI ran with: a pip constraints file, made by 'make constraints'.\n"
    (ROOT / "requirements.txt").write_bytes((head + "\n".join(shown.splitlines()) + "\n").encode())


@target
def clean():
    """Delete .venv and build/."""
    for folder in (ROOT / settings["VENV"], ROOT / "build"):
        if folder.exists():
            try:
                shutil.rmtree(str(folder))
            except OSError as error:
                sys.exit(f"{error.filename} cannot be deleted: close what uses it, then try again.")


@target
def help():
    """List the targets."""
    print("python start.py TARGET, or make TARGET; each builds .venv when it is missing.\n")
    for name, function in TARGETS.items():
        print(f"  {name:<14} {function.__doc__.splitlines()[0]}")
    print("\nSettings, such as PYTHON=/path/to/python3.12, stand at the top of start.py.")


def main(arguments):
    """Run the target that the arguments name."""
    rest = []
    for word in arguments:
        name, equals, value = word.partition("=")
        if equals and name in SETTINGS:
            settings[name] = value
        elif equals and re.fullmatch("[A-Z_]+", name):
            sys.exit(f"There is no setting {name}: the settings are {', '.join(SETTINGS)}.")
        else:
            rest.append(word)
    name, *rest = rest or ["help"]
    name = "help" if name in ("-h", "--help") else name
    if name not in TARGETS:
        sys.exit(f"There is no target {name}: the targets are {', '.join(TARGETS)}.")
    if rest and not inspect.signature(TARGETS[name]).parameters:
        sys.exit(f"{name} takes no {' '.join(rest)}.")
    TARGETS[name](*rest)


if __name__ == "__main__":
    main(sys.argv[1:])
