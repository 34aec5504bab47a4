"""Packaging and set-up: what the wheel carries, what the locks hold, which environment is chosen."""

import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

DEVICES = ("cpu", "gpu")
COMMANDS = ("train", "learn", "test", "export", "sample", "benchmark")
SCRIPTS = (*(f"bin/{command}" for command in COMMANDS), "bin/bootstrap.sh", ".ci/run", "requirements/lock")
FAKE_PYTHON = '#!/bin/sh\n[ "$1" = -I ] || echo "{name}" "$@"\n'
FAKE_UV = """#!/bin/sh
echo "$@" >> {log}
for last; do :; done
case "$1" in venv) mkdir -p "$last/bin" && cp {python} "$last/bin/python" ;; *) exit {status} ;; esac
"""
TOOLS = "bash sh readlink dirname basename cmp cp mv rm mkdir uname flock cat"


def _locked(project_root, device):
    """Name of each requirement in a lock file -> the lines that belong to it."""
    text = (project_root / "requirements" / f"{device}.txt").read_text()
    blocks = re.split(r"^(?=[\w.-]+==)", re.sub("^#.*\n", "", text, flags=re.MULTILINE), flags=re.MULTILINE)
    return {re.split("[=<>; ]", block)[0]: block for block in blocks if block.strip()}


def _normalised(name):
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def wheel(project_root, tmp_path_factory):
    """The wheel built from a copy of the project that has one more gin folder."""
    pytest.importorskip("setuptools", minversion="70.1", reason="building a wheel needs setuptools >= 70.1")
    source = tmp_path_factory.mktemp("source")
    for name in ("setup.py", "pyproject.toml", "LICENSE", "README.md", "MANIFEST.in"):
        if (project_root / name).exists():
            shutil.copy(project_root / name, source)
    for name in ("dgm_tf", "gin"):
        if (project_root / name).exists():
            shutil.copytree(project_root / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    (source / "gin" / "added" / "deeper").mkdir(parents=True)
    (source / "gin" / "added" / "deeper" / "new.gin").write_text("")
    build = "from setuptools import build_meta; print(build_meta.build_wheel('dist'))"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    return next((source / "dist").glob("*.whl")), source


def test_the_wheel_carries_every_gin_file_and_the_images(wheel):
    path, source = wheel
    names = zipfile.ZipFile(path).namelist()
    gin_files = [file.relative_to(source).as_posix() for file in (source / "gin").rglob("*.gin")]
    assert "gin/added/deeper/new.gin" in gin_files
    assert {f"dgm_tf/{name}" for name in gin_files} | {"dgm_tf/data/mnist_mini.npz"} <= set(names)
    # A top-level folder `gin` would overwrite gin-config.
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"dgm_tf"}


def test_the_wheel_installs_the_commands(wheel):
    archive = zipfile.ZipFile(wheel[0])
    entry_points = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
    text = archive.read(entry_points).decode()
    for command in ("train", "learn", "export", "sample", "benchmark"):
        assert f"dgm-{command} = dgm_tf.{command}:main" in text


def test_an_installed_package_finds_its_gin_files(wheel, tmp_path):
    zipfile.ZipFile(wheel[0]).extractall(tmp_path / "site")
    (tmp_path / "site" / "gin").mkdir()  # where the gin-config library lies
    code = "from dgm_tf import config; print(config.resolve('gin/added/deeper/new.gin'))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    run = subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, env=environment, text=True,
                         capture_output=True, check=True)  # fmt: skip
    assert run.stdout.strip() == str(tmp_path / "site" / "dgm_tf" / "gin" / "added" / "deeper" / "new.gin")


def test_the_gin_folder_does_not_shadow_gin_config(project_root):
    assert not list((project_root / "gin").rglob("*.py"))


@pytest.mark.parametrize("device", DEVICES)
def test_every_locked_requirement_has_hashes_and_no_address(project_root, device):
    text = (project_root / "requirements" / f"{device}.txt").read_text()
    assert "://" not in text and "--index" not in text and "--find-links" not in text
    for name, block in _locked(project_root, device).items():
        assert "--hash=sha256:" in block, name


