r"""Teaches a finished run new classes, without any image of the old ones; the same command again resumes it.

  bin/learn --run_dir=runs/quickstart --image_dir=new_classes                # new_classes/<class>/..., one task
  bin/learn --run_dir=runs/quickstart --archive=new.npz --classes_per_task=2 # images, labels, perhaps class_names
  bin/learn --run_dir=runs/quickstart --image_dir=new_classes --classes=owl,heron

It is as if the tasks had come in the first run: method, settings, seeds and image size are those of the run folder,
which is all that is needed, also on another machine. Its results, figures and exports go on with the new classes; test
images of earlier classes are used where the data that they came from are still in their place.
"""

from absl import flags

from dgm_tf import config, output
from dgm_tf.cli import command
from dgm_tf.disk.paths import user_path
from dgm_tf.errors import UserError, own_message
from dgm_tf.quiet import expect_loss, quiet_start
from dgm_tf.run import sessions
from dgm_tf.run.folder import RunFolder
from dgm_tf.text import shown
from dgm_tf.training.cluster import WAIT_SECONDS

_FLAGS = flags.FlagValues()
flags.DEFINE_string("run_dir", None, "Folder of the run.", flag_values=_FLAGS)
flags.DEFINE_string("image_dir", None, "A folder with a folder of images for each new class.", flag_values=_FLAGS)
flags.DEFINE_string("archive", None, "Instead: an .npz with images and labels.", flag_values=_FLAGS)
flags.DEFINE_list("classes", [], "Which classes of it, in this order; default: all, by name.", flag_values=_FLAGS)
flags.DEFINE_list("classes_per_task", [], "A number, or sizes such as 3,1; default: one task.", flag_values=_FLAGS)
flags.DEFINE_multi_string("import", [], command.IMPORT_HELP, flag_values=_FLAGS)
flags.DEFINE_string("cache_dir", None, "Where decoded images are kept; default: as the run's.", flag_values=_FLAGS)
flags.DEFINE_string("data_dir", None, "TFDS data_dir of the run's own data, for their test images.", flag_values=_FLAGS)
flags.DEFINE_enum(
    "strategy", "auto", ["auto", "none", "mirrored", "multi_worker"], "tf.distribute strategy.", flag_values=_FLAGS
)
flags.DEFINE_float("wait_for_workers", WAIT_SECONDS, command.WAIT_HELP, 0.0, flag_values=_FLAGS)


def main():
    """Console entry point."""
    command.run(_learn, usage=__doc__, flag_values=_FLAGS)


def _learn():
    folder, (kind, path) = _folder(), _images()
    sizes = _sizes(_FLAGS.classes_per_task)
    expect_loss(_FLAGS.strategy)
    with quiet_start():
        modules = _FLAGS["import"].value
        config.import_modules(modules)
        text = folder.config_text()
        config.parse(folder.config, modules=modules)
        from dgm_tf.run import continuation, experiment
    _bind_flags()
    order = _FLAGS.classes or "natural"
    longer = continuation.Continuation(folder, _make_source, kind, path, sizes, order)

    def look():
        _check_unchanged(folder, text)
        longer.read()

    try:
        return sessions.run_session(
            folder, _FLAGS.strategy, lambda: experiment.run_experiment(folder.path, extend=longer),
            _FLAGS.wait_for_workers, look,
        )  # fmt: skip
    except continuation.NothingToLearn as nothing:
        output.say(shown(f"{folder} has learned {own_message(nothing)}: see {folder.results}"))
        return 0


def _folder():
    if not _FLAGS.run_dir:
        raise UserError("--run_dir: expected the folder of a finished run, such as runs/quickstart, got none")
    folder = RunFolder(user_path(_FLAGS.run_dir, "--run_dir"))
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
    given = [(kind, _FLAGS[kind].value) for kind in ("image_dir", "archive") if _FLAGS[kind].value]
    if len(given) != 1:
        raise UserError(f"expected either --image_dir or --archive, got {'both' if given else 'neither'}")
    kind, path = given[0]
    return kind, user_path(path, f"--{kind}").absolute()


def _sizes(words):
    """One size, a list of them, or None for one task of all classes."""
    if not all(word.isdecimal() and int(word) for word in words):
        raise UserError(f"--classes_per_task: expected positive integers, got {','.join(words)}")
    return None if not words else int(words[0]) if len(words) == 1 else [int(word) for word in words]


def _bind_flags():
    import gin

    import dgm_tf.data  # noqa: F401 - registers TFDS

    with gin.unlock_config():
        gin.bind_parameter("TFDS.download", False)  # the old data are looked for, not fetched
        for flag, parameter in {"cache_dir": "run_experiment.cache_dir", "data_dir": "TFDS.data_dir"}.items():
            if _FLAGS[flag].value is not None:
                gin.bind_parameter(parameter, str(user_path(_FLAGS[flag].value, f"--{flag}")))


def _make_source(kind, path, image_shape):
    """A source of images like the run's; what else the run's configuration says of such a source holds here, too."""
    import gin

    size, channels = image_shape[0], image_shape[-1]
    if kind == "archive":
        return gin.get_configurable("ImageArchive")(path=path, channels=channels)
    return gin.get_configurable("ImageFolder")(directory=path, size=size, channels=channels)


if __name__ == "__main__":
    main()
