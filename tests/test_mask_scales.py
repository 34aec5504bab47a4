"""s_max follows from the epochs: every shipped file has the one it always had, and earlier bindings still count."""

import pathlib

import gin
import pytest

from dgm_tf import aliases, config, gin_files
from dgm_tf.compare.suite import read_suite
from dgm_tf.errors import UserError
from dgm_tf.methods.dgm import DGM
from dgm_tf.training.gan import GANSettings

# As bound by version 0.1.0; files and rows that are not here have another method.
FILES = {
    330.0: ("cifar10_dgma_fast", "cifar10_dgmw_fast"),
    800.0: (
        "fashion_mnist_dgmw_fast", "imagenet50_tiny_dgma_fast", "imagenet50_tiny_dgmw_fast", "mnist_dgmw_fast",
        "mnist_dgmw_real",
    ),
    1e3: ("svhn_dgma_fast", "svhn_dgmw_fast"),
    1.6e3: ("cifar10_dgmw_plus",),
    2e3: ("image_folder", "quickstart"),
    2.4e3: ("fashion_mnist_dgmw_plus", "imagenet50_tiny_dgmw_plus", "mnist_dgmw_plus"),
    8e3: ("fashion_mnist_dgma_fast", "mnist_dgma_fast"),
    1e4: (
        "cifar10_dgma", "cifar10_dgmw", "fashion_mnist_dgmw", "imagenet50_dgma", "imagenet50_dgmw",
        "imagenet50_tiny_dgma", "imagenet50_tiny_dgmw", "mnist_dgmw", "svhn_dgma", "svhn_dgmw",
    ),
    24e3: ("fashion_mnist_dgma_plus", "mnist_dgma_plus"),
    1e5: ("fashion_mnist_dgma", "mnist_dgma"),
}  # fmt: skip
_REAL = ("dgmw_r75", "dgmw_r50", "dgmw_r25", "dgmw_r10", "dgmw_k1000", "dgmw_k2000")
ROWS = {
    "photos": {},
    "smoke": {"dgmw": 600.0, "dgma": 600.0, "dgmw_real": 600.0},
    "table1_cifar10": {"dgmw": 1e4, "dgma": 1e4},
    "table1_cifar10_fast": {"dgmw": 330.0, "dgma": 330.0},
    "table1_mnist": {"dgmw": 1e4, "dgma": 1e5},
    "table1_mnist_fast": {"dgmw": 800.0, "dgma": 8e3},
    "table2": dict.fromkeys(("dgmw", "dgma", *_REAL), 1e4),
    "table2_fast": dict.fromkeys(("dgmw", "dgma", *_REAL), 800.0),
}
OF_FILE = {name: scale for scale, names in FILES.items() for name in names}


def _s_max(gin_file, params=()):
    """Of the configuration's DGM; None where it has another method."""
    config.parse(gin_file, params)
    if gin.query_parameter("run_experiment.method").configurable.name != "DGM":
        return None
    return _method().max_mask_scale


def _method():
    return gin.query_parameter("run_experiment.method").scoped_configurable_fn()


@pytest.mark.parametrize("path", sorted(gin_files.gin_directory().glob("*.gin")), ids=lambda path: path.stem)
def test_every_file_has_its_own(path, clean_gin):
    assert _s_max(path) == OF_FILE.get(path.stem)


@pytest.mark.parametrize(
    "path", sorted((gin_files.gin_directory() / "compare").glob("*.gin")), ids=lambda path: path.stem
)
def test_every_row_has_its_own(path, clean_gin):
    suite = read_suite(path)
    found = {row.name: _s_max(row.gin_file, (*suite.params, *row.params)) for row in suite.rows}
    assert {name: scale for name, scale in found.items() if scale is not None} == ROWS[path.stem]


def test_other_epochs_change_it_in_proportion():
    assert [DGM(gan=GANSettings(epochs=n)).max_mask_scale for n in (1, 8, 100)] == [100.0, 800.0, 1e4]
    assert DGM(gan=GANSettings(epochs=15), mask_scale_per_epoch=66.66666666666667).max_mask_scale == 1000.0


def test_one_that_is_no_more_than_one_is_refused():
    with pytest.raises(
        UserError, match=r"DGM.mask_scale_per_epoch: expected more than 1 / GANSettings.epochs.*got 0.1"
    ):
        DGM(gan=GANSettings(epochs=10), mask_scale_per_epoch=0.1)


