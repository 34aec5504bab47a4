"""A run whose losses or weights are not finite ends before it saves any of it, and says so again when it goes on."""

import json

import numpy as np
import pytest

import dgm_tf
from dgm_tf.cli import train
from dgm_tf.measures import training
from dgm_tf.training.gan import GANPhase
from tests import in_process, tiny_run

PARAMS = (
    *tiny_run.SHORT, "EvaluationSettings.gan_test_per_class = 5", "EvaluationSettings.fine_tuning_epochs = 0",
    "run_experiment.checkpoint_seconds = 0.0",
)  # fmt: skip


@pytest.fixture
def give(capsys, clean_gin):
    """Gives bin/train's command in this process; returns (exit status, standard output, standard error)."""

    def command(run_dir, *more):
        status = in_process.give(train, *tiny_run.arguments(run_dir, (*PARAMS, *more)))
        return status, *capsys.readouterr()

    return command


def checkpoint(run_dir):
    """(position, arrays) of the latest."""
    with np.load(run_dir / "checkpoints" / "latest.npz") as file:
        return json.loads(file["learner"].tobytes())["position"], {name: file[name] for name in file.files}


def all_finite(arrays):
    return all(np.isfinite(array).all() for array in arrays.values() if array.dtype.kind == "f")


def poisoned(step):
    """`GANPhase.step` that leaves an optimizer's moment NaN in the second task, which no loss of the step shows."""

    def poison(phase, index):
        metrics = step(phase, index)
        if phase._rules.num_classes == 2 and index == 2:
            moment = next(v for v in phase.variables() if v.shape.rank)
            moment.assign(np.full(moment.shape, np.nan, np.float32))
        return metrics

    return poison


def test_what_was_good_stays_and_the_run_can_go_on(give, tmp_path, monkeypatch):
    run_dir = tmp_path / "run"
    monkeypatch.setattr(training, "RATE", 1e38)  # classifiers that only measure diverge, too
    with monkeypatch.context() as patch:
        patch.setattr(GANPhase, "step", poisoned(GANPhase.step))
        status, printed, told = give(run_dir)
        assert status == 2 and told.count("\n") == 1 and "Traceback" not in told
        assert told.startswith("error: task 2, phase 1, step 3, before a checkpoint: expected finite values, got NaN ")
        assert "in an optimizer; nothing of it is saved. Try a lower " in told and "The last start" not in printed
        position, arrays = checkpoint(run_dir)
        assert (position["task"], position["phase"], position["step"]) == (1, 0, 2) and all_finite(arrays)
        assert dgm_tf.load(run_dir).num_tasks == 1
        results = tiny_run.read_results(run_dir)
        assert not results["finished"] and len(results["average_accuracy"]) == 1
        again, printed, told_again = give(run_dir)
        assert (again, told_again) == (2, told)
        assert f"The last start ended with: {told.removeprefix('error: ').strip()}" in printed
        assert "will end in the same way. Other settings need another --run_dir." in printed
    status, printed, told = give(run_dir)
    assert status == 0 and "The last start ended with: task 2" in printed
    assert all_finite(checkpoint(run_dir)[1])
    results = tiny_run.read_results(run_dir)
    assert results["finished"] and results["gan_test"] == results["gan_train"] == [None, None]
    assert results["bounds"] == {} and not list((tmp_path / ".cache").glob("joint-*"))
    assert [warning for warning in results["warnings"] if "not measured" in warning] == [
        f"{what} was not measured: its classifier: expected finite losses and weights, got NaN or infinity"
        for what in ("joint training", "GAN-train")
    ]


def test_before_the_first_checkpoint_the_corrected_command_may_use_the_folder(give, tmp_path):
    run_dir, never = tmp_path / "run", "run_experiment.checkpoint_seconds = 1000.0"
    status, _, told = give(run_dir, never, "GANSettings.generator_learning_rate = 1e38")
    assert status == 2 and told.startswith("error: task 1 (0), phase gan, epoch 1 of 2, step 2 of ")
    assert "Try a lower GANSettings.generator_learning_rate (now 1e+38) or a lower " in told
    assert not (run_dir / "config.gin").exists() and not (run_dir / "memory").exists()
    assert not tiny_run.read_results(run_dir)["finished"]
    sessions = json.loads((run_dir / "run.json").read_text())["sessions"]
    assert [f"error: {session['diverged']}\n" for session in sessions] == [told]
