"""Set-up: which environment a script of bin/ makes or chooses, and that it is whole."""

import fcntl
import os
import shutil
import subprocess
import sys

import pytest

COMMANDS = ("train", "learn", "forget", "audit", "test", "export", "sample", "predict", "compare", "release")
SCRIPTS = (*(f"bin/{command}" for command in COMMANDS), "bin/bootstrap.sh", ".ci/run", "requirements/lock")
FAKE_PYTHON = '#!/bin/sh\n[ "$1" = -I ] || echo "{name}" "$@"\n'
FAKE_UV = """#!/bin/sh
echo "$@" >> {log}
for last; do :; done
case "$1" in venv) mkdir -p "$last/bin" && cp {python} "$last/bin/python" ;; *) {install} ;; esac
"""
TOOLS = "bash sh readlink dirname basename cmp cp mv rm mkdir mktemp uname flock cat"
# What bin/test runs before the tests.
CHECKS = [f"own -P -m {check}" for check in ("ruff check --quiet .", "ruff format --check --quiet .",
                                             "mypy --no-error-summary")]  # fmt: skip
KILL_THE_SCRIPT = "kill -9 $PPID"


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_well_formed(project_root, script):
    subprocess.run(["bash", "-n", str(project_root / script)], check=True)
    assert os.access(project_root / script, os.X_OK) or script.endswith(".sh")


