"""A person's CSV file of texts: what is read, tidied, left out, said and refused."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from course.intake.texts import texts
from helpers import assets, text
from helpers.data import SPLITS
from helpers.ready import keras

SHARED = Path(__file__).resolve().parents[2] / "shared"
PRAISE, BLAME = ["good", "fine", "superb"], ["bad", "dull", "awful"]


def rows(count=30):
    """So many different reviews of each class, as lines of a CSV."""
    lines = []
    for i in range(count):
        lines.append(f"The film {i} is {PRAISE[i % 3]},positive")
        lines.append(f"The film {i} is {BLAME[i % 3]},negative")
    return lines


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def csv(tmp_path):
    def write(lines, name="mine.csv", encoding="utf-8"):
        file = tmp_path / name
        file.write_bytes("\n".join(lines).encode(encoding))
        return file

    return write


def load(path, **settings):
    return text.load(texts(path, **settings))


def everything(data):
    return [each for _, (x, _) in data.splits() for each in x]


# --- what is read ---


def test_the_bundled_name_passes_through(monkeypatch, cache, capsys):
    monkeypatch.setattr(assets, "_chosen", "sample")
    assert texts("film-reviews") == "film-reviews"
    assert not cache.exists() and capsys.readouterr().out == ""


def test_a_file_named_like_the_bundled_texts_is_mentioned(csv, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(assets, "_chosen", "sample")
    path = csv(["text,label", *rows()], name="film-reviews")
    monkeypatch.chdir(tmp_path)
    assert texts("film-reviews") == "film-reviews"
    assert "write './film-reviews'" in capsys.readouterr().out
    assert len(everything(load("./film-reviews"))) == 60 and path.is_file()


def test_a_file_is_split_by_class_the_same_each_time(csv, monkeypatch, tmp_path, capsys):
    path = csv(["text,label", *rows()])
    first = load(path)
    assert [len(y) for _, (_, y) in first.splits()] == [36, 12, 12]
    assert [int(y.sum()) for _, (_, y) in first.splits()] == [18, 6, 6]
    assert len(set(everything(first))) == 60
    assert capsys.readouterr().out == "mine.csv: 30 of 'negative'; 30 of 'positive'.\n"
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "another"))  # so that it is split anew
    assert everything(load(path)) == everything(first)
    other = load(path, seed=1)
    assert everything(other) != everything(first)
    assert sorted(everything(other)) == sorted(everything(first))


def test_a_second_call_reads_nothing_anew_and_says_the_same(csv, monkeypatch, capsys):
    lines = ["text,label", *rows(), ",positive"]
    path = csv(lines)
    place, said = texts(path), capsys.readouterr().out
    tidied = []
    tidy = texts.__globals__["_tidy"]
    monkeypatch.setitem(texts.__globals__, "_tidy", lambda *a: tidied.append(1) or tidy(*a))
    assert texts(path) == place and capsys.readouterr().out == said and not tidied
    assert "1 left out without text or label." in said
    csv([*lines, "Another film is good,positive"])
    assert texts(path) != place and tidied == [1]


def test_a_given_split_is_kept_whatever_its_spelling(csv):
    spelled = ("train", "Val", "test")
    lines = [f"{line},{spelled[i // 2 % 3]}" for i, line in enumerate(rows())]
    data = load(csv(["text,label,split", *lines]))
    assert [len(y) for _, (_, y) in data.splits()] == [20, 20, 20]
    assert "The film 1 is fine" in data.validation.x
    assert list(data.table.split.unique()) == list(SPLITS)


def test_odd_reviews_are_read(csv):
    odd = [
        '"Comma, ""quote"" and\nline",positive',
        "NUL \0 inside,negative",
        "\U0001f600 \U0001f44d,positive",
        "Отличный фильм,positive",
        "最高の映画,negative",
        "!!! ... ???,negative",
        f"{'long ' * 10_000},positive",
        "5 < 6 and 7 > 3,positive",
        "AT&T; R&D & <3,negative",
    ]
    data = load(csv(["\ufefftext,label", *rows(), *odd]))
    found = everything(data)
    assert len(found) == 69
    assert 'Comma, "quote" and line' in found and "NUL inside" in found
    assert "Отличный фильм" in found and "\U0001f600 \U0001f44d" in found
    assert "5 < 6 and 7 > 3" in found and "AT&T; R&D & <3" in found
    layer = keras.layers.TextVectorization(output_sequence_length=text.LENGTH)
    layer.adapt(list(data.train.x))
    coded = text.encode(layer, data)
    assert (coded.test.x[:, 0] != text.PADDING).all() and coded.test.x.shape[1] == text.LENGTH


def test_blank_lines_and_cells_of_a_spreadsheet_are_no_texts(csv, capsys):
    lines = [f'"{line.replace(",", chr(34) + ";" + chr(34))}";;' for line in rows()]
    data = load(csv(['"sep=;"', " Text ; LABEL ;;", *lines[:9], ";;;", "", "  ", ";", *lines[9:]]))
    assert len(everything(data)) == 60 and "The film 1 is fine" in everything(data)
    assert capsys.readouterr().out == "mine.csv: 30 of 'negative'; 30 of 'positive'.\n"


def test_a_comma_or_a_quote_behind_a_backslash_belongs_to_the_text(csv):
    data = load(csv(["text,label", *rows(), "So\\, so,negative", '"A \\"b\\", c",positive']))
    assert "So, so" in everything(data) and 'A "b", c' in everything(data)


@pytest.mark.parametrize(
    ("header", "mark", "end", "encoding"),
    [
        ("text,label", ",", "\r", "utf-8"),  # a Mac of old
        ("text,label", ",", "\r\r\n", "utf-8"),  # line ends translated twice
        (" TEXT ,  Label ", ",", "\n", "utf-8"),
        ("\n\nlabel|text|", "|", "\n", "utf-8"),
        ("sep=\t\ntext\tlabel", "\t", "\r\n", "utf-8-sig"),
        ("text\tlabel", "\t", "\r\n", "utf-16-be"),
        ("text,label", ",", "\n", "utf-16-le"),  # without a byte order mark
    ],
)
def test_forms_of_a_table_that_nobody_named(tmp_path, header, mark, end, encoding):
    order = (1, 0) if "label|" in header else (0, 1)
    lines = [header, *(mark.join(line.split(",")[i] for i in order) for line in rows())]
    content = end.join(lines).encode(encoding)
    (tmp_path / "odd.csv").write_bytes(b"\xfe\xff" * (encoding == "utf-16-be") + content)
    data = load(tmp_path / "odd.csv")
    assert len(everything(data)) == 60 and "The film 1 is fine" in everything(data)
    assert data.class_names == ("negative", "positive")


@pytest.mark.parametrize(
    ("written", "names"),
    [
        (("0.0", "1.0"), ("0", "1")),
        (("-1", "+1"), ("-1", "+1")),
        (("FALSE", "TRUE"), ("FALSE", "TRUE")),
    ],
)
def test_labels_as_tables_write_them(csv, written, names):
    lines = ["text,label", *rows()]
    for name, label in zip(("negative", "positive"), written, strict=True):
        lines = [line.replace(name, label) for line in lines]
    assert load(csv(lines)).class_names == names


# --- what is left out, and said ---


def test_empty_and_repeated_reviews_are_left_out_and_counted(csv, capsys):
    lines = rows()
    extra = [lines[0], lines[1], ",positive", "   ,negative", "no label,", "NaN,positive"]
    assert len(everything(load(csv(["text,label", *lines, *extra])))) == 60
    said = capsys.readouterr().out
    assert "4 left out without text or label; 2 left out as already there." in said


def test_reviews_that_read_alike_stand_on_one_side_and_once(csv, capsys):
    lines = rows()
    alike = [
        "THE FILM 0 -- IS GOOD!!,positive",  # as the first row, for every model
        '"The film, 1, is fine.",positive',
        "The film 2 is superb,negative",  # and positive above: it teaches neither
        f"{'long ' * 50}good,positive",
        f"{'long ' * 50}bad,positive",  # alike as far as a review is read
    ]
    found = everything(load(csv(["text,label", *lines, *alike])))
    said = capsys.readouterr().out
    assert "3 left out as already there; 2 left out for having different labels;" in said
    assert "; 1 longer than the 40 words that are read." in said
    assert len(found) == 60 and "The film 2 is superb" not in found
    read = [" ".join(text.tokens(each.casefold())) for each in found]
    assert len(set(read)) == len(read)


def test_a_given_split_loses_what_stands_on_both_sides(csv):
    lines = [f"{line},{SPLITS[i // 2 % 3]}" for i, line in enumerate(rows())]
    leak = "the film 0 is GOOD,positive,test"  # which stands in train
    data = load(csv(["text,label,split", *lines, leak]))
    assert len(data.test.y) == 20 and "the film 0 is GOOD" not in data.test.x


def test_remains_of_the_web_become_plain_text(csv, capsys):
    odd = [
        "It&#39;s <b>not</b> bad<br />at all &amp;amp; <a href='x.html'>more</a>,positive",
        "A “quoted” — and ‘won\u00ad’t’…,negative",
        "cafe\u0301\u200bnow,negative",
    ]
    found = everything(load(csv(["text,label", *rows(), *odd])))
    assert "It's not bad at all & more" in found
    assert "A \"quoted\" - and 'won't' ..." in found
    assert "caf\u00e9 now" in found
    assert "; 3 with HTML or typographic characters, now plain." in capsys.readouterr().out


def test_texts_without_spaces_are_named_with_what_to_do(csv, capsys):
    thai, cut = "ภาพยนตร์เรื่องนี้ดีมาก", "这 部 电影 非常 好看"
    load(csv(["text,label", *rows(), f"{thai},positive", "とても面白い映画でした,positive"]))
    said = capsys.readouterr().out
    assert "; 2 without spaces between words." in said and "jieba (Chinese)" in said
    load(csv(["text,label", *rows(), f"{cut},positive", "정말 재미있는 영화였어요,negative"]))
    assert "spaces" not in capsys.readouterr().out


# --- what is refused ---


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["review,label", *rows()], "has no column 'text' but 'review', 'label'"),
        (["text,stars", *rows()], "has no column 'label'"),
        (["text,text,label", *(f"a,{line}" for line in rows())], "has two columns 'text'"),
        (["text,label", *rows(), "So so,neutral"], "too few texts to split .1 of label 'neutral'"),
        (["text,label", *rows(), *(f"So {i},neutral" for i in "abc")], "3 of label 'neutral'"),
        (["text,label", *rows()[::2]], "has only 'positive': correct"),
        (["text,label", *rows(2)], "too few texts to split .* at least ten"),
        (["text,label,split", *(f"{line},later" for line in rows())], "has the split 'later'"),
        (
            ["text,label,split", *(f"{line},train" for line in rows())],
            "has no text of label .* in the split 'validation'",
        ),
        (["text,label", *rows(), "So, so,positive"], "line 62 has not 2 fields but 3"),
        (["text,label", *rows(), "So so"], "line 62 has not 2 fields but 1"),
        (["text,label", rows()[0], '"no end,positive', *rows()], "the quotes in line 3"),
        (["text,label", rows()[0], '"So" so,positive', *rows()], "the quotes in line 3"),
        (["sep=;", "text;label", '"So" so;positive'], "the quotes in line 3"),
        (["My table", "text,label", *rows()], "has no column 'text' but 'My table'"),
        (["text,label"], "two or more labels, .* and has none"),
        (["text", "So so", "Very good"], "has no column 'label' but 'text'"),
        ([], "cannot be read as CSV"),
    ],
)
def test_a_wrong_file_gets_one_sentence(csv, lines, message):
    path = csv(lines)
    with pytest.raises(ValueError, match=message) as caught:
        texts(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_in_another_encoding_or_missing_gets_one_sentence(csv, tmp_path, monkeypatch):
    path = csv(["text,label", "Fort drôle,positive"], encoding="latin-1")
    with pytest.raises(ValueError, match="is not UTF-8 text .* save it as 'CSV UTF-8'"):
        texts(path)
    with pytest.raises(ValueError, match="There is no file .*none.csv: write 'film-reviews', or"):
        texts(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="is a folder"):
        texts(tmp_path)
    with pytest.raises(ValueError, match="There is no file film_reviews"):
        texts("film_reviews")
    csv(["text,label", *rows()])
    monkeypatch.setattr(Path, "read_bytes", lambda self: open(tmp_path, encoding="utf8"))
    with pytest.raises(ValueError, match="mine.csv cannot be opened"):
        texts(tmp_path / "mine.csv")


# --- files as learners have them ---


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The files of shared/cases/reviews.py: 60 texts of each class."""
    script = SHARED / "cases" / "reviews.py"
    if not script.is_file():
        pytest.skip("the case files are not here: shared/cases/reviews.py")
    spec = importlib.util.spec_from_file_location("reviews", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("reviews")
    module.make(folder)
    return folder


PLAIN = "the cast is warm and the ending number 1 is splendid"
RIGHT = {  # file: class names, texts in all, one of the texts, what is said
    "plain.csv": ("neg pos", 120, PLAIN, "60 of 'neg'; 60 of 'pos'."),
    "semicolons.csv": ("neg pos", 120, PLAIN, "60 of 'neg'; 60 of 'pos'."),
    "tabs.tsv": ("neg pos", 120, PLAIN, "60 of 'neg'; 60 of 'pos'."),
    "utf16.csv": ("neg pos", 120, PLAIN, "60 of 'neg'; 60 of 'pos'."),
    "backslash-quotes.csv": ("neg pos", 120, f'he said "{PLAIN}" to me, twice', "60 of 'neg'"),
    "long-text.csv": ("neg pos", 121, ("very long " * 14_000).strip(), "61 of 'pos'"),
    "html.csv": (
        "neg pos",
        120,
        "It's the cast is warm. And the ending number 1 is splendid.",
        "120 with HTML or typographic",
    ),
    "curly.csv": ("neg pos", 120, f'It\'s a "warm" film - {PLAIN} ...', "120 with HTML"),
    "chinese.csv": ("neg pos", 120, "这部电影好感第1次看好。", "120 without spaces between words."),
    "floats.csv": ("0 1", 120, PLAIN, "60 of '0'; 60 of '1'."),
    "nan.csv": ("neg pos", 114, PLAIN, "6 left out without text or label."),
    "capitals.csv": ("neg pos", 120, PLAIN, "Capitals in labels do not count"),
    "index.csv": ("neg pos", 120, PLAIN, "60 of 'neg'; 60 of 'pos'."),
    "extra-commas.csv": ("neg pos", 120, PLAIN, "60 of 'neg'; 60 of 'pos'."),
    "twice.csv": ("neg pos", 120, PLAIN, "read the column 'text', not 'Text'."),
    "stars.csv": ("1 2 3 4 5", 120, PLAIN, "24 of '1'; 24 of '2'; 24 of '3'; 24 of '4'"),
    "ten-two.csv": ("2 10", 120, PLAIN, "60 of '10'; 60 of '2'."),
    "mac.csv": ("neg pos", 120, PLAIN, "60 of 'neg'; 60 of 'pos'."),
    "sep-line.csv": ("neg pos", 120, PLAIN, "60 of 'neg'; 60 of 'pos'."),
}
WRONG = {
    "latin1.csv": "is not UTF-8 text .* save it as 'CSV UTF-8'",
    "spam.csv": "is not UTF-8 text .* save it as 'CSV UTF-8'",
    "one-bad-quote.csv": "check the quotes in line 57 ",
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_file_as_learners_have_them_is_read_right(made, name, capsys):
    classes, count, example, said = RIGHT[name]
    data = load(made / name)
    assert data.class_names == tuple(classes.split()) and len(everything(data)) == count
    assert example in everything(data) and said in capsys.readouterr().out


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_needs_mending_gets_one_sentence(made, name):
    with pytest.raises(ValueError, match=WRONG[name]) as caught:
        texts(made / name)
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_every_case_file_is_tested(made):
    assert {file.name for file in made.iterdir()} == RIGHT.keys() | WRONG.keys()


def test_forms_of_one_file_give_the_same_data(made):
    expected = everything(load(made / "plain.csv"))
    for name in ("semicolons.csv", "tabs.tsv", "utf16.csv", "index.csv", "mac.csv"):
        assert everything(load(made / name)) == expected, name


# --- the real sentences ---


@pytest.mark.mirror
def test_the_real_sentences(monkeypatch):
    from course import fetch

    place = os.environ.get("COURSE_MIRROR") or SHARED / "mirror"
    if not str(place).startswith("http") and not Path(place, "index.json").is_file():
        pytest.skip("the mirror of real assets is not here: set COURSE_MIRROR")
    monkeypatch.setenv("COURSE_MIRROR", str(place))
    monkeypatch.setattr(assets, "_chosen", "full")
    fetch.bring(["film-reviews"])
    data = load("film-reviews")
    sizes = [len(y) for _, (_, y) in data.splits()]
    assert sizes == [8528, 1066, 1066]
    assert data.class_names == ("negative", "positive") and int(data.test.y.sum()) == 533
    found = everything(data)
    assert len(set(found)) == len(found) and all(found)
    assert any("é" in each for each in found)
    assert np.array_equal(data.test.x, load("film-reviews").test.x)
    other = load("film-reviews", seed=1)
    assert len(other.test.y) == 1066 and len(set(other.test.x) & set(data.test.x)) < 300
    with pytest.raises(ValueError, match=r"let course\.intake\.texts read it first"):
        text.load("film-reviews")
