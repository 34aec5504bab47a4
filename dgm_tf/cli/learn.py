r"""Teaches a finished run new classes. No image of the old ones is needed. Run the same command again to resume.

  bin/learn --run_dir=runs/quickstart --image_dir=new_classes                # new_classes/<class>/..., one task
  bin/learn --run_dir=runs/quickstart --archive=new.npz --classes_per_task=2 # images, labels, perhaps class_names
  bin/learn --run_dir=runs/quickstart --image_dir=new_classes --classes=owl,heron

The new tasks are learned as if they had been part of the first run: method, settings, seeds and image size come from
the run folder. Nothing else is needed, also on another machine. Results, figures and exports are extended. Accuracy on
earlier classes is measured only if their original test images are still there.
"""

from absl import flags

from dgm_tf import config, output
from dgm_tf.cli import command, saved
from dgm_tf.disk.paths import user_path
from dgm_tf.errors import UserError, own_message
from dgm_tf.quiet import expect_loss, quiet_start
from dgm_tf.run import sessions
from dgm_tf.run.folder import RunFolder
from dgm_tf.text import shown

FLAGS = command.define(
    (flags.DEFINE_string, "run_dir", None, "Run folder of a finished run."),
    (flags.DEFINE_string, "image_dir", None, "Folder with one subfolder of images for each new class."),
    (flags.DEFINE_string, "archive", None, "NumPy archive (.npz) with images and labels, instead of --image_dir."),
    (flags.DEFINE_list, "classes", [], "New classes to learn, in this order. Default: all, sorted by name."),
    (
        flags.DEFINE_list, "classes_per_task", [],
        "Classes in each new task: a number, or sizes such as 3,1. Default: one task.",
    ),
    command.IMPORT,
    (flags.DEFINE_string, "cache_dir", None, "Cache of decoded images. Default: the run's."),
    (flags.DEFINE_string, "data_dir", None, "TFDS folder with the test images of the first run."),
    command.STRATEGY,
    command.WAIT,
)  # fmt: skip


def main():
    """Console entry point."""
    command.run(_learn, __doc__, FLAGS)


def _learn():
    folder, (kind, path) = _folder(), _images()
    sizes = _sizes(FLAGS.classes_per_task)
    expect_loss(FLAGS.strategy)
    with quiet_start():
        modules = FLAGS["import"].value
        config.import_modules(modules)
        text = folder.config_text()
        config.parse(folder.config, modules=modules)
        from dgm_tf.run import continuation, experiment
    command.bind(FLAGS, download=False)  # the old data are looked for, not fetched
    order = FLAGS.classes or "natural"
    longer = continuation.Continuation(folder, _make_source, kind, path, sizes, order)

    def look():
        _check_unchanged(folder, text)
        longer.read()

    try:
        return sessions.run_session(
            folder, FLAGS.strategy, lambda: experiment.run_experiment(folder.path, extend=longer),
            FLAGS.wait_for_workers, look,
        )  # fmt: skip
    except continuation.NothingToLearn as nothing:
        output.say(shown(f"{folder} has learned {own_message(nothing)}: see {folder.results}"))
        return 0


def _folder():
    folder = RunFolder(saved.run_folder(FLAGS, "a finished run"))
    if not folder.has_config:
        raise UserError(f"--run_dir: expected the folder of a run, got {folder}, which holds no config.gin")
    return folder


def _check_unchanged(folder, text):
    if not folder.has_config or folder.difference(text):
        raise UserError(
            f"--run_dir: {folder.config} was changed by another command while this one waited for it; give the command "
            "again"
        )


def _images():
    given = [(kind, FLAGS[kind].value) for kind in ("image_dir", "archive") if FLAGS[kind].value]
    if len(given) != 1:
        raise UserError(f"expected either --image_dir or --archive, got {'both' if given else 'neither'}")
    kind, path = given[0]
    return kind, user_path(path, f"--{kind}").absolute()


def _sizes(words):
    """One size, a list of them, or None for one task of all classes."""
    if not all(word.isdecimal() and int(word) for word in words):
        raise UserError(f"--classes_per_task: expected positive integers, got {','.join(words)}")
    return None if not words else int(words[0]) if len(words) == 1 else [int(word) for word in words]


def _make_source(kind, path, image_shape):
    """A source of images like the run's; what else the run's configuration says of such a source holds here, too."""
    import gin

    size, channels = image_shape[0], image_shape[-1]
    if kind == "archive":
        return gin.get_configurable("ImageArchive")(path=path, channels=channels)
    return gin.get_configurable("ImageFolder")(directory=path, size=size, channels=channels)


if __name__ == "__main__":
    main()
