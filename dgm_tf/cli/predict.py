r"""Labels photos with the classifier of a run: a line of CSV for each file, and pictures of them if asked.

  bin/predict --run_dir=runs/photos --image_dir=new_photos                    # writes runs/photos/labels.csv
  bin/predict --run_dir=runs/photos --image_dir=new_photos --output=labels.csv --html=labels.html

Photos may lie in subfolders. They are prepared exactly as in training: turned as their EXIF data say, their middle cut
out as a square, resized. The columns are file, label, probability, then the second and third guess with theirs, known
and score, and error: why a file cannot be read. Probabilities are the softmax of the classifier's logits. known is
"yes" for a photo of a class that was learned, where the score is 0 or more, and "no" for others; both are empty where
the run's method cannot tell. A cell that a spreadsheet would take for a formula begins with an apostrophe.

--html writes a page that needs no other file: the photos as the classifier saw them, by label, the least certain first.
An earlier file of the same name is replaced when the new one is whole.
"""

from absl import flags

from dgm_tf import config
from dgm_tf.cli import command, saved
from dgm_tf.errors import UserError
from dgm_tf.output import console, say
from dgm_tf.quiet import quiet_start
from dgm_tf.run.folder import RunFolder
from dgm_tf.text import listed, shown

FLAGS = command.define(
    command.RUN_DIR,
    (flags.DEFINE_string, "image_dir", None, "Folder of photos, with or without subfolders."),
    command.IMPORT,
    (flags.DEFINE_string, "output", None, "CSV file to write. Default: <run_dir>/labels.csv."),
    (flags.DEFINE_string, "html", None, "HTML file to write, a contact sheet. Default: none."),
)

NAMED = 20  # labels, and files left out, that the screen names


def main():
    """Console entry point."""
    command.run(_predict, __doc__, FLAGS)


def _predict():
    run_dir = saved.run_folder(FLAGS)
    if not FLAGS.image_dir:
        raise UserError("--image_dir: expected a folder of photos, such as new_photos, got none")
    with quiet_start():
        from dgm_tf.data.sources.photos import list_photos
        from dgm_tf.learner.photos import decoding_for
        from dgm_tf.report import predictions
    photos = list_photos(FLAGS.image_dir, "--image_dir")
    sheet = FLAGS.html and predictions.check_target(FLAGS.html, "--html")
    learner, output = saved.learner_and_output(FLAGS, lambda folder: folder.labels)
    output = predictions.check_target(output, "--output")
    preparing, source = _preparing(run_dir)
    decoding = decoding_for(learner, **preparing)
    if source:
        say(shown(f"The run learned images of {source}: photos are cut and resized as those of an ImageFolder are"))
    summary = _write(learner, photos, decoding, output, sheet)
    _tell(summary, photos, [output, sheet] if sheet else [output])


def _preparing(run_dir):
    """(settings of the run's photos, name of the run's source where it is another one than `ImageFolder`).

    The configuration is read without running any of it.
    """
    folder = RunFolder(run_dir)
    if not folder.has_config:  # a saved learner alone
        return {}, None
    bound = config.bindings(folder.config)
    source = bound.value(bound.scope("", "run_experiment", "stream"), "ClassIncrementalStream", "source")
    name, scope = getattr(source, "name", None), getattr(source, "scope", "")
    found = {key: bound.value(scope, "ImageFolder", key) for key in ("max_pixels", "white")}
    return {key: value for key, value in found.items() if value is not None}, None if name == "ImageFolder" else name


def _write(learner, photos, decoding, output, sheet):
    from rich.progress import Progress

    from dgm_tf.report.predictions import write_predictions

    screen = console()
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bar:
        row = bar.add_task("Labelling", total=len(photos.files))
        return write_predictions(learner, photos, decoding, output, sheet, lambda: bar.advance(row))


def _tell(summary, photos, written):
    rows = [f"{count:,} {shown(name, most=60)}" for name, count in summary.counts.most_common()]
    say(shown(f"Labels: {listed(rows, NAMED) or 'none'}"))
    if summary.unknown:
        say(f"Of none of the learned classes, as it seems: {summary.unknown:,}; the column known has no")
    if summary.unreadable:
        say(f"Not read: {summary.unreadable:,} files; the column error says why")
    if photos.skipped:
        rows = [f"{place} ({why})" for place, why in photos.skipped]
        say(shown(f"Left out: {listed(rows, NAMED, '; ')}"))
    for path in written:
        say(shown(path))


if __name__ == "__main__":
    main()