@pytest.mark.parametrize("device", DEVICES)
def test_the_locks_hold_what_the_package_asks_for(project_root, wheel, device):
    archive = zipfile.ZipFile(wheel[0])
    metadata = archive.read(next(name for name in archive.namelist() if name.endswith("METADATA"))).decode()
    extras = [*(extra for extra in DEVICES if extra != device), "ray"]
    asked = [line for line in re.findall("^Requires-Dist: (.+)", metadata, re.MULTILINE)
             if not any(f'extra == "{extra}"' in line for extra in extras)]  # fmt: skip
    locked = _locked(project_root, device)
    assert len(asked) > 10
    assert {_normalised(re.split(r"[\[<>=; ]", line)[0]) for line in asked} <= set(map(_normalised, locked))


def test_no_lock_mixes_the_two_tensorflows(project_root):
    cpu, gpu = (_locked(project_root, device) for device in DEVICES)
    assert "tensorflow" in gpu and "tensorflow-cpu" not in gpu
    assert "platform_machine == 'aarch64'" in cpu["tensorflow"]
    assert "platform_machine != 'aarch64'" in cpu["tensorflow-cpu"]


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

    def add_uv(self, status=0):
        python = self.add("own-python", FAKE_PYTHON.format(name="own"))
        self.add("uv", FAKE_UV.format(log=self.log, python=python, status=status))

    def run(self, *command, **environment):
        environment = {"PATH": str(self.commands), **environment}
        command = command or (self.project / "bin" / "train", "--run_dir=here")
        return subprocess.run(command, env=environment, cwd=self.commands, text=True, capture_output=True)

    def setups(self):
        return self.log.read_text().count("venv ") if self.log.exists() else 0


@pytest.fixture
def machine(project_root, tmp_path):
    return Machine(project_root, tmp_path)


def test_the_first_start_sets_up_and_later_ones_are_silent(machine):
    machine.add_uv()
    first, second = machine.run(), machine.run()
    assert first.stdout == second.stdout == "own -P -m dgm_tf.train --run_dir=here\n"
    assert first.stderr.count("\n") == 1 and "setting up" in first.stderr and ".venv-cpu" in first.stderr
    assert second.stderr == "" and machine.setups() == 1


def test_a_changed_lock_sets_up_again(machine):
    machine.add_uv()
    machine.run()
    with open(machine.project / "requirements" / "cpu.txt", "a") as lock:
        lock.write("# newer\n")
    machine.run()
    assert machine.setups() == 2


def test_a_set_up_that_failed_is_done_again(machine):
    machine.add_uv(status=7)
    assert machine.run().returncode != 0
    machine.add_uv()
    assert machine.run().returncode == 0
    assert machine.setups() == 2


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
    assert run.stdout == "active -P -m dgm_tf.train --run_dir=here\n" and run.stderr == ""


def test_an_active_environment_without_the_package_is_left_alone(machine):
    machine.add_uv()
    python = machine.add("active/bin/python", "#!/bin/sh\nexit 1\n")
    assert machine.run(VIRTUAL_ENV=str(python.parent.parent)).stdout.startswith("own ")


def test_scripts_work_through_a_link_and_without_an_argument(machine):
    machine.add_uv()
    (machine.commands / "train-here").symlink_to(machine.project / "bin" / "train")
    assert machine.run(machine.commands / "train-here").stdout == "own -P -m dgm_tf.train\n"


def test_without_a_supported_python_the_message_says_what_was_found(machine):
    machine.add("python3", "#!/bin/sh\necho 3.10.2\nexit 1\n")
    machine.add("python3.12", "#!/bin/sh\nexit 127\n")
    run = machine.run()
    assert run.returncode == 1 and run.stdout == ""
    assert "needs Python 3.11, 3.12 or 3.13" in run.stderr
    assert "python3 (3.10.2) python3.12 (does not start)" in run.stderr


def test_another_platform_is_named(machine):
    (machine.commands / "uname").unlink()
    machine.add("uname", "#!/bin/sh\n[ $1 = -s ] && echo Darwin || echo arm64\n")
    run = machine.run()
    assert run.returncode == 1 and "needs Linux on x86_64 or aarch64; this is Darwin on arm64" in run.stderr


def test_continuous_integration_runs_the_tests(machine, project_root):
    machine.add_uv()
    shutil.copytree(project_root / ".ci", machine.project / ".ci")
    run = machine.run("bash", machine.project / ".ci" / "run")
    assert run.stdout.splitlines() == ["own -P -m ruff check --quiet .", "own -P -m pytest -q -n auto --dist loadfile"]
