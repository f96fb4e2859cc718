"""Loading reviews, word ids and word vectors."""

import bz2
import doctest
import gzip
import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from gensim.models import KeyedVectors

from helpers import assets, text
from helpers.data import SPLITS
from helpers.ready import keras
from helpers.text import data as loading
from helpers.text import vectors as reading
from helpers.text import words

ROOT = Path(__file__).resolve().parent.parent
PRAISE, BLAME = ["good", "fine", "superb"], ["bad", "dull", "awful"]


@pytest.fixture
def vectors():
    """Eight words in five dimensions; those of praise lie apart from those of blame."""
    rng = np.random.default_rng(0)
    names = [*PRAISE, *BLAME, "film", "The"]
    values = 0.1 * rng.normal(size=(len(names), 5))
    values[:3, :4] += 1
    values[3:6, :4] -= 1
    vectors = KeyedVectors(5)
    vectors.add_vectors(names, values.astype("float32"))
    return vectors


@pytest.mark.parametrize("module", [loading, words])
def test_the_examples_in_docstrings_hold(module, monkeypatch):
    monkeypatch.setattr(assets, "_chosen", "sample")
    results = doctest.testmod(module)
    assert results.attempted and not results.failed


QUIET = """
import sys
from helpers import text
print("gensim" in sys.modules)
import keras
layers = [keras.layers.Embedding(9, 4, mask_zero=True), keras.layers.LSTM(2)]
words = keras.layers.TextVectorization(vocabulary=["a", "film"], output_sequence_length=40)
keras.Sequential(layers)(text.encode(words, ["a film"]))
"""


def test_importing_brings_no_gensim_and_an_lstm_no_remark_of_onednn():
    ran = subprocess.run([sys.executable, "-c", QUIET], cwd=ROOT, capture_output=True, text=True)
    assert (ran.stdout.strip(), ran.stderr) == ("False", "")


# --- reviews ---


def test_the_bundled_reviews(monkeypatch):
    monkeypatch.setattr(assets, "_chosen", "sample")
    reviews = text.load(per_class=250)
    assert [len(y) for _, (_, y) in reviews.splits()] == [500, 120, 302]
    assert reviews.class_names == ("negative", "positive")
    for _, (x, y) in reviews.splits():
        assert x.dtype == object and all(type(each) is str for each in x)
        assert y.dtype == np.int32 and 2 * y.sum() == len(y) == len(x)
    parts = [part for _, part in reviews.splits()]
    x, y = (np.concatenate(each) for each in zip(*parts, strict=True))
    assert (reviews.table.text == x).all()
    assert (reviews.table.label == y).all()
    assert reviews.table.split.tolist() == 500 * ["train"] + 120 * ["validation"] + 302 * ["test"]


@pytest.fixture
def table(tmp_path):
    def write(labels=("no", "yes"), name="mine.csv"):
        """Three training texts of each label, one of each for validation and test."""
        rows = [
            (f"{split} text {i}, {label}", label, split)
            for split, count in zip(SPLITS, (3, 1, 1), strict=True)
            for i in range(count)
            for label in labels
        ]
        path = tmp_path / name
        pd.DataFrame(rows, columns=["text", "label", "split"]).to_csv(path, index=False)
        return path

    return write


def test_a_file_in_the_bundled_layout_is_read_once(table, monkeypatch):
    read, calls = pd.read_csv, []
    monkeypatch.setattr(pd, "read_csv", lambda *a, **k: calls.append(a) or read(*a, **k))
    data = text.load(table(), per_class=3)
    assert len(calls) == 1
    assert data.train.x.tolist()[:2] == ["train text 0, no", "train text 0, yes"]
    assert [y.tolist() for _, (_, y) in data.splits()] == [[0, 1] * 3, [0, 1], [0, 1]]


def test_labels_that_are_numbers_are_in_their_order(table):
    assert text.load(table(("10", "2"))).class_names == ("2", "10")
    assert text.load(table(("-1", "0.5"))).class_names == ("-1", "0.5")
    assert text.load(table(("b", "10"))).class_names == ("10", "b")
    assert text.load(table(("NA", "None"))).class_names == ("NA", "None")


def test_too_few_training_reviews_get_one_sentence(table):
    wanted = "has for training {'no': 3, 'yes': 3}, and 4 of each class are asked for"
    with pytest.raises(ValueError, match=wanted):
        text.load(table(), per_class=4)
    empty = table(())
    with pytest.raises(ValueError, match="mine.csv has for training {}"):
        text.load(empty)


