"""The transfer card: kept by a run, made by a command, readable anywhere, one sheet on paper."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from course import card, cli, paths
from helpers.data import Data, Examples

DIAL = SimpleNamespace(chapter="01_images", dataset="cats <&> dogs", changed=("seeds",))
BORROWED = ["vgg16", "mobilenet-v2-feature-vector"]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A person's own folder."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def examples(cats, dogs):
    return Examples(np.zeros((cats + dogs, 2)), np.repeat([0, 1], [cats, dogs]))


DATA = Data(examples(20, 30), examples(5, 5), examples(40, 60), ("cats", "dogs"))


def curves(**methods):
    """Accuracies of each method: at 5 labels per class a tenth less than at 10."""
    rows = [
        {"method": name.replace("_", " "), "labels": labels, "seed": seed, "recall": 0.5,
         "accuracy": accuracy - (labels == 5) / 10, "parameters": 100 * len(name), "seconds": 0.1}
        for name, accuracies in methods.items()
        for labels in (5, 10)
        for seed, accuracy in enumerate(accuracies)
    ]  # fmt: skip
    return pd.DataFrame(rows)


CURVES = curves(from_scratch=[0.5, 0.6], frozen=[0.8, 0.9], fine_tuned=[0.85, 0.86], slow=[0.4])


def kept(given=CURVES, labels=10, **more):
    card.keep(DIAL, DATA, given, labels, **{"borrowed": BORROWED, **more})
    return card.page(card.read("01"))


def words(page):
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", body))


def test_it_shows_the_run_and_nothing_else(capsys):
    said = words(kept())
    assert capsys.readouterr().out == (
        "Kept. In a terminal, 'course card 01' makes a page of your run.\n"
    )
    for part in ("cats &lt;&amp;&gt; dogs", "train 20 30", "test 40 60", "one's own: seeds"):
        assert part in said, part
    for part in ("VGG16 without its top", "7.4 MB", "CC BY 4.0", "pretrain_images.p"):
        assert part in said, part
    # Mean, std over the draws, and sqrt(p (1 - p) / 100) as the error of the test.
    assert re.search(r"frozen 85\.0 7\.1 ± 3\.6 50\.0 600", said.replace("&plusmn;", "±"))
    assert re.search(r"slow 40\.0 one draw", said)
    assert "None was chosen" in said and "The test has 100 examples, 40 of the rarest class" in said


def test_a_tie_is_called_a_tie_and_other_draws_are_not_compared():
    said = words(kept())
    best = said[said.index("fine tuned has the highest mean") :][:250]
    assert "It is ahead in every draw of from scratch." in best
    assert "not ahead in every draw of frozen, so the order" in best and "slow" not in best
    alone = words(kept(curves(frozen=[0.8, 0.9])))
    assert "frozen has the highest mean. " in alone and "every draw of" not in alone


def test_a_threshold_and_the_profile_are_said():
    said = words(kept(threshold=(0.231, "nine of ten coughs of the validation split are found")))
    assert "Yes from a probability of 0.23 upwards (nine of ten coughs" in said
    assert "profile sample borrows small networks" in said
    run = card.read("01")
    assert "small networks" not in words(card.page({**run, "profile": "full"}))


def test_what_is_borrowed_from_elsewhere_is_named_without_a_licence():
    said = words(kept(borrowed=["/mine/vectors.bin"]))
    assert "/mine/vectors.bin your own look it up" in said


def test_what_was_not_measured_stays_empty():
    assert "fine tuned 85.5" in words(kept(CURVES.drop(columns=["recall", "seconds"])))


def test_the_page_needs_no_other_file_and_speaks_to_those_who_cannot_see():
    page, seen = kept(), []

    class Look(HTMLParser):
        def handle_starttag(self, tag, attributes):
            seen.append((tag, dict(attributes)))

    Look().feed(page)
    links = [a.get("src") or a.get("href") for _, a in seen if "src" in a or "href" in a]
    assert links and all(link.startswith("data:") for link in links) and "url(" not in page
    images = [a for tag, a in seen if tag == "img"]
    assert len(images) == 1 and "from scratch, frozen" in images[0]["alt"]
    assert sum("contenteditable" in a for _, a in seen) == 3


def test_the_latest_run_counts_and_an_earlier_one_goes():
    kept()
    assert "dogs 3" not in words(kept()) and "frozen 70.0" in words(kept(curves(frozen=[0.7, 0.7])))
    assert len(list((paths.user_folder() / "runs").iterdir())) == 1


# ---------------------------------------------------------------- faults, the command


def test_the_command_writes_the_page_or_says_what_is_lacking(home, tmp_path, capsys):
    assert cli.main(["card", "01"]) == 1
    assert "No run of 01_images is kept yet: run its cells" in capsys.readouterr().err
    kept()
    assert cli.main(["card", "01"]) == 0
    assert str(home / "cards" / "01_images.html") in capsys.readouterr().out
    assert cli.main(["card", "01_images", "--out", str(tmp_path / "new" / "a.html")]) == 0
    assert (tmp_path / "new" / "a.html").read_bytes() == (
        home / "cards" / "01_images.html"
    ).read_bytes()
    capsys.readouterr()
    assert cli.main(["card", "01", "--out", str(tmp_path)]) == 1  # a folder
    said = capsys.readouterr().err
    assert str(tmp_path) in said and said.count("\n") == 1
    for start in ("0", "17"):
        assert cli.main(["card", start]) == 1
        assert f"Which chapter is '{start}'? Choose one of 00_start" in capsys.readouterr().err


def test_a_home_is_known_by_its_sign(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    kept()
    assert cli.main(["card", "01", "--out=~/a.html"]) == 0
    assert (tmp_path / "a.html").is_file()


def test_a_file_that_cannot_be_read_is_named(capsys):
    kept()
    card.file("01_images").write_text("{")
    assert cli.main(["card", "01"]) == 1
    said = capsys.readouterr().err
    assert str(card.file("01_images")) in said and "run the chapter again" in said


def test_where_nothing_can_be_kept_a_sentence_says_so(home, capsys):
    home.write_text("a file in its place")
    card.keep(DIAL, DATA, CURVES, 10, borrowed=BORROWED)
    assert "set COURSE_HOME to a folder that you may write" in capsys.readouterr().out


def test_it_prints_on_one_sheet(tmp_path):
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("no Chromium (Debian: apt install chromium)")
    many = {f"a_method_with_a_long_name_{i}": [0.5 + i / 20, 0.6] for i in range(7)}
    (tmp_path / "card.html").write_text(kept(curves(**many)), encoding="utf8")
    pdf = tmp_path / "card.pdf"
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
    subprocess.run(
        [chromium, *flags, f"--print-to-pdf={pdf}", (tmp_path / "card.html").as_uri()],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    assert len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes())) == 1


@pytest.mark.parametrize("path", paths.chapters()[1:5], ids=lambda path: path.stem)
def test_a_chapter_keeps_its_run(path):
    cells = json.loads(path.read_text(encoding="utf8"))["cells"]
    keeping = [c for c in cells if re.search(r"card\.keep\(\s*dial, data, ", "".join(c["source"]))]
    assert len(keeping) == 1
    said = "".join("".join(output["text"]) for output in keeping[0]["outputs"])
    assert said == f"Kept. In a terminal, 'course card {path.stem[:2]}' makes a page of your run.\n"
