"""A learner's own folder that is named like something of the course: one rule, said in a line."""

import pytest

from course import intake
from helpers import assets, hub
from helpers.disk import own_path

LINE = "'{0}' is the course's own data. For your folder, write './{0}'.\n"


@pytest.fixture(autouse=True)
def beside(tmp_path, monkeypatch):
    """The folder of a notebook."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize(
    ("take", "name"),
    [
        (intake.images, "cats-vs-dogs"),
        (intake.sounds, "coughs"),
        (intake.texts, "film-reviews"),
    ],
)
def test_a_bundled_name_is_the_bundled_data(beside, capsys, take, name):
    assert take(name) == name and capsys.readouterr().out == ""
    (beside / name).mkdir()
    assert take(name) == name and capsys.readouterr().out == LINE.format(name)
    with pytest.raises(ValueError, match="needs a folder for each|is a folder"):
        take(f"./{name}")


def test_a_folder_named_like_a_module_is_not_opened_for_it(beside, capsys, monkeypatch):
    opened = []
    monkeypatch.setattr(hub, "_load", lambda folder: opened.append(folder) or (lambda x: x))
    monkeypatch.setattr(hub, "_variables", lambda module: [])
    for name in ("yamnet", "mine"):
        (beside / name).mkdir()
    assert hub.HubLayer("yamnet").profile == "sample"
    assert opened.pop() == assets.path("yamnet", "sample")
    assert capsys.readouterr().out == LINE.format("yamnet")
    for name in ("./yamnet", "mine", beside / "yamnet"):
        layer = hub.HubLayer(name)
        assert layer.profile is None and layer.get_config()["module"] == str(name)
        assert opened.pop().resolve() == (beside / name).resolve()
    assert capsys.readouterr().out == ""


def test_a_file_of_that_name_counts_as_well(beside, capsys):
    (beside / "coughs").touch()
    assert own_path("coughs", ["coughs"]) is None and "./coughs" in capsys.readouterr().out
    assert own_path("~/coughs", ["coughs"]).is_absolute()
