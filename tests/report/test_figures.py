"""Promises of the figures: they show the numbers given, with names and units, for every shape of run."""

import matplotlib
import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from dgm_tf.report import drawing, figures
from dgm_tf.text import shown
from tests import hostile

NAN = np.nan
CURVE = {"classes": [1, 2], "mean": [100.0, 95.0], "sd": [0.0, 1.0]}


def _capacity(num_tasks, names=("conv_1", "conv_2")):
    layer = {"units": 8, "mask_entries": 100, "used": 15, "newly_reserved": 10, "reused": 5, "free": 100}
    return [
        {"task": t, "size": 1000 + 200 * t, "layers": {name: dict(layer) for name in names}, "mask_bytes": 3}
        for t in range(1, num_tasks + 1)
    ]


ALL_FIGURES = {
    "accuracy": lambda: figures.accuracy_figure([0.9, 0.8], [2, 3], {"joint": [0.95, None], "chance": 0.2}),
    "accuracy_one_task": lambda: figures.accuracy_figure([0.9]),
    "comparison": lambda: figures.comparison_figure({"$_{$": CURVE, "b": CURVE}, bounds={"joint": CURVE}, lowest=90),
    "bytes": lambda: figures.bytes_figure({"real images": [(3e5, 0.98), (4e4, 0.9)], "memory": [(2e6, 0.99)]}),
    "matrix": lambda: figures.accuracy_matrix_figure([[0.9, NAN], [0.5, 1.0]], ["0", "1"]),
    "matrix_with_none": lambda: figures.accuracy_matrix_figure([[0.9, None], [0.5, 1.0]], ["0", "1"]),
    "confusion": lambda: figures.confusion_figure([[3, 1], [0, 0]], ["T-shirt/top", "$5_{ or 6$"]),
    "confusion_of_50": lambda: figures.confusion_figure(np.eye(50), [f"class {i}" for i in range(50)]),
    "capacity": lambda: figures.capacity_figure(_capacity(12)),
    "capacity_of_7_layers": lambda: figures.capacity_figure(_capacity(1, [f"conv_{i}" for i in range(7)])),
    "size": lambda: figures.size_figure(_capacity(3)),
    "size_one_task": lambda: figures.size_figure(_capacity(1)),
    "fidelity": lambda: figures.fidelity_figure({"precision": [0.5, None], "recall": [0.5, 1.0]}, ["a", "$_{$"]),
    "fidelity_of_50": lambda: figures.fidelity_figure(
        {"precision": np.linspace(0, 1, 50), "recall": np.ones(50)}, [f"class {i}" for i in range(50)]
    ),
    "class_grid": lambda: figures.class_grid_figure({"a": np.zeros([3, 8, 8, 1]), "$_{$": np.ones([2, 8, 8, 1])}),
}


@pytest.mark.parametrize("name", ALL_FIGURES)
def test_every_figure_is_written_as_png_and_leaves_nothing_else(name, tmp_path):
    path = tmp_path / "figures" / f"{name}.png"
    figures.save(ALL_FIGURES[name](), path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert Image.open(path).format == "PNG" and min(Image.open(path).size) > 100


def _names(count):
    return [f"class {i}" for i in range(count)]


HOSTILE_FIGURES = {
    "matrix": lambda names: figures.accuracy_matrix_figure(np.eye(len(names)), names),
    "fidelity": lambda names: figures.fidelity_figure(
        {"precision": np.ones(len(names)), "recall": np.ones(len(names))}, names
    ),
    "classes": lambda names: figures.class_grid_figure(dict.fromkeys(names, np.zeros([1, 8, 8, 1]))),
    "comparison": lambda names: figures.comparison_figure(dict.fromkeys(names, CURVE), title="".join(names)),
}


@pytest.mark.parametrize("name", HOSTILE_FIGURES)
def test_names_are_drawn_as_they_are_and_nothing_is_said_of_their_letters(name, tmp_path, recwarn):
    with matplotlib.rc_context({"text.usetex": True}):  # of a person whose own figures are LaTeX's
        figure = HOSTILE_FIGURES[name](hostile.NAMES)
        figures.save(figure, tmp_path / "a.png")
    texts = [text.get_text() for text in figure.findobj(Text)]
    drawn = [shown(n, most=drawing.MOST_LETTERS).replace("$", "\\$") for n in hostile.NAMES]
    assert not [text for text in drawn if text not in texts and f" {text}" not in texts]
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]


