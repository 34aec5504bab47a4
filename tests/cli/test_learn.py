"""bin/learn: classes learned later, from the run folder alone, are learned as if they had come in the first run."""

import json
import re
import shutil

import gin
import numpy as np
import pytest
import tensorflow as tf

import dgm_tf
from dgm_tf import config
from dgm_tf.cli import learn
from dgm_tf.data import ClassIncrementalStream, ImageFolder
from dgm_tf.disk import files
from dgm_tf.errors import UserError
from dgm_tf.methods.dgm import DGM
from dgm_tf.run import experiment, sessions
from dgm_tf.run.checkpoints import Checkpointer
from dgm_tf.run.metrics_log import read_metrics
from dgm_tf.run.recorder import Recorder
from tests import letters, tiny_run
from tests.in_process import give

PARAMS = (
    "GANSettings.min_batches = 1",
    "ClassifierSettings.min_replay_per_class = 0",
    "DCGANGenerator.filters = 2",
    "DCGANDiscriminator.filters = (4, 4, 8)",
    "GANSettings.epochs = 2",
    "GANSettings.batch_size = 8",
    "ClassifierSettings.closing_epochs = 1",
    "EvaluationSettings.validation_per_class = 4",
    "EvaluationSettings.gan_test_per_class = 5",
    "EvaluationSettings.gan_train_epochs = 0",
    "EvaluationSettings.judge_epochs = 1",
    "EvaluationSettings.fine_tuning_epochs = 0",
    "run_experiment.checkpoint_seconds = 1000.0",
)
MEASURED = ("accuracy_matrix", "average_accuracy", "per_class_accuracy", "best_accuracy", "forgetting", "capacity")


class Data:
    """Folders of letters: a, with odd files, b, c; then d, e; all of them together; and one more."""

    def __init__(self, root):
        self.first, self.later, self.all, self.more = (root / name for name in ("first", "later", "all", "more"))
        for folder in (self.first, self.all):
            letters.write_letters(folder, "abc")
            letters.write_oddities(folder / "a" / "odd")
        letters.write_letters(self.later, "de")
        letters.write_letters(self.all, "de")
        letters.write_letters(self.more, "cf")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return Data(tmp_path_factory.mktemp("data"))


def _run(run_dir, directory, sizes, *params):
    folder = (f"ImageFolder.directory = '{directory}'", f"ClassIncrementalStream.classes_per_task = {sizes}")
    text = config.parse("gin/image_folder.gin", (*PARAMS, *folder, *params))
    files.write_atomically(run_dir / "config.gin", text)
    return experiment.run_experiment(run_dir).to_json()


@pytest.fixture(scope="module")
def first(data, tmp_path_factory):
    """A finished run of a, then b and c: do not write into it."""
    run_dir = tmp_path_factory.mktemp("first") / "run"
    _run(run_dir, data.first, [1, 2])
    return run_dir


@pytest.fixture(scope="module")
def everything(data, tmp_path_factory):
    """A finished run that had all tasks, its images on disk, as if they were more than memory holds."""
    run_dir = tmp_path_factory.mktemp("everything") / "run"
    _run(run_dir, data.all, [1, 2, 2], "ImageFolder.memory_limit = 0")
    return run_dir


@pytest.fixture
def run(first, tmp_path):
    """A copy of the first run."""
    return shutil.copytree(first, tmp_path / "run")


@pytest.fixture
def command(capsys, clean_gin):
    """Gives a command; returns (exit status, standard output, standard error)."""

    def given(*arguments, module=learn):
        capsys.readouterr()
        return give(module, *arguments), *capsys.readouterr()

    return given


def assert_same(run_dir, other):
    memories = [tiny_run.memory(folder) for folder in (run_dir, other)]
    assert memories[0].keys() == memories[1].keys()
    for name in memories[0]:
        np.testing.assert_array_equal(memories[0][name], memories[1][name], err_msg=name)
    learners = [dgm_tf.load(folder) for folder in (run_dir, other)]
    labels = np.repeat(np.arange(5), 4)
    replayed = [learner.replay(labels, seed=2) for learner in learners]
    np.testing.assert_array_equal(*replayed)
    np.testing.assert_array_equal(*(learner.logits(replayed[0]) for learner in learners))
    assert learners[0].class_names == learners[1].class_names == list("abcde")
    assert learners[0].task_classes == learners[1].task_classes


