r"""Writes what a run has learned as SavedModels, which need TensorFlow and nothing of this package.

  bin/export --run_dir=runs/quickstart
  bin/export --run_dir=runs/quickstart --output=/tmp/quickstart

It writes generator/ (signatures `sample` and `generate`), classifier/ (signature `classify`) and classes.json
(the original class names: a label is a position in this list), which also stands among the assets of both:

  import tensorflow as tf
  generator = tf.saved_model.load("runs/quickstart/export/generator")
  images = generator.sample(labels=[0, 0, 1], seed=[1, 2])         # float32 [3, H, W, C] in [-1, 1]
  classifier = tf.saved_model.load("runs/quickstart/export/classifier")
  labels = classifier.classify(uint8_images)["label"]              # int32 [N]; floats are refused

Images are classified as files hold them, uint8; the model scales them itself. (TensorFlow casts NumPy arrays that are
given to `classifier.signatures["classify"]` or, as labels, to the generator: pass integers there.)

A learner without a generative memory has no generator/. A run writes its export by itself when it ends.
"""

import json
import os
import shutil

from absl import flags

from dgm_tf import command_line, config, files, folder_lock, leftovers, stopping, watched_folder
from dgm_tf.errors import UserError, reason
from dgm_tf.output import say
from dgm_tf.paths import user_path
from dgm_tf.text import is_text, shown

# Of this command alone: training imports this module and has flags of its own.
_FLAGS = flags.FlagValues()
flags.DEFINE_string("run_dir", None, "Folder of the run.", flag_values=_FLAGS)
flags.DEFINE_multi_string("import", [], command_line.IMPORT_HELP, flag_values=_FLAGS)
flags.DEFINE_string("output", None, "Where to write; default: <run_dir>/export.", flag_values=_FLAGS)

MODELS = ("generator", "classifier")
CLASSES = "classes.json"


def export(learner, directory):
    """Writes a learner's SavedModels; a folder that cannot be finished keeps what it held.

    Args:
      learner: `Learner` that has learned at least one task.
      directory: folder, made where needed; an earlier export in it is replaced.

    Returns:
      {"generator": bytes on disk, "classifier": bytes}, without the generator where the method has none.

    Raises:
      UserError: if nothing has been learned, or one of the names is taken by something else.
      Diverged: if a weight is not finite.
    """
    from dgm_tf.arguments import check_learner
    from dgm_tf.training.divergence import check_finite

    check_learner(learner)
    if not learner.num_tasks:
        raise UserError("export: expected a learner that has learned a task, got one that has not")
    check_finite(learner, learner.arrays(), lambda: "export")
    directory = user_path(directory, "directory").absolute()
    _check_replaceable(directory)
    building = files.temporary_name(directory / "building")  # of this process alone, as others may be exporting, too
    watched_folder.make(building)
    try:
        leftovers.sweep_shared(directory)
        with files.named(directory):
            sizes = _write(learner, building)
        with folder_lock.held_itself(directory, "export", "another export"), stopping.held():
            _check_replaceable(directory)
            _swap(building, directory)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return sizes


def _check_replaceable(directory):
    for name in MODELS:
        path = directory / name
        if path.exists() and not (path / "saved_model.pb").is_file():
            raise UserError(f"{path} is in the way: it exists and is no SavedModel that could be replaced")


def _json(names):
    """The names as JSON; as escapes where one is of a file system's and no text (a surrogate)."""
    return json.dumps(names, indent=1, ensure_ascii=not all(map(is_text, names)))


def _write(learner, directory):
    import tensorflow as tf

    from dgm_tf.saved_models import ClassifierModule, GeneratorModule

    classes = directory / CLASSES
    files.write_atomically(classes, _json(learner.class_names) + "\n")
    sizes = {}
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)  # nobody trains what is exported
    for make in (GeneratorModule, ClassifierModule) if learner.method.replays else (ClassifierModule,):
        stopping.check()
        module = make(learner)
        module.classes = tf.saved_model.Asset(str(classes))
        tf.saved_model.save(module, str(directory / module.name), signatures=module.signatures(), options=options)
        sizes[module.name] = _size(directory / module.name)
    return sizes


def _size(directory):
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def _swap(new, directory):
    """Puts the finished files in the place of the earlier ones, all or none; all that takes long has been done."""
    earlier, moved = new / "earlier", []
    earlier.mkdir()

    def move(source, target):
        if source.exists():
            os.replace(source, target)
            moved.append((source, target))

    try:
        for name in (*MODELS, CLASSES):
            move(directory / name, earlier / name)
            move(new / name, directory / name)
    except BaseException:
        for source, target in reversed(moved):
            os.replace(target, source)
        raise


def main():
    """Console entry point."""
    command_line.run(_export_run, usage=__doc__, flag_values=_FLAGS)


def _export_run():
    if not _FLAGS.run_dir:
        raise UserError("--run_dir: expected the folder of a run, such as runs/quickstart, got none")
    run_dir = user_path(_FLAGS.run_dir, "--run_dir")
    output = user_path(_FLAGS.output or run_dir / "export", "--output")
    if not _FLAGS.output:
        folder_lock.refuse_links([output], "--run_dir")

    with command_line.quiet_start():
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