def test_a_file_in_another_layout_gets_one_sentence(tmp_path):
    own = tmp_path / "own.csv"
    odd = b"text,label,split\na,b,train\nc,d,train\ne,b,val\n"  # whose third row would be lost
    for content in (b"text,label\na,b\n", b"", b"text,label,split\ndr\xf4le,b,c", odd):
        own.write_bytes(content)
        with pytest.raises(ValueError, match="own.csv is no CSV file in UTF-8 with the columns"):
            text.load(own)
    with pytest.raises(ValueError, match="let course.intake.texts read it first"):
        text.load(tmp_path)
    with pytest.raises(ValueError, match="There is no file film_reviews"):
        text.load("film_reviews")


# --- words to numbers ---


def test_ids_are_padded_on_the_right_and_cut():
    layer = keras.layers.TextVectorization(output_sequence_length=4)
    layer.adapt(["good film", "good plot"])
    vocabulary = layer.get_vocabulary()
    assert vocabulary[:3] == ["", "[UNK]", "good"]
    ids = text.encode(layer, ["Good, GOOD!", "xyz film", "good " * 10_000, "", " ?! "])
    film = vocabulary.index("film")
    assert ids.dtype == np.int32
    assert ids.tolist() == [[2, 2, 0, 0], [1, film, 0, 0], [2] * 4, [1, 0, 0, 0], [1, 0, 0, 0]]


def test_tokens_are_spelled_as_the_layer_spells_them():
    odd = "It's GOOD -- Très BON, É! 10/10 well\u00a0made a\u3000b\tc"  # spaces beyond ASCII, too
    layer = keras.layers.TextVectorization(output_sequence_length=text.LENGTH)
    layer.adapt([odd])
    read = [str(layer.get_vocabulary()[i]) for i in text.encode(layer, [odd])[0] if i]
    assert text.tokens(odd) == read
    assert text.tokens(" !?") == [] and len(text.tokens("good " * 99)) == text.LENGTH


# --- word vectors ---


def test_the_bundled_vectors(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(assets, "_chosen", "sample")
    vectors = text.load_vectors()
    assert vectors.vectors.shape == (20_000, 100) and np.isfinite(vectors.vectors).all()
    queen = vectors.most_similar(positive=["king", "woman"], negative=["man"], topn=3)
    assert {"queen", "princess"} & {word for word, _ in queen}
    near = {word: {n for n, _ in vectors.most_similar(word, topn=10)} for word in ("good", "film")}
    assert "great" in near["good"] and "movie" in near["film"]
    assert len(text.load_vectors(limit=50)) == 50
    monkeypatch.chdir(tmp_path)
    (tmp_path / "word2vec").mkdir()
    assert len(text.load_vectors("word2vec", limit=50)) == 50
    assert "For your folder, write './word2vec'" in capsys.readouterr().out


def test_a_damaged_file_of_vectors_gets_one_sentence(vectors, tmp_path):
    whole = tmp_path / "whole.bin"
    vectors.save_word2vec_format(str(whole), binary=True)
    assert text.read_vectors(whole, dimension=5)["film"].shape == (5,)
    content = whole.read_bytes()
    damaged = {
        "cut.bin": content[:-30],
        "cut.bin.gz": gzip.compress(content)[:-30],
        "text.bin": b"no vectors at all",
        "empty.bin": b"",
        "no-gzip.bin.gz": content,
        "huge.bin": b"900000000000 900000000\n" + content[4:],
    }
    for name, damage in damaged.items():
        file = tmp_path / name
        file.write_bytes(damage)
        with pytest.raises(ValueError, match="cut short or not in word2vec's") as caught:
            text.read_vectors(file)
        assert name in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="vectors of 5 numbers where 100 are expected"):
        text.read_vectors(whole, dimension=100)
    with pytest.raises(ValueError, match="There is no file"):
        text.read_vectors(tmp_path / "none.bin")


