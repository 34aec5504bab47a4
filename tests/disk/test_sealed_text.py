"""Sealed text: every change is told in one line, whoever made it, and what never had a seal is read as it is."""

import pytest

from dgm_tf import config, gin_files
from dgm_tf.disk import sealed_text
from dgm_tf.errors import Damaged
from tests.disk.test_files import damages

TEXT = "import dgm_tf.run.experiment\nA.b = 1  # é\n"


def test_what_is_sealed_comes_back_with_its_seal(tmp_path):
    path = tmp_path / "config.gin"
    path.write_text(sealed_text.sealed(TEXT), encoding="utf-8")
    assert sealed_text.read(path) == sealed_text.sealed(TEXT)
    seal, *lines = sealed_text.read(path).splitlines(keepends=True)
    assert seal.startswith("# SHA-256 of the lines below: ") and "".join(lines) == TEXT


def test_every_bit_and_every_length_counts(tmp_path):
    path = tmp_path / "config.gin"
    for damage in damages(sealed_text.sealed("A.b = 1\n").encode()):
        path.write_bytes(damage)
        with pytest.raises(Damaged) as told:
            sealed_text.read(path)
        assert str(told.value).startswith(f"{path} is damaged: i") and "\n" not in str(told.value)
        assert "; undo the change, restore it from a copy, or delete its first line if" in str(told.value)


def test_without_its_first_line_an_edited_file_is_read(tmp_path):
    path = tmp_path / "config.gin"
    path.write_text(sealed_text.sealed(TEXT).replace("1", "2").split("\n", 1)[1], encoding="utf-8")
    assert sealed_text.read(path) == TEXT.replace("1", "2")


def test_text_that_is_put_together_from_sealed_ones_has_one_seal(tmp_path):
    text = sealed_text.sealed(f"# above\n{sealed_text.sealed(TEXT)}A.c = 3\n")
    assert text.count("SHA-256") == 1 and text.endswith(f"# above\n{TEXT}A.c = 3\n")


@pytest.mark.parametrize("text", ["A.b = 1", "# a comment", "\n", "A.b = 1\r\n"])
def test_files_that_never_had_a_seal_are_read(tmp_path, text):
    (tmp_path / "a.gin").write_bytes(text.encode())
    assert sealed_text.read(tmp_path / "a.gin") == text.replace("\r\n", "\n")


def test_only_a_runs_own_configuration_cannot_be_empty(tmp_path):
    path = tmp_path / "a.gin"
    path.write_text("")
    assert config.config_text(path, ["A.b = 1"]).endswith("A.b = 1\n")
    with pytest.raises(Damaged, match="a.gin is damaged: it ends in its first line"):
        config.difference(path, "A.b = 1\n")


def test_a_damaged_gin_file_is_refused_wherever_it_is_read(tmp_path):
    path = tmp_path / "a.gin"
    path.write_text(sealed_text.sealed("A.b = 1\n").replace("= 1", "= 2"))
    for read in (config.config_text, gin_files.read_own, lambda path: config.difference(path, "A.b = 2\n")):
        with pytest.raises(Damaged, match="a.gin is damaged: its content does not match the SHA-256 in its first line"):
            read(path)
