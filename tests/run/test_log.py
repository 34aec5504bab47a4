"""What is written while a task is trained, and that a resumed run writes nothing twice."""

import types

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dgm_tf.run.folder import RunFolder
from dgm_tf.run.log import TrainingLog
from dgm_tf.run.metrics_log import read_metrics
from dgm_tf.training.loop import Position

NEVER = 1e9


class Phase:
    """Two epochs of two steps."""

    name, epochs, batches, num_steps = "gan", 2, 2, 4

    def __init__(self, preview=None):
        self._preview = preview

    def schedule_at(self, index):
        return {"mask_scale": 10.0 * index}

    def preview(self, index, labels):
        return self._preview


class Method:
    """Watched as DGM is: shares of ones and, at a mask scale, mask values."""

    replays_images = True

    def watch(self, schedule):
        return {"masks/share_of_ones/a": 0.5}, {"masks/values/a": np.array([0.0, schedule["mask_scale"]])}


def _learner(task=0, step=0, global_step=0):
    return types.SimpleNamespace(method=Method(), position=Position(task, 0, step, global_step))


def _train(log, learner, steps, phase=None):
    phase = phase or Phase()
    log.on_phase_begin(learner, None, phase)
    for step in steps:
        learner.position = Position(0, 0, step, step)
        log.on_step(learner, None, phase, step, {"loss/critic": step / 2})


def _tags(folder):
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    return {tag: [event.step for event in events.Tensors(tag)] for tag in events.Tags()["tensors"]}


def test_losses_schedule_masks_and_speed_go_to_both(tmp_path):
    with TrainingLog(RunFolder(tmp_path), 0.0, Position()) as log:
        _train(log, _learner(), [1, 2])
    first, second = read_metrics(tmp_path / "metrics.jsonl")
    assert first.pop("speed/step_ms") >= 0 and second.pop("speed/step_ms") >= 0
    assert second == {
        "kind": "train", "global_step": 2, "task": 0, "phase": "gan", "epoch": 1, "epochs": 2,
        "loss/critic": 1.0, "schedule/mask_scale": 10.0, "masks/share_of_ones/a": 0.5,
    }  # fmt: skip
    tags = _tags(tmp_path / "train")
    wanted = ["loss/critic", "schedule/mask_scale", "masks/share_of_ones/a", "masks/values/a", "speed/step_ms"]
    assert {tag: tags[tag] for tag in wanted} == dict.fromkeys(wanted, [1, 2])


def test_points_are_far_between_but_the_last_of_a_phase_is_there(tmp_path):
    with TrainingLog(RunFolder(tmp_path), NEVER, Position()) as log:
        _train(log, _learner(), [1, 2, 3, 4])
    assert [row["global_step"] for row in read_metrics(tmp_path / "metrics.jsonl")] == [4]


def test_a_loss_that_is_no_number_is_null(tmp_path):
    with TrainingLog(RunFolder(tmp_path), 0.0, Position()) as log:
        learner = _learner(step=1, global_step=1)
        log.on_phase_begin(learner, None, Phase())
        log.on_step(learner, None, Phase(), 1, {"loss/critic": float("nan")})
    assert read_metrics(tmp_path / "metrics.jsonl")[0]["loss/critic"] is None


def test_images_of_the_task_in_training_are_shown_by_class(tmp_path):
    context = types.SimpleNamespace(task=types.SimpleNamespace(classes=(0, 1), class_names=("cat", "dog")))
    with TrainingLog(RunFolder(tmp_path), NEVER, Position()) as log:
        log.on_epoch_end(_learner(step=2, global_step=2), context, Phase(np.zeros((20, 8, 8, 1), np.float32)), 0)
        log.on_epoch_end(_learner(step=4, global_step=4), context, Phase(preview=None), 1)
    assert _tags(tmp_path / "train") == {f"generated_in_training/{name}": [2] for name in ("cat", "dog")}


@pytest.mark.parametrize(
    ("position", "kept", "evaluations"),
    [
        (Position(), [], []),
        (Position(0, 0, 1, 1), [1], []),
        (Position(0, 1, 2, 3), [1, 2, 3], []),
        (Position(0, 2, 0, 4), [1, 2, 3, 4], []),  # trained, but killed before the task was ended and saved
        (Position(1, 0, 0, 4), [1, 2, 3, 4, 4.5], [4]),
    ],
    ids=["no checkpoint", "in a phase", "in the next phase", "between training and end", "after the task"],
)
def test_what_was_written_beyond_the_checkpoint_is_forgotten(tmp_path, position, kept, evaluations):
    with TrainingLog(RunFolder(tmp_path), 0.0, Position()) as log:
        learner = _learner()
        _train(log, learner, [1, 2, 3, 4])
        log.summaries.scalars("eval", {"accuracy/average": 0.5}, 4, force=True)
        log.write("eval", learner, average=0.5)
    with TrainingLog(RunFolder(tmp_path), 0.0, position):
        pass
    assert [row["global_step"] for row in read_metrics(tmp_path / "metrics.jsonl")] == kept
    assert _tags(tmp_path / "train").get("loss/critic", []) == [step for step in kept if step != 4.5]
    assert _tags(tmp_path / "eval").get("accuracy/average", []) == evaluations
