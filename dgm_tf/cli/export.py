r"""Exports the generator and the classifier of a run as SavedModels. They need TensorFlow only.

  bin/export --run_dir=runs/quickstart
  bin/export --run_dir=runs/quickstart --output=/tmp/quickstart

It writes generator/ with the signatures `sample` and `generate`, classifier/ with the signature `classify`, and
classes.json with the class names. A label is a position in that list. Both SavedModels carry it among their assets.

  import tensorflow as tf
  generator = tf.saved_model.load("runs/quickstart/export/generator")
  images = generator.sample(labels=[0, 0, 1], seed=[1, 2])         # float32 [3, H, W, C] in [-1, 1]
  classifier = tf.saved_model.load("runs/quickstart/export/classifier")
  labels = classifier.classify(uint8_images)["label"]              # int32 [N]; floats are refused

The classifier takes uint8 images and scales them itself. Pass integers as labels and images: TensorFlow silently casts
NumPy arrays of floats that are given to a signature.

A method without a generator has no generator/. A run exports itself when it ends.
"""

from absl import flags

from dgm_tf.cli import command, saved
from dgm_tf.errors import UserError, reason
from dgm_tf.output import say
from dgm_tf.quiet import quiet_start
from dgm_tf.text import shown

FLAGS = command.define(
    command.RUN_DIR,
    command.IMPORT,
    (flags.DEFINE_string, "output", None, "Output folder. Default: <run_dir>/export."),
)


def main():
    """Console entry point."""
    command.run(_export_run, __doc__, FLAGS)


def _export_run():
    with quiet_start():
        from dgm_tf.export import export  # which imports TensorFlow
    learner, output = saved.learner_and_output(FLAGS, lambda folder: folder.export)
    try:
        sizes = export(learner, output)
    except OSError as error:
        raise UserError(f"--output: cannot write to {output}: {reason(error)}") from error
    for name, size in sizes.items():
        say(shown(f"{output / name}: {size / 1e6:.1f} MB"))


if __name__ == "__main__":
    main()
