"""Reading gin files: what is found, what is refused, what ends up in the run folder."""

import contextlib
import re
import sys

import gin
import pytest

from dgm_tf import config, gin_files
from dgm_tf.errors import UserError


@gin.register(module="test_config")
class Digits:
    """Stands for any class that gin files set parameters of."""

    def __init__(self, order="natural", classes_per_task=1):
        self.order, self.classes_per_task = order, classes_per_task


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a gin file in a fresh working directory and returns its name."""
    monkeypatch.chdir(tmp_path)

    def write_file(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return name

    yield write_file
    gin.clear_config()


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Stands for the installed package's folder of gin files, with the working directory elsewhere."""
    folder = tmp_path / "installed" / "gin"
    (folder / "base").mkdir(parents=True)
    (folder / "mnist.gin").write_text('include "gin/base/digits.gin"\nDigits.order = "random"\n')
    (folder / "base" / "digits.gin").write_text("Digits.classes_per_task = 2\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr(gin_files, "gin_directory", lambda: folder)
    return folder


@pytest.fixture
def module_that_must_not_run(tmp_path, monkeypatch):
    """Importing it would be seen in sys.modules."""
    (tmp_path / "arbitrary_code.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    yield "arbitrary_code"
    assert "arbitrary_code" not in sys.modules


@pytest.mark.parametrize(
    "statement",
    ["import {}", "import {} as dgm_tf", "from {} import a", "from {} import \\\n  a", "import {}.dgm_tf"],
)
def test_imports_from_outside_are_refused_before_anything_runs(write, module_that_must_not_run, statement):
    write("base.gin", "# a comment\n\n" + statement.format(module_that_must_not_run))
    including = write("run.gin", 'import dgm_tf.losses\ninclude "base.gin"\n')
    for gin_file in ("base.gin", including):
        with pytest.raises(UserError, match=r"base.gin, line 3: .*arbitrary_code.* is refused"):
            config.parse(gin_file)


def test_an_import_hidden_in_a_parameter_is_refused(write, module_that_must_not_run):
    with pytest.raises(UserError, match="refused"):
        config.parse(write("run.gin", ""), ["Digits.order = 'x'\nimport arbitrary_code"])


HIDDEN = "x\nimport arbitrary_code\n#.gin"


def test_the_name_of_an_included_file_is_no_way_to_an_import(write, module_that_must_not_run, tmp_path):
    write(HIDDEN, "")
    include = 'include "x\\nimport arbitrary_code\\n#.gin"'
    for gin_file, params in ((write("run.gin", include), ()), (write("empty.gin", ""), [include])):
        with pytest.raises(UserError, match="without control characters") as caught:
            config.parse(gin_file, params)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="without control characters"):
        config.parse(tmp_path / HIDDEN)


@pytest.mark.parametrize("character", ["\n", "\r", "\x0b", "\x0c", "\x1b", "\x85", "\u2028", "\u202e"])
def test_what_is_checked_is_what_gin_gets(write, module_that_must_not_run, monkeypatch, character):
    """Were a name with a line of its own let through, the text that gin is given would be refused all the same."""
    monkeypatch.setattr(gin_files, "shown", str)
    name = f"x{character}import arbitrary_code{character}.gin"
    write(name, "")
    with contextlib.suppress(UserError):
        config.parse(write("run.gin", f"include {ascii(name)}\n"))
    assert "arbitrary_code" not in sys.modules


def test_dynamic_registration_is_no_way_around_the_table(write):
    """With it, any attribute of an imported module could be called: dgm_tf.export.shutil.rmtree, say."""
    text = "from __gin__ import dynamic_registration\nimport dgm_tf.export\nx = @dgm_tf.export.shutil.rmtree()\n"
    with pytest.raises(UserError, match="is refused"):
        config.parse(write("run.gin", text))


def test_a_configuration_that_is_nested_too_deeply_is_told(write):
    with pytest.raises(UserError):
        config.parse(write("run.gin", f"Digits.order = {'[' * 5000}{']' * 5000}\n"))


def test_a_module_that_the_command_names_may_be_imported(write, monkeypatch, tmp_path):
    write("my_method.py", "import gin\n\n\n@gin.register\nclass Mine:\n    def __init__(self, size=1):\n        pass\n")
    gin_file = write("run.gin", "import my_method\nMine.size = 2\n")
    with pytest.raises(UserError, match=r"run.gin, line 1: .*is refused.*\(--import=my_method\)"):
        config.parse(gin_file)
    monkeypatch.setattr(sys, "path", list(sys.path))
    config.import_modules(["my_method"])
    assert sys.path[-1] == str(tmp_path), "what is installed goes before the working directory"
    assert "Mine.size = 2" in config.parse(gin_file, modules=["my_method"])
    del sys.modules["my_method"]


@pytest.mark.parametrize("module", ["my_method_2", "os", "my"])
def test_naming_a_module_allows_no_other(write, module):
    gin_file = write("run.gin", f"import {module}\n")
    with pytest.raises(UserError, match="is refused"):
        config.config_text(gin_file, modules=["my_method", "my.part"])


def test_a_second_configuration_may_bring_new_modules(write, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    write("later_method.py", "import gin\n\n\n@gin.register\nclass Later:\n    pass\n")
    config.parse(write("run.gin", "Digits.order = 1\n"))
    config.import_modules(["later_method"])
    config.parse(write("later.gin", "import later_method\nDigits.order = @Later\n"), modules=["later_method"])
    del sys.modules["later_method"]


def test_parts_of_a_named_package_are_allowed(write):
    assert "my.method" in config.config_text(write("run.gin", "import my.method\n"), modules=["my"])


def test_a_named_module_that_does_not_exist_is_told(write):
    with pytest.raises(UserError, match="--import: there is no module nowhere"):
        config.import_modules(["nowhere"])


def test_a_difference_in_comments_is_none(write, tmp_path):
    write("config.gin", "# one\nDigits.order = 'x'   \n\n")
    assert config.difference(tmp_path / "config.gin", "Digits.order = 'x'\n# two\n") == ""
    assert "-Digits.order = 'x'\n+Digits.order = 'y'" in config.difference(
        tmp_path / "config.gin", "Digits.order = 'y'\n"
    )


def test_a_limit_of_memory_is_no_difference(write, tmp_path):
    """A run may go on on a machine with less, and under a gin file that has another one."""
    write("config.gin", "Digits.order = 'x'\nImageFolder.memory_limit = 5\n")
    assert config.difference(tmp_path / "config.gin", "Digits.order = 'x'\n") == ""
    assert config.difference(tmp_path / "config.gin", "Digits.order = 'x'\nImageFolder.memory_limit = 0\n") == ""


def test_only_the_last_word_on_a_parameter_makes_a_difference(write, tmp_path):
    write("config.gin", "import dgm_tf.losses\nDigits.order = 'x'\nDigits.order = [1,  2]\nb = 2\n")
    path = tmp_path / "config.gin"
    assert config.difference(path, "b = 2\nDigits.order = [1, 2]  # given\n") == ""
    assert config.difference(path, "b = 2\nDigits.order = @one()\n").endswith(
        "-Digits.order = [1, 2]\n+Digits.order = @one()"
    )
    assert config.difference(path, "Digits.order = [1, 2]\n").endswith("-b = 2")


def test_a_reference_is_another_value_than_its_name(write, tmp_path):
    write("config.gin", "Digits.order = '@one'\n")
    assert config.difference(tmp_path / "config.gin", "Digits.order = @one\n")
    assert config.difference(tmp_path / "config.gin", "Digits.order = @one()\n")


def test_what_a_command_leaves_open_is_as_the_run_has_it(write, tmp_path):
    write("config.gin", "GANSettings.auxiliary_loss = True\nClassifierSettings.replay_schedule = 'none'\n")
    path = tmp_path / "config.gin"
    assert config.difference(path, "ClassifierSettings.replay_schedule = None\n") == ""
    assert config.difference(path, "GANSettings.auxiliary_loss = False\n").endswith(
        "-GANSettings.auxiliary_loss = True\n+GANSettings.auxiliary_loss = False"
    )
    assert config.difference(path, "GANSettings.auxiliary_loss = True\nGANSettings.gradient_penalty_share = 0.5\n")


def test_what_an_earlier_version_left_open_had_a_value(write, tmp_path):
    write("config.gin", "import dgm_tf.experiment\nGANSettings.epochs = 5\nDGM.max_mask_scale = 500.0\n")
    path, said = tmp_path / "config.gin", "DGM.mask_scale_per_epoch = 100.0\nGANSettings.epochs = 5\n"
    assert config.difference(path, said) == ""
    assert config.difference(path, said + "GANSettings.auxiliary_loss = False\n") == ""
    assert config.difference(path, said + "GANSettings.auxiliary_loss = True\n")


def test_dynamic_registration_is_refused(write):
    with pytest.raises(UserError, match="refused"):
        config.parse(write("run.gin", "from __gin__ import dynamic_registration"))


def test_modules_of_the_package_are_imported(write):
    config.parse(write("run.gin", "import dgm_tf.losses\nfrom dgm_tf import errors"))
    assert "dgm_tf.losses" in sys.modules


def test_what_is_missing_inside_a_module_is_no_mistake_of_the_user(write, monkeypatch):
    def import_module(name):
        raise ModuleNotFoundError("No module named 'dgm_tf.missing'", name="dgm_tf.missing")

    monkeypatch.setattr(config.importlib, "import_module", import_module)
    with pytest.raises(ModuleNotFoundError):
        config.parse(write("run.gin", "import dgm_tf.losses"))


@pytest.mark.parametrize("path", ["gin/mnist.gin", "mnist.gin"])
def test_shipped_files_are_found_from_anywhere(shipped, path):
    assert gin_files.resolve(path) == shipped / "mnist.gin"


def test_a_file_in_the_working_directory_comes_first(shipped, write):
    write("gin/mnist.gin", "Digits.order = 'mine'\n")
    assert "mine" in config.config_text("gin/mnist.gin")


def test_an_unknown_file_names_the_nearest(shipped):
    with pytest.raises(UserError, match=r"'gin/mnits.gin' does not exist. Did you mean gin/mnist.gin\?"):
        gin_files.resolve("gin/mnits.gin")


def test_parameters_win_over_the_file_and_the_file_over_its_includes(shipped):
    config.parse("gin/mnist.gin", ["Digits.order = 'given'"])
    digits = gin.get_configurable("Digits")()
    assert (digits.order, digits.classes_per_task) == ("given", 2)


def test_the_flattened_text_means_the_same_without_the_files(shipped, write):
    text = config.parse("gin/mnist.gin", ["Digits.order = [\n  1, 2]", "number = 3"])
    bindings = gin.config_str()
    for path in shipped.rglob("*.gin"):
        path.unlink()
    assert config.parse(write("config.gin", text)) == text
    assert gin.config_str() == bindings


def test_text_that_looks_like_an_include_is_left_alone(write):
    text = "Digits.order = '''\ninclude \"nothing.gin\"\nimport os\n'''\n"
    assert config.config_text(write("run.gin", text)) == text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Digits.ordre = 1", r"no parameter 'ordre'. Did you mean order\? Available: order, classes_per"),
        ("Didgits.order = 1", "nothing is registered as 'Didgits'"),
        ("Digits.order = @Nothing", "nothing is registered as '@Nothing'"),
        ("Digits.order = natural", "Failed to parse token 'natural'"),
        ("Digits.order 1", "expected ':' or '='"),
        ("Digits.order = [1,", "EOF in multi-line statement|unexpected EOF"),
        ("import dgm_tf.nothing", "there is no module dgm_tf.nothing"),
        ('include "nothing.gin"', r"'nothing.gin' does not exist.*included by run.gin, line 3"),
        ('include "run.gin"', "run.gin includes itself"),
    ],
)
def test_mistakes_are_named_with_file_and_line(write, line, message):
    gin_file = write("run.gin", f"Digits.order = 2\n\n{line}\n")
    with pytest.raises(UserError, match=message) as caught:
        config.parse(gin_file)
    assert re.search(r"run.gin(, line [34]| includes itself)", str(caught.value))
    assert "\n" not in str(caught.value)


def test_mistakes_in_parameters_and_includes_are_named(shipped):
    with pytest.raises(UserError, match="parameter 'Digits.x = 1', line 1: Digits has no parameter 'x'"):
        config.parse("gin/mnist.gin", ["Digits.order = 1", "Digits.x = 1"])
    (shipped / "base" / "digits.gin").write_text("\n\nDigits.y = 2")
    with pytest.raises(UserError, match="gin/base/digits.gin, line 3: Digits has no parameter 'y'"):
        config.parse("gin/mnist.gin")


def test_a_macro_that_is_not_set_is_named(write):
    with pytest.raises(UserError, match="%number is used but not set"):
        config.parse(write("run.gin", "Digits.order = %number"))


def test_files_that_are_no_text_are_refused(write, tmp_path):
    (tmp_path / "run.gin").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="run.gin cannot be read"):
        config.parse("run.gin")


def test_a_fault_of_the_program_is_no_missing_value():
    with pytest.raises(TypeError, match="a bug"), config.missing_told():
        raise TypeError("a bug")
