"""The figures of images, text and audio, and the players: the artists' data, labels and order."""

import base64
import html
import inspect
import json
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from course.display import players
from helpers import plots
from helpers.audio import figures as audio
from helpers.images import figures as images
from helpers.text import figures as text


def texts(axis):
    return [each.get_text() for each in axis.texts]


# --- images ---------------------------------------------------------------------------------


def test_captions():
    probabilities = [[0.2, 0.8], [0.9, 0.1]]
    assert images.captions(probabilities, [0, 0], ("cat", "dog")) == [
        "predicted dog 80%\nlabel cat", "predicted cat 90%\nlabel cat"
    ]
    assert images.captions(probabilities[:1], None, ("cat", "dog")) == ["predicted dog 80%"]


def test_heat_maps(drawn):
    image, heat = np.full((8, 4, 3), 300.0), np.array([[0, 1.0]])
    images.heat_maps([image, image / 3], [heat, heat.T], ["one", "two"], alt="Heat.")
    *panels, bar = drawn[0][0].axes
    assert [axis.get_title() for axis in panels] == ["one", "two", "", ""]
    assert panels[0].images[0].get_array().max() == 255
    below, laid = panels[2].images
    assert below.get_array().shape == (8, 4, 3) and np.array_equal(laid.get_array(), heat)
    assert tuple(laid.get_extent()) == (-0.5, 3.5, 7.5, -0.5) and laid.get_clim() == (0, 1)
    assert np.array_equal(panels[3].images[1].get_array(), heat.T)
    assert [tick.get_text() for tick in bar.get_xticklabels()] == ["no evidence", "most evidence"]


def test_feature_maps_show_the_strongest_channels(drawn):
    maps = np.stack([np.full((2, 2), level) for level in (1.0, 3.0, 2.0)], axis=-1)
    layers = {"block 1": maps, "block 2": maps[:1, :, :1]}
    images.feature_maps(np.zeros((4, 4, 3)), layers, alt="Maps.")
    axes = np.reshape(drawn[0][0].axes, (2, 6))
    titles = ["block 1\n2 x 2", "channel 1", "channel 2", "channel 0", "", ""]
    assert [axis.get_title() for axis in axes[0]] == titles
    assert axes[0, 1].images[0].get_array().max() == 3
    assert axes[1, 0].get_title() == "block 2\n1 x 2" and not axes[1, 2].images
    assert axes[0, 0].images[0].get_array().shape == (4, 4, 3)


# --- text -----------------------------------------------------------------------------------


class Vectors:
    """Words on a plane in five dimensions."""

    vector_size = 5

    def __init__(self, words):
        rng = np.random.default_rng(0)
        self.rows = dict(zip(words, rng.normal(size=(len(words), 5)), strict=True))

    def get_vector(self, word, norm):
        assert norm
        return self.rows[word] / np.linalg.norm(self.rows[word])


def test_word_map_labels_touch_neither_markers_nor_each_other(drawn):
    words = [f"good{i}" for i in range(12)], [f"dreadful{i}" for i in range(12)]
    groups = dict(zip(("praise", "blame"), words, strict=True))
    vectors = Vectors([*words[0], *words[1]])
    text.word_map(groups, vectors, alt="Map.")
    figure = drawn[0][0]
    axis = figure.axes[0]
    assert [len(dots.get_offsets()) for dots in axis.collections] == [12, 12]
    assert sorted(texts(axis)) == sorted([*words[0], *words[1]])
    assert [each.get_text() for each in figure.legends[0].get_texts()] == ["praise", "blame"]
    assert "24 words, projected from 5 dimensions" in axis.get_title()
    figure.draw_without_rendering()
    places = axis.transData.transform(np.concatenate([d.get_offsets() for d in axis.collections]))
    boxes = [each.get_window_extent() for each in axis.texts]
    for i, box in enumerate(boxes):
        assert not any(box.contains(*place) for place in places), axis.texts[i].get_text()
        assert not any(box.overlaps(other) for other in boxes[:i]), axis.texts[i].get_text()


def test_words_stand_in_the_order_of_their_points(drawn):
    groups = {"one": ["a", "b"], "two": ["c"]}
    text.word_map(groups, Vectors("abc"), alt="Map.")
    axis = drawn[0][0].axes[0]
    points = np.concatenate([dots.get_offsets() for dots in axis.collections])
    for each, point in zip(axis.texts, points, strict=True):
        others = np.linalg.norm(points - each.get_position(), axis=1)
        assert np.argmin(others) == points.tolist().index(point.tolist())
    assert [to_hex(each.get_color()).upper() for each in axis.texts] == [
        plots.COLOURS[0], plots.COLOURS[0], plots.COLOURS[1]
    ]


