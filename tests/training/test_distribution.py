"""Strategies: any number of devices computes what one device would."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import types

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.disk import files
from dgm_tf.errors import UserError
from dgm_tf.run import sessions
from dgm_tf.run.folder import RunFolder
from dgm_tf.training import agreement
from dgm_tf.training.cluster import Cluster
from dgm_tf.training.distribution import apply_mean_gradients, clipped, description, is_chief, make_strategy
from tests.training.replicas import on_two_replicas

TOLERANCE = 5e-5  # sums in another order, by the compensation's factors


def test_unknown_strategy_is_refused():
    with pytest.raises(UserError, match="strategy: expected one of auto, none, .* got 'mirorred'"):
        make_strategy("mirorred")


def test_no_strategy_on_one_device():
    assert make_strategy("none") is tf.distribute.get_strategy()


def test_a_single_process_is_chief():
    assert is_chief() and agreement.place() == (0, 1)


def test_a_single_process_agrees_with_itself():
    assert agreement.everyones(7) == [7]
    assert agreement.agreed_signal(None) is None and agreement.agreed_signal(15) == 15
    assert agreement.all_of(True) and not agreement.all_of(False)
    agreement.check_same("things", {"a": np.zeros(2)}, "text")
    with agreement.chief_first():
        agreement.wait_for_each_other()


def test_an_error_of_a_single_process_is_no_lost_worker():
    with pytest.raises(tf.errors.UnavailableError), agreement.loss_told():
        raise tf.errors.UnavailableError(None, None, "a server of somebody else's")


def test_mirrored_on_one_device_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert sessions.run_session(RunFolder(tmp_path / "run"), "mirrored", lambda: None) == 0
    if not tf.config.list_logical_devices("GPU"):
        assert "--strategy=mirrored: one replica, as there is no GPU here" in capsys.readouterr().out
    assert files.read_json(tmp_path / "run" / "run.json")["replicas"] == 1


@pytest.mark.parametrize(
    ("name", "gpus", "devices"),
    [("mirrored", 0, ["CPU:0"]), ("mirrored", 1, ["GPU:0"]), ("auto", 2, ["GPU:0", "GPU:1"]), ("auto", 1, None),
     ("auto", 0, None), ("none", 2, None)],
)  # fmt: skip
def test_mirrored_takes_all_gpus_or_else_the_cpu_and_no_gpus_memory_at_once(monkeypatch, name, gpus, devices):
    growing = {}

    def logical(kind):
        return [types.SimpleNamespace(name=f"{kind}:{i}") for i in range(gpus if kind == "GPU" else 1)]

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [f"{kind} {i}" for i in range(gpus)])
    monkeypatch.setattr(tf.config, "list_logical_devices", logical)
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", growing.__setitem__)
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", list)
    strategy = make_strategy(name)
    assert strategy == devices if devices else strategy is tf.distribute.get_strategy()
    assert growing == {f"GPU {i}": True for i in range(gpus)}


def own_handler(number, frame):
    """Stands for a handler that was installed from Python."""


@pytest.mark.parametrize(
    ("before", "after"), [(None, signal.SIG_DFL), (signal.SIG_IGN, signal.SIG_IGN), (own_handler, own_handler)]
)
def test_several_workers_leave_the_handler_of_sigterm_as_it_was(monkeypatch, before, after):
    """`signal.getsignal` says None of a handler that was not installed from Python."""
    installed = []
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", lambda: "strategy")
    monkeypatch.setattr(signal, "getsignal", lambda number: before)
    monkeypatch.setattr(signal, "signal", lambda *arguments: installed.append(arguments))
    assert make_strategy("multi_worker") == "strategy"
    assert installed == [(signal.SIGTERM, after)]


class Recorder:
    """Stands for an optimizer."""

    def apply(self, gradients, variables):
        self.gradients = [g.numpy().tolist() for g in gradients]


def test_gradients_are_clipped_by_their_global_norm():
    recorder = Recorder()
    apply_mean_gradients(recorder, [tf.constant([3.0]), tf.constant([4.0])], [None, None], clip_norm=1.0)
    assert recorder.gradients == [pytest.approx([0.6]), pytest.approx([0.8])]


@pytest.mark.parametrize("clip_norm", [1e4, 0.7, 3.0])
def test_finite_gradients_are_clipped_as_tensorflow_clips_them(clip_norm):
    gradients = [tf.random.stateless_normal([5, 3], [1, i]) for i in range(3)] + [tf.zeros([2])]
    expected, _ = tf.clip_by_global_norm(gradients, clip_norm)
    for ours, theirs in zip(clipped(gradients, clip_norm), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("wild", [np.nan, np.inf, 3e38])
def test_a_gradient_of_zero_stays_zero_beside_one_that_explodes(wild):
    zeros, exploded = clipped([tf.constant([0.0, 1.0]), tf.constant([wild, 0.0])], 1.0)
    assert zeros[0] == 0 and exploded[1] == 0 and np.isnan(exploded[0]) and np.isnan(zeros[1])


TWO, ONE = Cluster(("a:1", "b:2"), 1), Cluster(("a:1",), 0)


@pytest.mark.parametrize(
    ("name", "gpus", "replicas", "workers", "told"),
    [
        ("auto", 0, 1, None, None), ("auto", 1, 1, None, None), ("none", 2, 1, None, "one of 2 GPUs is used"),
        ("auto", 2, 2, None, "2 replicas, on 2 GPUs here"), ("mirrored", 0, 2, None, "2 replicas, on CPU"),
        ("mirrored", 1, 1, None, "one replica, as there is one GPU here"),
        ("mirrored", 0, 1, ONE, "one replica, as there is no GPU here"),
        ("auto", 0, 1, TWO, "TF_CONFIG names 2 workers, this process works alone"),
        ("multi_worker", 0, 1, None, "TF_CONFIG names no other worker: one replica"),
        ("multi_worker", 0, 2, ONE, "TF_CONFIG names no other worker: 2 replicas"),
        ("multi_worker", 1, 2, TWO, "worker 2 of 2 (b:2), 2 replicas in all, on 1 GPU here"),
    ],
)  # fmt: skip
def test_what_a_person_should_know_of_a_strategy_is_told(monkeypatch, name, gpus, replicas, workers, told):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["GPU"] * gpus)
    said = description(name, types.SimpleNamespace(num_replicas_in_sync=replicas), workers)
    assert said is None if told is None else said.startswith(told), said


def test_each_replica_applies_the_mean(monkeypatch):
    optimizers = [Recorder(), Recorder()]

    def step(index):
        apply_mean_gradients(optimizers[index], [tf.constant([1.0 + 4 * index]), tf.constant([8.0])], [None, None])

    on_two_replicas(monkeypatch, step)
    assert [optimizer.gradients for optimizer in optimizers] == [[[3.0], [8.0]]] * 2


def test_what_is_clipped_is_the_mean_over_replicas(monkeypatch):
    optimizers = [Recorder(), Recorder()]

    def step(index):
        gradients = [tf.constant([6.0 * index]), tf.constant([4.0])]
        apply_mean_gradients(optimizers[index], gradients, [None, None], clip_norm=1.0)

    on_two_replicas(monkeypatch, step)
    for optimizer in optimizers:
        assert optimizer.gradients == [pytest.approx([0.6]), pytest.approx([0.8])]


@pytest.fixture(scope="module")
def two_devices(project_root):
    """What two_devices.py reports."""
    script = pathlib.Path(__file__).with_name("two_devices.py")
    environment = os.environ | {"PYTHONPATH": str(project_root), "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_two_devices_are_two_replicas(two_devices):
    assert two_devices["replicas"] == 2


@pytest.mark.parametrize("part", ["phases", "learner", "regularized"])
def test_steps_on_two_devices_equal_steps_on_one(two_devices, part):
    apart = {name: difference for name, difference in two_devices[part].items() if difference > TOLERANCE}
    assert not apart


def test_ten_steps_of_adam_on_two_devices_are_pytorchs(two_devices):
    assert two_devices["adam"] < 1e-6


def test_replicas_share_out_the_noise_of_the_global_batch(two_devices):
    assert max(map(abs, two_devices["noise"])) == 0.0


def test_batch_that_replicas_cannot_share_is_refused(two_devices):
    assert "batch_size: expected a multiple of the 2 replicas, got 7" in two_devices["odd batch"]
