"""Promises of the TensorBoard writer."""

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

from dgm_tf.run.summaries import Summaries

NEVER = 1e9


def _read(folder):
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    return events


def _points(folder, tag):
    return [(e.step, float(tensor_util.make_ndarray(e.tensor_proto))) for e in _read(folder).Tensors(tag)]


class TestSummaries:
    def test_scalars_keep_their_tags_and_steps(self, tmp_path):
        summaries = Summaries(tmp_path, every_seconds=0.0)
        summaries.scalars("train", {"loss/critic": tf.constant(0.5), "loss/generator": np.float32(2)}, 1)
        summaries.scalars("train", {"loss/critic": 0.25}, tf.constant(2))
        summaries.scalars("eval", {"accuracy_per_task/task 3 (two & a half)": 1}, np.int64(7))
        summaries.close()
        assert _points(tmp_path / "train", "loss/critic") == [(1, 0.5), (2, 0.25)]
        assert _points(tmp_path / "train", "loss/generator") == [(1, 2.0)]
        assert _points(tmp_path / "eval", "accuracy_per_task/task 3 (two & a half)") == [(7, 1.0)]

    def test_unforced_scalars_are_rate_limited_per_split(self, tmp_path):
        summaries = Summaries(tmp_path, every_seconds=NEVER)
        assert summaries.due("train") and summaries.scalars("train", {"a": 1.0}, 1)
        assert not summaries.due("train") and not summaries.scalars("train", {"a": 2.0}, 2)
        assert summaries.due("eval") and summaries.scalars("train", {"a": 3.0}, 3, force=True)
        summaries.close()
        assert _points(tmp_path / "train", "a") == [(1, 1.0), (3, 3.0)]

    def test_they_are_due_again_after_the_time_between_two(self, tmp_path, monkeypatch):
        now = [50.0]
        monkeypatch.setattr("dgm_tf.run.summaries.time.monotonic", lambda: now[0])
        summaries = Summaries(tmp_path)  # every ten seconds
        for seconds, due in ((0.0, True), (9.9, False), (0.1, True), (9.9, False), (25.0, True)):
            now[0] += seconds
            assert summaries.due("train") == due and summaries.scalars("train", {"a": 1.0}, 1) == due

    def test_a_forced_write_does_not_delay_the_next_one(self, tmp_path):
        summaries = Summaries(tmp_path, every_seconds=NEVER)
        summaries.scalars("train", {"a": 1.0}, 1, force=True)
        assert summaries.due("train")

    def test_values_are_not_fetched_when_not_due(self, tmp_path):
        class Unfetchable:
            def __array__(self, *args, **kwargs):
                raise AssertionError("fetched")

        summaries = Summaries(tmp_path, every_seconds=NEVER)
        summaries.scalars("train", {"a": 1.0}, 1)
        summaries.scalars("train", {"a": Unfetchable()}, 2)

    def test_histograms_and_text(self, tmp_path):
        summaries = Summaries(tmp_path)
        summaries.histograms("train", {"masks/values/conv": np.linspace(0, 1, 10)}, 4)
        summaries.text("eval", {"run/config": "a = 1"}, 0)
        summaries.close()
        (histogram,) = _read(tmp_path / "train").Tensors("masks/values/conv")
        buckets = tensor_util.make_ndarray(histogram.tensor_proto)
        assert buckets[:, 2].sum() == 10
        assert _read(tmp_path / "eval").Tensors("run/config")[0].step == 0

    def test_images_go_to_events_and_to_png(self, tmp_path):
        image = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
        summaries = Summaries(tmp_path)
        tags = {"generated/T-shirt/top": image, "grid": np.stack([image, image + 1])}
        summaries.images("eval", tags, 12, also_png_dir=tmp_path / "images")
        summaries.close()
        names = sorted(path.name for path in (tmp_path / "images").iterdir())
        assert names == ["generated_T-shirt_top-0000012.png", "grid-0000012-0.png", "grid-0000012-1.png"]
        for name, expected in zip(names, [image, image, image + 1], strict=True):
            png = tf.io.decode_png((tmp_path / "images" / name).read_bytes())
            np.testing.assert_array_equal(png, expected)
        size_and_images = _read(tmp_path / "eval").Tensors("grid")[0].tensor_proto.string_val
        assert len(size_and_images) == 4

    def test_no_step_waits_until_a_disk_has_a_picture(self, tmp_path, monkeypatch):
        written = []
        monkeypatch.setattr(
            "dgm_tf.disk.files.write_atomically", lambda path, data, synced=True: written.append(synced)
        )
        Summaries(tmp_path).images("eval", {"a": np.zeros([4, 4, 1], np.uint8)}, 0, also_png_dir=tmp_path / "images")
        assert written == [False]

    @pytest.mark.parametrize(("shape", "dtype"), [([4, 4, 1], np.float32), ([4, 4], np.uint8), ([4, 4, 2], np.uint8)])
    def test_wrong_images_are_refused_by_tag(self, tmp_path, shape, dtype):
        with pytest.raises(ValueError, match="generated/3"):
            Summaries(tmp_path).images("eval", {"generated/3": np.zeros(shape, dtype)}, 0)

    def test_unknown_split_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="split must be one of"):
            Summaries(tmp_path).scalars("test", {"a": 1.0}, 0)

    def test_resume_removes_the_steps_beyond_the_restored_one(self, tmp_path):
        _write_steps(tmp_path, [1, 2, 3, 4])
        resumed = Summaries(tmp_path, every_seconds=0.0, purge_from=3)
        resumed.scalars("train", {"a": 30.0}, 3)
        resumed.close()
        assert sorted(_points(tmp_path / "train", "a")) == [(1, 1.0), (2, 2.0), (3, 30.0)]

    def test_resume_copes_with_a_half_written_event(self, tmp_path):
        _write_steps(tmp_path, [1, 2, 3])
        (path,) = (tmp_path / "train").iterdir()
        path.write_bytes(path.read_bytes()[:-5])
        Summaries(tmp_path, purge_from=3).close()
        assert _points(tmp_path / "train", "a") == [(1, 1.0), (2, 2.0)]
        assert list((tmp_path / "train").iterdir()) == [path]

    def test_files_without_events_to_forget_are_left_alone_and_empty_ones_go(self, tmp_path):
        for start in (1, 3, 5):
            _write_steps(tmp_path, [start, start + 1])
        before = {path: path.stat().st_ino for path in (tmp_path / "train").iterdir()}
        Summaries(tmp_path, purge_from=4).close()
        left = {path: path.stat().st_ino for path in (tmp_path / "train").iterdir()}
        assert len(before) == 3 and len(left) == 2 and len(before.items() & left.items()) == 1
        assert sorted(_points(tmp_path / "train", "a")) == [(1, 1.0), (2, 2.0), (3, 3.0)]

    def test_purging_a_fresh_folder_writes_nothing(self, tmp_path):
        Summaries(tmp_path, purge_from=3).close()
        assert list(tmp_path.iterdir()) == []


def _write_steps(folder, steps):
    summaries = Summaries(folder, every_seconds=0.0)
    for step in steps:
        summaries.scalars("train", {"a": float(step)}, step)
    summaries.close()
