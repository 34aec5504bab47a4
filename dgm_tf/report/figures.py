"""The paper's figures, drawn from any run's results.

Every `*_figure` function returns a matplotlib `Figure` that belongs to no pyplot window (safe in threads and
without a display); `save` writes it. `capacity` is a list over tasks of
`{"task": t, "size": trainable generator parameters while learning t, "layers": {name: counts}}`, the counts
of what a mask covers: `parameters` (when task t was learned), `newly_reserved` and `reused` (used by t).
"""

import io
import itertools
import warnings
from typing import Any

import numpy as np
from matplotlib import ticker
from matplotlib.text import Text

from dgm_tf.disk import files
from dgm_tf.report.drawing import (
    BLUE,
    GREY,
    LIGHT,
    MOST_NAMED,
    ORANGE,
    empty_figure,
    figure_with_axes,
    heat_map,
    plain,
    plain_text,
    some,
    task_ticks,
)
from dgm_tf.report.grids import PADDING, as_uint8, image_grid

# Told apart by most people with a colour vision deficiency too (Okabe and Ito, 2008), then by their markers.
MANY_COLORS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#6b7280", "#000000")
MARKERS = ("o", "s", "^")
BOUND_STYLES = ("--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
MOST_DRAWN = 2000  # classes of a heat map up to which each has a row of its own


def save(figure, path):
    """Writes `figure` as PNG to `path`, atomically, making its folder where needed."""
    for text in figure.findobj(Text):
        text.set_usetex(False)  # whatever matplotlibrc says: a name is no program for LaTeX
    buffer = io.BytesIO()
    with warnings.catch_warnings():  # one for each letter that no font has, which is drawn as a box
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(buffer, format="png", dpi=130)
    files.write_atomically(path, buffer.getvalue())


def accuracy_figure(average_accuracy, classes_per_task=None, bounds=None, title="Accuracy after each task"):
    """Accuracy over the classes seen so far after each task, between its bounds (paper, Fig. 2).

    average_accuracy: fractions [T]. classes_per_task: integers [T], one each if None.
    bounds: name -> fractions [T] (None where unknown) or one number for all tasks.
    """
    num_tasks = len(average_accuracy)
    seen = np.cumsum(np.ones(num_tasks, int) if classes_per_task is None else classes_per_task)
    figure, axes = figure_with_axes(6.4, 4.2)
    for index, (name, values) in enumerate((bounds or {}).items()):
        values = np.full(num_tasks, values, float) if np.isscalar(values) else np.array(values, float)
        style = BOUND_STYLES[index % len(BOUND_STYLES)]
        line = {"color": GREY, "linestyle": style, "label": plain_text(name)}
        axes.plot(seen[: len(values)], 100 * values[:num_tasks], **line)
    percent = 100 * np.array(average_accuracy, float)
    axes.plot(seen, percent, color=BLUE, marker="o", linewidth=2, label="this run")
    for x, y in [(seen[0], percent[0]), (seen[-1], percent[-1])][:num_tasks]:
        if np.isnan(y):  # there were no test images
            continue
        axes.annotate(f"{y:.1f}", (x, y), (0, 7), textcoords="offset points", ha="center", color=BLUE)
    axes.set(title=plain(title), xlabel="classes learned so far", ylabel="mean test accuracy (%)", ylim=(0, 106))
    axes.set_xticks(seen if num_tasks <= 20 else seen[:: num_tasks // 10])
    if bounds:
        figure.legend(loc="outside lower center", ncols=min(3, 1 + len(bounds)), frameon=False)
    return figure


def comparison_figure(curves, title="Accuracy after each task", bounds=None, lowest=0.0):
    """Accuracy over the classes seen so far of several methods, with a band of one standard deviation over seeds.

    curves: name -> {"classes": numbers of classes [T], "mean": percent [T], "sd": percent [T]}, None where unknown;
    bounds likewise, drawn in grey without a band; lowest: where the axis of the accuracies begins, in percent.
    """
    figure, axes = figure_with_axes(7.6, 4.8)
    for dashes, (name, bound) in zip(itertools.cycle(BOUND_STYLES), (bounds or {}).items()):
        axes.plot(bound["classes"], bound["mean"], color=GREY, linestyle=dashes, label=plain_text(name))
    for index, (name, curve) in enumerate(curves.items()):
        classes, mean, sd = (np.array(curve[key], float) for key in ("classes", "mean", "sd"))
        style = _style(index)
        axes.plot(classes, mean, label=plain_text(name), linewidth=1.6, markersize=4, **style)
        axes.fill_between(classes, mean - sd, np.minimum(mean + sd, 100), color=style["color"], alpha=0.15, linewidth=0)
    axes.set(title=plain(title), xlabel="classes learned so far", ylabel="mean test accuracy (%)")
    axes.set_ylim(lowest, 100 + 0.04 * (100 - lowest))
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    figure.legend(loc="outside right center", frameon=False, fontsize=9)
    return figure


def _style(index) -> dict[str, Any]:
    """Line style of the curve at an index."""
    return {"color": MANY_COLORS[index % len(MANY_COLORS)], "marker": MARKERS[index // len(MANY_COLORS) % 3]}


def bytes_figure(curves, title="Accuracy against what is kept"):
    """Accuracy against the bytes that a learner keeps, on a logarithmic axis.

    curves: name -> points (bytes > 0, accuracy as a fraction), joined by a line in the order of their bytes.
    """
    figure, axes = figure_with_axes(7.6, 4.8)
    for index, (name, points) in enumerate(curves.items()):
        style = _style(index)
        sizes, accuracies = np.array(sorted(points), float).T
        if len(sizes) == 1:  # a ring that a curve's point beneath it does not hide
            style |= {"markersize": 11, "markeredgewidth": 2, "fillstyle": "none", "linestyle": "none", "zorder": 3}
        axes.plot(sizes, 100 * accuracies, label=plain_text(name), linewidth=1.6, **style)
    axes.set(title=plain(title), xlabel="bytes kept", ylabel="mean test accuracy (%)", xscale="log")
    axes.xaxis.set_major_formatter(ticker.EngFormatter("B"))
    figure.legend(loc="outside right center", frameon=False, fontsize=9)
    return figure


def accuracy_matrix_figure(accuracies, task_names):
    """Accuracy on each task (columns) after each task (rows).

    accuracies: fractions [T, T], NaN where not learned yet; task_names: [T].
    """
    percent = 100 * np.array(accuracies, float)
    figure, axes = heat_map(percent, 100, task_names, task_names, "accuracy (%)")
    axes.set(title="What is left of each task", xlabel="tested on", ylabel="after learning")
    return figure


def confusion_figure(confusion, class_names):
    """Confusion matrix: rows true, columns predicted, in learning order, each row in percent.

    confusion: counts [n, n]; class_names: [n]. Of more than 2000 classes, neighbours share a row and are named by
    the first of them.
    """
    confusion, class_names = _blocks(np.asarray(confusion), class_names)
    percent = 100 * confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    figure, axes = heat_map(percent, 100, class_names, class_names, "share of the true class (%)")
    axes.set(title="Which class is taken for which", xlabel="predicted (in the order learned)", ylabel="true")
    return figure


def _blocks(counts, names):
    """Sums blocks of neighbouring classes, so that the rows can be drawn."""
    every = -(-len(names) // MOST_DRAWN)
    starts = np.arange(0, len(names), every)
    counts = np.add.reduceat(np.add.reduceat(counts, starts, axis=0, dtype=np.int64), starts, axis=1)
    return counts.astype(float), [names[start] for start in starts]


def capacity_figure(capacity):
    """Per task and layer: what is newly reserved, reused, reserved earlier but idle, free (Fig. 3, left)."""
    names = list(dict.fromkeys(name for entry in capacity for name in entry["layers"]))  # growth may add layers
    columns = min(len(names), 3)
    rows = -(-len(names) // columns)
    figure = empty_figure(1.2 + 3.1 * columns, 1.2 + 2.6 * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes, name in zip(grid.flat, names, strict=False):
        present = [entry for entry in capacity if name in entry["layers"]]
        _stack(axes, [entry["task"] + 1 for entry in present], _shares([entry["layers"][name] for entry in present]))
        axes.set(title=plain_text(name), ylim=(0, 100))
    for axes in grid.flat[len(names) :]:
        axes.set_axis_off()
    for axes in grid[:, 0]:
        axes.set_ylabel("share of the layer (%)")
    for axes in grid.flat[max(0, len(names) - columns) : len(names)]:
        axes.set_xlabel("task")
    figure.suptitle("How each task uses the generator's capacity")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def size_figure(capacity):
    """Generator size against tasks, with the worst case that no task reuses anything (paper, Fig. 4).

    The worst case is size_1 * t: all-new capacity for every task.
    """
    tasks = np.arange(1, len(capacity) + 1)
    sizes = np.array([entry["size"] for entry in capacity], float)
    figure, axes = figure_with_axes(6.4, 4.2)
    axes.plot(tasks, sizes[0] * tasks, color=GREY, linestyle="--", label="worst case: nothing reused")
    axes.plot(tasks, sizes, color=BLUE, marker="o", linewidth=2, label="this run")
    axes.fill_between(tasks, sizes, sizes[0] * tasks, where=sizes <= sizes[0] * tasks, color=LIGHT, alpha=0.6)
    axes.set(title="Size of the generator", xlabel="task", ylabel="trainable parameters", ylim=(0, None))
    axes.yaxis.set_major_formatter(ticker.EngFormatter(sep=""))
    task_ticks(axes, tasks)
    axes.legend(frameon=False, loc="upper left")
    return figure


def fidelity_figure(fidelity, class_names):
    """Precision and recall of each class's replay, with their means.

    fidelity: {"precision": fractions [n], "recall": fractions [n]}, None where not measured; class_names: [n].
    """
    figure, axes = figure_with_axes(min(40.0, max(6.4, 1.2 + 0.3 * len(class_names))), 4.2)
    places = np.arange(len(class_names))
    for side, (name, color) in enumerate((("precision", BLUE), ("recall", ORANGE))):
        percent = 100 * np.array(fidelity[name], float)
        label = f"{name}: mean {np.nanmean(percent):.1f}" if np.isfinite(percent).any() else name
        axes.bar(places + 0.4 * side - 0.2, percent, 0.36, color=color, label=label)
    axes.set(title="Replay beside real images", ylabel="share (%)", ylim=(0, 100))
    long = max(len(str(name)) for name in class_names) > 3
    axes.set_xticks(*some(places, class_names), rotation=90 if long else 0, fontsize=9)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def class_grid_figure(images_per_class, title="Generated images"):
    """One row of images per class, its name on the left (paper, Fig. 5); some classes if they are many.

    images_per_class: name -> images as `image_grid` takes them, all of one size.
    """
    kept = list(images_per_class)[:: -(-len(images_per_class) // MOST_NAMED)]
    images_per_class = {name: images_per_class[name] for name in kept}
    columns = max(len(images) for images in images_per_class.values())
    rows = [_white_up_to(columns, as_uint8(images)) for images in images_per_class.values()]
    height, width = rows[0].shape[1:3]
    grid = image_grid(np.concatenate(rows), columns)
    side = 0.55 if len(rows) <= 20 else 0.35
    names = [plain_text(name) for name in images_per_class]
    name_width = 0.5 + 0.1 * max(map(len, names))
    figure = empty_figure(name_width + side * columns * width / height, 0.6 + side * len(rows))
    axes = figure.add_subplot(title=plain(title))
    axes.imshow(grid.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    centres = (np.arange(len(rows)) + 0.5) * (height + PADDING) + PADDING / 2 - 0.5
    size = 10 if len(rows) <= 20 else 8
    axes.set_yticks(centres, names, fontsize=size)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def _white_up_to(count, images):
    return np.pad(images, [[0, count - len(images)], [0, 0], [0, 0], [0, 0]], constant_values=255)


def _shares(layers):
    """Percentages [T] by name, adding up to 100, from one layer's counts over the tasks.

    Capacity only ever gets reserved, so what earlier tasks reserved is the sum of their `newly_reserved`.
    """
    total = np.array([layer["mask_entries"] for layer in layers], float)
    new = np.array([layer["newly_reserved"] for layer in layers], float)
    reused = np.array([layer["reused"] for layer in layers], float)
    before = np.cumsum(new) - new
    counts = {
        "newly reserved": new,
        "reused": reused,
        "reserved earlier, not used": before - reused,
        "free": total - before - new,
    }
    return {name: 100 * np.maximum(count, 0) / total for name, count in counts.items()}


def _stack(axes, tasks, shares):
    bottom = np.zeros(len(tasks))
    for (name, values), color in zip(shares.items(), (ORANGE, BLUE, "#b9cfe8", LIGHT), strict=True):
        axes.bar(tasks, values, bottom=bottom, color=color, label=name, width=0.8)
        bottom += values
    task_ticks(axes, tasks)
    axes.spines[["top", "right"]].set_visible(False)
