"""`make run`: fresh kernels, pages, one table; a failing chapter costs no other."""

import json

import nbformat.v4 as new
import pytest

from course import run

NOTE = """
import json, os
row = dict(chapter="toy", labels=5, method="frozen", accuracy=90.0, spread=1.5, recall=1.0,
           parameters=1234, seconds=0.5)
with open(os.environ["COURSE_RESULTS"], "a") as file:
    file.write(json.dumps(row) + "\\n")
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
    good = notebooks("02_good.ipynb", NOTE, "print('hello'); print('again')")
    before = bad.read_bytes(), good.read_bytes()
    assert not run.run([bad, good], tmp_path / "build", in_place=False)
    assert (bad.read_bytes(), good.read_bytes()) == before
    said = capsys.readouterr()
    assert "toy" in said.out and "90.0 % ± 1.5" in said.out and "1,234" in said.out
    assert "ZeroDivisionError" in said.err and "Not run to the end: 01_bad.ipynb" in said.err
    assert "hello" in (tmp_path / "build" / "02_good.html").read_text()
    assert not (tmp_path / "build" / "01_bad.html").exists()
    kept = json.loads((tmp_path / "build" / "results.json").read_text())
    assert kept["results"][0]["accuracy"] == 90.0 and set(kept["seconds"]) == {"02_good"}


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
