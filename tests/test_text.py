"""Reviews, word ids, word vectors, the classifier, and the exercises of the text chapter."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from helpers import assets, text, transfer
from helpers.quiet import keras
from helpers.transfer import Arrays, Part

ROOT = Path(__file__).resolve().parent.parent
PRAISE, BLAME = ["good", "fine", "superb"], ["bad", "dull", "awful"]


def rows(count=30):
    """So many different reviews of each class, as lines of a CSV."""
    lines = []
    for i in range(count):
        lines.append(f"The film {i} is {PRAISE[i % 3]},positive")
        lines.append(f"The film {i} is {BLAME[i % 3]},negative")
    return lines


@pytest.fixture
def csv(tmp_path):
    def write(lines, name="mine.csv", encoding="utf-8"):
        file = tmp_path / name
        file.write_bytes("\n".join(lines).encode(encoding))
        return file

    return write


@pytest.fixture
def vectors():
    """Eight words in five dimensions; those of praise lie apart from those of blame."""
    rng = np.random.default_rng(0)
    words = [*PRAISE, *BLAME, "film", "The"]
    values = 0.1 * rng.normal(size=(len(words), 5))
    values[:3, :4] += 1
    values[3:6, :4] -= 1
    vectors = KeyedVectors(5)
    vectors.add_vectors(words, values.astype("float32"))
    return vectors


# --- reviews ---


def test_the_bundled_reviews(monkeypatch):
    monkeypatch.setattr(assets, "_chosen", "sample")
    reviews = text.load_film_reviews().arrays()
    assert [len(getattr(reviews, part).y) for part in transfer.PARTS] == [500, 120, 302]
    assert reviews.class_names == ("negative", "positive")
    for part in transfer.PARTS:
        x, y = getattr(reviews, part)
        assert y.dtype == np.int32 and 2 * y.sum() == len(y) == len(x)


def test_a_learners_file_is_split_by_class_the_same_each_time(csv):
    path = csv(["text,label", *rows()])
    first, second = (text.load_reviews(path) for _ in range(2))
    parts = first.arrays()
    assert [len(getattr(parts, part).y) for part in transfer.PARTS] == [36, 12, 12]
    assert [int(getattr(parts, part).y.sum()) for part in transfer.PARTS] == [18, 6, 6]
    assert (parts.test.x == second.arrays().test.x).all() and first.key == second.key
    everything = [each for part in transfer.PARTS for each in getattr(parts, part).x]
    assert len(set(everything)) == 60


def test_a_given_split_is_kept(csv):
    lines = [f"{line},{transfer.PARTS[i // 2 % 3]}" for i, line in enumerate(rows())]
    parts = text.load_reviews(csv(["text,label,split", *lines])).arrays()
    assert [len(getattr(parts, part).y) for part in transfer.PARTS] == [20, 20, 20]
    assert b"The film 1 is fine" in parts.validation.x


def test_odd_reviews_are_read(csv):
    odd = [
        '"Comma, ""quote"" and\nline",positive',
        "NUL \0 inside,negative",
        "\U0001f600 \U0001f44d,positive",
        "Отличный фильм,positive",
        "最高の映画,negative",
        "!!! ... ???,negative",
        f"{'long ' * 10_000},positive",
    ]
    splits = text.load_reviews(csv(["\ufefftext,label", *rows(), *odd]))
    parts = splits.arrays()
    everything = [t for part in transfer.PARTS for t in text.strings(getattr(parts, part).x)]
    assert len(everything) == 67
    assert 'Comma, "quote" and line' in everything and "NUL inside" in everything
    assert "Отличный фильм" in everything and "\U0001f600 \U0001f44d" in everything
    coded = text.encode(text.vectoriser(parts.train.x), parts)
    assert (coded.test.x[:, 0] != text.PADDING).all() and coded.test.x.shape[1] == text.LENGTH


def test_empty_and_repeated_reviews_are_left_out_and_counted(csv, capsys):
    lines = rows()
    path = csv(["text,label", *lines, lines[0], lines[1], ",positive", "   ,negative", "no label,"])
    parts = text.load_reviews(path).arrays()
    assert sum(len(getattr(parts, part).y) for part in transfer.PARTS) == 60
    assert "left out 3 without text or label, 2 that came twice" in capsys.readouterr().out


def test_reviews_that_read_alike_stand_on_one_side_and_once(csv, capsys):
    lines = rows()
    alike = [
        "THE FILM 0 -- IS GOOD!!,positive",  # as the first row, for every model
        '"The film, 1, is fine.",positive',
        "The film 2 is superb,negative",  # and positive above: it teaches neither
        f"{'long ' * 50}good,positive",
        f"{'long ' * 50}bad,positive",  # alike as far as a review is read
    ]
    parts = text.load(csv(["text,label", *lines, *alike])).arrays()
    said = capsys.readouterr().out
    assert "left out 0 without text or label, 3 that came twice, 2 that have both labels" in said
    everything = [t for part in transfer.PARTS for t in text.strings(getattr(parts, part).x)]
    assert len(everything) == 60 and "The film 2 is superb" not in everything
    read = [" ".join(text._plain([t.casefold()])[: text.LENGTH]) for t in everything]
    assert len(set(read)) == len(read)


def test_a_given_split_loses_what_stands_on_both_sides(csv):
    lines = [f"{line},{transfer.PARTS[i // 2 % 3]}" for i, line in enumerate(rows())]
    leak = "the film 0 is GOOD,positive,test"  # which stands in train
    parts = text.load(csv(["text,label,split", *lines, leak])).arrays()
    assert len(parts.test.y) == 20 and b"the film 0 is GOOD" not in parts.test.x


def test_the_dial_dataset_names_a_file_or_the_course_s_reviews(csv, monkeypatch):
    monkeypatch.setattr(assets, "_chosen", "sample")
    assert len(text.load("film-reviews", need=250).arrays().train.y) == 500
    path = csv(["text,label", *rows()])
    assert len(text.load(str(path), need=18).arrays().train.y) == 36
    words = "gives 18 training reviews of a class, and the dial labels asks for 19: lower labels"
    with pytest.raises(ValueError, match=words):
        text.load(str(path), need=19)
    with pytest.raises(ValueError, match="There is no file"):
        text.load("film_reviews")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["review,label", *rows()], "has no column 'text' but 'review', 'label'"),
        (["text,stars", *rows()], "has no column 'label'"),
        (["text,label", *rows(), "So so,neutral"], "needs two labels, .* and has 3"),
        (["text,label", *rows()[::2]], r"has 1 \('positive'\)"),
        (["text,label", *rows(2)], "too few reviews to split"),
        (["text,label,split", *(f"{line},dev" for line in rows())], "has the split 'dev'"),
        (
            ["text,label,split", *(f"{line},train" for line in rows())],
            "needs both labels in the split 'validation'",
        ),
        (["text,label", "So, so,positive"], "Review 1 in .* has 3 fields instead of 2"),
        (["text,label", '"no end,positive'], "cannot be read as CSV"),
        (["text,label"], r"has 0 \(\)"),
        ([], "cannot be read as CSV"),
    ],
)
def test_a_wrong_file_gets_one_sentence(csv, lines, message):
    path = csv(lines)
    with pytest.raises(ValueError, match=message) as caught:
        text.load_reviews(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_in_another_encoding_or_missing_gets_one_sentence(csv, tmp_path):
    path = csv(["text,label", "Fort drôle,positive"], encoding="latin-1")
    with pytest.raises(ValueError, match="is not UTF-8 text .* save it as 'CSV UTF-8'"):
        text.load_reviews(path)
    with pytest.raises(ValueError, match="There is no file"):
        text.load_reviews(tmp_path / "none.csv")


@pytest.fixture
def mirror(monkeypatch, tmp_path):
    place = os.environ.get("COURSE_MIRROR") or ROOT.parent / "shared" / "mirror"
    if not str(place).startswith("http") and not Path(place, "index.json").is_file():
        pytest.skip("the mirror of real assets is not here: set COURSE_MIRROR")
    monkeypatch.setenv("COURSE_MIRROR", str(place))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(assets, "_chosen", "full")


@pytest.mark.mirror
def test_the_real_sentences(mirror):
    reviews = text.load_film_reviews().arrays()
    sizes = [len(getattr(reviews, part).y) for part in transfer.PARTS]
    assert sizes[1:] == [1066, 1066] and 8_400 < sizes[0] <= 8_530
    assert reviews.class_names == ("negative", "positive") and int(reviews.test.y.sum()) == 533
    everything = [t for part in transfer.PARTS for t in text.strings(getattr(reviews, part).x)]
    assert len(set(everything)) == len(everything) and all(everything)
    assert any("é" in each for each in everything)
    again, other = (text.load_film_reviews(seed=seed).arrays().test for seed in (0, 1))
    assert set(again.x) == set(reviews.test.x) and len(other.y) == 1066
    assert len(set(other.x) & set(reviews.test.x)) < 300


# --- words to numbers ---


def test_ids_are_padded_on_the_right_and_cut():
    layer = text.vectoriser(["good film", "good plot"], length=4)
    vocabulary = layer.get_vocabulary()
    assert vocabulary[:3] == ["", "[UNK]", "good"]
    ids = text.encode(layer, ["Good, GOOD!", "xyz film", "good " * 10_000, "", " ?! "])
    film = vocabulary.index("film")
    assert ids.dtype == np.int32
    assert ids.tolist() == [[2, 2, 0, 0], [1, film, 0, 0], [2] * 4, [1, 0, 0, 0], [1, 0, 0, 0]]


def test_tokens_are_spelled_as_the_layer_spells_them():
    odd = "It's GOOD -- Très BON, É! 10/10"
    layer = text.vectoriser([odd])
    read = [str(layer.get_vocabulary()[i]) for i in text.encode(layer, [odd])[0] if i]
    assert text.tokens(odd) == read
    assert text.tokens(" !?") == [] and len(text.tokens("good " * 99)) == text.LENGTH


def test_borrowed_words_come_behind_and_move_no_id(vectors):
    layer = text.vectoriser(["the good film", "good"])
    wide = text.borrow_words(layer, vectors)
    old, new = layer.get_vocabulary(), wide.get_vocabulary()
    assert new[: len(old)] == old and new[len(old) :] == ["fine", "superb", "bad", "dull", "awful"]
    assert "The" not in new  # never met: the layer writes lower case
    assert (text.encode(layer, ["the good film"]) == text.encode(wide, ["the good film"])).all()
    assert len(text.borrow_words(layer, vectors, most=2).get_vocabulary()) == len(old) + 2


def test_coverage_counts_words_and_tokens(vectors):
    found = text.coverage(vectors, ["Good, good film!", "a zyzzyva"])
    assert (found.words, found.words_found, found.tokens, found.tokens_found) == (4, 2, 5, 3)
    assert found.missing == ("a", "zyzzyva")
    assert "words        2 of       4 found (50.0 %)" in str(found)
    assert "tokens       3 of       5 found (60.0 %)" in str(found)
    assert str(text.coverage(vectors, [])).startswith("words        0 of       0 found (0.0 %)")
    assert text.coverage(["good"], ["good film"]).words_found == 1


# --- word vectors ---


def test_the_bundled_vectors(monkeypatch):
    monkeypatch.setattr(assets, "_chosen", "sample")
    vectors = text.load_vectors()
    assert vectors.vectors.shape == (20_000, 100) and np.isfinite(vectors.vectors).all()
    queen = vectors.most_similar(positive=["king", "woman"], negative=["man"], topn=3)
    assert {"queen", "princess"} & {word for word, _ in queen}
    near = {word: {n for n, _ in vectors.most_similar(word, topn=10)} for word in ("good", "film")}
    assert "great" in near["good"] and "movie" in near["film"]
    assert len(text.load_vectors(limit=50)) == 50


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
    for name in ("own.vec", "glove.txt", "own.txt.gz"):
        read = text.load_vectors(str(tmp_path / name))
        assert read.index_to_key == vectors.index_to_key
        assert np.allclose(read["film"], vectors["film"], atol=1e-5)
    (tmp_path / "bad.txt").write_text("good 1 2 3\nbad 1 2\n", encoding="utf8")
    with pytest.raises(ValueError, match="bad.txt is cut short or not in word2vec's text format"):
        text.load_vectors(str(tmp_path / "bad.txt"))
    with pytest.raises(ValueError, match="There is no file"):
        text.load_vectors(str(tmp_path / "none.vec"))


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


def test_words_without_a_vector_are_left_out_of_a_map(vectors):
    groups = {"praise": [*PRAISE, "zyzzyva"], "blame": BLAME, "none": ["qwghlm"]}
    assert text.having_vectors(groups, vectors) == {"praise": PRAISE, "blame": BLAME}
    assert text.having_vectors({"none": ["x", "y"]}, vectors) == {
        "most frequent": vectors.index_to_key
    }


def test_the_matrix_has_each_vector_in_the_row_of_its_id(vectors):
    vocabulary = ["", "[UNK]", "film", "zyzzyva", "good"]
    matrix = text.embedding_matrix(vectors, vocabulary)
    assert matrix.shape == (5, 5) and matrix.dtype == np.float32
    assert not matrix[[0, 1, 3]].any()
    assert (matrix[2] == vectors["film"]).all() and (matrix[4] == vectors["good"]).all()
    again = text.as_vectors(matrix, vocabulary)
    assert again.index_to_key == ["film", "good"]
    assert (again["good"] == vectors["good"]).all()


# --- models ---


def test_the_average_leaves_out_what_has_no_vector():
    matrix = np.array([[0, 0], [0, 0], [1, 4], [3, 2]], "float32")
    ids = np.array([[2, 1, 3, 0], [2, 2, 3, 0], [1, 0, 0, 0]])
    assert np.allclose(text.average(ids, matrix), [[2, 3], [5 / 3, 10 / 3], [0, 0]])


@pytest.fixture(scope="module")
def classifier():
    """A network of 8 words and 5 dimensions that has learned that word 2 is good and 3 bad."""
    transfer.set_seed(0)
    model = text.lstm_classifier(8, 5, trainable=True, units=4, learning_rate=0.02)
    rng = np.random.default_rng(0)
    y = np.arange(64, dtype="int32") % 2
    x = rng.integers(4, 8, (64, 6)).astype("int32")
    x[:, 4:] = 0
    x[np.arange(64), rng.integers(0, 4, 64)] = np.where(y, 2, 3)
    model.fit(x, y, batch_size=16, epochs=25, verbose=0)
    return model, Part(x, y)


def test_the_classifier_learns_and_padding_changes_nothing(classifier):
    model, data = classifier
    assert transfer.accuracy(model, data) > 0.95
    wider = np.pad(data.x, ((0, 0), (0, 7)))
    near = np.allclose(transfer.predict(model, wider), transfer.predict(model, data.x), atol=1e-5)
    assert near


def test_a_frozen_embedding_does_not_move():
    model = text.lstm_classifier(8, 5, trainable=False, units=2)
    before = transfer.snapshot(model)
    model.fit(np.array([[2, 3, 0], [4, 5, 1]]), np.array([0, 1]), verbose=0)
    moved = transfer.what_moved(before, model)
    assert moved and "embedding" not in moved.layers


def test_occlusion_finds_the_word_that_decides(classifier):
    model, _ = classifier
    pushed = text.occlusion(model, np.array([5, 6, 2, 7, 0, 0], "int32"))
    assert pushed.shape == (4,) and pushed.argmax() == 2 and pushed[2] > 0.02
    against = text.occlusion(model, np.array([5, 3, 0, 0, 0, 0], "int32"), label=0)
    assert against.shape == (2,) and against.argmax() == 1


def test_the_average_reads_as_a_model_does():
    matrix = np.array([[0, 0], [0, 0], [1, 0], [0, 1]], "float32")
    head = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, activation="softmax")])
    head.set_weights([np.array([[3.0, -3], [-3, 3]]), np.zeros(2)])
    read = text.reader(head, matrix)
    ids = np.array([[2, 3, 0], [2, 2, 1], [3, 1, 0]], "int32")
    assert transfer.predict(read, ids)[:, 1].round(2).tolist() == [0.5, 0.0, 1.0]
    pushed = text.occlusion(read, ids[0])
    assert pushed.shape == (2,) and pushed[0] < -0.4 < 0.4 < pushed[1]
    nothing = text.occlusion(read, np.array([1, 0, 0], "int32"))
    assert nothing.tolist() == [0]


def test_neighbours_are_kept_until_the_vectors_are_shuffled(vectors):
    words = ["", "[UNK]", *vectors.index_to_key]
    matrix = text.embedding_matrix(vectors, words)
    turned = text.as_vectors(np.concatenate([matrix[:2], matrix[:1:-1]]), words)
    assert text.neighbours_kept(vectors, vectors, PRAISE, count=2) == 1
    assert text.neighbours_kept(vectors, turned, PRAISE, count=2) < 0.9
    assert np.isnan(text.neighbours_kept(vectors, turned, []))
    for count in (1, 3):
        near = [
            {n for n, _ in vectors.most_similar(word, topn=count)}
            & {n for n, _ in turned.most_similar(word, topn=count)}
            for word in PRAISE
        ]
        expected = sum(map(len, near)) / (3 * count)
        assert np.isclose(text.neighbours_kept(vectors, turned, PRAISE, count), expected)


def test_borrowed_vectors_answer_for_words_never_seen(vectors):
    """The whole way of the chapter: the training reviews have one word of praise, one of blame."""
    train = [f"{word} film {i}" for i in range(10) for word in ("good", "bad")]
    test = ["superb film", "awful film", "fine film", "dull film"]
    raw = Arrays(
        Part(np.array(train), np.arange(20) % 2),
        Part(np.array(train[:2]), np.array([0, 1])),
        Part(np.array(test), np.array([0, 1, 0, 1])),
        ("positive", "negative"),
    )
    layer = text.vectoriser(raw.train.x)
    blind = text.encode(layer, raw).test.x[:, 0]
    assert (blind == text.UNKNOWN).all()
    wide = text.borrow_words(layer, vectors)
    coded = text.encode(wide, raw)
    averages = text.average_all(coded, text.embedding_matrix(vectors, wide.get_vocabulary()))
    head = transfer.fit_head(averages.train, strength=1.0)
    assert transfer.accuracy(head, averages.test) == 1
