"""The site: built without a warning, every link and anchor there, readable for everybody.

Screenshots are kept under build/screenshots/, seconds and sizes in build/site.json.
"""

import functools
import http.server
import json
import re
import runpy
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import bs4
import pytest
from test_browser import browser_or_reason, console_errors, shoot

from course import editions, paths, site, stamp

ROOT = paths.ROOT
CHAPTERS = [path.stem for path in paths.chapters()]
GRAVE = {"serious", "critical"}
AXE = """
    const done = arguments[arguments.length - 1];
    axe.run({resultTypes: ["violations"]}).then(found => done(found.violations));
"""


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The folder of the site, built once."""
    pytest.importorskip("myst_nb", reason="the site needs Sphinx: pip install -e '.[site]'")
    out, start = tmp_path_factory.mktemp("site") / "site", time.perf_counter()
    command = [sys.executable, "-m", "course.site", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    seconds = round(time.perf_counter() - start, 1)
    file = ROOT / "build" / "site.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"seconds to build": seconds, "MB": round(size / 1e6, 1)}))
    return out


@pytest.fixture(scope="session")
def pages(built):
    """Each page by its place, parsed."""
    places = [file for file in built.rglob("*.html") if "_static" not in file.parts]
    return {file: bs4.BeautifulSoup(file.read_text("utf8"), "html.parser") for file in places}


def addresses(page):
    """What a page links to or loads: element, address."""
    for name in ("href", "src", "data-src"):
        for element in page.find_all(attrs={name: True}):
            yield element, element[name]


def lost(file, address, ids):
    """Whether an address of a page leads nowhere within the site."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return False
    target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    if not target.is_file():
        return True
    return bool(parts.fragment) and target in ids and unquote(parts.fragment) not in ids[target]


def test_every_link_and_anchor_is_there(built, pages):
    ids = {
        file: {element["id"] for element in page.find_all(id=True)} | {""}
        for file, page in pages.items()
    }
    every = [(file, address) for file, page in pages.items() for _, address in addresses(page)]
    assert len(every) > 1000
    bad = {(file.name, address) for file, address in every if lost(file, address, ids)}
    assert bad == set()
    front = built / "index.html"
    assert lost(front, "docs/glossary.html#no-such-word", ids) and lost(front, "none.html", ids)
    assert not lost(front, "docs/glossary.html#backbone", ids)


def test_nothing_is_loaded_from_elsewhere(pages):
    for file, page in pages.items():
        loaded = [a for e, a in addresses(page) if e.name in ("script", "link", "img", "iframe")]
        assert not [a for a in loaded if urlsplit(a).netloc], file.name


def test_every_image_says_what_it_shows(pages):
    images = [(file.name, image) for file, page in pages.items() for image in page("img")]
    assert len(images) > 30
    assert [name for name, image in images if len(image.get("alt", "")) < 20] == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_is_whole_and_its_solutions_are_folded(built, pages, chapter):
    page = pages[built / "notebooks" / f"{chapter}.html"]
    cells = json.loads((ROOT / "notebooks" / f"{chapter}.ipynb").read_text("utf8"))["cells"]
    solutions = [c for c in cells if "solution" in c["metadata"].get("tags", [])]
    summaries = [each.get_text().strip().partition("\n")[0] for each in page.select("summary")]
    assert summaries.count("Solution") == len(solutions) > 0
    assert not any(fold.has_attr("open") for fold in page.select("details.hide"))
    sources = [c for c in cells if c["cell_type"] == "code" and "".join(c["source"]).strip()]
    assert len(page.select("div.cell div.cell_input")) == len(sources)
    assert page.select_one(".prev-next-footer a")
    assert page.select('a[href*="glossary.html#"]'), "links to no word of the glossary"


def test_sounds_are_files_that_a_page_loads_when_they_are_played(built, pages):
    every = [sound for page in pages.values() for sound in page("audio")]
    assert every and not [sound for sound in every if sound["src"].startswith("data:")]
    assert all((built / "notebooks" / sound["src"]).is_file() for sound in every)


def test_a_link_to_a_file_that_is_no_page_leads_to_the_repository_or_is_words(monkeypatch):
    text = "[licence](LICENSE), [measured](docs/full.md), [lost](none.md), [far](https://x.y)"
    kept, pages = text.partition(", ")[2], {ROOT / "docs" / "full.md"}
    monkeypatch.setattr(stamp, "address", lambda: "")
    assert site.mended(text, ROOT, pages) == f"licence, {kept}"
    monkeypatch.setattr(stamp, "address", lambda: "https://x.y/z")
    assert site.mended(text, ROOT, pages) == f"[licence](https://x.y/z/blob/main/LICENSE), {kept}"


def test_no_button_leads_to_a_repository_without_an_address(pages):
    if stamp.address():
        pytest.skip("the address is stamped")
    links = [link["href"] for page in pages.values() for link in page.select("[href]")]
    wrong = "colab.research.google.com", "mybinder.org"
    assert links and not [link for link in links if any(name in link for name in wrong)]


