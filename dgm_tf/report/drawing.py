"""Parts that figures have in common: axes, heat maps, and names that matplotlib does not read as formulas."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from dgm_tf.text import shown

BLUE, ORANGE, GREY, LIGHT = "#2f6db3", "#e08a2c", "#6b7280", "#e5e7eb"
MOST_ANNOTATED = 12  # rows of a heat map up to which numbers fit into its cells
MOST_NAMED = 100  # names along an axis; of more only some are written
MOST_LETTERS = 40  # of a name


def empty_figure(width, height):
    """A figure of this size in inches, without axes."""
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    FigureCanvasAgg(figure)
    return figure


def figure_with_axes(width, height):
    """(figure, axes) with a light grid."""
    figure = empty_figure(width, height)
    axes = figure.add_subplot()
    axes.grid(color=LIGHT)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def heat_map(values, largest, row_names, column_names, unit):
    """(figure, axes) of a labelled heat map of [R, C] with values in its cells where they fit; NaN cells stay empty."""
    side = max(4.2, min(11.0, 1.8 + 0.55 * len(values)))
    figure = empty_figure(side + 1.2, side)
    axes = figure.add_subplot()
    image = axes.imshow(values, cmap="Blues", vmin=0, vmax=largest)
    figure.colorbar(image, ax=axes, label=unit, shrink=0.8)
    size = 9 if len(values) <= 2 * MOST_ANNOTATED else 6
    axes.set_xticks(*some(range(len(column_names)), column_names), fontsize=size)
    axes.set_yticks(*some(range(len(row_names)), row_names), fontsize=size)
    if max(len(str(name)) for name in column_names) > 3:
        angle = 90 if len(values) > MOST_ANNOTATED else 45
        axes.tick_params(axis="x", rotation=angle)
        for label in axes.get_xticklabels():
            label.set(ha="right", va="center" if angle == 90 else "top", rotation_mode="anchor")
    axes.spines[:].set_visible(False)
    if len(values) <= MOST_ANNOTATED:
        for row, column in np.argwhere(np.isfinite(values)):
            value = values[row, column]
            color = "white" if value > 0.55 * largest else "black"
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=9, color=color)
    return figure, axes


def plain_text(name):
    """`name`, shortened, without the meaning that matplotlib gives to dollar signs and a first underscore."""
    return plain(shown(name, most=MOST_LETTERS))


def plain(text):
    """The text without the meaning that matplotlib gives to some letters."""
    text = shown(text).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def some(places, names):
    """(places, names) of all, or of as many, at equal distances, as can be read."""
    step = -(-len(names) // MOST_NAMED)
    return list(places)[::step], [plain_text(name) for name in list(names)[::step]]


def task_ticks(axes, tasks):
    """Ticks at the tasks, [T] from 1; of many at some of them."""
    axes.set_xticks(tasks if len(tasks) <= 10 else tasks[:: -(-len(tasks) // 10)])
    axes.set_xlim(tasks[0] - 0.6, tasks[-1] + 0.6)