def test_neighbourhoods_have_one_scale_and_kept_words_stay_in_their_direction(drawn):
    near = {"borrowed": [("great", 0.8), ("fine", 0.6), ("nice", 0.5)],
            "hasty": [("squirrel", 0.9), ("fine", 0.3), ("great", 0.4)]}
    text.neighbourhoods("good", near, alt="Two.")
    figure = drawn[0][0]
    panels = []
    for axis, words in zip(figure.axes, near.values(), strict=True):
        places = [dots.get_offsets()[0] for dots in axis.collections]
        panels.append(dict(zip([word for word, _ in words], places, strict=False)))
        far = [np.hypot(*place) for place in places[:-1]]
        assert np.allclose(far, [1 - alike for _, alike in words]) and tuple(places[-1]) == (0, 0)
        assert set(texts(axis)) == {word for word, _ in words} | {"0.8", "0.6", "0.4", "0.2"}
        marks = [to_hex(dots.get_facecolors()[0]).upper() for dots in axis.collections][:3]
        kept = [plots.COLOURS[word in ("nice", "squirrel")] for word, _ in words]
        assert marks == kept
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()
    assert figure.axes[1].get_title() == "hasty: nearest to good"
    angles = [np.arctan2(*panel["great"]) for panel in panels]
    assert angles[0] == pytest.approx(angles[1])
    assert "only in this one" in figure.get_supxlabel()


def test_three_neighbourhoods_put_no_two_words_in_one_direction():
    near = {"a": [("x", 1), ("y", 1)], "b": [("z", 1), ("w", 1)], "c": [("x", 1), ("z", 1)]}
    turns, count = text._directions(near)
    assert count == 2 and len({turns["c", "x"], turns["c", "z"]}) == 2


def test_occlusion_shades_words_and_explains_the_colours(drawn):
    sentences, weights = [["not", "good"], ["dull"]], [np.array([-0.2, 0.1]), np.array([0.0])]
    names = ("negative", "positive")
    text.occlusion(sentences, weights, ["LSTM: 46%", "none"], names, alt="Words.")
    axis, bar = drawn[0][0].axes
    assert texts(axis) == ["LSTM: 46%", "none", "not", "good", "dull"]
    shades = [to_hex(each.get_bbox_patch().get_facecolor()) for each in axis.texts[2:]]
    two_sided = plots.two_sided()
    assert shades == [to_hex(two_sided(share)) for share in (0.0, 0.75, 0.5)]
    assert [tick.get_text() for tick in bar.get_xticklabels()] == [
        "pushes towards negative", "neither", "towards positive"
    ]


def test_long_sentences_are_broken_into_lines(drawn):
    text.occlusion([["x" * 43] * 5], [np.ones(5)], [""], ("n", "p"), alt="Words.")
    rows = [each.get_position() for each in drawn[0][0].axes[0].texts[1:]]
    assert [x for x, _ in rows] == [0, 44, 0, 44, 0]
    assert rows[0][1] == rows[1][1] < rows[2][1] < rows[4][1]


# --- audio ----------------------------------------------------------------------------------

LOG_MEL = np.linspace(-7, 2, 200 * 64).reshape(200, 64)


def test_spectrograms_have_a_floor_of_their_own(drawn):
    audio.spectrograms([LOG_MEL, LOG_MEL - 2], ["loud", "quiet"], alt="Two.")
    for axis, log_mel in zip(drawn[0][0].axes, (LOG_MEL, LOG_MEL - 2), strict=True):
        (image,) = axis.images
        assert np.array_equal(image.get_array(), log_mel.T) and image.origin == "lower"
        assert image.get_clim() == (np.quantile(log_mel, 0.05), log_mel.max())
        assert image.get_cmap().name == "magma"
        assert tuple(image.get_extent()) == (0, 2.0, 0, 64)  # 200 frames of 10 ms
    first, second = drawn[0][0].axes
    assert [tick.get_text() for tick in first.get_yticklabels()] == ["250 Hz", "1 kHz", "4 kHz"]
    assert second.get_title() == "quiet"


def test_spectrograms_compared_share_the_colours_of_the_first(drawn):
    audio.spectrograms([LOG_MEL, LOG_MEL - 2], ["loud", "quiet"], compare=True, alt="Two.")
    first, second = (axis.images[0].get_clim() for axis in drawn[0][0].axes)
    assert first == second


def test_frequencies_stand_where_the_bands_hear_them(drawn):
    librosa = pytest.importorskip("librosa")
    audio.spectrograms([LOG_MEL], ["mine"], alt="One.")
    axis = drawn[0][0].axes[0]
    assert tuple(axis.images[0].get_extent()) == (0, 2, 0, 64)
    edges = librosa.mel_frequencies(n_mels=65, fmin=125, fmax=7_500, htk=True)
    places = np.interp([250, 1000, 4000], edges, np.arange(65))
    assert np.allclose(places, axis.get_yticks(), atol=0.05)


