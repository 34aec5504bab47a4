r"""Exports the generator and the classifier of a run, to be used without this package.

  bin/export --run_dir=runs/quickstart                                # SavedModels, for TensorFlow
  bin/export --run_dir=runs/quickstart --format=litert,onnx           # also the classifier for LiteRT and ONNX
  bin/export --run_dir=runs/quickstart --output=/tmp/quickstart

saved_model: generator/ with the signatures `sample` and `generate`, classifier/ with the signature `classify`.
litert: classifier.tflite. onnx: classifier.onnx, for which the extra `serving` is needed. classes.json has the class
names. A label is a position in that list. All formats that are already in the folder are written again, so that all are
of the same run.

  import tensorflow as tf
  generator = tf.saved_model.load("runs/quickstart/export/generator")
  images = generator.sample(labels=[0, 0, 1], seed=[1, 2])         # float32 [3, H, W, C] in [-1, 1]
  classifier = tf.saved_model.load("runs/quickstart/export/classifier")
  labels = classifier.classify(uint8_images)["label"]              # int32 [N]; floats are refused

The classifier takes uint8 images and scales them itself. Pass integers as labels and images: TensorFlow silently casts
NumPy arrays of floats that are given to a signature. docs/serving.md has such lines for each format.

A method without a generator has no generator/. A run exports itself as SavedModels when it ends.
"""

from absl import flags

from dgm_tf.cli import command, saved
from dgm_tf.errors import UserError, reason
from dgm_tf.output import say
from dgm_tf.quiet import quiet_start
from dgm_tf.text import shown

FORMATS = ("saved_model", "litert", "onnx")
FLAGS = command.define(
    command.RUN_DIR,
    command.IMPORT,
    (flags.DEFINE_list, "format", ["saved_model"], f"Formats, with commas between them: some of {', '.join(FORMATS)}."),
    (flags.DEFINE_string, "output", None, "Output folder. Default: <run_dir>/export."),
)


def main():
    """Console entry point."""
    command.run(_export_run, __doc__, FLAGS)


def _export_run():
    formats = _formats()
    with quiet_start():
        from dgm_tf.export import export, formats_in  # which import TensorFlow
    learner, output = saved.learner_and_output(FLAGS, lambda folder: folder.export)
    try:
        sizes = export(learner, output, list(dict.fromkeys([*formats, *formats_in(output)])))
    except OSError as error:
        raise UserError(f"--output: cannot write to {output}: {reason(error)}") from error
    for name, size in sizes.items():
        say(shown(f"{output / name}: {size / 1e6:.1f} MB"))


def _formats():
    unknown = [name for name in FLAGS.format if name not in FORMATS]
    if unknown or not FLAGS.format:
        raise UserError(f"--format: expected some of {', '.join(FORMATS)}, got {(unknown or ['none'])[0]!r}")
    return FLAGS.format


if __name__ == "__main__":
    main()
