"""What a run leaves for people: results.json, TensorBoard, and warnings that cannot be missed."""

import contextlib
import io
import types

import gin
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

from dgm_tf import config
from dgm_tf.data import ClassIncrementalStream, PackagedMNIST
from dgm_tf.measures.settings import EvaluationSettings
from dgm_tf.methods.fine_tuning import FineTuning
from dgm_tf.run import experiment
from dgm_tf.run.folder import RunFolder
from dgm_tf.run.recorder import Recorder
from dgm_tf.training.clock import Clock
from tests import tiny_run
from tests.methods import tiny

LAYERS = ["masked_0", "masked_1", "masked_2"]


@pytest.fixture(scope="module")
def results(finished_run):
    return tiny_run.read_results(finished_run)


@pytest.fixture(scope="module")
def events(finished_run):
    """The event files of each split, read as TensorBoard reads them."""
    splits = {}
    for split in ("train", "eval"):
        splits[split] = EventAccumulator(str(finished_run / split), size_guidance={"tensors": 0})
        splits[split].Reload()
    return splits


@pytest.fixture(scope="module")
def collapsed(tmp_path_factory):
    """(results, what was printed) of a run whose sparsity term wins over everything."""
    bindings = (
        "DGM.sparsity_weight = 1e6",
        "GANSettings.epochs = 1",
        "ClassIncrementalStream.num_tasks = 1",
        "EvaluationSettings.gan_train_epochs = 0",
        "EvaluationSettings.fine_tuning_epochs = 0",
    )
    folder, printed = tmp_path_factory.mktemp("collapsed"), io.StringIO()
    with contextlib.redirect_stdout(printed):
        tiny_run.run_here(folder, *tiny_run.SHORT, *bindings)
    gin.clear_config()
    return tiny_run.read_results(folder), printed.getvalue()


@pytest.fixture(scope="module")
def cautioned(tmp_path_factory):
    """(results, what was printed) of plain fine-tuning on two tasks."""
    folder, printed = tmp_path_factory.mktemp("cautioned"), io.StringIO()
    bindings = ("EvaluationSettings.fine_tuning_epochs = 0", "ClassIncrementalStream.num_tasks = 2")
    config.parse("gin/data/mnist_mini.gin", (*bindings, "EvaluationSettings.judge_epochs = 1"))
    with contextlib.redirect_stdout(printed):
        experiment.run_experiment(folder / "run", method=FineTuning(tiny.Discriminator, epochs=1))
    gin.clear_config()
    return tiny_run.read_results(folder / "run"), printed.getvalue()


def test_results_are_there_before_the_first_task_is_learned(tmp_path):
    stream = ClassIncrementalStream(PackagedMNIST(), num_tasks=2)
    learner = types.SimpleNamespace(method=FineTuning(), clock=Clock())
    recorder = Recorder(RunFolder(tmp_path), stream, EvaluationSettings(), None, None, None, None)
    recorder.on_task_begin(learner, None)
    results = tiny_run.read_results(tmp_path)
    assert (results["tasks"], results["finished"], results["average_accuracy"]) == ([[0], [1]], False, [])