def test_front_end(drawn):
    spectrum, weights = np.arange(12.0).reshape(4, 3), np.eye(3, 16)
    audio.front_end(np.ones(640), spectrum, weights, LOG_MEL, alt="Four steps.")
    wave, linear, filters, mel = drawn[0][0].axes
    assert len(wave.lines[0].get_xdata()) == 640
    assert np.array_equal(linear.images[0].get_array(), spectrum.T)
    assert tuple(linear.images[0].get_extent()) == (0, 0.04, 0, 8)  # s, kHz
    assert len(filters.lines) == 2 and filters.lines[0].get_ydata().tolist() == [0, 4, 8]
    assert np.array_equal(mel.images[0].get_array(), LOG_MEL.T)


def test_draw_through_time():
    curves = {"cough": [0.1, 0.9], "other": [0.9, 0.1]}
    upper, lower = Figure().subplots(2, 1, sharex=True)
    audio.draw_through_time((upper, lower), LOG_MEL, curves, [0.48, 0.96])
    assert np.array_equal(upper.images[0].get_array(), LOG_MEL.T)
    assert lower.lines[0].get_xydata().tolist() == [[0.48, 0.1], [0.96, 0.9]]
    assert lower.get_xlim() == (0, 2) == upper.get_xlim() and lower.get_ylabel() == "probability"
    assert [each.get_text() for each in lower.get_legend().get_texts()] == ["cough", "other"]


def test_occlusion_of_sounds(drawn):
    heat = np.array([[0.1, -0.4], [0.0, 0.2]])  # (time, mel frequency)
    audio.occlusion([LOG_MEL], [heat], ["cough: 80%"], "cough", alt="Tiles.")
    above, below, bar = drawn[0][0].axes
    (image,) = below.images
    assert np.array_equal(image.get_array(), 100 * heat.T) and image.origin == "lower"
    assert image.get_clim() == (-40, 40) and image.get_cmap().name == "two-sided"
    assert above.get_title() == "cough: 80%"
    assert np.array_equal(above.images[0].get_array(), LOG_MEL.T)
    assert tuple(image.get_extent()) == tuple(above.images[0].get_extent())
    assert bar.get_ylabel() == "points of cough\nlost when covered"


# --- players --------------------------------------------------------------------------------


def test_players_name_their_sounds_and_keep_quiet_ones_quiet():
    with plots.collect() as shown:
        players.players([np.zeros(100), np.full(100, 0.01)], ['a "cough"', "b < c"])
    (page,) = shown
    assert page.count("<audio controls") == 2 == page.count("data:audio/wav;base64,")
    assert 'aria-label="a &quot;cough&quot;"' in page and "b &lt; c<br>" in page
    quiet = re.findall(r'base64,([^"]*)"', page)[1]
    samples = np.frombuffer(base64.b64decode(quiet)[44:], "int16")
    assert set(samples) == {int(0.01 * 32767)}


def test_a_player_moves_a_cursor_over_its_figure():
    with plots.collect() as shown:
        players.listen_along(
            np.zeros(8_000), LOG_MEL, {"a & b": [0.25]}, [0.48], 'my "tone"', alt='One "figure".'
        )
    (page,) = shown
    assert 'alt="One &quot;figure&quot;."' in page and 'aria-label="my &quot;tone&quot;"' in page
    assert ">patch around 0.48 s: a &amp; b 25%</output>" in page
    moments = json.loads(html.unescape(re.search(r'data-moments="([^"]*)"', page)[1]))
    assert moments["length"] == 2.0 and moments["seconds"] == [0.48]
    assert moments["lines"] == ["patch around 0.48 s: a & b 25%"]
    for handler in ("ontimeupdate", "onplay"):
        code = html.unescape(re.search(rf'{handler}="([^"]*)"', page)[1])
        assert "currentTime" in code and code.count("{") == code.count("}")


NO_FIGURES = {"canvas", "collect", "show", "encode", "show_html", "two_sided", "captions"}
NO_FIGURES |= {"draw_through_time", "players"}  # drawn on axes that another shows; sounds alone
FIGURES = {
    f"{module.__name__}.{name}": function
    for module in (plots, images, text, audio, players)
    for name, function in vars(module).items()
    if inspect.isfunction(function) and function.__module__ == module.__name__
    if not name.startswith("_") and name not in NO_FIGURES
}


@pytest.mark.parametrize("name", FIGURES)
def test_no_figure_goes_without_alt_text(name):
    alt = inspect.signature(FIGURES[name]).parameters["alt"]
    assert alt.kind is alt.KEYWORD_ONLY and alt.default is alt.empty


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_a_test(name):
    module, _, function = name.rpartition(".")
    part = module.split(".")[1] if module.startswith("helpers") else "players"
    tests = Path(__file__).with_name("test_plots.py" if part == "plots" else "test_figures.py")
    assert f"{part}.{function}(" in tests.read_text(encoding="utf8")
