"""Replay drift is 0 for an honest memory and is seen when the memory changes, be it by one pixel."""

import types

import numpy as np
import pytest
import tensorflow as tf

import dgm_tf
from dgm_tf.measures import drift as drift_module
from dgm_tf.measures.drift import LargestDrift, ReplayDrift


class Memory:
    """Images that are a function of label and seed, to which a test may add something."""

    def __init__(self):
        self.leak = {}

    def replay(self, labels, seed):
        images = np.stack([np.random.default_rng([seed, i, c]).uniform(-1, 1, (4, 4, 1)) for i, c in enumerate(labels)])
        for i, c in enumerate(labels):
            images[i, 0, 0, 0] += self.leak.get(c, 0.0)
        return images.astype(np.float32)


def _learner(num_tasks):
    tasks = [(0,), (1, 2), (3,)]
    return types.SimpleNamespace(method=Memory(), task_classes=tasks[:num_tasks], num_tasks=num_tasks)


def _next_task(learner):
    learner.task_classes = [(0,), (1, 2), (3,)][: learner.num_tasks + 1]
    learner.num_tasks += 1


def test_an_honest_memory_does_not_drift():
    drift, learner = ReplayDrift(), _learner(0)
    for _ in range(3):
        _next_task(learner)
        assert drift.measure(learner) == 0.0


@pytest.mark.parametrize("label", [0, 1, 2])
def test_one_changed_pixel_of_one_earlier_class_is_seen(label):
    drift, learner = ReplayDrift(), _learner(2)
    drift.measure(learner)
    learner.method.leak[label] = 0.25
    _next_task(learner)
    assert drift.measure(learner) == pytest.approx(0.25, abs=1e-6)


@pytest.mark.parametrize("per_class", [None, 3])
def test_each_class_of_ended_tasks_is_probed_so_many_times_from_one_seed(per_class):
    asked, learner = [], _learner(2)
    learner.method = types.SimpleNamespace(replay=lambda labels, seed: asked.append((labels.tolist(), seed)) or labels)
    (ReplayDrift() if per_class is None else ReplayDrift(per_class)).measure(learner)
    count = per_class or 8
    assert asked == [([0] * count, 0), ([1] * count + [2] * count, 0)]


def test_the_newest_task_has_nothing_to_drift_from():
    drift, learner = ReplayDrift(), _learner(1)
    learner.method.leak[0] = 1.0
    assert drift.measure(learner) == 0.0


def test_it_is_measured_against_the_first_images_not_the_last():
    drift, learner = ReplayDrift(), _learner(1)
    drift.measure(learner)
    for leak in (0.1, 0.2, 0.3):
        learner.method.leak[0] = leak
        assert drift.measure(learner) == pytest.approx(leak, abs=1e-6)


def test_a_pixel_that_is_no_number_counts_as_the_largest_difference_of_numbers():
    drift, learner = ReplayDrift(), _learner(1)
    drift.measure(learner)
    learner.method.leak[0] = np.nan
    assert drift.measure(learner) == 2.0


@pytest.mark.parametrize("flags", ["fma avx2 fpu avx", "avx avx2 fma sse"])
def test_a_processor_is_its_name_and_vector_instructions_in_one_order(monkeypatch, flags):
    text = f"processor : 0\nmodel name\t: Some CPU @ 2 GHz\nflags : {flags}\n"
    monkeypatch.setattr(drift_module.pathlib.Path, "read_text", lambda path: text)
    assert drift_module._processor() == "Some CPU @ 2 GHz avx avx2 fma"


@pytest.mark.parametrize(("name", "told"), [("Some CPU", "Some CPU"), ("", "arm64")])
def test_where_the_system_tells_no_instructions_the_processor_or_its_kind_stands_for_them(monkeypatch, name, told):
    def missing(path):
        raise FileNotFoundError

    monkeypatch.setattr(drift_module.pathlib.Path, "read_text", missing)
    monkeypatch.setattr(drift_module.platform, "processor", lambda: name)
    monkeypatch.setattr(drift_module.platform, "machine", lambda: "arm64")
    assert drift_module._processor() == told


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_no_numbers_are_no_match(value):
    drift, learner = ReplayDrift(), _learner(1)
    drift.measure(learner)
    learner.method.leak[0] = value
    assert 1.0 <= drift.measure(learner) < np.inf


