"""TensorBoard event files of a run."""

import os
import pathlib
import time

import numpy as np
import tensorflow as tf

from dgm_tf.disk import files, watched_folder
from dgm_tf.text import file_name

SPLITS = ("train", "eval")


class Summaries:
    """TensorBoard events under `<run_dir>/train` and `<run_dir>/eval`.

    TensorBoard groups tags by what stands before the first slash; the groups of a run are
    `loss/critic`, `loss/generator`, `accuracy/average`, `accuracy_per_task/task 3 (two)`,
    `masks/share_of_ones/<layer>`, `masks/values/<layer>`, `growth/<layer>`, `generated/<class name>`.

    Args:
        run_dir: the run folder.
        every_seconds: least time between two unforced `scalars` of one split, in seconds, so that fetching
            tensors does not slow the loop down.
        purge_from: on resume, the first step to forget (restored step + 1), one for both splits or a dict with one
            for each: events of the stopped run at this step or later are removed from the event files, whose
            steps are global steps.
    """

    def __init__(self, run_dir, every_seconds=10.0, purge_from=None):
        self._run_dir = pathlib.Path(run_dir)
        self._every_seconds = every_seconds
        self._writers = {}
        self._last_written = {}
        if purge_from is not None:
            steps = purge_from if isinstance(purge_from, dict) else dict.fromkeys(SPLITS, purge_from)
            for split, step in steps.items():
                _drop_events_from(self._run_dir / split, step)

    def due(self, split):
        """Whether `every_seconds` have passed since the last unforced `scalars` of `split`."""
        last = self._last_written.get(split)
        return last is None or time.monotonic() - last >= self._every_seconds

    def scalars(self, split, values, step, force=False):
        """Writes `values` (tag -> number or scalar tensor) if due or forced; returns whether it wrote.

        Tensors are fetched only when written. A forced call leaves the clock of `due` as it is.
        """
        if not force and not self.due(split):
            return False
        with self._writer(split).as_default(step=_as_step(step)):
            for tag, value in values.items():
                tf.summary.scalar(tag, value)
        if not force:
            self._last_written[split] = time.monotonic()
        return True

    def histograms(self, split, values, step):
        """Writes `values`: tag -> array or tensor of any shape."""
        with self._writer(split).as_default(step=_as_step(step)):
            for tag, value in values.items():
                tf.summary.histogram(tag, value)

    def images(self, split, images, step, also_png_dir=None):
        """Writes `images`: tag -> uint8 [N, H, W, C] or [H, W, C], C in 1, 3, 4.

        also_png_dir: a folder that gets the same as `<tag>-<step>.png` (`<tag>-<step>-<n>.png` if N > 1),
        with the tag as a name that files can have.
        """
        with self._writer(split).as_default(step=_as_step(step)):
            for tag, value in images.items():
                batch = _image_batch(tag, value)
                tf.summary.image(tag, batch, max_outputs=len(batch))
                if also_png_dir is not None:
                    _write_pngs(also_png_dir, f"{file_name(tag)}-{int(step):07d}", batch)

    def text(self, split, values, step):
        """Writes `values`: tag -> Markdown text."""
        with self._writer(split).as_default(step=_as_step(step)):
            for tag, value in values.items():
                tf.summary.text(tag, value)

    def flush(self):
        """Makes all that was written visible to TensorBoard."""
        watched_folder.check(self._run_dir)
        for writer in self._writers.values():
            writer.flush()

    def close(self):
        """Flushes and closes the event files. The object cannot be used afterwards."""
        for writer in self._writers.values():
            writer.close()

    def _writer(self, split):
        watched_folder.check(self._run_dir)  # TensorFlow would make it anew
        if split not in SPLITS:
            raise ValueError(f"split must be one of {SPLITS}, got {split!r}")
        if split not in self._writers:
            self._writers[split] = tf.summary.create_file_writer(str(self._run_dir / split))
        return self._writers[split]


def _drop_events_from(folder, step):
    """Rewrites the event files of `folder` that have events at `step` or later, each atomically; empty ones go.

    A `SessionLog.START` event would be the usual way, but TensorBoard's Python loader ignores it for TF 2
    summaries, so that stale points would stay in the curves.
    """
    for path in sorted(folder.glob("events.out.tfevents.*")):
        stay = [_stays(record, step) for record in _whole_records(path)]
        if sum(stay) <= 1:  # no more than the version of the format: each start writes a file
            path.unlink()
        elif not all(stay):
            _keep(path, step)


def _stays(record, step):
    event = tf.compat.v1.Event.FromString(record)
    return event.HasField("file_version") or event.step < step


def _keep(path, step):
    temporary = files.temporary_name(path)
    with tf.io.TFRecordWriter(str(temporary)) as writer:
        for record in _whole_records(path):
            if _stays(record, step):
                writer.write(record)
    os.replace(temporary, path)


def _whole_records(path):
    """Yields the serialised events of a file, up to a half-written one."""
    try:
        yield from tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    except tf.errors.DataLossError:
        return


def _as_step(step):
    return tf.cast(step, tf.int64)


def _image_batch(tag, value):
    batch = np.asarray(value)
    batch = batch[None] if batch.ndim == 3 else batch
    if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[-1] not in (1, 3, 4):
        raise ValueError(
            f"images[{tag!r}] must be uint8 [N, H, W, C] or [H, W, C] with C in 1, 3, 4, "
            f"got {batch.dtype} {np.shape(value)}"
        )
    return batch


def _write_pngs(folder, stem, batch):
    for index, image in enumerate(batch):
        name = f"{stem}-{index}.png" if len(batch) > 1 else f"{stem}.png"
        files.write_atomically(pathlib.Path(folder) / name, tf.io.encode_png(image).numpy(), synced=False)