def test_a_name_that_matplotlib_would_leave_out_of_a_legend_is_in_it():
    (legend,) = figures.comparison_figure({"_hidden": CURVE}).legends
    assert [text.get_text() for text in legend.get_texts()] == [" _hidden"]


def test_figures_of_thousands_of_classes_have_a_size_that_can_be_written(tmp_path):
    names = _names(1700)
    for name in ("fidelity", "classes"):
        figures.save(HOSTILE_FIGURES[name](names), tmp_path / f"{name}.png")
    (axes, _) = figures.confusion_figure(np.eye(1700), names).axes
    assert len(axes.get_xticklabels()) == len(axes.get_yticklabels()) == 100


def test_figures_work_without_pyplot_windows(tmp_path):
    figures.save(figures.accuracy_figure([0.9]), tmp_path / "a.png")
    assert matplotlib._pylab_helpers.Gcf.get_all_fig_managers() == []


def test_accuracy_is_drawn_over_classes_in_percent_beside_its_bounds():
    (axes,) = figures.accuracy_figure([0.9, 0.8], [2, 3], {"joint training": [0.95, 0.94]}).axes
    bound, run = axes.get_lines()
    np.testing.assert_allclose(run.get_xydata(), [[2, 90], [5, 80]])
    np.testing.assert_allclose(bound.get_ydata(), [95, 94])
    assert bound.get_label() == "joint training"


def test_methods_are_compared_in_percent_beside_their_bounds_from_where_the_axis_begins():
    bounds = {"joint": CURVE, "fine-tuning": CURVE | {"mean": [100.0, 50.0]}}
    (axes,) = figures.comparison_figure({"DGM": CURVE}, bounds=bounds, lowest=90.0).axes
    joint, fine_tuning, method = axes.get_lines()
    np.testing.assert_allclose(method.get_xydata(), [[1, 100], [2, 95]])
    np.testing.assert_allclose(fine_tuning.get_xydata(), [[1, 100], [2, 50]])
    assert joint.get_linestyle() != fine_tuning.get_linestyle()
    assert axes.get_ylim() == pytest.approx((90.0, 100.4))


def test_accuracy_against_bytes_is_joined_in_the_order_of_the_bytes():
    (axes,) = figures.bytes_figure({"real": [(3e5, 0.98), (4e4, 0.9)]}).axes
    (line,) = axes.get_lines()
    np.testing.assert_allclose(line.get_xydata(), [[4e4, 90], [3e5, 98]])
    assert axes.get_xscale() == "log"


def test_size_worst_case_is_new_capacity_for_every_task():
    (axes,) = figures.size_figure(_capacity(3)).axes
    worst, run = axes.get_lines()
    assert list(worst.get_ydata()) == [1200, 2400, 3600]
    assert list(run.get_ydata()) == [1200, 1400, 1600]


def test_a_layer_that_growth_added_is_shown_from_its_first_task_on():
    capacity = [*_capacity(1, ["conv"]), *_capacity(3, ["conv", "shortcut"])[1:]]
    titles = {axes.get_title(): axes for axes in figures.capacity_figure(capacity).axes}
    assert {name: len(axes.patches) // 4 for name, axes in titles.items()} == {"conv": 3, "shortcut": 2}


def test_capacity_shares_add_up_to_the_layer():
    figure = figures.capacity_figure(_capacity(3, ["conv"]))
    heights = np.array([[bar.get_height() for bar in bars] for bars in figure.axes[0].containers])
    np.testing.assert_allclose(heights[:, 0], [10, 5, 0, 90])  # new, reused, idle, free
    np.testing.assert_allclose(heights[:, 2], [10, 5, 15, 70])  # 20 reserved before, 5 of them reused


def test_fidelity_bars_are_percent_and_what_was_not_measured_has_none():
    (axes,) = figures.fidelity_figure({"precision": [0.5, None, 1.0], "recall": [None] * 3}, ["a", "b", "c"]).axes
    precision, recall = axes.containers
    np.testing.assert_array_equal([bar.get_height() for bar in precision], [50.0, NAN, 100.0])
    assert precision.get_label() == "precision: mean 75.0" and recall.get_label() == "recall"


def test_confusion_of_thousands_of_classes_counts_neighbours_together():
    (axes, _) = figures.confusion_figure(np.eye(2500, dtype=np.uint8), [f"class {i}" for i in range(2500)]).axes
    drawn = axes.get_images()[0].get_array()
    np.testing.assert_array_equal(np.asarray(drawn), 100 * np.eye(1250))
    assert [label.get_text() for label in axes.get_yticklabels()][:2] == ["class 0", "class 26"]