class TestResults:
    """The keys of results.json that others rely on."""

    def test_the_accuracy_matrix_has_a_row_after_each_task(self, results):
        (first, later), row = results["accuracy_matrix"][0], results["accuracy_matrix"][1]
        assert later is None
        assert all(0.0 <= accuracy <= 1.0 for accuracy in (first, *row))

    def test_averages_follow_from_the_classes(self, results):
        for per_class, average in zip(results["per_class_accuracy"], results["average_accuracy"], strict=True):
            assert average == pytest.approx(np.mean(per_class))
        assert [len(per_class) for per_class in results["per_class_accuracy"]] == [1, 2]
        assert np.sum(results["confusion"], axis=1).tolist() == [100, 100]

    def test_forgetting_follows_from_the_matrix(self, results):
        (first, _), (now, _) = results["accuracy_matrix"]
        assert results["forgetting"] == pytest.approx([0.0, first - now], abs=1e-9)
        assert results["backward_transfer"] == [None, pytest.approx(now - first)]
        assert "forward_transfer" not in results  # undefined in the class-incremental setting

    def test_parameters_are_counted(self, results):
        convolutions, norms = 25 * (1 * 4 + 4 * 4 + 4 * 8), 2 * (4 + 8)
        heads = [128 * (1 + classes) + 1 + classes for classes in (1, 2)]
        assert [row["discriminator"] for row in results["parameters"]] == [convolutions + norms + h for h in heads]
        first, second = (row["generator"] for row in results["parameters"])
        assert results["capacity"][0]["size"] < first < second

    def test_each_class_is_told_by_its_test_images(self, results):
        assert [excerpt["sizes"] for excerpt in results["test_excerpts"]] == [[100, 500], [100, 500]]

    def test_the_memory_is_judged(self, results):
        assert [0.0 <= value <= 1.0 for value in results["gan_test"]] == [True, True]
        assert [len(fidelity["recall"]) for fidelity in results["fidelity"]] == [1, 2]
        assert all(0.0 <= value <= 1.0 for fidelity in results["fidelity"] for value in fidelity["precision"])
        assert results["gan_train"][0] is None and 0.0 <= results["gan_train"][1] <= 1.0
        assert 0.0 <= results["replay_drift"] <= 1e-6

    def test_the_epochs_are_there_under_both_names(self, results):
        assert results["protocol"] == "strict"
        assert [len(history) for history in results["validation_accuracy"]] == [10, 10]
        assert all(0.0 <= accuracy <= 1.0 for accuracy in results["best_accuracy"])

    def test_mask_values_are_followed_over_the_epochs_and_drawn(self, results, finished_run):
        epochs = results["mask_trajectories"][0]["epochs"]
        assert [entry["epochs"] for entry in results["mask_trajectories"]] == [epochs, epochs]
        assert epochs[0] == 1 and len(epochs) > 1
        for entry in results["mask_trajectories"]:
            assert list(entry["layers"]) == LAYERS
            values = np.concatenate([np.asarray(layer) for layer in entry["layers"].values()])
            assert np.all((values >= 0) & (values <= 1)) and np.any(values[:, 0] != values[:, -1])
        assert (finished_run / "figures" / "mask_trajectories.png").is_file()

    def test_capacity_adds_up(self, results):
        assert [entry["task"] for entry in results["capacity"]] == [0, 1]
        first, second = results["capacity"]
        assert first["size"] < second["size"]
        for name in LAYERS:
            row, later = first["layers"][name], second["layers"][name]
            assert {"units", "parameters", "used", "newly_reserved", "reused", "free"} <= row.keys()
            assert (row["used"], row["reused"]) == (row["newly_reserved"], 0)
            assert later["used"] == later["newly_reserved"] + later["reused"]
            assert 0 < row["used"] < row["mask_entries"]
            # Free again: what the task took was given back, and less than one more unit besides.
            assert row["mask_entries"] <= row["free"] and later["mask_entries"] > row["newly_reserved"]

    def test_seconds_are_there_for_each_task_and_phase(self, results):
        for seconds in results["seconds"]:
            assert {"gan", "classifier", "evaluation"} <= seconds.keys()
            assert all(value >= 0 for value in seconds.values())

    def test_sizes_are_those_on_disk(self, results, finished_run):
        for name in ("weights", "masks"):
            assert results[f"{name}_bytes"] == (finished_run / "memory" / f"{name}.npz").stat().st_size
        entries = sum(row["mask_entries"] for entry in results["capacity"] for row in entry["layers"].values())
        assert results["masks_bytes"] < entries / 8 + 4000  # a bit an entry, and the names of the arrays

    def test_the_bounds_stand_beside_the_run(self, results):
        assert results["finished"] is True
        for name in ("joint training", "fine-tuning"):
            assert len(results["bounds"][name]) == 2
            assert all(0.0 <= value <= 1.0 for value in results["bounds"][name])
        assert results["bounds"]["joint training"][0] == 1.0

    def test_classes_go_by_their_names(self, results):
        assert results["class_names"] == ["0", "1"] and results["tasks"] == [[0], [1]]
        assert results["warnings"] == []


