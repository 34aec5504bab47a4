"""The command line: what a run folder holds, what is refused and how, what a finished run says."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from dgm_tf.cli import train
from dgm_tf.disk import files
from dgm_tf.run import experiment, sessions
from dgm_tf.run.metrics_log import read_metrics
from tests import in_process, tiny_run


@pytest.fixture
def command(capsys, clean_gin):
    """Gives the command in this process; returns (exit status, standard output, standard error)."""

    def give(*arguments):
        return in_process.give(train, *arguments), *capsys.readouterr()

    return give


def _state(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_finished_run_says_so_and_stays_as_it_is(command, finished_run):
    before = _state(finished_run)
    status, printed, complaints = command(*tiny_run.arguments(finished_run, tiny_run.LONG))
    assert (status, complaints) == (0, "")
    assert "is finished: see" in printed and "results.json" in printed
    assert _state(finished_run) == before


def test_another_configuration_in_the_same_folder_is_refused_with_a_diff(command, finished_run):
    before = _state(finished_run)
    changed = [*tiny_run.LONG, "GANSettings.epochs = 11"]
    status, printed, complaints = command(*tiny_run.arguments(finished_run, changed))
    assert (status, printed) == (2, "")
    assert complaints.startswith(f"error: {finished_run} holds a run of another configuration:")
    assert "\n+GANSettings.epochs = 11" in complaints and "Name another --run_dir" in complaints
    assert _state(finished_run) == before


@pytest.fixture
def changes_meanwhile(monkeypatch):
    """Lets another command write into a run folder while the next one waits to hold it."""

    session = sessions.run_session

    def change(write):
        def run_session(*args):
            write()
            return session(*args)

        monkeypatch.setattr(sessions, "run_session", run_session)

    return change


def test_a_run_that_another_command_has_ended_meanwhile_stays_as_it_is(
    command, finished_run, tmp_path, changes_meanwhile
):
    run_dir, ended = tmp_path / "run", {}

    def end():
        shutil.copytree(finished_run, run_dir, dirs_exist_ok=True)
        ended.update(_state(run_dir))

    changes_meanwhile(end)
    status, printed, complaints = command(*tiny_run.arguments(run_dir, tiny_run.LONG))
    assert (status, complaints) == (0, "") and "is finished: see" in printed
    assert _state(run_dir) == ended


def test_the_configuration_that_another_command_began_with_meanwhile_stays(command, tmp_path, changes_meanwhile):
    path = tmp_path / "run" / "config.gin"
    changes_meanwhile(lambda: path.write_text("GANSettings.epochs = 11\n"))
    status, printed, complaints = command(*tiny_run.arguments(path.parent, tiny_run.LONG))
    assert status == 2 and "holds a run of another configuration:" in complaints
    assert path.read_text() == "GANSettings.epochs = 11\n" and not (path.parent / "run.json").exists()


MISTAKES = {
    "GANSettings.epochs = 'x'": r"GANSettings.epochs: expected an integer in \[1, inf\), got 'x'",
    "GANSettings.epochs = 0": "GANSettings.epochs: .* got 0",
    "GANSettings.epochs = -1": "GANSettings.epochs: .* got -1",
    "GANSettings.epochs = 2.5": "GANSettings.epochs: .* got 2.5",
    "GANSettings.epochs = True": "GANSettings.epochs: .* got True",
    "GANSettings.batch_size = 0": "GANSettings.batch_size: .* got 0",
    "GANSettings.critic_steps = 0": "GANSettings.critic_steps: .* got 0",
    "GANSettings.generator_learning_rate = -1e-3": r"learning_rate: expected a number in \(0, inf\), got -0.001",
    "GANSettings.discriminator_learning_rate = 0": "discriminator_learning_rate: .* got 0",
    "GANSettings.beta_1 = 1.0": r"GANSettings.beta_1: expected a number in \[0, 1\), got 1.0",
    "GANSettings.gradient_penalty_weight = -1": "gradient_penalty_weight: .* got -1",
    "GANSettings.auxiliary_loss = 'no'": "GANSettings.auxiliary_loss: expected True or False, got 'no'",
    "DGM.mask_scale_per_epoch = 0": r"DGM.mask_scale_per_epoch: expected a number in \(0, inf\), got 0",
    "DGM.max_mask_scale = -5": "DGM.mask_scale_per_epoch: .* got -5",
    "DGM.sparsity_weight = -0.1": r"DGM.sparsity_weight: expected a number in \[0, inf\), got -0.1",
    "DGM.gan = @GANSettings": r"DGM.gan: expected @GANSettings\(\), got <class",
    "DGM.generator = @DCGANGenerator()": "DGM.generator: expected a network class",
    "DGM.settings = None": r"DGM.settings: expected @ClassifierSettings\(\), got None",
    "ClassifierSettings.replay_schedule = 'some'": "replay_schedule: expected one of 'balanced', .* got 'some'",
    "ClassifierSettings.closing_epochs = -1": "ClassifierSettings.closing_epochs: .* got -1",
    "ClassifierSettings.closing_epochs = 0": "would never learn: expected closing_epochs >= 1, got 0",
    "ClassifierSettings.generated_current = 1.5": r"generated_current: expected a number in \[0, 1\], got 1.5",
    "ClassifierSettings.current_share = 0": r"current_share: expected a number in \(0, 1\], got 0",
    "ClassifierSettings.learning_rate = 0": "ClassifierSettings.learning_rate: .* got 0",
    "ClassifierSettings.augmentation = 'strong'": r"augmentation: expected @Augmentation\(\) or None, got 'strong'",
    "Augmentation.contrast = (1.1, 0.7)": r"Augmentation.contrast: expected \(low, high\).* got \(1.1, 0.7\)",
    "Augmentation.noise = -1": "Augmentation.noise: .* got -1",
    "EvaluationSettings.protocol = 'lenient'": "protocol: expected one of 'strict', 'published', got 'lenient'",
    "EvaluationSettings.validation_per_class = 0": "EvaluationSettings.validation_per_class: .* got 0",
    "EvaluationSettings.gan_test_per_class = -1": "EvaluationSettings.gan_test_per_class: .* got -1",
    "EvaluationSettings.gan_train_every_task = 1": "gan_train_every_task: expected True or False, got 1",
    "DCGANGenerator.filters = 'x'": "DCGANGenerator.filters: expected an integer .*, got 'x'",
    "DCGANGenerator.plasticity = 'units '": "DCGANGenerator.plasticity: expected one of .*, got 'units '",
    "DCGANDiscriminator.filters = 8": "DCGANDiscriminator.filters: expected a list of integers .*, got 8",
    "ClassIncrementalStream.num_tasks = 11": "11 tasks need 11 classes, there are only 10",
    "ClassIncrementalStream.image_size = 28": "DCGANGenerator expects square images of 16, 32, 64 or 128 pixels",
    "ClassIncrementalStream.source = @TFDS()": "TFDS needs a value for name, such as 'TFDS.name = ...'",
    "run_experiment.method = @DGM": "run_experiment.method: expected a method",
    "run_experiment.seed = 'lucky'": "run_experiment.seed: expected an integer",
    "GANSettings.epoch = 3": "has no parameter 'epoch'. Did you mean epochs?",
    "Gan.epochs = 3": "nothing is registered as 'Gan'",
    "GANSettings.epochs": "expected ':' or '='",
    "GANSettings.epochs = three": "Failed to parse token 'three'",
}


@pytest.mark.parametrize("param", MISTAKES)
def test_a_mistake_is_told_in_one_line_and_claims_no_folder(command, tmp_path, param):
    status, _, complaints = command(*tiny_run.arguments(tmp_path / "run", [param]))
    assert status == 2
    assert complaints.startswith("error: ") and complaints.count("\n") == 1
    assert re.search(MISTAKES[param], complaints)
    assert not (tmp_path / "run" / "config.gin").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--gin_file=gin/nothing.gin"], "gin file 'gin/nothing.gin' does not exist.* Available: .*gin/quickstart.gin"),
        (["--gin_parm=a.b = 1"], "Unknown command line flag 'gin_parm'. Did you mean: gin_param"),
        (["--strategy=many"], "strategy.* should be one of <auto|none|mirrored|multi_worker>"),
        (["quickstart"], "expected flags only, got 'quickstart'"),
        (["--gin_file=root.gin"], "run_experiment needs a value for stream, method"),
        (["--run_dir=root.gin"], r"run_dir: expected a folder or a place for one, got root.gin \("),
        (["--run_dir=root.gin/run"], r"run_dir: expected a folder or a place for one, got root.gin/run \("),
        (
            ["--gin_file=gin/mnist_dgmw.gin", "--nodownload", "--data_dir=nowhere", "--run_dir=run"],
            "no data of 'mnist' in .*nowhere.*--data_dir or the environment variable TFDS_DATA_DIR",
        ),
    ],
)
def test_a_mistake_in_the_flags_is_told_in_one_line(command, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "root.gin").write_text("import dgm_tf.run.experiment\n")
    status, printed, complaints = command(*arguments)
    assert (status, printed) == (2, "")
    assert complaints.startswith("error: ") and complaints.count("\n") == 1
    assert re.search(message, complaints)


def test_a_corrected_mistake_may_use_the_folder(command, tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "run_experiment", lambda run_dir: None)
    (tmp_path / "run.json").write_text('{"sessions": []}')  # what the failed start left
    assert command(*tiny_run.arguments(tmp_path, tiny_run.SHORT))[0] == 0
    assert "GANSettings.epochs = 2" in (tmp_path / "config.gin").read_text()


def test_a_mistake_that_shows_late_leaves_the_run_its_folder(command, tmp_path, monkeypatch):
    def fail_late(run_dir):
        files.write_arrays(run_dir / "checkpoints" / "latest.npz", {})
        raise train.UserError("late")

    monkeypatch.setattr(experiment, "run_experiment", fail_late)
    assert command(*tiny_run.arguments(tmp_path, tiny_run.SHORT)) == (2, "", "error: late\n")
    assert (tmp_path / "config.gin").exists()


class TestRunFolder:
    """What docs/running.md says that a run folder holds."""

    def test_the_configuration_stands_alone(self, finished_run, tmp_path, monkeypatch, clean_gin):
        text = (finished_run / "config.gin").read_text()
        monkeypatch.chdir(tmp_path)
        (tmp_path / "again.gin").write_text(text)
        assert train.config.parse("again.gin") == text
        operative = (finished_run / "operative_config.gin").read_text()
        assert "GANSettings.epochs = 10" in operative and "GANSettings.beta_1 = 0.5" in operative

    def test_run_json(self, finished_run):
        run = files.read_json(finished_run / "run.json")
        assert {"dgm_tf", "tensorflow", "keras", "python"} <= run["versions"].keys()
        assert run["devices"] and run["replicas"] == 1 and run["machine"]
        assert run["seeds"] == {"run_experiment": 0, "ClassIncrementalStream": 0}
        (session,) = run["sessions"]
        (run_dir,) = [word for word in session["command"] if word.startswith("--run_dir=")]
        assert run_dir.endswith("/finished/run")
        assert session["started"] <= session["ended"]

    def test_metrics_are_json_lines_in_order(self, finished_run):
        rows = read_metrics(finished_run / "metrics.jsonl")
        assert {row["kind"] for row in rows} == {"train", "eval", "time", "end"}
        assert {row["phase"] for row in rows if row["kind"] == "train"} == {"gan", "classifier"}
        steps = [row["global_step"] for row in rows]
        assert steps == sorted(steps)
        assert {"loss/critic", "loss/generator", "schedule/mask_scale"} <= rows[0].keys()

    def test_images_and_figures_are_pngs(self, finished_run):
        images = sorted((finished_run / "images").glob("*.png"))
        figures = {path.stem for path in (finished_run / "figures").glob("*.png")}
        assert len(images) == 2
        assert {"accuracy", "accuracy_matrix", "confusion", "capacity", "size", "generated"} <= figures
        for path in [*images, *(finished_run / "figures").glob("*.png")]:
            with Image.open(path) as image:
                assert np.asarray(image).std() > 0

    def test_checkpoint_memory_and_export(self, finished_run):
        assert tiny_run.position(finished_run) == {"task": 2, "phase": 0, "step": 0, "global_step": 350}
        assert (finished_run / "memory" / "learner.json").is_file()
        for name in ("generator", "classifier"):
            assert (finished_run / "export" / name / "saved_model.pb").is_file()

    def test_nothing_is_left_half_written(self, finished_run):
        others = [path for path in finished_run.rglob("*") if path.name != ".lock"]
        assert not [path for path in others if "tmp" in path.name or path.name.startswith(".")]

    def test_what_was_printed_can_be_read_by_a_person(self, finished_run):
        printed = finished_run.with_name("run.log").read_text()
        assert "task 1/2 (0) gan epoch 10/10" in printed and "mask ones" in printed
        assert "After task 2: 1" in printed and "average over classes seen" in printed
        assert "Results" in printed and "fine-" in printed and "joint" in printed
        assert "Traceback" not in printed


def test_json_is_strict(finished_run):
    texts = [path.read_text() for path in finished_run.rglob("*.json")]
    texts += (finished_run / "metrics.jsonl").read_text().splitlines()
    for text in texts:
        json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))


def test_the_images_of_each_class_are_printed_before_training(finished_run):
    printed = (finished_run.parent / f"{finished_run.name}.log").read_text(encoding="utf-8")
    begin = re.search(r"2 classes, images: \d+ for training, \d+ for validation, 200 for test\n", printed)
    assert begin and begin.start() < printed.index("task 1/2")
    rows = re.findall(r"^  ([01]) +(\d+) +(\d+) +100$", printed[begin.end() : printed.index("task 1/2")], re.MULTILINE)
    assert [int(a) + int(b) for _, a, b in rows] == [500, 500]