def test_the_run_folder_is_enough(command, run, everything, data, tmp_path):
    arrays = ImageFolder(data.later, channels=3).load()
    content = {key: getattr(arrays, f"train_{key}") for key in ("images", "labels")}
    content |= {f"test_{key}": getattr(arrays, f"test_{key}") for key in ("images", "labels")}
    np.savez(tmp_path / "later.npz", class_names=arrays.class_names, **content)
    elsewhere = run.rename(tmp_path / "elsewhere")
    text = (elsewhere / "config.gin").read_text()
    (elsewhere / "config.gin").write_text(text.replace(str(data.first), "gone"))
    bounds = tiny_run.read_results(elsewhere)["bounds"]
    status, printed, complaints = command(f"--run_dir={elsewhere}", f"--archive={tmp_path / 'later.npz'}")
    assert (status, complaints) == (0, "")
    assert_same(elsewhere, everything)
    results, expected = tiny_run.read_results(elsewhere), tiny_run.read_results(everything)
    assert results["finished"] and results["class_names"] == list("abcde")
    assert results["tasks"] == expected["tasks"] and results["bounds"] == bounds
    *rows, last = expected["accuracy_matrix"]
    assert results["accuracy_matrix"] == [*rows, [None, None, last[2]]]
    assert results["average_accuracy"] == [*expected["average_accuracy"][:2], None]
    assert results["per_class_accuracy"][2] == [None] * 3 + expected["per_class_accuracy"][2][3:]
    assert [0 <= accuracy <= 1 for accuracy in results["accuracy_on_replay"][2][:3]] == [True] * 3
    assert results["accuracy_on_replay"][:2] == [None, None] and results["accuracy_on_replay"][2][3:] == [None] * 2
    (caution,) = results["cautions"]
    assert caution.startswith("No test images are here of a, b, c") and caution[:40] in re.sub(r"\s+", " ", printed)
    assert "on replay, without test images" in printed
    assert "2 classes, images: 14 for training, 2 for validation, 4 for test\n" in printed


class Killed(BaseException):
    """Like SIGKILL, this passes all `except Exception`."""


def _kill_at(patch, moment):
    """Kills at a moment of the task that is learned on: (phase, step), or the name of a hook."""

    def on_step_end(self, learner, context, phase):
        if learner.position.step == 1:
            self.save(learner, phase.variables())
            self.wait()
        if moment == (learner.position.phase, learner.position.step):
            raise Killed

    def killed(*_):
        raise Killed

    patch.setattr(Checkpointer, "on_step_end", on_step_end)
    if isinstance(moment, str):
        patch.setattr(Checkpointer if moment == "on_task_end" else Recorder, moment, killed)


# Before anything, with a step lost in each phase, between memory and checkpoint of the ended task, at the run's end.
MOMENTS = ("on_task_begin", (0, 2), (1, 2), "on_task_end", "finish")


@pytest.fixture(scope="module")
def stopped(first, data, tmp_path_factory):
    """(the folder of a run that was killed again and again while it learned on, and then ended; states on the way)."""
    run_dir, states = shutil.copytree(first, tmp_path_factory.mktemp("stopped") / "run"), []
    for moment in MOMENTS:
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
            _kill_at(patch, moment)
            give(learn, f"--run_dir={run_dir}", f"--image_dir={data.later}")
        states.append((tiny_run.position(run_dir), dgm_tf.load(run_dir).num_tasks))
        if moment == (0, 2):
            shutil.copytree(run_dir, run_dir.with_name("in the middle"))
    assert give(learn, f"--run_dir={run_dir}", f"--image_dir={data.later}") == 0
    gin.clear_config()
    return run_dir, states


def test_killed_and_resumed_with_the_old_data_at_hand_it_is_the_run_that_had_all(stopped, everything, data):
    run_dir, states = stopped
    assert [(at["task"], at["phase"], at["step"]) for at, _ in states] == [
        (2, 0, 0), (2, 0, 1), (2, 1, 1), (2, 2, 0), (3, 0, 0)
    ]  # fmt: skip
    assert [num_tasks for _, num_tasks in states] == [2, 2, 2, 3, 3], "what is saved can be loaded at any time"
    assert_same(run_dir, everything)
    results, expected = tiny_run.read_results(run_dir), tiny_run.read_results(everything)
    for key in MEASURED:
        assert results[key] == expected[key], key
    assert results["cautions"] == []
    (later,) = results["later"]
    assert later["image_dir"] == str(data.later) and later["class_names"] == ["d", "e"] and later["data"]["train"] == 16
    others = [path for path in run_dir.rglob("*") if path.name != ".lock"]
    assert not [path for path in others if "tmp" in path.name or path.name.startswith(".")]


def test_the_exports_know_the_new_classes(stopped):
    run_dir, _ = stopped
    assert json.loads((run_dir / "export" / "classes.json").read_text()) == list("abcde")
    generator, classifier = (tf.saved_model.load(str(run_dir / "export" / n)) for n in ("generator", "classifier"))
    assert generator.sample(labels=[0, 4], seed=[1, 2]).shape == (2, 32, 32, 3)
    assert classifier.classify(np.zeros((1, 32, 32, 3), np.uint8))["logits"].shape == (1, 5)


