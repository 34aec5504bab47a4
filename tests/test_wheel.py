"""A release: what its files hold, and that all of it can be imported where there is no checkout."""

import re
import subprocess
import sys
import tarfile
import zipfile

import pytest
from packaging.requirements import Requirement

from tests import builds

pytestmark = pytest.mark.ci
VERSION = "9.8.7"
LINUX = (("linux", "x86_64"), ("linux", "aarch64"))
MAC = ("darwin", "arm64")

# Imports every module that lies in a folder, and sees no other copy of the package.
IMPORT_ALL = """
import importlib, pathlib, sys
site, checkout = map(pathlib.Path, sys.argv[1:])
sys.path = [str(site)] + [path for path in sys.path if not (pathlib.Path(path) / "dgm_tf").exists()]
for path in sorted((site / "dgm_tf").rglob("*.py")):
    parts = path.relative_to(site).with_suffix("").parts
    module = importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    assert pathlib.Path(module.__file__) == path, module.__file__
seen = [m.__file__ for m in list(sys.modules.values()) if str(getattr(m, "__file__", "")).startswith(f"{checkout}/dgm")]
assert not seen, seen
from dgm_tf import gin_files
print(gin_files.resolve("gin/added/deeper/new.gin"))
"""


@pytest.fixture(scope="module")
def release(project_root, tmp_path_factory):
    """(wheel, source archive, source) of a copy of the project with one more gin folder and a version of its own."""
    folder = tmp_path_factory.mktemp("release")
    source = folder / "source"
    builds.copy_project(project_root, source)
    (source / "gin" / "added" / "deeper").mkdir(parents=True)
    (source / "gin" / "added" / "deeper" / "new.gin").write_text("")
    package = source / "dgm_tf" / "__init__.py"
    package.write_text(re.sub('(?m)^__version__ = ".*"', f'__version__ = "{VERSION}"', package.read_text()))
    before = _files(source)
    return *builds.build(source, folder / "dist"), before


@pytest.fixture(scope="module")
def metadata(release):
    """The wheel's METADATA, as text."""
    return _read(release[0], "METADATA")


@pytest.fixture(scope="module")
def asked(metadata):
    """What the wheel depends on."""
    return [Requirement(line) for line in re.findall("^Requires-Dist: (.+)", metadata, re.MULTILINE)]


def _files(folder):
    """Relative name -> content of each file."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _read(wheel, name):
    archive = zipfile.ZipFile(wheel)
    return archive.read(next(path for path in archive.namelist() if path.endswith(f".dist-info/{name}"))).decode()


def test_the_wheel_carries_the_package_and_the_gin_files_byte_for_byte(release):
    wheel, _, source = release
    archive = zipfile.ZipFile(wheel)
    carried = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
    package = {name: content for name, content in source.items() if name.startswith("dgm_tf/")}
    gin_files = {f"dgm_tf/{name}": content for name, content in source.items() if name.startswith("gin/")}
    assert "dgm_tf/gin/added/deeper/new.gin" in gin_files
    assert {"dgm_tf/py.typed", "dgm_tf/data/mnist_mini.npz"} <= set(package)
    # A top-level folder `gin` would overwrite gin-config: all lies in dgm_tf.
    assert set(carried) == set(package | gin_files)
    assert carried == package | gin_files


def test_the_source_archive_holds_the_whole_project(release):
    _, archive, source = release
    with tarfile.open(archive) as files:
        members = {member.name.split("/", 1)[1]: member for member in files if member.isfile()}
        assert [name for name in source if name not in members] == []
        assert files.extractfile(members["README.md"]).read() == source["README.md"]
        assert members["bin/train"].mode & 0o111 and members[".ci/run"].mode & 0o111
    made = {name for name in members if name not in source and not name.startswith("dgm_tf.egg-info/")}
    assert made == {"PKG-INFO", "setup.cfg"}


def test_the_version_stands_in_one_place(release, metadata):
    wheel, archive, _ = release
    assert f"\nVersion: {VERSION}\n" in metadata
    assert wheel.name == f"dgm_tf-{VERSION}-py3-none-any.whl" and archive.name == f"dgm_tf-{VERSION}.tar.gz"


def test_a_package_index_accepts_and_can_show_it(release, metadata):
    wheel, archive, _ = release
    command = [sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(archive)]
    run = subprocess.run(command, capture_output=True, text=True, env=builds.environment())
    assert run.returncode == 0, run.stdout + run.stderr
    for field in ("Summary", "Author", "License-Expression", "Keywords", "Project-URL", "Requires-Python"):
        assert re.search(rf"^{field}: .", metadata, re.MULTILINE), field
    assert "\nClassifier: Typing :: Typed\n" in metadata
    # No file lies beside the text there: neither links to files nor pictures, or what is left of them.
    assert re.findall(r"\]\((?!https?:|#)[^)]*\)|^!.*", metadata, re.MULTILINE) == []


def test_every_module_of_the_wheel_can_be_imported_without_the_checkout(release, project_root, tmp_path):
    site = tmp_path / "site"
    zipfile.ZipFile(release[0]).extractall(site)
    (site / "gin").mkdir()  # where the gin-config library lies
    command = [sys.executable, "-I", "-c", IMPORT_ALL, str(site), str(project_root)]
    run = subprocess.run(command, cwd=tmp_path, env=builds.environment(), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == str(site / "dgm_tf" / "gin" / "added" / "deeper" / "new.gin")


def test_the_wheel_installs_the_commands(release):
    text = _read(release[0], "entry_points.txt")
    for command in ("train", "learn", "export", "sample", "compare"):
        assert f"dgm-{command} = dgm_tf.cli.{command}:main" in text
    assert "dgm-benchmark = dgm_tf.cli.compare:main" in text


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_the_locks_hold_what_the_package_asks_for(asked, project_root, device):
    for lock, extras in ((device, [device]), (f"{device}-dev", [device, "test", "release"])):
        path = project_root / "requirements" / f"{lock}.txt"
        locked = {_normalised(name) for name in re.findall(r"^([\w.-]+)==", path.read_text(), re.MULTILINE)}
        needed = {name for extra in extras for machine in LINUX for name in _names(asked, extra, *machine)}
        assert len(needed) > 10 and needed <= locked, lock


def test_on_a_mac_the_extra_cpu_means_the_plain_tensorflow(asked):
    def meant(*machine):
        return {name for name in _names(asked, "cpu", *machine) if name in ("tensorflow", "tensorflow-cpu")}

    assert [meant(*machine) for machine in (*LINUX, MAC)] == [{"tensorflow-cpu"}, {"tensorflow"}, {"tensorflow"}]


def _names(asked, extra, system, machine):
    """What is asked for on a machine."""
    where = {"extra": extra, "sys_platform": system, "platform_machine": machine}
    return {_normalised(r.name) for r in asked if r.marker is None or r.marker.evaluate(where)}


def _normalised(name):
    return re.sub(r"[-_.]+", "-", name).lower()
