"""Numbers of a suite from its run folders."""

import pytest

from dgm_tf.compare import numbers, runs
from dgm_tf.compare.numbers import learning_curve
from dgm_tf.compare.suite import Suite
from dgm_tf.keeps import Keeps
from dgm_tf.measures.record import Record
from tests.compare import fake

GAN_TEST = [0.5, 0.6, 0.7]


def _record(entries):
    return Record.from_json(entries, "results.json")


@pytest.fixture
def compared(tmp_path):
    """Two methods: DGMw with two finished seeds and one on its way, DGR with one."""
    dgmw = fake.row("dgmw", published={"A3": 96.0}, expected={"A3": (95, 99)})
    dgr = fake.row("dgr", published={"A3": 85.4}, metric="gan_test", expected={"A3 gan_test": (75, 95)})
    done = [
        fake.finished(tmp_path, dgmw, 0, fake.results([1.0, 0.9, 0.80])),
        fake.finished(tmp_path, dgmw, 1, fake.results([1.0, 0.9, 0.84])),
        fake.finished(tmp_path, dgmw, 2, fake.results([1.0, 0.6], finished=False)),
        fake.finished(tmp_path, dgr, 0, fake.results([1.0, 0.8, 0.9], gan_test=GAN_TEST)),
    ]
    suite = Suite([dgmw, dgr], at=(2, 3), orders=[("dgr", "dgmw")], title="Two")
    return numbers.compare(suite, done)


def test_figures_are_in_percent_over_the_seeds_that_have_come_so_far(compared):
    dgmw = compared["rows"][0]
    assert dgmw["seeds"] == [0, 1, 2]
    assert dgmw["scores"]["A2"] == pytest.approx(
        {"n": 3, "mean": 80.0, "sd": 17.3205, "low": 80 - 43.0265, "high": 80 + 43.0265}, abs=1e-3
    )
    assert dgmw["scores"]["A3"] == pytest.approx(
        {"n": 2, "mean": 82.0, "sd": 2.8284, "low": 82 - 25.4124, "high": 82 + 25.4124}, abs=1e-3
    )


def test_a_published_figure_stands_beside_ours_in_the_same_metric(compared):
    dgmw, dgr = compared["rows"]
    assert dgmw["same_metric"]["A3"]["mean"] == dgmw["scores"]["A3"]["mean"]
    assert dgr["same_metric"]["A3"]["mean"] == pytest.approx(70.0)
    assert dgr["scores"]["A3"]["mean"] == pytest.approx(90.0)


def test_what_is_outside_of_what_is_expected_is_remarked(compared):
    dgmw, dgr = compared["rows"]
    texts = [remark["text"] for remark in dgmw["remarks"]]
    assert texts[0] == "dgmw: A3 is 82.00, expected 95 to 99"
    assert texts[1] == "dgmw: seed 2 is not finished (new, 2 tasks learned)"
    remarks = [(remark["score"], remark["text"]) for remark in dgr["remarks"]]
    assert remarks[0] == ("A3 gan_test", "dgr: A3 gan_test is 70.00, expected 75 to 95")
    assert remarks[1] == ("A3", "dgr: A3 is 90.00, expected no more than dgmw's 82.00")


@pytest.mark.parametrize("kept", list(Keeps))
def test_what_is_kept_of_images_is_what_the_runs_say(tmp_path, kept):
    row = fake.row()
    done = [
        fake.finished(tmp_path, row, 0, fake.results([1.0])),  # of an earlier version
        fake.finished(tmp_path, row, 1, fake.results([1.0], **fake.kept(str(kept), True))),
    ]
    found = numbers.compare(Suite([row], at=(1,)), done)["rows"][0]
    assert found["what_is_kept"] == {"of images": str(kept), "pretrained": True}


@pytest.mark.parametrize("kept", [None, "images", {}, {"of images": ["images"]}, {"of images": "all | of *them*"}])
def test_what_is_kept_is_unknown_where_it_is_not_said_in_known_words(kept):
    assert numbers.kept_of_images(_record(fake.results([1.0], **fake.kept() | {"what_is_kept": kept}))) is None


