"""What the kernels of test_browser.py meet: a person's own data, and none of the extras."""

import json
import shutil

import pandas as pd
from PIL import Image

from course import paths

EXTRAS = {"ai_edge_litert", "onnx", "onnxruntime", "tf2onnx", "dask", "distributed"}
HIDE = f"""
import sys


class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {EXTRAS}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


sys.meta_path.insert(0, Hidden())
"""


def hidden_extras(folder):
    """The folder, for PYTHONPATH, now with a file that hides what chapter 07 can do without."""
    (folder / "sitecustomize.py").write_text(HIDE, encoding="utf8")
    return str(folder)


def says_what_is_absent(notebook):
    """Whether chapter 07 named each absent extra, and went on without it."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    said = "".join("".join(output.get("text", "")) for output in outputs)
    for name in ("ai_edge_litert", "tf2onnx", "onnxruntime", "distributed"):
        assert f"{name} is absent, so this is left out" in said
    assert "SavedModel" in said and "clients for 1 s" in said


def own_data(folder):
    """Data of three classes as a person's own, and quick dials that name them, under a folder."""
    sample = paths.ROOT / "data" / "sample"
    drawn = {n: sorted((sample / "cats-vs-dogs" / "train" / n).iterdir()) for n in ("cats", "dogs")}
    drawn["lying"] = [file for files in drawn.values() for file in files[60:90]]
    for name, files in drawn.items():
        (folder / "images" / name).mkdir(parents=True)
        for file in files[:60]:
            image = Image.open(file).rotate(90 * (name == "lying"))
            image.save(folder / "images" / name / f"{file.parent.name} {file.stem}.png")
    clips = pd.read_csv(next((sample / "sounds" / "meta").glob("*.csv")))
    for name in clips.category.unique()[:3]:
        (folder / "sounds" / name).mkdir(parents=True)
        for file in clips.filename[clips.category == name]:
            shutil.copy(sample / "sounds" / "audio" / file, folder / "sounds" / name)
    reviews = pd.read_csv(sample / "film-reviews.csv").drop_duplicates("text")[["text", "label"]]
    reviews.loc[::3, "label"] = "mixed"
    reviews.groupby("label").head(200).to_csv(folder / "reviews.csv", index=False)
    own = dict.fromkeys(("01", "04", "05", "07"), "images") | {"02": "reviews.csv", "03": "sounds"}
    (folder / "dials").mkdir()
    for file in (paths.ROOT / "tests" / "dials").glob("*.toml"):
        words = file.read_text(encoding="utf8")
        if name := own.get(file.name[:2]):
            words += f"dataset = {json.dumps(str(folder / name))}\n"
        (folder / "dials" / file.name).write_text(words, encoding="utf8")
    return folder / "dials"
