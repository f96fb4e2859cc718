"""Each chapter in JupyterLab, in a real browser: run, move, answer, look.

The notebooks are those of the solved edition, with quick dials, so that every solution has to pass
its check. The data are a person's own, of three classes, and the kernels lack the extras of chapter
07, which has to say so. Screenshots are kept under build/screenshots/, and what was measured in
build/browser.json.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
from surroundings import hidden_extras, own_data, says_what_is_absent

from course import editions, paths

ROOT = paths.ROOT
CHAPTERS = [path.stem for path in paths.chapters()]
SHOTS = ROOT / "build" / "screenshots"
# Chromium's own errands would knock at closed doors and fill the console.
FLAGS = """--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run
    --disable-background-networking --disable-component-update --disable-sync
    --disable-dev-shm-usage --window-size=1300,1700""".split()
LEFT, RIGHT, RETURN = "\ue012", "\ue014", "\ue007"  # keys, as WebDriver names them
RUN_ALL = """
    window.course = "running";
    window.jupyterapp.commands.execute("notebook:run-all-cells").then(
        () => { window.course = "done"; }, error => { window.course = String(error); });
"""
CELLS = """
    const model = window.jupyterapp.shell.currentWidget.content.model.sharedModel;
    return model.cells.map(cell => cell.toJSON());
"""
ADD_AND_RUN = """
    const pad = window.jupyterapp.shell.currentWidget.content, last = pad.model.cells.length;
    pad.model.sharedModel.insertCell(last, {cell_type: "code", source: arguments[0], metadata: {}});
    pad.activeCellIndex = last;
    window.jupyterapp.commands.execute("notebook:run-cell");
"""


def browser_or_reason():
    """Chromium under a driver, or why there is none."""
    selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no Chromium with its driver (Debian: apt install chromium chromium-driver)")
    options = selenium.ChromeOptions()
    options.binary_location = chromium
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return selenium.Chrome(options, selenium.ChromeService(driver))


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab over the solved edition, and its address."""
    pytest.importorskip("jupyterlab", reason="JupyterLab is not installed")
    folder = tmp_path_factory.mktemp("lab")
    editions.build("solved", folder / "notebooks")
    for file in (folder / "notebooks").glob("*.ipynb"):  # recipes have a test of their own
        notebook = nbformat.read(file, as_version=4)
        tags = [" ".join(cell.metadata.get("tags", [])) for cell in notebook.cells]
        pairs = zip(notebook.cells, tags, strict=True)
        notebook.cells = [cell for cell, tagged in pairs if "recipe" not in tagged]
        nbformat.write(notebook, file)
    # Lab draws only the cells in sight; a test looks at all of them.
    chosen = {
        "notebook-extension/tracker": {"windowingMode": "none"},
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    }
    for name, values in chosen.items():
        file = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(values))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "PYTHONPATH": hidden_extras(folder),
        "COURSE_DIALS": str(own_data(folder / "own")),
        "COURSE_PROFILE": "sample",
        "COURSE_HOME": str(folder / "home"),
        "COURSE_PROGRESS": "1",
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
    }
    command = [
        *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"),
        *("--LabApp.expose_app_in_browser=True", "--ServerApp.token=", "--ServerApp.password="),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        f"--ServerApp.root_dir={folder}",
    ]
    log = (folder / "lab.log").open("w")
    server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        wait(lambda: answers(address), 60, "JupyterLab to start")
        yield address
    finally:
        server.terminate()
        server.wait(30)


def answers(address):
    try:
        return urllib.request.urlopen(f"{address}/api", timeout=5).status == 200
    except OSError:
        return False


def wait(ready, seconds, what, pause=0.5):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := ready():
            return found
        time.sleep(pause)
    raise TimeoutError(f"waited {seconds} s for {what}")


