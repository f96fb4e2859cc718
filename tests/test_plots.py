"""Each figure shows what it is given: the artists' data, labels and order, not their pixels."""

import base64
import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from helpers import plots
from helpers.data import Examples

ROOT = Path(__file__).resolve().parents[1]


def texts(axis):
    return [text.get_text() for text in axis.texts]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def plain():
    figure = Figure((2, 1))
    figure.subplots().plot([1, 2], [3, 4])
    return figure


# --- showing --------------------------------------------------------------------------------


def test_a_figure_is_displayed_sharp_small_and_with_its_alt_text(monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "display", lambda *args, **more: shown.append((args[0], more)))
    plots.show(plain(), "A line that rises.")
    ((bundle, more),) = shown
    size = more["metadata"]["image/png"]
    assert size["alt"] == "A line that rises." == bundle["text/plain"] and more["raw"]
    image = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert image.mode == "P" and image.width == pytest.approx(2 * size["width"], abs=1)
    assert image.height == pytest.approx(2 * size["height"], abs=1)


@pytest.mark.parametrize("alt", ["", "  "])
def test_a_figure_without_alt_text_is_refused(alt):
    with pytest.raises(ValueError, match="needs a text for those who cannot see it"):
        plots.show(plain(), alt)
    with pytest.raises(TypeError, match="alt"):
        plots.lines([1], {"a": [2]}, x_label="x", y_label="y")


def test_collected_figures_are_html_and_nothing_is_displayed(monkeypatch):
    monkeypatch.setattr(plots, "display", pytest.fail)
    with plots.collect() as outer:
        plots.show(plain(), 'A "line" <1>')
        with plots.collect() as inner:
            plots.show_html("<b>in</b>", "in")
        plots.show_html("<b>out</b>", "out")
    assert inner == ["<b>in</b>"] and outer[1:] == ["<b>out</b>"]
    assert 'alt="A &quot;line&quot; &lt;1&gt;"' in outer[0] and outer[0].startswith("<img src=")


def test_html_comes_with_a_text(monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "display", lambda bundle, raw: shown.append(bundle))
    plots.show_html("<b>page</b>", "words")
    assert shown == [{"text/html": "<b>page</b>", "text/plain": "words"}]


def test_a_figure_of_the_learners_own_is_closed():
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots()
    axis.plot([1, 2])
    with plots.collect():
        plots.show(figure, "A line.")
    assert plt.get_fignums() == []


def test_importing_plots_imports_neither_tensorflow_nor_widgets_nor_matplotlib():
    heavy = {"tensorflow", "keras", "ipywidgets", "matplotlib", "sklearn"}
    code = f"import sys, json, helpers.plots; print(json.dumps([*({heavy} & {{*sys.modules}})]))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert json.loads(done.stdout) == []


def test_wide_figures_fit_a_page(drawn):
    with plots.canvas(1, 6, (3, 2), "Six."):
        pass
    figure, alt = drawn[0]
    assert figure.get_size_inches() == pytest.approx([plots.WIDEST, plots.WIDEST / 9])
    assert alt == "Six."


# --- figures --------------------------------------------------------------------------------


def test_images(drawn):
    grid = [np.full((2, 2, 3), 300.0), np.eye(2), np.zeros((2, 2, 3))]
    plots.images(grid, ["cat", "a map", "dog"], columns=2, alt="Three.")
    axes = drawn[0][0].axes
    assert [axis.get_title() for axis in axes] == ["cat", "a map", "dog", ""]
    assert axes[0].images[0].get_array().max() == 255  # what lies outside is cut, not wrapped
    assert np.array_equal(axes[1].images[0].get_array(), np.eye(2)) and not axes[3].images


@pytest.mark.parametrize("wrapped", [True, False])
def test_training(drawn, wrapped):
    log = {"accuracy": [0.5, 0.9], "loss": [2.0, 1.0], "val_accuracy": [0.4, 0.6],
           "val_loss": [3.0, 4.0], "learning_rate": [0.1, 0.1]}
    plots.training(SimpleNamespace(history=log) if wrapped else log, alt="Overfitting.")
    figure = drawn[0][0]
    accuracy, loss = figure.axes  # the learning rate is no metric
    assert accuracy.get_ylabel() == "accuracy (%)" and loss.get_ylabel() == "loss"
    curves = {line.get_label(): line.get_xydata().tolist() for line in accuracy.lines}
    assert curves == {"training": [[1, 50], [2, 90]], "validation": [[1, 40], [2, 60]]}
    assert [line.get_ydata().tolist() for line in loss.lines] == [[2, 1], [3, 4]]
    assert loss.get_xlabel() == "epoch" and legend(figure) == ["training", "validation"]


