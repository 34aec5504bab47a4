"""Files of a suite's comparison: tables, figure, TensorBoard entries."""

import pathlib

from dgm_tf import aliases
from dgm_tf.compare import formats
from dgm_tf.compare.hparams import write_hparams
from dgm_tf.disk import files
from dgm_tf.report import figures


def write_report(comparison, directory):
    """Writes the table in all formats, the figure and TensorBoard's entries; returns the table's path.

    Args:
      comparison: dict of `numbers.compare`.
      directory: folder, made where needed; earlier files of the same names are replaced.
    """
    directory = pathlib.Path(directory)
    texts = {
        "table.md": formats.markdown, "table.tex": formats.latex,
        "table.csv": formats.csv_table, "runs.csv": formats.csv_runs,
    }  # fmt: skip
    for name, write in texts.items():
        files.write_atomically(directory / name, write(comparison))
    files.write_json(directory / "table.json", aliases.comparison(comparison))
    curves = {row["label"]: row["curve"] for row in comparison["rows"] if row["curve"]["mean"]}
    if curves:
        title = comparison["title"] or "Accuracy after each task"
        figures.save(figures.comparison_figure(curves, title), directory / "accuracy.png")
    write_hparams(comparison, directory / "hparams")
    return directory / "table.md"