@pytest.fixture
def browser():
    driver = browser_or_reason()
    yield driver
    driver.quit()


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_runs_and_answers_in_jupyterlab(lab, browser, chapter):
    browser.get(f"{lab}/lab/tree/notebooks/{chapter}.ipynb?reset")
    ready = "return !!(window.jupyterapp?.shell.currentWidget?.sessionContext?.isReady)"
    wait(lambda: browser.execute_script(ready), 90, "the notebook and its kernel")
    start = time.perf_counter()
    browser.execute_script(RUN_ALL)
    wait(lambda: browser.execute_script("return window.course") != "running", 400, "all cells", 1)
    seconds = time.perf_counter() - start
    assert browser.execute_script("return window.course") == "done"
    notebook = nbformat.from_dict({"cells": browser.execute_script(CELLS)})
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    assert not [o.evalue for cell in code for o in cell.outputs if o.output_type == "error"]
    assert all(cell.execution_count for cell in code)
    assert editions.failing(notebook) == {}
    if chapter.startswith("07"):
        says_what_is_absent(notebook)
    shoot(browser, f"{chapter}_end")

    updates = move_every_slider(browser, chapter)
    answer_a_question(browser, chapter)
    asked = filter(None, map(editions.asked, code))
    open_a_hint(browser, chapter, next(name for kind, name in asked if kind == "exercise"))
    assert console_errors(browser) == []
    note(chapter, seconds, updates)
    assert len(updates) >= 1


def shoot(browser, name, element=None):
    SHOTS.mkdir(parents=True, exist_ok=True)
    if element is not None:
        browser.execute_script("arguments[0].scrollIntoView({block: 'start'})", element)
        time.sleep(0.3)
    browser.save_screenshot(str(SHOTS / f"{name}.png"))


def move_every_slider(browser, chapter):
    """Press an arrow key on each slider above a panel; seconds until each panel changed."""
    updates = []
    groups = "return [...document.querySelectorAll('.jp-OutputArea .course-panel')]"
    for number, panel in enumerate(browser.execute_script(groups)):
        box = browser.execute_script("return arguments[0].parentElement", panel)
        handles = box.find_elements("css selector", ".noUi-handle")
        if not handles:
            continue
        shoot(browser, f"{chapter}_widget_{number}", box)
        before = panel.get_attribute("innerHTML")
        now, most = (float(handles[0].get_attribute(f"aria-value{at}")) for at in ("now", "max"))
        start = time.perf_counter()
        handles[0].send_keys(LEFT if now >= most else RIGHT)
        wait(lambda p=panel, b=before: p.get_attribute("innerHTML") != b, 30, "a new picture", 0.02)
        updates.append(time.perf_counter() - start)
        assert "Error:" not in panel.text
        shoot(browser, f"{chapter}_widget_{number}_moved", box)
    return updates


def answer_a_question(browser, chapter):
    buttons = browser.find_elements("css selector", ".widget-radio-box input[type=radio]")
    assert buttons, "no question has buttons"
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", buttons[0])
    assert not any(button.is_selected() for button in buttons)
    buttons[0].click()
    output = browser.execute_script("return arguments[0].closest('.jp-OutputArea')", buttons[0])
    wait(lambda: "Right." in output.text or "Not quite." in output.text, 20, "an explanation")
    shoot(browser, f"{chapter}_quiz", output)


def open_a_hint(browser, chapter, name):
    """Empty an answer, as a learner finds it, and open the first hint below."""
    browser.execute_script(ADD_AND_RUN, f'exercises.check("{name}", ...)')
    place = "css selector", ".jp-OutputArea details summary"
    summary = wait(lambda: browser.find_elements(*place), 20, f"the hints of {name}")
    folded = browser.execute_script("return arguments[0].parentElement", summary[0])
    words = folded.find_element("css selector", "p")
    assert not words.is_displayed()
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", summary[0])
    summary[0].send_keys(RETURN)
    wait(words.is_displayed, 10, "the hint")
    shoot(browser, f"{chapter}_hint")


def console_errors(browser):
    """What the console calls severe, less what JupyterLab says of itself."""
    return [
        entry["message"] for entry in browser.get_log("browser")
        if entry["level"] == "SEVERE"
    ]


def note(chapter, seconds, updates):
    file = ROOT / "build" / "browser.json"
    kept = json.loads(file.read_text()) if file.exists() else {}
    kept[chapter] = {
        "run all cells, s": round(seconds, 1),
        "from moving a slider to the new picture, s": [round(each, 2) for each in updates],
    }
    file.write_text(json.dumps(kept, indent=1))