class Machine:
    """A copy of the scripts on a machine whose only commands are those put into `commands`."""

    def __init__(self, project_root, folder):
        self.project, self.commands, self.log = folder / "project", folder / "commands", folder / "uv.log"
        for name in ("bin", "requirements"):
            shutil.copytree(project_root / name, self.project / name)
        self.commands.mkdir()
        for tool in TOOLS.split():
            if where := shutil.which(tool):
                (self.commands / tool).symlink_to(where)

    def add(self, name, text):
        path = self.commands / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path

    def add_uv(self, install="exit 0"):
        """install: what it does when it is asked to install, in the shell's words."""
        python = self.add("own-python", FAKE_PYTHON.format(name="own"))
        self.add("uv", FAKE_UV.format(log=self.log, python=python, install=install))

    def run(self, *command, **environment):
        process = self.start(*command, **environment)
        printed, complaints = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, printed, complaints)

    def start(self, *command, **environment):
        environment = {"PATH": str(self.commands), **environment}
        command = command or (self.project / "bin" / "train", "--run_dir=here")
        return subprocess.Popen(command, env=environment, cwd=self.commands, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)  # fmt: skip

    def run_test(self):
        return self.run(self.project / "bin" / "test", "-x")

    def setups(self):
        """What was done to environments: "new", and the names of the lock files installed."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return ["new" if line.startswith("venv ") else os.path.basename(line.split()[-1]) for line in lines]


@pytest.fixture
def machine(project_root, tmp_path):
    return Machine(project_root, tmp_path)


def test_the_first_start_sets_up_and_later_ones_are_silent(machine):
    machine.add_uv()
    first, second = machine.run(), machine.run()
    assert first.stdout == second.stdout == "own -P -m dgm_tf.cli.train --run_dir=here\n"
    assert first.stderr.count("\n") == 1 and "setting up" in first.stderr and ".venv-cpu" in first.stderr
    assert second.stderr == "" and machine.setups() == ["new", "cpu.txt"]


def test_a_changed_lock_sets_up_again(machine):
    machine.add_uv()
    machine.run()
    with open(machine.project / "requirements" / "cpu.txt", "a") as lock:
        lock.write("# newer\n")
    machine.run()
    assert machine.setups() == ["new", "cpu.txt"] * 2


@pytest.mark.parametrize("install", ["exit 7", KILL_THE_SCRIPT])
def test_a_set_up_that_failed_or_was_killed_is_done_again(machine, install):
    machine.add_uv(install)
    assert machine.run().returncode != 0
    machine.add_uv()
    assert machine.run().returncode == 0
    assert machine.setups() == ["new", "cpu.txt"] * 2


def test_tests_get_the_development_lock_and_runs_take_what_is_there(machine):
    machine.add_uv()
    run = machine.run_test()
    assert run.stdout.splitlines() == [*CHECKS, "own -P -m pytest -q --durations=20 -x"]
    assert machine.run().stderr == "" and machine.run_test().stderr == ""
    assert machine.setups() == ["new", "cpu-dev.txt"]


def test_tests_complete_the_environment_of_a_run_and_leave_it_in_its_place(machine):
    machine.add_uv()
    machine.run()
    (machine.project / ".venv-cpu" / "kept").touch()
    assert "adding to" in machine.run_test().stderr
    assert machine.run().stderr == ""
    assert machine.setups() == ["new", "cpu.txt", "cpu-dev.txt"] and (machine.project / ".venv-cpu" / "kept").exists()


@pytest.mark.parametrize("command", ["train", "test"])
@pytest.mark.parametrize("install", ["exit 7", KILL_THE_SCRIPT])
def test_an_environment_that_was_half_completed_is_made_anew(machine, install, command):
    machine.add_uv()
    machine.run()
    machine.add_uv(install)
    assert machine.run_test().returncode != 0
    machine.add_uv()
    run = machine.run(machine.project / "bin" / command)
    assert run.returncode == 0 and "setting up" in run.stderr
    assert machine.setups()[3:] == ["new", "cpu.txt" if command == "train" else "cpu-dev.txt"]


@pytest.mark.parametrize("lock_command", ["flock", "python3"])  # macOS has no flock
def test_a_second_start_waits_for_the_first_ones_set_up(machine, lock_command):
    machine.add_uv()
    (machine.commands / "flock").unlink(missing_ok=True)
    (machine.commands / lock_command).symlink_to(shutil.which("flock") if lock_command == "flock" else sys.executable)
    with open(machine.project / ".venv-cpu.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        process = machine.start()
        assert "waiting for another command that is setting up" in process.stderr.readline()
        assert machine.setups() == [] and process.poll() is None
    assert process.wait(30) == 0 and machine.setups() == ["new", "cpu.txt"]
    process.communicate()


@pytest.mark.parametrize(("status", "folder"), [(0, ".venv-gpu"), (9, ".venv-cpu")])
def test_a_gpu_that_answers_decides_the_environment(machine, status, folder):
    machine.add_uv()
    machine.add("nvidia-smi", f"#!/bin/sh\nexit {status}\n")
    machine.run()
    assert [path.name for path in machine.project.glob(".venv-?pu")] == [folder]


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_an_active_environment_with_the_package_is_used_as_it_is(machine, variable):
    python = machine.add("active/bin/python", FAKE_PYTHON.format(name="active"))
    run = machine.run(**{variable: str(python.parent.parent)})
    assert run.stdout == "active -P -m dgm_tf.cli.train --run_dir=here\n" and run.stderr == ""


def test_an_active_environment_without_the_package_is_left_alone(machine):
    machine.add_uv()
    python = machine.add("active/bin/python", "#!/bin/sh\nexit 1\n")
    assert machine.run(VIRTUAL_ENV=str(python.parent.parent)).stdout.startswith("own ")


def test_scripts_work_through_a_link_and_without_an_argument(machine):
    machine.add_uv()
    (machine.commands / "train-here").symlink_to(machine.project / "bin" / "train")
    assert machine.run(machine.commands / "train-here").stdout == "own -P -m dgm_tf.cli.train\n"


def test_without_a_supported_python_the_message_says_what_was_found(machine):
    machine.add("python3", "#!/bin/sh\necho 3.10.2\nexit 1\n")
    machine.add("python3.12", "#!/bin/sh\nexit 127\n")
    run = machine.run()
    assert run.returncode == 1 and run.stdout == ""
    assert "needs Python 3.11, 3.12 or 3.13" in run.stderr
    assert "python3 (3.10.2) python3.12 (does not start)" in run.stderr


def _be(machine, system, processor):
    (machine.commands / "uname").unlink()
    machine.add("uname", f"#!/bin/sh\n[ $1 = -s ] && echo {system} || echo {processor}\n")


def test_another_platform_is_named(machine):
    _be(machine, "Darwin", "x86_64")
    run = machine.run()
    assert run.returncode == 1
    assert "needs Linux on x86_64 or aarch64, or macOS on Apple silicon; this is Darwin on x86_64" in run.stderr


def test_a_mac_is_told_as_untested_and_goes_on(machine):
    machine.add_uv()
    _be(machine, "Darwin", "arm64")
    first, second = machine.run(), machine.run()
    assert first.stdout == second.stdout == "own -P -m dgm_tf.cli.train --run_dir=here\n"
    assert "macOS on Apple silicon is untested" in first.stderr and second.stderr == ""


def test_a_release_holds_only_what_was_checked(machine):
    machine.add_uv()
    check = 'case "$*" in *twine*) exit 3;; *--outdir*) touch "$6/dgm_tf-1.whl";; esac'
    python = machine.add("own-python", f"#!/bin/sh\necho $@\n{check}\n")
    (machine.commands / "touch").symlink_to(shutil.which("touch"))
    refused = machine.run(machine.project / "bin" / "release")
    assert refused.returncode == 3 and list((machine.project / "dist").iterdir()) == []
    (machine.project / ".venv-cpu" / "bin" / "python").write_text(python.read_text().replace("exit 3", "exit 0"))
    assert machine.run(machine.project / "bin" / "release").returncode == 0
    assert [path.name for path in (machine.project / "dist").iterdir()] == ["dgm_tf-1.whl"]


def test_continuous_integration_runs_the_tests_and_the_installed_commands(machine, project_root):
    machine.add_uv()
    shutil.copytree(project_root / ".ci", machine.project / ".ci")
    run = machine.run("bash", machine.project / ".ci" / "run")
    tests = [f"own -P -m pytest -q --durations=20 -n auto --dist {how}" for how in ("worksteal", "loadfile -m ci")]
    assert run.stdout.splitlines() == [*CHECKS, tests[0], *CHECKS, tests[1]]
    assert machine.setups() == ["new", "cpu-dev.txt"]