def test_the_curves_go_on(stopped):
    rows = read_metrics(stopped[0] / "metrics.jsonl")
    places = [(row["global_step"], row["kind"]) for row in rows]
    assert places == sorted(set(places))
    assert [kind for _, kind in places].count("end") == 2, "the first run's end, and this one's"
    assert [row["task_learned"] for row in rows if row["kind"] == "eval"] == [0, 1, 2]


@pytest.fixture
def changes_meanwhile(monkeypatch):
    """Lets another command turn a run folder into a copy of `source` while the next one waits to hold it."""

    session = sessions.run_session

    def change(run_dir, source):
        def run_session(*args):
            shutil.rmtree(run_dir)
            shutil.copytree(source, run_dir)
            return session(*args)

        monkeypatch.setattr(sessions, "run_session", run_session)

    return change


def test_the_same_command_again_says_that_it_is_done(command, stopped, data):
    run_dir, _ = stopped
    before = (run_dir / "results.json").read_text()
    status, printed, complaints = command(f"--run_dir={run_dir}", f"--image_dir={data.later}")
    assert (status, complaints) == (0, "") and f"{run_dir} has learned d, e" in printed
    assert (run_dir / "results.json").read_text() == before


def test_it_goes_on_from_what_another_command_has_learned_while_it_waited(
    command, run, stopped, data, changes_meanwhile
):
    changes_meanwhile(run, stopped[0])
    status, _, complaints = command(f"--run_dir={run}", f"--image_dir={data.more}", "--classes=f")
    assert (status, complaints) == (0, "")
    results = tiny_run.read_results(run)
    assert results["class_names"] == list("abcdef") and results["tasks"] == [[0], [1, 2], [3, 4], [5]]
    assert [entry["class_names"] for entry in results["later"]] == [["d", "e"], ["f"]]
    assert None not in results["accuracy_matrix"][3], "the test images of all that came before are found"


def test_while_it_is_stopped_other_commands_are_refused(command, run, stopped, data, changes_meanwhile):
    run_dir = stopped[0].with_name("in the middle")
    for arguments in ([f"--image_dir={data.more}", "--classes=f"], [f"--image_dir={data.later}", "--classes=e,d"]):
        status, _, complaints = command(f"--run_dir={run_dir}", *arguments)
        assert status == 2 and complaints.count("\n") == 1
        assert f"was stopped while it learned d, e from {data.later}" in complaints
    changes_meanwhile(run, run_dir)
    status, _, complaints = command(f"--run_dir={run}", f"--image_dir={data.more}", "--classes=f")
    assert status == 2 and "was stopped while it learned d, e" in complaints
    with pytest.raises(UserError, match="has learned more classes: resume it with the same bin/learn"):
        config.parse(run_dir / "config.gin")
        experiment.run_experiment(run_dir)


def test_what_another_command_does_meanwhile_is_told(command, run, first, stopped, data, changes_meanwhile, tmp_path):
    changes_meanwhile(run, stopped[0])
    status, printed, complaints = command(f"--run_dir={run}", f"--image_dir={data.later}")
    assert (status, complaints) == (0, "") and f"{run} has learned d, e" in printed
    other = shutil.copytree(first, tmp_path / "other")
    text = (other / "config.gin").read_text()
    (other / "config.gin").write_text(text.replace("GANSettings.epochs = 2", "GANSettings.epochs = 3"))
    changes_meanwhile(run, other)
    status, _, complaints = command(f"--run_dir={run}", f"--image_dir={data.later}")
    assert status == 2 and "config.gin was changed by another command while this one waited" in complaints


def test_a_learner_loaded_from_a_run_learns_on_in_python(first, everything, data, clean_gin):
    learner = dgm_tf.load(first)
    stream = ClassIncrementalStream(ImageFolder(data.later, channels=3), classes_per_task=2)
    learner.learn(stream.task(0).following(learner.num_tasks, len(learner.class_names)))
    arrays, others = learner.arrays(), dgm_tf.load(everything).arrays()
    assert arrays.keys() == others.keys()
    for key in arrays:
        np.testing.assert_array_equal(arrays[key], others[key], err_msg=key)