def test_training_of_several_and_without_validation(drawn):
    plots.training({"slow": {"loss": [2.0]}, "fast": {"loss": [9.0]}}, alt="Two.")
    axes = drawn[0][0].axes
    assert [axis.get_title() for axis in axes] == ["slow", "fast"]
    assert [axis.lines[0].get_ydata().tolist() for axis in axes] == [[2], [9]]
    assert all(len(axis.lines) == 1 for axis in axes)


CURVES = pd.DataFrame(
    [(method, labels, seed, base + labels / 100 + seed / 10)
     for method, base in (("scratch", 0.4), ("frozen", 0.6))
     for labels in (5, 10) for seed in range(3)],
    columns=["method", "labels", "seed", "accuracy"],
)


def test_learning_curve(drawn):
    plots.learning_curve(CURVES, chance=0.5, at=10, alt="Two curves.")
    figure = drawn[0][0]
    axis = figure.axes[0]
    means = [bars.lines[0].get_ydata() for bars in axis.containers]
    assert np.allclose(means, [[55, 60], [75, 80]])
    x = np.array([bars.lines[0].get_xdata() for bars in axis.containers])
    assert (x[0] < [5, 10]).all() and (x[1] > [5, 10]).all()  # side by side
    assert np.allclose(x, [[5, 10]] * 2, rtol=0.05)
    low, high = axis.containers[0].lines[1]
    assert np.allclose(high.get_ydata() - low.get_ydata(), 20)  # a standard deviation of 10, twice
    assert legend(figure) == ["scratch", "frozen"] and "guessing" in texts(axis)
    upright, guessing = axis.lines[-2:]
    assert set(upright.get_xdata()) == {10} and set(guessing.get_ydata()) == {50}
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["5", "10"]
    assert axis.get_ylabel().startswith("test accuracy (%)")
    assert axis.get_xlabel() == "labelled examples per class"


def test_learning_curve_brings_out_one_method_and_its_draws(drawn):
    plots.learning_curve(CURVES, highlight="frozen", split="validation", alt="One of two.")
    axis = drawn[0][0].axes[0]
    colours = [to_hex(bars.lines[0].get_color()) for bars in axis.containers]
    assert colours == ["#bfbfbf", plots.COLOURS[1].lower()]
    (dots,) = [each for each in axis.collections if isinstance(each, PathCollection)]
    assert np.allclose(sorted(dots.get_offsets()[:, 1]), [65, 70, 75, 80, 85, 90])
    assert axis.get_ylabel().startswith("validation")


def test_learning_curve_of_a_single_draw_has_no_bar(drawn):
    plots.learning_curve(CURVES[CURVES.seed == 0], alt="One draw.")
    low, high = drawn[0][0].axes[0].containers[0].lines[1]
    assert low.get_ydata().tolist() == high.get_ydata().tolist()


def test_paired_gains(drawn):
    uneven = CURVES.copy()
    uneven.loc[(uneven.method == "frozen") & (uneven.labels == 5), "accuracy"] = [0.9, 0.4, 0.7]
    plots.paired_gains(uneven.sample(frac=1, random_state=0), "frozen", "scratch", alt="Gains.")
    figure = drawn[0][0]
    axis = figure.axes[0]
    five, ten = (each.get_offsets() for each in axis.collections)
    # By draw: 0.9, 0.4, 0.7 against 0.45, 0.55, 0.65.
    assert np.allclose(sorted(five[:, 1]), [-15, 5, 45]) and set(five[:, 0]) == {5}
    assert np.allclose(ten[:, 1], 20) and set(ten[:, 0]) == {10}
    assert [line.get_ydata()[0] for line in axis.lines[-2:]] == pytest.approx([35 / 3, 20])
    assert texts(axis) == ["2/3", "3/3"] and legend(figure) == ["frozen"]
    assert axis.get_ylabel() == "percentage points ahead of\nscratch"


def test_paired_gains_of_several_stand_side_by_side_where_both_were_trained(drawn):
    third = CURVES[CURVES.method == "frozen"].assign(method="tuned").query("labels == 10")
    plots.paired_gains(pd.concat([CURVES, third]), ["frozen", "tuned"], "scratch", alt="Gains.")
    figure = drawn[0][0]
    five, ten, tuned = (each.get_offsets()[0, 0] for each in figure.axes[0].collections)
    assert legend(figure) == ["frozen", "tuned"]
    assert five < 5 < ten < 10 < tuned


def test_confusion_has_labels_down_predictions_across_and_percentages_of_rows(drawn):
    labels, predictions = [0, 0, 0, 0, 1, 1], [0, 1, 1, 1, 1, 1]
    plots.confusion(labels, predictions, ["cat", "dog", "cow"], title="all", alt="Confusion.")
    axis = drawn[0][0].axes[0]
    assert axis.get_xlabel() == "prediction" and axis.get_ylabel().startswith("label")
    cells = {text.get_position(): text.get_text() for text in axis.texts}
    assert cells[0, 0] == "1\n25%" and cells[1, 0] == "3\n75%"  # (across, down)
    assert cells[0, 1] == "0\n0%" and cells[1, 1] == "2\n100%" and cells[2, 2] == "0\n0%"
    assert axis.images[0].get_array()[0, 1] == 0.75 and axis.get_title() == "all"
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["cat", "dog", "cow"]