def test_the_references_come_back_after_a_kill():
    drift, learner = ReplayDrift(), _learner(2)
    drift.measure(learner)
    restored = ReplayDrift()
    restored.restore(learner, drift.arrays() | {"generator/0000/kernel": np.zeros(3)})
    learner.method.leak[2] = 0.5
    assert restored.measure(learner) == pytest.approx(0.5, abs=1e-6)


def test_a_real_memory_is_held_by_what_is_reserved_and_by_nothing_else(finished_run):
    learner, drift = dgm_tf.load(finished_run), ReplayDrift()
    layer = learner.method.networks.generator.masked_layers[0]
    kernel, reserved = np.asarray(layer.kernel).copy(), np.asarray(layer.reserved)
    drift.measure(learner)
    layer.kernel.assign(np.where(reserved, kernel, kernel + 1.0))
    learner.method.networks.generator._fold_once.cache_clear()  # a grown memory begins without what was folded before
    assert drift.measure(learner) == 0.0
    layer.kernel.assign(np.where(reserved, kernel + 1e-2, kernel))
    learner.method.networks.generator._fold_once.cache_clear()
    assert drift.measure(learner) > 1e-4


def test_a_task_being_learned_is_not_looked_at():
    drift, learner = ReplayDrift(), _learner(2)
    learner.num_tasks = 1
    drift.measure(learner)
    assert [name for name in drift.arrays() if name.startswith("drift/")] == ["drift/0000"]


def test_another_device_rounds_otherwise_and_that_is_no_drift(monkeypatch):
    drift, learner = ReplayDrift(), _learner(2)
    drift.measure(learner)
    monkeypatch.setattr("dgm_tf.measures.drift.device", lambda: "another")
    learner.method.leak[1] = 1e-3
    moved = ReplayDrift()
    moved.restore(learner, drift.arrays())
    assert moved.measure(learner) == 0.0 and moved.device_difference == pytest.approx(1e-3, abs=1e-6)
    learner.method.leak[1] = 0.5
    assert moved.measure(learner) == pytest.approx(0.499, abs=1e-6), "a leak stays one"
    stayed = ReplayDrift()
    stayed.restore(learner, moved.arrays())
    assert stayed.measure(learner) == pytest.approx(0.499, abs=1e-6)
    assert stayed.device_difference == pytest.approx(1e-3, abs=1e-6)


def test_each_process_on_a_gpu_chooses_kernels_of_its_own(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    drift, learner = ReplayDrift(), _learner(2)
    drift.measure(learner)
    learner.method.leak[1] = 1e-3
    resumed = ReplayDrift()
    resumed.restore(learner, drift.arrays())
    assert resumed.measure(learner) == pytest.approx(1e-3, abs=1e-6), "on a CPU that is a leak"
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU"])
    resumed.restore(learner, drift.arrays())
    assert resumed.measure(learner) == 0.0 and resumed.device_difference == pytest.approx(1e-3, abs=1e-6)


@pytest.mark.parametrize(
    ("before", "now", "of_training", "largest"),
    [(None, 0.0, 0.0, 0.0), (0.5, 0.1, 0.2, 0.5), (0.1, 0.3, 0.2, 0.3), (0.1, 0.1, 0.4, 0.4)],
)
def test_a_run_has_the_largest_drift_of_all(before, now, of_training, largest):
    view = types.SimpleNamespace(
        record=types.SimpleNamespace(last={} if before is None else {"replay_drift": before}), learner=None,
        drift=types.SimpleNamespace(measure=lambda learner: now),
        outcome={"replay_drift": of_training} if of_training else {},
    )  # fmt: skip
    assert LargestDrift().after_task(view) == largest