def test_sizes_and_times_are_of_finished_runs(compared):
    dgmw = compared["rows"][0]
    assert dgmw["memory_bytes"] == {"generator": 3000, "masks": 24}
    assert dgmw["parameters"] == 302
    assert dgmw["seconds"] == 30.0  # three tasks without their evaluation


def test_the_curve_goes_as_far_as_any_seed(compared):
    curve = compared["rows"][0]["curve"]
    assert curve["classes"] == [1, 2, 3]
    assert curve["mean"] == pytest.approx([100.0, 80.0, 82.0])
    assert curve["sd"] == pytest.approx([0.0, 17.3205, 2.8284], abs=1e-3)


def test_a_curve_is_empty_where_nothing_was_measured_and_has_no_deviation_of_one_seed():
    runs = [
        _record({"average_accuracy": [1.0, None, 0.75], "classes_per_task": [1, 2, 2], "bounds": {"b": [0.5]}}),
        _record({"average_accuracy": [0.5], "classes_per_task": [1], "bounds": {"b": [0.5]}}),
    ]
    curve = learning_curve(runs)
    assert curve["classes"] == [1, 3, 5] and curve["mean"] == [75.0, None, 75.0]
    assert curve["sd"] == [pytest.approx(35.3553, abs=1e-3), None, None]
    assert learning_curve(runs, lambda run: run.last["bounds"]["b"]) == {"classes": [1], "mean": [50.0], "sd": [0.0]}


def test_each_run_is_there(compared):
    first, *_, unfinished = compared["rows"][0]["runs"]
    assert first["accuracy"] == pytest.approx({"A1": 100.0, "A2": 90.0, "A3": 80.0})
    assert (first["memory_bytes"], first["seconds"], first["state"]) == (3024, 30.0, "finished")
    assert unfinished["memory_bytes"] is None and unfinished["accuracy"] == pytest.approx({"A1": 100.0, "A2": 60.0})


def test_a_run_of_another_configuration_does_not_count(tmp_path):
    row = fake.row()
    run = fake.finished(tmp_path, row, 0, fake.results([1.0]))
    run.state = runs.CHANGED
    found = numbers.compare(Suite([row], at=(1,)), [run])["rows"][0]
    assert found["seeds"] == [] and found["scores"]["A1"] is None and found["seconds"] is None
    (remark,) = found["remarks"]
    assert "the run of seed 0 is of another configuration" in remark["text"]


def test_a_row_without_runs_is_empty(tmp_path):
    found = numbers.compare(Suite([fake.row()], at=(1,)), [fake.run(tmp_path)])["rows"][0]
    assert found["scores"] == {"A1": None} and found["curve"]["mean"] == []
    assert found["memory_bytes"] == {} and found["parameters"] is None


def test_top_5_and_larger_tasks():
    tasks = {"tasks": [list(range(10)), list(range(10, 20))], "classes_per_task": [10, 10]}
    results = _record(fake.results([0.9, 0.8]) | tasks | {"top5_average_accuracy": [0.99, 0.95]})
    assert numbers.score_of(results, "A20") == pytest.approx(80.0)
    assert numbers.score_of(results, "A20 top-5") == pytest.approx(95.0)
    assert numbers.score_of(results, "A5") is None  # no task ends there
    assert numbers.score_of(results, "A20 gan_test") is None


def test_an_order_holds_within_the_slack(tmp_path):
    ft, jt = fake.row("ft"), fake.row("jt")
    done = [
        fake.finished(tmp_path, ft, 0, fake.results([0.905])),
        fake.finished(tmp_path, jt, 0, fake.results([0.9])),
    ]
    for slack, remarks in ((1.0, 0), (0.1, 1)):
        suite = Suite([ft, jt], at=(1,), orders=[("ft", "jt")], slack=slack)
        assert len(numbers.compare(suite, done)["rows"][0]["remarks"]) == remarks
