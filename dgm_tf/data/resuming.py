"""Check that a resumed run sees the data that it began with: files of a folder may have changed."""

from dgm_tf.data import excerpts
from dgm_tf.errors import UserError
from dgm_tf.text import listed, shown

_NAMED = 10  # classes in a message


def check_same_stream(run_dir, results, stream):
    """Raises UserError unless the stream has the classes and images of a run's results.

    Only what is learned counts: a file that is hidden, no image or broken, and a class that is not learned, may come
    and go.

    Args:
        run_dir: for messages.
        results: the run's `Record`, perhaps of an earlier version.
        stream: `ClassIncrementalStream`.
    """
    if results.later:
        raise UserError(f"{shown(run_dir)} has learned more classes: resume it with the same bin/learn command")
    names, report = results.class_names, results.data or {}
    now = stream.report or {}
    if results.excerpt is not None:
        same = excerpts.alike(results.excerpt, stream.excerpt)
    else:  # of a run begun before there were any
        same = all(report.get(part) == now.get(part) for part in ("train", "test"))
    if names != list(stream.class_names) or not same:
        got = _described(stream.class_names, now)
        raise UserError(
            f"{shown(run_dir)} was started with other images: expected {_described(names, report)}, got "
            f"{got if names != list(stream.class_names) else f'others of {got}'}; put them back, or name another "
            "--run_dir"
        )


def _described(class_names, report):
    counts = f" ({report['train']} and {report['test']} images)" if "train" in report else ""
    return f"classes {listed([shown(name, most=40) for name in class_names], _NAMED)}{counts}"
