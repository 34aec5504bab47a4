"""The lock files: hashed, for use and for development apart, and consistent with each other."""

import re

import pytest

DEVICES = ("cpu", "gpu")
LOCKS = ("cpu", "gpu", "cpu-dev", "gpu-dev")
DEVELOPMENT = {"pytest", "pytest-xdist", "ruff", "ray", "build", "twine", "pip"}
BUILD_TOOLS = {"pip", "uv", "build", "wheel", "setuptools", "flit-core", "hatchling", "poetry-core", "virtualenv"}


def _locked(project_root, lock):
    """Name of each requirement in a lock file -> the lines that belong to it."""
    text = re.sub("^#.*\n", "", _text(project_root, lock), flags=re.MULTILINE)
    blocks = {}
    for block in re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE):
        name = re.split("[=<>; ]", block)[0]
        blocks[name] = blocks.get(name, "") + block
    return {name: block for name, block in blocks.items() if name.strip()}


def _text(project_root, lock):
    return (project_root / "requirements" / f"{lock}.txt").read_text()


def _versions(block):
    """Versions and for which machines, and the hashes."""
    return re.findall(r"^[\w.-]+==(\S+)", block, re.MULTILINE), sorted(re.findall(r"sha256:\w+", block))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_has_hashes_and_no_address(project_root, lock):
    text = _text(project_root, lock)
    assert "://" not in text and "--index" not in text and "--find-links" not in text
    locked = _locked(project_root, lock)
    assert len(locked) > 50
    for name, block in locked.items():
        assert "--hash=sha256:" in block, name


@pytest.mark.parametrize("device", DEVICES)
def test_users_get_no_tool_of_development(project_root, device):
    used, developed = _locked(project_root, device), _locked(project_root, f"{device}-dev")
    assert not DEVELOPMENT & set(used)
    assert set(developed) >= DEVELOPMENT
    # TensorFlow asks for setuptools, and astunparse, which it needs, for wheel.
    assert BUILD_TOOLS & set(used) == {"setuptools", "wheel"}


@pytest.mark.parametrize("device", DEVICES)
def test_the_development_lock_adds_and_changes_nothing(project_root, device):
    used, developed = _locked(project_root, device), _locked(project_root, f"{device}-dev")
    for name, block in used.items():
        assert _versions(developed[name]) == _versions(block), name


@pytest.mark.parametrize("suffix", ["", "-dev"])
def test_no_lock_mixes_the_two_tensorflows(project_root, suffix):
    cpu, gpu = (_locked(project_root, device + suffix) for device in DEVICES)
    assert "tensorflow" in gpu and "tensorflow-cpu" not in gpu
    assert "platform_machine == 'aarch64' and sys_platform == 'linux'" in cpu["tensorflow"]
    assert "platform_machine != 'aarch64' and sys_platform == 'linux'" in cpu["tensorflow-cpu"]


@pytest.mark.parametrize("suffix", ["", "-dev"])
def test_the_locks_for_a_cpu_hold_for_a_mac_and_those_for_a_gpu_do_not(project_root, suffix):
    cpu, gpu = (_locked(project_root, device + suffix) for device in DEVICES)
    mac = "platform_machine == 'arm64' and sys_platform == 'darwin'"
    assert {"tensorflow", "keras", "numpy", "gin-config"} <= {name for name, block in cpu.items() if mac in block}
    assert mac not in cpu["tensorflow-cpu"]
    assert not [name for name, block in gpu.items() if "darwin" in block]
