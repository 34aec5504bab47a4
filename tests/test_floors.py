"""The house has floors: nothing imports from above its own, and no two modules import each other in a circle."""

import ast
import graphlib

import pytest

# From the top. What stands in the package's root is the ground.
FLOORS = (
    ("cli",), ("compare",), ("run",), ("report",), ("measures",), ("export",), ("learner",), ("methods",),
    ("features",), ("networks", "training"), ("data",), ("layers",), ("disk", ""),
)  # fmt: skip
# `dgm_tf.Learner`, imported when it is first asked for.
FACE = {("dgm_tf", "dgm_tf.learner")}


def _modules(package):
    """{dotted name: path} of all modules of the package."""
    root = package.parent
    named = {".".join(path.relative_to(root).with_suffix("").parts): path for path in package.rglob("*.py")}
    return {name.removesuffix(".__init__"): path for name, path in named.items()}


def _imports(modules, name, path):
    """Names of the modules that one imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name}: expected absolute imports"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in modules else node.module for name in names}
    return {other for other in found & modules.keys() if (name, other) not in FACE}


def _floor(name):
    """0 is the top."""
    folder = (name.split(".") + [""])[1] if name.count(".") > 1 or _is_folder(name) else ""
    return next(level for level, folders in enumerate(FLOORS) if folder in folders)


def _is_folder(name):
    return any(name == f"dgm_tf.{folder}" for folders in FLOORS for folder in folders)


@pytest.fixture(scope="module")
def imports(project_root):
    """{module: names of those that it imports}."""
    modules = _modules(project_root / "dgm_tf")
    return {name: _imports(modules, name, path) for name, path in modules.items()}


def test_every_folder_with_python_files_is_a_package(project_root):
    folders = {path.parent for path in (project_root / "dgm_tf").rglob("*.py")}
    assert project_root / "dgm_tf" / "methods" in folders
    assert not [folder for folder in folders if not (folder / "__init__.py").is_file()]


def test_every_folder_has_a_floor(project_root):
    folders = {path.parent.name for path in (project_root / "dgm_tf").glob("*/__init__.py")}
    assert folders == {folder for floor in FLOORS for folder in floor} - {""}


def test_no_import_runs_up(imports):
    up = [f"{name} -> {other}" for name, others in imports.items() for other in others if _floor(other) < _floor(name)]
    assert not up, "\n".join(sorted(up))


def test_nothing_imports_a_command(imports):
    assert not [f"{n} -> {o}" for n, others in imports.items() for o in others if ".cli" in o and ".cli" not in n]


def test_no_import_runs_in_a_circle(imports):
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as circle:
        pytest.fail(" -> ".join(circle.args[1]))
