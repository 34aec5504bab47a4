"""The paper's Fig. 3b: how mask values move over the epochs of a task."""

from matplotlib import ticker

from dgm_tf.report.drawing import BLUE, GREY, LIGHT, empty_figure, plain_text

MOST_LAYERS = 4


def mask_trajectories_figure(trajectories):
    """Values of some mask entries after each epoch: a row for each task, a column for each layer.

    Of many tasks the first, the middle and the last one are drawn, of many layers the first ones. What ends above a
    half belongs to the task.

    trajectories: [(task's index, value of `MaskTrajectories`)], at least one.
    """
    few = sorted({0, len(trajectories) // 2, len(trajectories) - 1})
    names = list(dict.fromkeys(name for _, entry in trajectories for name in entry["layers"]))[:MOST_LAYERS]
    figure = empty_figure(1.0 + 2.6 * len(names), 1.0 + 2.0 * len(few))
    grid = figure.subplots(len(few), len(names), squeeze=False, sharex=True, sharey=True)
    for row, index in zip(grid, few, strict=True):
        task, entry = trajectories[index]
        for axes, name in zip(row, names, strict=True):
            _draw(axes, entry["epochs"], entry["layers"].get(name, []))
        row[0].set_ylabel(f"mask, task {task + 1}")
    for axes, name in zip(grid[0], names, strict=True):
        axes.set_title(plain_text(name))
    for axes in grid[-1]:
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    figure.suptitle("Mask values over the epochs")
    return figure


def _draw(axes, epochs, entries):
    axes.grid(color=LIGHT)
    for values in entries:
        taken = values[-1] >= 0.5
        axes.plot(epochs, values, color=BLUE if taken else GREY, alpha=0.7, linewidth=1.2, marker=".", markersize=3)
    axes.set_ylim(-0.03, 1.03)
    axes.spines[["top", "right"]].set_visible(False)
