r"""Writes generated images of learned classes as PNG files: a folder for each class, and one grid of all.

  bin/sample --run_dir=runs/quickstart                                  # 100 of each class
  bin/sample --run_dir=runs/quickstart --classes=3,7 --count=1000 --output=/tmp/digits --seed=1

Use the original names of the classes. Quote a name with a comma: --classes='"tench, Tinca tinca",goldfish'. If no
name is a number, positions in the order of learning work too, counted from 0. The n-th image of a class depends on
--seed and n alone. Existing files of the same names are replaced.
"""

import numpy as np
from absl import flags

from dgm_tf import checks
from dgm_tf.cli import command, saved
from dgm_tf.data.class_names import position
from dgm_tf.disk import leftovers
from dgm_tf.disk.paths import user_path
from dgm_tf.errors import UserError, reason
from dgm_tf.output import console, say
from dgm_tf.text import file_names, listed, shown

FLAGS = command.define(
    command.RUN_DIR,
    (flags.DEFINE_list, "classes", ["all"], "Names of classes, or all."),
    (flags.DEFINE_integer, "count", 100, "Images of each class.", 1),
    command.IMPORT,
    (flags.DEFINE_string, "output", None, "Output folder. Default: <run_dir>/samples."),
    (flags.DEFINE_integer, "seed", 0, "Seed of the images.", 0),
)

BATCH = 100  # images generated at once, where fewer are wanted, too: each is then the same for any count
GRID, GRID_COLUMNS = "grid.png", 10
NAMED = 30  # classes that a message lists


def find_classes(names, class_names):
    """Returns the labels, without repetition, of the classes that the user named.

    Args:
      names: list of str: original names, positions where no class's name is a number, or ["all"].
      class_names: list of str, the original names in learning order.

    Raises:
      UserError: for an unknown name, listing the known ones, and for no name.
    """
    if list(names) == ["all"]:
        return list(range(len(class_names)))
    if not names:
        raise UserError(f"classes: expected names of classes or all, got none. {_known(class_names)}")
    positions = not any(name.isdecimal() for name in class_names)
    labels = []
    for name in names:
        if (label := position(name, class_names)) is not None:
            labels.append(label)
        elif positions and name.isdecimal() and int(name) < len(class_names):
            labels.append(int(name))
        else:
            raise UserError(f"classes: expected names of learned classes, got {name!r}. {_known(class_names)}")
    return list(dict.fromkeys(labels))


def _known(class_names):
    return f"Learned: {listed(class_names, NAMED)}"


def write_samples(learner, labels, count, directory, seed=0, on_image=lambda: None):
    """Writes `count` images of each class as directory/<class>/<index>.png and a few of all as grid.png.

    Args:
      learner: `Learner` with a generative memory.
      labels: classes, in learning order.
      count: images of each, >= 1.
      directory: folder, made where needed.
      seed: int >= 0.
      on_image: called after each image written.

    Returns:
      The folders of the classes, by name.

    Raises:
      UserError: if an argument is not as described.
    """
    from dgm_tf.learner import arguments
    from dgm_tf.report import figures, grids

    labels = arguments.as_labels(labels, len(learner.class_names)).tolist()
    arguments.check_seed(seed)
    checks.integer_in("count", count, "[1, inf)")
    directory = user_path(directory, "directory")
    folders = [directory / name for name in file_names(learner.class_names, taken=[GRID])]
    few = {}
    for label in labels:
        name = learner.class_names[label]
        leftovers.sweep_shared(folders[label])
        for index, image in enumerate(_images(learner, label, count, seed)):
            grids.save_image(image, folders[label] / f"{index:05d}.png")
            if index < GRID_COLUMNS:
                few.setdefault(name, []).append(image)
            on_image()
    figures.save(figures.class_grid_figure(few), directory / GRID)
    return {learner.class_names[label]: folders[label] for label in labels}


def _images(learner, label, count, seed):
    """Yields `count` uint8 images [H, W, C] of a class."""
    from dgm_tf.training.randomness import numpy_generator

    for start in range(0, count, BATCH):
        batch_seed = int(numpy_generator(seed, "sample", label, start).integers(2**31))
        yield from learner.replay(np.full(BATCH, label, np.int32), batch_seed)[: count - start]


def main():
    """Console entry point."""
    command.run(_sample_run, __doc__, FLAGS)


def _sample_run():
    learner, output = saved.learner_and_output(FLAGS, lambda folder: folder.samples)
    labels = find_classes(FLAGS.classes, learner.class_names)
    from rich.progress import Progress

    try:
        screen = console()
        with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bar:
            row = bar.add_task("Generating", total=len(labels) * FLAGS.count)
            write_samples(learner, labels, FLAGS.count, output, FLAGS.seed, lambda: bar.advance(row))
    except OSError as error:
        raise UserError(f"--output: cannot write to {output}: {reason(error)}") from error
    text = f"{FLAGS.count} images of each class in {output}, a few of all in {output / GRID}"
    say(shown(text))


if __name__ == "__main__":
    main()
