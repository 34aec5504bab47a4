"""What goes wrong with files is told in one line: path, reason, what to do."""

import errno
import os

import gin
import pytest
import tensorflow as tf

from dgm_tf.disk import files
from dgm_tf.errors import Damaged, UserError, told
from dgm_tf.run.metrics_log import MetricsLog
from dgm_tf.run.summaries import Summaries
from tests.limited_files import files_of_at_most


def message_of(function, *arguments):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the message is looked at
        function(*arguments)
    return told(caught.value)


@gin.configurable
def called_by_gin(function):
    function()


AGAIN = "then give the same command again"


@pytest.mark.parametrize(
    "number, text",
    [
        (errno.ENOSPC, f"a.npz: No space left on device; make room, {AGAIN}"),
        (errno.EFBIG, f"a.npz: File too large; allow larger files (ulimit -f), {AGAIN}"),
        (errno.EMFILE, f"a.npz: Too many open files; allow more open files (ulimit -n), {AGAIN}"),
        (errno.EROFS, "a.npz: Read-only file system; name a place that can be written to"),
        (errno.EACCES, "a.npz: Permission denied; change its permissions, or name another place"),
        (errno.EIO, "a.npz: Input/output error"),
    ],
)
def test_an_error_of_a_file_is_path_reason_and_what_to_do(number, text):
    def fail():
        raise OSError(number, os.strerror(number), "a.npz")

    assert message_of(fail) == message_of(called_by_gin, fail) == text


def test_others_are_told_as_they_are_or_not_at_all():
    assert told(OSError("no network")) == "no network"
    assert told(OSError(errno.EXDEV, "Invalid link", "a", None, "b")) == "a -> b: Invalid link"
    assert told(OSError(errno.ENOSPC, "No space left on device")).startswith("No space left on device; make room")
    assert told(UserError("count: expected 4, got 3")) == "count: expected 4, got 3" and told(Damaged("x")) == "x"
    assert told(ZeroDivisionError("division by zero")) is None


def _write_record(path):
    with tf.io.TFRecordWriter(path) as writer:
        for _ in range(3):
            writer.write(bytes(1000))


def test_a_file_that_may_not_grow_is_named_whoever_writes_it(tmp_path):
    metrics, summaries = MetricsLog(tmp_path / "metrics.jsonl"), Summaries(tmp_path)
    checkpoint = tf.train.Checkpoint(v=tf.Variable(tf.zeros(1000)))

    def write_curves():
        for step in range(20):
            summaries.scalars("train", {"loss": 1.0}, step, force=True)
        summaries.flush()

    writers = {
        "memory/weights.npz": lambda: files.write_atomically(tmp_path / "memory" / "weights.npz", bytes(1000)),
        "metrics.jsonl": lambda: metrics.write({"a": "b" * 1000}),
        "record": lambda: _write_record(str(tmp_path / "record")),
        "train/events.out.tfevents": write_curves,
        "saved": lambda: checkpoint.write(str(tmp_path / "saved")),
    }
    with files_of_at_most(300):
        messages = {name: message_of(write) for name, write in writers.items()}
    for name, message in messages.items():
        assert message.startswith(f"{tmp_path / name}"), message
        assert message.endswith(f": File too large; allow larger files (ulimit -f), {AGAIN}")
    assert not list(tmp_path.rglob("*.tmp"))


def test_tensorflows_other_errors_keep_their_stack_trace():
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        tf.reshape(tf.zeros(3), [2, 2])
    assert told(caught.value) is None