SCOPED = """
import dgm_tf.methods.dgm
import dgm_tf.run.experiment
run_experiment.method = @mine/DGM()
mine/DGM.gan = @short/GANSettings()
short/GANSettings.epochs = 5
"""
# What a configuration of version 0.1.0 says, with which parameters of the command, and the s_max that it meant.
BOUND = [
    ("", ["DGM.max_mask_scale = 900.0"], 900.0),
    ("GANSettings.epochs = 7", ["DGM.max_mask_scale=900"], 900.0),
    ("DGM.max_mask_scale = 330.0  # slow\nGANSettings.epochs = 5", [], 330.0),
    ("DGM.max_mask_scale = 900.0\nGANSettings.epochs = 9", ["GANSettings.epochs = 60"], 900.0),
    ("DGM.max_mask_scale = 900.0", ["DGM.max_mask_scale = 60.0", "GANSettings.epochs = 3"], 60.0),
    ("dgm.DGM.max_mask_scale = 1.5e3\ngan.GANSettings.epochs = 15", [], 1500.0),
    ("DGM:\n  max_mask_scale = 44.0\n  sparsity_weight = 0.1\nGANSettings.epochs = 11", [], 44.0),
    ("steepest = 800.0\nDGM.max_mask_scale = %steepest\nlong = 11\nGANSettings.epochs = %long", [], 800.0),
]
IN_SCOPES = [
    ("mine/DGM.max_mask_scale = 800.0", [], 800.0),
    ("DGM.max_mask_scale = 800.0\nGANSettings.epochs = 50", [], 800.0),
    ("mine/DGM.max_mask_scale = 800.0", ["short/GANSettings.epochs = 3"], 800.0),
]


@pytest.mark.parametrize(("text", "params", "s_max"), BOUND)
def test_an_earlier_binding_means_what_it_meant(text, params, s_max, tmp_path, clean_gin):
    path = tmp_path / "run.gin"
    path.write_text(f'include "gin/methods/dgmw.gin"\nimport dgm_tf.run.experiment\n{text}\n')
    assert _s_max(path, params) == s_max


@pytest.mark.parametrize(("text", "params", "s_max"), IN_SCOPES)
def test_in_a_scope_the_epochs_are_those_that_the_scope_is_trained_with(text, params, s_max, tmp_path, clean_gin):
    path = tmp_path / "run.gin"
    path.write_text(f"{SCOPED}{text}\n")
    assert _s_max(path, params) == s_max


def test_what_is_written_has_the_names_of_today(tmp_path, clean_gin):
    path = tmp_path / "run.gin"
    path.write_text('include "gin/methods/dgmw.gin"\nGANSettings.epochs = 6\nDGM.max_mask_scale = 60.0\n')
    text = config.config_text(path)
    assert "max_mask_scale" not in text and "\nDGM.mask_scale_per_epoch = 10.0\n" in text
    again = pathlib.Path(tmp_path / "again.gin")
    again.write_text(text)
    assert config.config_text(again) == text


def test_a_value_over_several_lines_is_told(tmp_path):
    path = tmp_path / "run.gin"
    path.write_text("DGM.max_mask_scale = (\n 5.0)\n")
    with pytest.raises(UserError, match="DGM.max_mask_scale: expected a number in one line"):
        config.config_text(path)


@pytest.mark.parametrize("written", ["'steep'", "1e999", "1" + 400 * "0", "-2.0"])
def test_what_is_no_such_number_is_refused_by_the_setting(written, tmp_path, clean_gin):
    path = tmp_path / "run.gin"
    path.write_text(f"import dgm_tf.methods.dgm\nDGM.max_mask_scale = {written}\n")
    config.parse(path)
    with pytest.raises(UserError, match="DGM.mask_scale_per_epoch: expected a number .*got "):
        gin.get_configurable("DGM")()


def test_a_macro_that_is_not_set_is_told_by_its_name(tmp_path, clean_gin):
    path = tmp_path / "run.gin"
    path.write_text("import dgm_tf.methods.dgm\nDGM.max_mask_scale = %steepest\n")
    with pytest.raises(UserError, match="%steepest is used but not set"):
        config.parse(path)


def test_the_epochs_of_a_configuration_that_binds_none_are_the_default():
    assert GANSettings().epochs == aliases.DEFAULT_EPOCHS
