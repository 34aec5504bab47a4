"""Promises of the figures: they show the numbers given, with names and units, for every shape of run."""

import matplotlib
import numpy as np
import pytest
from PIL import Image

from dgm_tf.evaluation import figures

NAN = np.nan


def _capacity(num_tasks, names=("conv_1", "conv_2")):
    layer = {"units": 8, "mask_entries": 100, "used": 15, "newly_reserved": 10, "reused": 5, "free": 100}
    return [
        {"task": t, "size": 1000 + 200 * t, "layers": {name: dict(layer) for name in names}, "mask_bytes": 3}
        for t in range(1, num_tasks + 1)
    ]


ALL_FIGURES = {
    "accuracy": lambda: figures.accuracy_figure([0.9, 0.8], [2, 3], {"joint": [0.95, None], "chance": 0.2}),
    "accuracy_one_task": lambda: figures.accuracy_figure([0.9]),
    "matrix": lambda: figures.accuracy_matrix_figure([[0.9, NAN], [0.5, 1.0]], ["0", "1"]),
    "matrix_with_none": lambda: figures.accuracy_matrix_figure([[0.9, None], [0.5, 1.0]], ["0", "1"]),
    "confusion": lambda: figures.confusion_figure([[3, 1], [0, 0]], ["T-shirt/top", "$5_{ or 6$"]),
    "confusion_of_50": lambda: figures.confusion_figure(np.eye(50), [f"class {i}" for i in range(50)]),
    "capacity": lambda: figures.capacity_figure(_capacity(12)),
    "capacity_of_7_layers": lambda: figures.capacity_figure(_capacity(1, [f"conv_{i}" for i in range(7)])),
    "size": lambda: figures.size_figure(_capacity(3)),
    "size_one_task": lambda: figures.size_figure(_capacity(1)),
    "masks": lambda: figures.mask_trajectory_figure([1, 2], [[0.5, 0.5], [0.0, 1.0]]),
    "masks_all_free": lambda: figures.mask_trajectory_figure([1], [[0.1, 0.2]]),
    "class_grid": lambda: figures.class_grid_figure(
        {"a": np.zeros([3, 8, 8, 1]), "$_{$": np.ones([2, 8, 8, 1])}
    ),
}


@pytest.mark.parametrize("name", ALL_FIGURES)
def test_every_figure_is_written_as_png_and_leaves_nothing_else(name, tmp_path):
    path = tmp_path / "figures" / f"{name}.png"
    figures.save(ALL_FIGURES[name](), path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert Image.open(path).format == "PNG" and min(Image.open(path).size) > 100


def test_figures_work_without_pyplot_windows(tmp_path):
    figures.save(figures.accuracy_figure([0.9]), tmp_path / "a.png")
    assert matplotlib._pylab_helpers.Gcf.get_all_fig_managers() == []


def test_accuracy_is_drawn_over_classes_in_percent_beside_its_bounds():
    (axes,) = figures.accuracy_figure([0.9, 0.8], [2, 3], {"joint training": [0.95, 0.94]}).axes
    bound, run = axes.get_lines()
    np.testing.assert_allclose(run.get_xydata(), [[2, 90], [5, 80]])
    np.testing.assert_allclose(bound.get_ydata(), [95, 94])
    assert bound.get_label() == "joint training"


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


def test_mask_trajectories_must_fit_the_epochs():
    with pytest.raises(ValueError, match=r"shape \[3, M\]"):
        figures.mask_trajectory_figure([1, 2, 3], [[0.5, 0.5]])


class TestImageGrid:
    def test_places_images_row_by_row_with_two_pixels_of_white(self):
        images = np.arange(1, 4, dtype=np.uint8)[:, None, None, None] * np.ones([3, 4, 5, 1], np.uint8)
        grid = figures.image_grid(images, 2)
        assert grid.shape == (2 + 2 * (4 + 2), 2 + 2 * (5 + 2), 1) and grid.dtype == np.uint8
        assert (grid[2:6, 2:7] == 1).all() and (grid[2:6, 9:14] == 2).all() and (grid[8:12, 2:7] == 3).all()
        assert (grid[8:12, 9:14] == 255).all()
        assert (grid[[0, 1, 6, 7, -2, -1]] == 255).all() and (grid[:, [0, 1, 7, 8, -2, -1]] == 255).all()

    def test_floats_map_from_minus_one_and_one_to_black_and_white(self):
        images = np.array([-1.0, 0.0, 1.0, NAN], np.float32).reshape(4, 1, 1, 1)
        assert figures.image_grid(images, 4)[2, 2::3, 0].tolist() == [0, 128, 255, 0]

    def test_uint8_round_trips_through_floats(self):
        values = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
        grid = figures.image_grid(values.astype(np.float32) / 127.5 - 1, 1)
        np.testing.assert_array_equal(grid[2:-2, 2:-2], values[0])

    @pytest.mark.parametrize(("shape", "value"), [([2, 4, 4], 0), ([0, 4, 4, 1], 0), ([1, 4, 4, 1], 255)])
    def test_wrong_images_are_refused(self, shape, value):
        with pytest.raises(ValueError, match="images must"):
            figures.image_grid(np.full(shape, value), 1)


class TestSaveImage:
    @pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3)])
    def test_round_trip(self, tmp_path, shape):
        array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        figures.save_image(array, tmp_path / "new" / "image.png")
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "new" / "image.png")), array.squeeze())

    @pytest.mark.parametrize(("shape", "dtype"), [([4, 5], float), ([4, 5, 2], np.uint8), ([4], np.uint8)])
    def test_wrong_arrays_are_refused(self, tmp_path, shape, dtype):
        with pytest.raises(ValueError, match="array must be uint8"):
            figures.save_image(np.zeros(shape, dtype), tmp_path / "image.png")
        assert list(tmp_path.iterdir()) == []