MISTAKES = {
    "no run": (["--image_dir=LATER"], "--run_dir: expected the folder of a finished run"),
    "no folder": (["--run_dir=nowhere", "--image_dir=LATER"], "got nowhere, which holds no config.gin"),
    "no images": (["--run_dir=RUN"], "expected either --image_dir or --archive, got neither"),
    "both": (["--run_dir=RUN", "--image_dir=LATER", "--archive=a.npz"], "--archive, got both"),
    "nothing there": (["--run_dir=RUN", "--image_dir=nowhere"], "directory: expected a folder .*/nowhere'"),
    "no archive": (["--run_dir=RUN", "--archive=a.npz"], "ImageArchive.path: .*/a.npz cannot be read: No such file"),
    "known": (["--run_dir=RUN", "--image_dir=MORE"], "expected new classes, got 'c', learned before; --classes says"),
    "sizes": (["--run_dir=RUN", "--image_dir=LATER", "--classes_per_task=0"], "expected positive integers, got 0"),
    "too many": (["--run_dir=RUN", "--image_dir=LATER", "--classes_per_task=1,2"], "need 3 classes, there are only 2"),
    "unknown": (["--run_dir=RUN", "--image_dir=LATER", "--classes=x"], "class_order: .*'x', no class"),
    "flag": (["--run_dir=RUN", "--images=LATER"], "Unknown command line flag 'images'"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_told_in_one_line_and_leaves_the_run_as_it_is(command, run, data, case):
    arguments, message = MISTAKES[case]
    places = {"RUN": run, "LATER": data.later, "MORE": data.more}
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "run.json"}
    status, _, complaints = command(*(re.sub("RUN|LATER|MORE", lambda m: str(places[m[0]]), a) for a in arguments))
    assert status == 2 and complaints.startswith("error: ") and complaints.count("\n") == 1
    assert re.search(message, complaints), complaints
    assert {path: path.read_bytes() for path in before} == before


def test_a_class_whose_folder_has_changed_is_not_tested_on_what_it_may_have_been_trained_on(command, run, data):
    new = data.first / "b" / "new.png"
    letters.letter("b", 99).save(new)
    try:
        status, printed, _ = command(f"--run_dir={run}", f"--image_dir={data.later}", "--classes_per_task=2")
    finally:
        new.unlink()
    results = tiny_run.read_results(run)
    untested = [name for name, value in zip("abcde", results["per_class_accuracy"][-1], strict=True) if value is None]
    assert status == 0 and untested == ["b"]
    assert "images of b, but not its original test images" in results["cautions"][-1]
    assert results["accuracy_on_replay"][-1][1] is not None and "CAUTION" in printed


def test_a_run_of_before_fidelity_and_excerpts_goes_on(command, run, data):
    results = tiny_run.read_results(run)
    del results["fidelity"], results["test_excerpts"]
    files.write_json(run / "results.json", results)
    assert command(f"--run_dir={run}", f"--image_dir={data.later}", "--classes=d")[0] == 0
    results = tiny_run.read_results(run)
    assert results["fidelity"] == [None] * 3 and [e is None for e in results["test_excerpts"]] == [True] * 3 + [False]


def test_a_run_does_not_go_on_with_other_images(run, data, clean_gin):
    config.parse(run / "config.gin")
    new = data.first / "b" / "new.png"
    letters.letter("b", 99).save(new)
    try:
        with pytest.raises(UserError, match=r"other images: .* a, b, c \(32 and 8 images\), got .*\(33 and"):
            experiment.run_experiment(run)
    finally:
        new.unlink()
    first = sorted((data.first / "b").iterdir())[0]
    first.rename(new)  # as many images, split in another way
    try:
        with pytest.raises(UserError, match="was started with other images: .*, got others of classes a, b, c"):
            experiment.run_experiment(run)
    finally:
        new.rename(first)


def test_a_run_that_has_not_ended_is_refused(command, run, data):
    results = files.read_json(run / "results.json") | {"finished": False}
    files.write_json(run / "results.json", results)
    status, _, complaints = command(f"--run_dir={run}", f"--image_dir={data.later}")
    assert status == 2 and "has not finished: run its first command again to resume it" in complaints
    shutil.rmtree(run / "checkpoints")
    assert "expected the folder of a run" in command(f"--run_dir={run}", f"--image_dir={data.later}")[2]


def test_what_the_method_refuses_leaves_the_run_free_for_another_command(command, run, data, monkeypatch):
    def refuse(self, num_classes):
        raise UserError(f"no room for {num_classes} classes")

    with monkeypatch.context() as patch:
        patch.setattr(DGM, "check_classes", refuse)
        status, _, complaints = command(f"--run_dir={run}", f"--image_dir={data.later}")
    assert status != 0 and "no room for 5 classes" in complaints
    assert dgm_tf.load(run).class_names == list("abc")
    status, _, complaints = command(f"--run_dir={run}", f"--image_dir={data.later}", "--classes=e")
    assert (status, complaints) == (0, "")
    assert dgm_tf.load(run).class_names == list("abce")
    assert [entry["class_names"] for entry in tiny_run.read_results(run)["later"]] == [["e"]]
