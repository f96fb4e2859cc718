"""Claims: silent while they hold, an error on the course's own data, a sentence on others."""

import importlib.util
import json

import numpy as np
import pandas as pd
import pytest

from course import chapter, claims, dials, paths


def noted(file):
    return [json.loads(line) for line in file.read_text(encoding="utf8").splitlines()]


def test_a_claim_that_holds_says_nothing(capsys):
    for binding in (True, False):
        claims.Claims("x", binding=binding).expect(2 > 1, "two is more")
        claims.Claims("x", binding=binding).expect(np.float32(2) > 1, "two is more")
    assert capsys.readouterr().out == ""


def test_a_broken_claim_is_an_error_or_a_sentence(capsys):
    with pytest.raises(AssertionError, match="claims that one is more, and here it is not so"):
        claims.Claims("x").expect(1 > 2, "one is more")
    claims.Claims("x", binding=False).expect(1 > 2, "one is more")
    assert capsys.readouterr().out == "Here it is not so: one is more.\n"


def test_both_sides_are_noted(tmp_path, monkeypatch, capsys):
    file = tmp_path / "claims.jsonl"
    monkeypatch.setenv("COURSE_CLAIMS", str(file))
    claim, gap, words = claims.Claims("09_x"), np.array([3.0, 4.0]), "größer"
    claim.expect(gap.min() > 2, "a")
    claim.expect(
        0 < gap.mean() < 3  # a chain
        and len(words) == 6,
        "b",
    )
    claim.expect(text="c", condition=gap.max() <= len("ä"))
    claim.expect(all(gap > 2), "d")
    claim.expect("ä" == words, "e")
    first, second, third, fourth, fifth = noted(file)
    assert first == {
        "chapter": "09_x",
        "claim": "a",
        "holds": True,
        "sides": [{"sign": "Gt", "left": "gap.min()", "right": "2", "value": 3.0, "bound": 2.0}],
    }
    found = [(side["sign"], side["value"], side["bound"]) for side in second["sides"]]
    assert found == [("Lt", 0, 3.5), ("Lt", 3.5, 3), ("Eq", 6, 6)] and not second["holds"]
    assert (third["sides"][0]["value"], third["sides"][0]["bound"]) == (4, 1)
    assert fourth["sides"] == [] and fourth["holds"]
    assert fifth["sides"][0]["value"] is None
    assert capsys.readouterr().out == ""


def test_own_data_and_dials_bind(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("COURSE_DIALS", str(tmp_path))
    monkeypatch.setattr("helpers.ready.report", lambda seed: None)
    monkeypatch.setattr(chapter, "bring", lambda *_: None)
    for text, profile, binding in (
        ("", "sample", True),
        ("hints = false", "sample", True),
        ("seeds = 2", "sample", False),
        ("", "full", False),
    ):
        (tmp_path / "01_images.toml").write_text(text)
        monkeypatch.setattr("helpers.assets.profile", lambda profile=profile: profile)
        dial, claim = chapter.start("01_images")
        assert (claim.binding, claim.chapter) == (binding, "01_images")
        assert vars(dial) == vars(dials.read("01_images"))
        said = "Dials      your own seeds; texts and words for figures speak of the course's own\n"
        assert capsys.readouterr().out == (said if dial.changed else "")


def test_a_chapter_of_full_brings_its_own_files(monkeypatch):
    brought = []
    monkeypatch.setattr("course.fetch.bring", brought.extend, raising=False)
    monkeypatch.setattr("helpers.assets.profile", lambda: "full")
    monkeypatch.delenv("COURSE_MIRROR", raising=False)
    chapter.bring("01_images")
    assert brought == []
    monkeypatch.setenv("COURSE_MIRROR", "/somewhere")
    chapter.bring("02_text")
    assert "word-vectors" in brought and "yamnet" not in brought
    brought.clear()
    monkeypatch.setattr("helpers.assets.profile", lambda: "sample")
    chapter.bring("02_text")
    assert brought == []


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("bench", paths.ROOT / "benchmarks" / "claims.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def side(value, bound, sign="Gt"):
    return [{"sign": sign, "left": "gap", "right": "2", "value": value, "bound": bound}]


def test_distances_are_measured_in_standard_deviations(bench):
    runs = [
        {"setting": str(i), "chapter": "09_x", "claim": "far", "holds": True, "sides": side(v, 10)}
        for i, v in enumerate((20, 21, 22))
    ]
    less = [side(30, 30 + i, "Lt") for i in range(3)]
    runs += [{**run, "claim": "less", "sides": each} for run, each in zip(runs, less, strict=True)]
    runs += [{**run, "claim": "exact", "sides": side(2, 2, "Eq")} for run in runs[:3]]
    runs += [{**run, "claim": "words", "sides": [], "holds": False} for run in runs[:2]]
    table = bench.summary(pd.DataFrame(runs)).set_index("claim")
    assert list(table.index) == ["far", "less", "exact", "words"]
    far = table.loc["far"]
    assert (far["bound"], far["mean"], far["std"], far["worst"]) == ("> 10", 21, 1, 20)
    assert far["distance"] == pytest.approx(11) and not far["marked"]
    assert table.loc["less", "distance"] == pytest.approx(1) and table.loc["less", "marked"]
    assert table.loc["exact", "distance"] == np.inf and not table.loc["exact", "marked"]
    assert np.isnan(table.loc["words", "distance"]) and table.loc["words", "marked"]
    page = bench.page(table.reset_index(), ["plain", "seeds 100"])
    assert "| **" in page and page.count("\n| ") >= 5 and "far" in page


def test_a_claim_must_be_met_in_every_run(bench):
    runs = [
        {"setting": str(i), "chapter": "x", "claim": "c", "holds": True, "sides": side(i + 20.0, 2)}
        for i in range(3)
    ]
    assert not bench.summary(pd.DataFrame(runs)).marked.any()
    assert bench.missing(pd.DataFrame(runs), ["0", "1", "2"]) == []
    (only,) = bench.missing(pd.DataFrame(runs), ["0", "1", "2", "3"])
    assert "c" in only and "3" in only


def test_there_are_at_least_eight_settings(bench):
    assert len(bench.settings()) >= 8
    assert len({json.dumps(each, sort_keys=True) for each in bench.settings().values()}) >= 8
