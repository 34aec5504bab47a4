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

from dgm_tf import config
from dgm_tf.cli import command
from dgm_tf.disk import lock
from dgm_tf.disk.paths import user_path
from dgm_tf.errors import UserError, reason
from dgm_tf.output import say
from dgm_tf.quiet import quiet_start
from dgm_tf.text import shown

_FLAGS = flags.FlagValues()
flags.DEFINE_string("run_dir", None, "Run folder.", flag_values=_FLAGS)
flags.DEFINE_multi_string("import", [], command.IMPORT_HELP, flag_values=_FLAGS)
flags.DEFINE_string("output", None, "Output folder. Default: <run_dir>/export.", flag_values=_FLAGS)


def main():
    """Console entry point."""
    command.run(_export_run, usage=__doc__, flag_values=_FLAGS)


def _export_run():
    if not _FLAGS.run_dir:
        raise UserError("--run_dir: expected the folder of a run, such as runs/quickstart, got none")
    run_dir = user_path(_FLAGS.run_dir, "--run_dir")
    output = user_path(_FLAGS.output or run_dir / "export", "--output")
    if not _FLAGS.output:
        lock.refuse_links([output], "--run_dir")

    with quiet_start():
        from dgm_tf.export import export
        from dgm_tf.learner import load

        config.import_modules(_FLAGS["import"].value)
        learner = load(run_dir)
    try:
        sizes = export(learner, output)
    except OSError as error:
        raise UserError(f"--output: cannot write to {output}: {reason(error)}") from error
    for name, size in sizes.items():
        say(shown(f"{output / name}: {size / 1e6:.1f} MB"))


if __name__ == "__main__":
    main()