def test_lines(drawn):
    curves = {"one": [1, 2], "draws": [[1, 2], [3, 6]]}
    plots.lines([0, 10], curves, x_label="winding", y_label="accuracy", alt="Lines.")
    figure = drawn[0][0]
    one, draws = figure.axes[0].containers
    assert one.lines[0].get_xydata().tolist() == [[0, 1], [10, 2]] and not one.has_yerr
    assert draws.lines[0].get_ydata().tolist() == [2, 4] and draws.has_yerr
    assert legend(figure) == ["one", "draws"] and figure.axes[0].get_xlabel() == "winding"


def test_histogram(drawn):
    plots.histogram({"a": [0] * 4 + [20], "b": [20] * 3}, x_label="words", y_label="n", alt="Two.")
    first, second = (patch.get_data() for patch in drawn[0][0].axes[0].patches)
    assert first.values[0] == 4 and first.values[-1] == 1 and second.values[-1] == 3
    assert np.array_equal(first.edges, second.edges) and legend(drawn[0][0]) == ["a", "b"]


def test_precision_recall(drawn):
    labels = np.array([0, 0, 1, 1, 1, 1])
    splits = {"validation": (labels, [0.1, 0.2, 0.5, 0.7, 0.8, 0.9]),
              "test": (labels, [0.1, 0.75, 0.2, 0.7, 0.8, 0.9])}
    plots.precision_recall(splits, 0.6, class_name="cough", alt="Falls.")
    figure = drawn[0][0]
    axis = figure.axes[0]
    points = [line.get_xydata()[0].tolist() for line in axis.lines if len(line.get_xdata()) == 1]
    assert points == [[0.75, 1], [0.75, 0.75]]  # (recall, precision)
    assert legend(figure)[1] == "test: precision 75%, recall 75% at 0.60"
    assert axis.get_xlabel() == "recall: share of cough that is found"
    assert axis.get_ylabel().startswith("precision")
    assert axis.get_xlim()[0] > 0.4 and axis.get_ylim()[0] > 0.5  # cut to where they vary


PLACES = np.array([[0.1, 0], [0.9, 0], [0, 0.8], [0, 0.1], [-0.7, 0]])
SOURCE = Examples(PLACES, np.array([0, 0, 1, 1, 2]))
TARGET = Examples(np.array([[0.5, 0.0], [0.0, 0.5]]), np.array([1, 0]))


def colour(dots):
    return to_hex(dots.get_facecolors()[0][:3]).upper()


def test_points(drawn):
    names = {"source": ["arm 0", "arm 1", "arm 2"], "target": ["blue", "orange"]}
    worlds = {"source": SOURCE, "target": TARGET}
    plots.points(worlds, class_names=names, marked=TARGET, arms=SOURCE, alt="Two worlds.")
    source, target = drawn[0][0].axes
    assert source.get_title() == "source" and texts(source) == texts(target) == ["0", "1", "2"]
    assert np.allclose(source.texts[1].get_position(), (0, 1.12 * 0.8))  # at its outer end
    assert [each.get_offsets().tolist() for each in target.collections] == [
        [[0, 0.5]], [[0.5, 0]], [[0, 0.5]], [[0.5, 0]]
    ]
    assert {colour(each) for each in source.collections}.isdisjoint(plots.COLOURS[:2])
    assert colour(target.collections[0]) == plots.COLOURS[0]
    said = [text.get_text() for text in target.get_legend().get_texts()]
    assert said == ["blue", "orange", "blue, labelled", "orange, labelled"]


def test_regions(drawn):
    maps = {"scratch: 60%": np.zeros((3, 3)), "frozen: 90%": np.tri(3)}
    plots.regions(maps, TARGET, world=SOURCE, class_names=["blue", "orange"], alt="Maps.")
    *panels, bar = drawn[0][0].axes
    assert [axis.get_title() for axis in panels] == list(maps)
    assert np.array_equal(panels[1].images[0].get_array(), np.tri(3))  # top row first
    assert panels[1].images[0].origin == "upper" and panels[1].images[0].get_clim() == (0, 1)
    large = panels[0].collections[2:]
    assert [each.get_offsets().tolist() for each in large] == [[[0, 0.5]], [[0.5, 0]]]
    assert bar.get_ylabel() == "predicted probability of orange"
    assert to_hex(plots.two_sided()(1.0)).upper() == "#F2AB74"  # orange is for, blue against
