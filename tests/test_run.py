"""`make run`: fresh kernels, pages, one table; a failing chapter costs no other."""

import json
import sys

import nbformat.v4 as new
import pandas as pd
import pytest

from course import results, run
from course.editions import slides

NOTE = """
import pandas as pd
from course import results
columns = {"accuracy %": [90.0, 60.0], "std": [1.5, 2.0], "parameters": [1234, 12]}
results.record("toy", 5, pd.DataFrame(columns, index=["frozen", "scratch"]))
"""


@pytest.fixture
def notebooks(tmp_path):
    def write(name, *sources):
        cells = [new.new_code_cell(source) for source in sources]
        cells[0].metadata["collapsed"] = True
        path = tmp_path / name
        run.nbformat.write(new.new_notebook(cells=cells), path)
        return path

    return write


def test_pages_and_results(notebooks, tmp_path, capsys):
    bad = notebooks("01_bad.ipynb", "print('before')", "1 / 0", "print('never')")
    dead = notebooks("03_dead.ipynb", "import os; os._exit(1)")  # as a full memory ends a kernel
    good = notebooks("04_good.ipynb", NOTE, "print('hello'); print('again')")
    before = bad.read_bytes(), good.read_bytes()
    assert not run.run([bad, dead, good], tmp_path / "build", in_place=False)
    assert (bad.read_bytes(), good.read_bytes()) == before
    said = capsys.readouterr()
    table = [line.split() for line in said.out.splitlines()]
    assert ["toy", "5", "frozen", "90.0", "1.5", "1234"] in table
    assert ["toy", "5", "scratch", "60.0", "2.0", "12"] in table
    assert "ZeroDivisionError" in said.err and "03_dead.ipynb stopped:\nKernel died" in said.err
    assert "Not run to the end: 01_bad.ipynb, 03_dead.ipynb." in said.err
    assert "hello" in (tmp_path / "build" / "04_good.html").read_text()
    assert not (tmp_path / "build" / "01_bad.html").exists()
    kept = json.loads((tmp_path / "build" / "results.json").read_text())
    assert kept["results"][0]["accuracy %"] == 90.0 and set(kept["seconds"]) == {"04_good"}


def test_a_table_is_noted_only_where_somebody_asks(tmp_path, monkeypatch):
    table = pd.DataFrame({"accuracy %": [90.0]}, index=["frozen"])
    monkeypatch.delenv("COURSE_RESULTS", raising=False)
    assert results.record("toy", 5, table) is table
    file = tmp_path / "results.jsonl"
    assert results.read(file).empty
    monkeypatch.setenv("COURSE_RESULTS", str(file))
    results.record("toy", 5, table)
    results.record("toy", 10, table)
    assert results.read(file).labels.tolist() == [5, 10] and list(table.columns) == ["accuracy %"]


def test_a_figure_keeps_its_alt_text_and_its_width_on_a_page():
    size = {"image/png": {"alt": "Two curves that meet.", "width": 480, "height": 300}}
    output = new.new_output("display_data", {"image/png": "AAAA"}, metadata=size)
    notebook = new.new_notebook(cells=[new.new_code_cell("draw()", outputs=[output])])
    page = slides.whole_page(notebook)
    assert 'alt="Two curves that meet."' in page and 'width="480"' in page


def test_pages_hold_no_progress_bars(notebooks, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", "1")
    path = notebooks("05_x.ipynb", "from helpers import disk\nlist(disk.progress('abc', 'a bar'))")
    (output,) = run.execute(path).cells[0].outputs
    assert output.data["text/plain"] == "['a', 'b', 'c']"


def test_full_brings_the_files_first(tmp_path, monkeypatch):
    order = []
    monkeypatch.setenv("COURSE_PROFILE", "full")
    monkeypatch.setattr(sys, "argv", ["run", "01", "02"])
    monkeypatch.setattr(run.chapter, "bring", lambda *names: order.append(names))
    monkeypatch.setattr(run, "run", lambda chapters, build, in_place: order.append(build) or True)
    with pytest.raises(SystemExit) as end:
        run.main()
    assert end.value.code == 0
    assert order == [("01_images", "02_text"), run.paths.ROOT / "build" / "full"]

    def refused(*names):
        raise run.assets.AssetError("That file is another one.")

    monkeypatch.setattr(run.chapter, "bring", refused)
    with pytest.raises(SystemExit, match="That file is another one."):
        run.main()
    monkeypatch.setattr(sys, "argv", ["run", "99"])
    with pytest.raises(SystemExit, match="No notebook starts with 99"):
        run.main()


def test_in_place_keeps_outputs_and_drops_what_varies(notebooks, tmp_path):
    path = notebooks("03_x.ipynb", "print('one'); print('two')")
    assert run.run([path], tmp_path / "build", in_place=True)
    cell = run.nbformat.read(path, as_version=4).cells[0]
    assert [output.text for output in cell.outputs] == ["one\ntwo\n"]
    assert dict(cell.metadata) == {} and cell.execution_count == 1


def test_a_relative_folder_means_the_same_to_a_kernel(notebooks, tmp_path, monkeypatch):
    path = notebooks("04_x.ipynb", "import os; print(os.environ['COURSE_MIRROR'])")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    for given, meant in (
        ("mirror", str(elsewhere / "mirror")),
        ("http://127.0.0.1:1/mirror", "http://127.0.0.1:1/mirror"),
    ):
        monkeypatch.setenv("COURSE_MIRROR", given)
        assert run.execute(path).cells[0].outputs[0].text == f"{meant}\n"