class TestTensorBoard:
    """The curves of a run."""

    def _values(self, events, tag):
        return [tensor_util.make_ndarray(event.tensor_proto) for event in events.Tensors(tag)]

    def test_losses_and_mask_scale_are_curves(self, events):
        tags = events["train"].Tags()["tensors"]
        losses = ["loss/critic", "loss/generator", "loss/gradient_penalty", "loss/classifier"]
        assert {*losses, "schedule/mask_scale"} <= set(tags)
        assert all(np.isfinite(self._values(events["train"], tag)).all() for tag in losses)

    def test_masks_are_histograms_and_shares(self, events):
        for layer in LAYERS:
            shares = self._values(events["train"], f"masks/share_of_ones/{layer}")
            assert all(0.0 < share < 1.0 for share in shares)
            buckets = self._values(events["train"], f"masks/values/{layer}")[0]
            assert buckets[0, 0] >= 0.0 and buckets[-1, 1] <= 1.0

    def test_accuracies_per_task_and_growth_are_curves(self, events, results):
        tags = events["eval"].Tags()["tensors"]
        per_task = [tag for tag in tags if tag.startswith("accuracy_per_task/")]
        assert len(per_task) == 2
        assert [len(self._values(events["eval"], tag)) for tag in sorted(per_task)] == [2, 1]
        averages = self._values(events["eval"], "accuracy/average_accuracy")
        assert np.allclose(averages, results["average_accuracy"])
        sizes = self._values(events["eval"], "growth/generator_parameters")
        assert [int(size) for size in sizes] == [entry["size"] for entry in results["capacity"]]
        assert f"growth/{LAYERS[0]}/free" in tags

    def test_generated_images_are_shown_by_class(self, events):
        tags = [tag for tag in events["eval"].Tags()["tensors"] if tag.startswith("generated/")]
        assert sorted(tag[-1] for tag in tags) == ["0", "1"]
        first = min(tags, key=lambda tag: tag[-1])
        grids = [event.tensor_proto.string_val[2] for event in events["eval"].Tensors(first)]
        assert len(grids) == 2 and grids[0] == grids[1]  # the same z throughout, and nothing forgotten


class TestCollapse:
    """Masks that end empty: nothing in the loss curves says so."""

    def test_it_is_warned_of_in_the_results(self, collapsed):
        warnings = collapsed[0]["warnings"]
        assert len(warnings) == len(LAYERS)
        for layer, warning in zip(LAYERS, warnings, strict=True):
            assert warning.startswith(f"task 1 (0): the mask of {layer} is empty")
        assert [row["used"] for row in collapsed[0]["capacity"][0]["layers"].values()] == [0, 0, 0]

    def test_it_is_seen_while_it_happens_and_at_the_end(self, collapsed):
        printed = collapsed[1]
        assert "mask ones 0.00 0.00 0.00" in printed
        assert printed.count("the mask of masked_0 is empty") == 2  # after the task, and in the final box
        assert "3 WARNINGS" in printed

    def test_there_is_nothing_in_it_that_is_no_number(self, collapsed):
        assert collapsed[0]["replay_drift"] == 0.0 and collapsed[0]["finished"]


class TestCaution:
    """What a method is known to do badly is said once, so that nobody files it as a bug."""

    def test_it_stands_in_the_results(self, cautioned):
        (caution,) = cautioned[0]["cautions"]
        assert caution == FineTuning().caution and cautioned[0]["warnings"] == []

    def test_it_is_printed_once_before_the_first_task(self, cautioned):
        assert cautioned[1].count("CAUTION") == 1
        assert cautioned[1].index("CAUTION") < cautioned[1].index("task 1/2")

    def test_a_method_without_one_says_nothing(self, results):
        assert results["cautions"] == []
