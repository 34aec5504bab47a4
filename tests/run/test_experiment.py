"""The root in this process: killed at exact moments it ends as if it never was; what is no run is refused."""

import keras
import numpy as np
import pytest

from dgm_tf import config
from dgm_tf.disk import files
from dgm_tf.errors import UserError, own_message
from dgm_tf.run import experiment
from dgm_tf.run.checkpoints import Checkpointer
from dgm_tf.run.folder import RunFolder
from tests import tiny_run

PAPER = (  # the classifier beside the GAN, and D kept from task to task
    *tiny_run.SHORT,
    "DCGANGenerator.plasticity = 'units'",
    "DGM.reinitialize_discriminator = False",
    "GANSettings.auxiliary_loss = True",
    "ClassifierSettings.replay_schedule = 'balanced'",
    "ClassifierSettings.closing_epochs = 0",
    "ClassifierSettings.augmentation = None",
    "EvaluationSettings.gan_train_epochs = 0",
    "EvaluationSettings.fine_tuning_epochs = 0",
)
GENERATED = (
    *tiny_run.SHORT,
    "ClassifierSettings.generated_current = 0.5",
    "ClassifierSettings.quantize_replay = True",
    "EvaluationSettings.gan_train_every_task = True",
    "EvaluationSettings.fine_tuning_epochs = 0",
)
STEPS = 14  # of the GAN in each task: 450 images, 2 epochs
FIRST, ALL = STEPS + 7, 2 * STEPS + 21  # steps of the first task and of both, with a closing epoch each


class Killed(BaseException):
    """Like SIGKILL, this passes all `except Exception`."""


@pytest.fixture
def killed_run(monkeypatch, clean_gin):
    """Runs with checkpoints after given steps, is killed at given moments, and is started again each time."""

    def run(run_dir, params, saves, kills):
        kills, save = list(kills), Checkpointer.save

        def kill_at(name, saves_then):
            def hook(self, learner, *_):
                moment = (name, learner.position.global_step)
                if saves_then(moment):
                    save(self, learner, *((_[1].variables(),) if name == "step" else ()))
                if moment in kills:
                    kills.remove(moment)
                    raise Killed

            return hook

        monkeypatch.setattr(Checkpointer, "on_step_end", kill_at("step", lambda moment: moment in saves))
        for name in ("phases", "task"):
            monkeypatch.setattr(Checkpointer, f"on_{name}_end", kill_at(name, lambda moment: True))
        while kills:
            with pytest.raises(Killed):
                tiny_run.run_here(run_dir, *params)
        return tiny_run.run_here(run_dir, *params)

    return run


@pytest.mark.parametrize(
    ("params", "saves", "kills"),
    [
        (
            PAPER,
            [("step", 3), ("step", STEPS), ("step", STEPS + 9)],
            # With steps since the checkpoint lost, at a phase's last step, between training and the task's end, after
            # it, and in the second task.
            [("step", 5), ("step", STEPS), ("phases", STEPS), ("task", STEPS), ("step", STEPS + 10)],
        ),
        (
            GENERATED,
            [("step", STEPS + 3), ("step", FIRST + STEPS + 3)],
            [("phases", FIRST), ("step", FIRST + STEPS + 5), ("phases", ALL), ("task", ALL)],
        ),
    ],
    ids=["paper", "generated"],
)  # fmt: skip
def test_a_killed_run_ends_as_if_it_never_was(killed_run, tmp_path, params, saves, kills):
    results = tiny_run.run_here(tmp_path / "straight", *params)
    killed = killed_run(tmp_path / "killed", params, saves, kills)
    assert tiny_run.timeless(killed) == tiny_run.timeless(results)
    memories = [tiny_run.memory(tmp_path / name) for name in ("straight", "killed")]
    for name, array in memories[0].items():
        np.testing.assert_array_equal(memories[1][name], array, err_msg=name)
    assert len(results["validation_accuracy"][0]) > 0 and results["best_accuracy"][0] is not None


def test_a_run_is_finished_when_its_results_say_so(finished_run, tmp_path):
    assert RunFolder(finished_run).is_finished
    assert not RunFolder(tmp_path).is_finished
    files.write_json(tmp_path / "results.json", {"finished": False})
    assert not RunFolder(tmp_path).is_finished


@pytest.mark.parametrize(
    ("param", "message"),
    [
        ("run_experiment.stream = @PackagedMNIST()", "stream: expected @ClassIncrementalStream.., got <"),
        ("run_experiment.method = @DGM", "method: expected a method, such as @DGM.., got <class"),
        ("run_experiment.evaluation = 'strict'", "evaluation: expected @EvaluationSettings.., got 'strict'"),
        ("run_experiment.seed = -1", r"seed: expected an integer in \[0, inf\), got -1"),
        ("run_experiment.seed = 0.5", "seed: expected an integer .*, got 0.5"),
        ("run_experiment.checkpoint_seconds = 'often'", "checkpoint_seconds: expected a number .*, got 'often'"),
        ("run_experiment.summary_seconds = -1", "summary_seconds: expected a number .*, got -1"),
        ("run_experiment.jit_compile = 'yes'", "jit_compile: expected True, False or None, got 'yes'"),
    ],
)
def test_what_is_no_run_is_refused(clean_gin, tmp_path, param, message):
    config.parse("gin/quickstart.gin", [param])
    with pytest.raises(UserError, match=f"^run_experiment.{message}") as caught:
        experiment.run_experiment(tmp_path)
    assert "configurable" not in own_message(caught.value)
    assert not list(tmp_path.iterdir())


def test_mixed_precision_keeps_weights_masks_and_replay_in_float32(tmp_path, clean_gin):
    faster = ("EvaluationSettings.gan_train_epochs = 0", "EvaluationSettings.fine_tuning_epochs = 0")
    params = (*tiny_run.SHORT, *faster, "run_experiment.precision = 'mixed_bfloat16'")
    results = tiny_run.run_here(tmp_path / "run", *params)
    assert keras.config.dtype_policy().name == "float32", "the process's policy is left as it was"
    assert results["finished"] and results["replay_drift"] == 0.0 and results["average_accuracy"][-1] > 0.4
    arrays = tiny_run.memory(tmp_path / "run").items()
    kinds = {array.dtype for name, array in arrays if not name.startswith("method/")}  # weights and masks
    assert kinds == {np.dtype(np.float32), np.dtype(np.uint8)}


def test_an_unknown_precision_is_named(tmp_path, clean_gin):
    with pytest.raises(UserError, match="run_experiment.precision: expected one of 'float32', .* got 'half'"):
        tiny_run.run_here(tmp_path / "run", *tiny_run.SHORT, "run_experiment.precision = 'half'")


@pytest.mark.parametrize(("size", "told"), [(1, False), (2, True)])
def test_what_follows_from_the_size_of_tasks_is_told_before_training(
    size, told, tmp_path, monkeypatch, capsys, clean_gin
):
    def learn(*arguments):
        raise Killed

    monkeypatch.setattr(experiment.Learner, "learn", learn)
    params = (*tiny_run.PARAMS, f"ClassIncrementalStream.classes_per_task = {size}")
    with pytest.raises(Killed):
        tiny_run.run_here(tmp_path, *params)
    assert ("GANSettings.auxiliary_loss = True" in " ".join(capsys.readouterr().out.split())) == told