def test_vectors_of_a_learner_may_be_text(vectors, tmp_path):
    file = tmp_path / "own.vec"
    vectors.save_word2vec_format(str(file), binary=False)
    counted = file.read_text(encoding="utf8")
    (tmp_path / "glove.txt").write_text(counted.split("\n", 1)[1], encoding="utf8")
    (tmp_path / "own.txt.gz").write_bytes(gzip.compress(counted.encode()))
    (tmp_path / "own.vec.bz2").write_bytes(bz2.compress(counted.encode()))
    for name in ("own.vec", "glove.txt", "own.txt.gz", "own.vec.bz2"):
        read = text.load_vectors(str(tmp_path / name))
        assert read.index_to_key == vectors.index_to_key
        assert np.allclose(read["film"], vectors["film"], atol=1e-5)
    (tmp_path / "bad.txt").write_text("good 1 2 3\nbad 1 2\n", encoding="utf8")
    with pytest.raises(ValueError, match="bad.txt is cut short or not in word2vec's text format"):
        text.load_vectors(str(tmp_path / "bad.txt"))
    with pytest.raises(ValueError, match="There is no file"):
        text.load_vectors(str(tmp_path / "none.vec"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The files of shared/cases/word_vectors.py: words with 20 numbers each."""
    script = ROOT.parent / "shared" / "cases" / "word_vectors.py"
    if not script.is_file():
        pytest.skip("the case files are not here: shared/cases/word_vectors.py")
    spec = importlib.util.spec_from_file_location("word_vectors", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("vectors")
    module.make(folder)
    return folder, module.WORDS


EXTRA = {  # file: words beside the usual ones
    "glove.6B.txt": set(),
    "glove.840B.txt": {". . .", "at name@domain.com"},
    "nbsp.vec": {"a\u00a0b"},
    "trailing.vec": set(),
    "bom.txt": set(),
    "bad-byte.txt": {"caf\ufffd"},
}


@pytest.mark.parametrize("name", EXTRA)
def test_vectors_as_they_are_downloaded_are_read_right(made, name):
    folder, usual = made
    read = text.load_vectors(str(folder / name))
    assert set(read.index_to_key) == set(usual) | EXTRA[name] and read.vector_size == 20
    line = next(
        line
        for line in (folder / name).read_bytes().decode("utf-8-sig", "replace").split("\n")
        if line.startswith("the ")
    )
    assert np.allclose(read["the"], np.array(line.split()[1:], float))
    assert read.index_to_key.index("the") == 0 and len(text.load_vectors(folder / name, 3)) == 3


def test_every_case_file_of_vectors_is_tested(made):
    assert {file.name for file in made[0].iterdir()} == EXTRA.keys() | {"own.kv"}


def test_vectors_in_a_form_of_their_own_get_the_advice_they_need(made, tmp_path):
    with pytest.raises(ValueError, match="own.kv .* write it with save_word2vec_format"):
        text.load_vectors(made[0] / "own.kv")
    packed = tmp_path / "glove.6B.txt"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("glove.6B.50d.txt", "the 1 2")
    with pytest.raises(ValueError, match="glove.6B.txt .*: unpack the zip archive first"):
        text.load_vectors(packed)


def test_a_text_file_of_vectors_is_read_line_by_line(tmp_path, capsys, monkeypatch):
    file = tmp_path / "own.txt"
    file.write_text("a 1 2\n\nb 3 4\na 5 6\nc 7 8\n\n", encoding="utf8")
    read = text.load_vectors(file)
    assert read.index_to_key == ["a", "b", "c"] and read["a"].tolist() == [1, 2]  # the first `a`
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(reading, "OWN_LIMIT", 2)
    assert text.load_vectors(file).index_to_key == ["a", "b"]
    assert "read the first 2 words" in capsys.readouterr().out
    cut = ["4 2\na 1 2\nb 3 4\n", "a 1 2\nb 3 4\nc 5", "", "3 2", "no vectors\nat all\n", "word\n"]
    for content in cut:
        file.write_text(content, encoding="utf8")
        with pytest.raises(ValueError, match="own.txt is cut short or not in word2vec's text"):
            text.read_vectors(file)


def test_neighbours_of_a_word_or_of_a_sum_of_words(vectors):
    assert {word for word, _ in text.nearest(vectors, " Good ", count=2)} == {"fine", "superb"}
    summed = text.nearest(vectors, "good", minus="fine", plus="bad", count=3)
    assert not {"good", "fine", "bad"} & {word for word, _ in summed}
    with pytest.raises(ValueError, match="The word 'goood' has no vector: did you mean good"):
        text.nearest(vectors, "goood")
    with pytest.raises(ValueError, match="The word 'qqqq' has no vector: try another"):
        text.nearest(vectors, "good", plus="qqqq")
    with pytest.raises(ValueError, match="There is no word to start from"):
        text.nearest(vectors, "", minus="bad")
