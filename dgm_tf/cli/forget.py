r"""Takes classes out of a finished run, as if they had never been learned. No image is needed.

  bin/forget --run_dir=runs/photos --classes=fox
  bin/forget --run_dir=runs/photos --classes=fox,owl

Everything in the run folder that holds the classes is rewritten or deleted, and so are the caches of images and
features: the screen lists it, and says what stays. Use the original names of the classes, and quote a name with a
comma: --classes='"tench, Tinca tinca",goldfish'. If it is interrupted, give the same command again.

ClosedForm with per_class = True, the default of gin/photos.gin, can do this, and so can DGM and iCaRL. What stays of a
class differs: see docs/forgetting.md.
"""

import contextlib

from absl import flags

from dgm_tf import config
from dgm_tf.cli import command, saved
from dgm_tf.errors import UserError
from dgm_tf.output import say
from dgm_tf.quiet import quiet_start
from dgm_tf.run.folder import RunFolder
from dgm_tf.text import listed, shown

FLAGS = command.define(
    (flags.DEFINE_string, "run_dir", None, "Run folder of a finished run."),
    (flags.DEFINE_list, "classes", [], "Names of the classes to forget."),
    command.IMPORT,
    (flags.DEFINE_string, "cache_dir", None, "Folder of the run's caches. Default: those that the run has named."),
)
NAMED = 30  # classes that the screen names


def main():
    """Console entry point."""
    command.run(_forget, __doc__, FLAGS)


def _forget():
    folder = RunFolder(saved.run_folder(FLAGS, "a finished run"))
    if not FLAGS.classes:
        raise UserError("--classes: expected names of classes to forget, such as fox, got none")
    if not folder.has_config:
        raise UserError(f"--run_dir: expected the folder of a run, got {folder}, which holds no config.gin")
    with quiet_start():
        config.import_modules(FLAGS["import"].value)
        from dgm_tf.run import bar, caches, forgetting  # which import TensorFlow
    places = caches.folders_of(folder, FLAGS.cache_dir)
    with folder.locked(), contextlib.closing(bar.Progress()) as progress:
        done, stays = forgetting.Forgetting(folder, FLAGS.classes, places, [progress])()
    say(shown(f"Forgotten: {listed(FLAGS.classes, NAMED)}"))
    for what, became in done:
        say(shown(f"  {what}: {became}"))
    for sentence in stays:
        say(shown(sentence))
    say(
        "Not looked at: copies of this folder, files written elsewhere (bin/predict --output, bin/export --output, "
        "tables and logs of bin/compare), and the photos themselves."
    )


if __name__ == "__main__":
    main()