def test_colab_and_binder_have_a_button_once_there_is_an_address(monkeypatch):
    monkeypatch.setattr(stamp, "address", lambda: "https://github.com/somebody/course")
    options = runpy.run_path(str(ROOT / "docs" / "conf.py"))["html_theme_options"]
    assert options["repository_url"] == "https://github.com/somebody/course"
    assert {"colab_url", "binderhub_url"} <= set(options["launch_buttons"])


# ---------------------------------------------------------------- pages that chapters feed


def mistakes(chapter):
    """The mistakes that a chapter makes on purpose: numbered in bold, or with a heading."""
    cells = json.loads((ROOT / "notebooks" / f"{chapter}.ipynb").read_text("utf8"))["cells"]
    text = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    section = re.search(r"^## Wrong on purpose\n(.*?)(?=^## |\Z)", text, re.M | re.S)[1]
    numbered = re.findall(r"^\*\*\d+\. (.+?)\.\*\*", section, re.MULTILINE)
    return numbered or re.findall(r"^### (.+)", section, re.MULTILINE)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_index_has_every_mistake_made_on_purpose(chapter):
    index = (ROOT / "docs" / "mistakes.md").read_text("utf8")
    assert len(mistakes(chapter)) >= 2
    rows = [row for row in index.splitlines() if f"notebooks/{chapter}.ipynb#" in row]
    missing = [each for each in mistakes(chapter) if not any(f"**{each}**" in r for r in rows)]
    assert missing == [], "add a row to docs/mistakes.md"


def test_the_glossary_is_in_order_and_its_anchors_are_the_same_everywhere():
    words = re.findall(r"^## (.+)", (ROOT / "docs" / "glossary.md").read_text("utf8"), re.M)
    assert words == sorted(words) and len(words) == len(set(words)) > 25
    # GitHub writes anchors in lower case, JupyterLab as they are.
    assert all(re.fullmatch(r"[a-z -]+", word) for word in words)


def test_the_glossary_of_a_handout_leads_to_the_chapters_of_the_handout(tmp_path):
    editions.build("student", tmp_path)
    glossary = tmp_path / "linked" / "docs" / "glossary.md"
    targets = re.findall(r"\]\(([^)#]+)", glossary.read_text("utf8"))
    assert len(targets) > 20
    assert [each for each in targets if not (glossary.parent / each).is_file()] == []


# ---------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def served(built):
    """The address that the site is served at."""
    handler = functools.partial(Quiet, directory=str(built))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def browser():
    driver = browser_or_reason()
    yield driver
    driver.quit()


def resize(browser, width):
    """Also below the width that a window may have."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


@pytest.mark.parametrize("width", [390, 1400])
def test_no_page_scrolls_sideways_or_complains(served, browser, built, pages, width):
    resize(browser, width)
    wide, complaints = {}, {}
    for file in pages:
        place = file.relative_to(built).as_posix()
        browser.get(f"{served}/{place}")
        needed = browser.execute_script("return document.documentElement.scrollWidth")
        wide |= {place: needed} if needed > width else {}
        complaints |= {place: said} if (said := console_errors(browser)) else {}
        if place in ("index.html", "notebooks/01_images.html"):
            shoot(browser, f"site_{file.stem}_{width}")
    assert (wide, complaints) == ({}, {})


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """The source of axe-core, from the npm registry."""
    if not (npm := shutil.which("npm")):
        pytest.skip("no npm, which fetches axe-core")
    folder = tmp_path_factory.mktemp("axe")
    try:
        subprocess.run([npm, "pack", "axe-core"], cwd=folder, check=True, capture_output=True,
                       timeout=60)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"axe-core cannot be fetched from the npm registry: {error}")
    shutil.unpack_archive(next(Path(folder).glob("*.tgz")), folder)
    return (folder / "package" / "axe.min.js").read_text("utf8")


def findings(browser, axe, place):
    """Grave findings on the page that is open, a line each."""
    browser.execute_script(axe)
    for found in browser.execute_async_script(AXE):
        if found["impact"] in GRAVE:
            yield f"{place}: {found['id']}: {found['help']}: {found['nodes'][0]['html'][:200]}"


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_everybody_can_read_it(served, browser, built, pages, axe, mode):
    """All pages in the light; in the dark one of each kind, since only colours differ."""
    resize(browser, 1400)
    browser.get(f"{served}/index.html")
    browser.execute_script(f"localStorage.mode = localStorage.theme = '{mode}'")
    found, kinds = [], {file.parent: file for file in pages}
    for file in pages if mode == "light" else kinds.values():
        place = file.relative_to(built).as_posix()
        browser.get(f"{served}/{place}")
        assert browser.execute_script("return document.documentElement.dataset.theme") == mode
        found += findings(browser, axe, place)
    assert found == []
