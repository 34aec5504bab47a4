r"""Tells what a run keeps, by kind and bytes: weights, statistics, images, checkpoints, exports, results and caches.

  bin/audit --run_dir=runs/photos
  bin/audit --run_dir=runs/photos --json=audit.json      # each file with its bytes
  bin/audit --run_dir=runs/photos --delete_caches        # decoded images and features, which other runs may share

It warns of classes of few photos: the mean of one photo's features is that photo's features. See docs/audit.md.
"""

from absl import flags
from rich import box
from rich.table import Table

from dgm_tf import config
from dgm_tf.cli import command, saved
from dgm_tf.disk import files
from dgm_tf.disk.paths import user_path
from dgm_tf.errors import UserError
from dgm_tf.output import say
from dgm_tf.quiet import quiet_start
from dgm_tf.run.folder import RunFolder
from dgm_tf.text import listed, shown

FLAGS = command.define(
    command.RUN_DIR,
    command.IMPORT,
    (flags.DEFINE_string, "json", None, "JSON file to write. Default: none."),
    (flags.DEFINE_bool, "delete_caches", False, "Delete the caches, also those that other runs share."),
    (flags.DEFINE_string, "cache_dir", None, "Folder of the run's caches. Default: those that the run has named."),
)
NAMED = 20  # classes that the screen names


def main():
    """Console entry point."""
    command.run(_audit, __doc__, FLAGS)


def _audit():
    folder = RunFolder(saved.run_folder(FLAGS))
    if not (folder.has_config or (folder.memory / "learner.json").is_file()):
        raise UserError(f"--run_dir: expected the folder of a run, got {folder}, which holds none")
    target = FLAGS.json and user_path(FLAGS.json, "--json")
    with quiet_start():
        config.import_modules(FLAGS["import"].value)
        from dgm_tf.learner import load
        from dgm_tf.run import caches
        from dgm_tf.run.inventory import inventory
    learner = load(folder.path) if folder.memory.is_dir() else None
    found = inventory(folder, learner, caches.folders_of(folder, FLAGS.cache_dir))
    _tell(folder, found, caches.KINDS)
    if target:
        files.write_json(target, found.to_json())
        say(shown(target))
    if FLAGS.delete_caches:
        for cache in found.caches:
            cache.delete()
        size = sum(cache.nbytes for cache in found.caches)
        say(f"Deleted: {len(found.caches)} caches, {size:,} bytes; runs that need them make them again")


def _tell(folder, found, kinds):
    from dgm_tf.report import tables

    table = Table("what is kept", "files", "bytes", box=box.SIMPLE_HEAD)
    for kind, (count, size) in found.by_kind().items():
        table.add_row(kind, f"{count:,}", f"{size:,}")
    table.add_section()
    table.add_row("in the run folder", f"{len(found.files):,}", f"{found.total:,}")
    for kind, text in kinds.items():
        own = [cache for cache in found.caches if cache.kind == kind]
        if own:
            table.add_row(f"cache of {text}", f"{len(own):,}", f"{sum(cache.nbytes for cache in own):,}")
    for column in table.columns[1:]:
        column.justify = "right"
    say(shown(f"{folder} keeps"))
    tables.print_report(table)
    for place in dict.fromkeys(cache.path.parent for cache in found.caches):
        say(shown(f"Caches: {place}; other runs may share them, and --delete_caches deletes them"))
    if found.nearest:
        rows = [f"{name} {_distance(own)} ({_distance(test)})" for name, (own, test) in found.nearest.items()]
        say(shown(f"Distance of replayed (and of test) images to the nearest training image: {listed(rows, NAMED)}"))
    if found.few:
        rows = [f"{name} ({count})" for name, count in found.few.items()]
        text = "the statistics of few photos say much about each, and the mean of one is that photo's features"
        say(shown(f"Warning: {text}: {listed(rows, NAMED)}"))


def _distance(value):
    return "-" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
