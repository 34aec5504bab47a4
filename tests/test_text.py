"""Names are text: nothing in one commands a terminal, and each gets a file of its own wherever files are kept."""

import pytest

from dgm_tf.text import NAME_BYTES, file_name, file_names, shown, shown_names

ESCAPES = "\x1b]0;owned\x07\x1b[2J"


READABLE = ["cat", "on/off [/]", "[red]x", "猫", "café", "نمی\u200cدانم", "👩\u200d🚀", "a\\b", "$x$"]


@pytest.mark.parametrize("name", READABLE)
def test_what_a_person_can_read_stays(name):
    assert shown(name) == name


@pytest.mark.parametrize(
    "name, text",
    [
        (ESCAPES, r"\x1b]0;owned\x07\x1b[2J"),
        ("two\nlines\r\tand a tab", r"two\nlines\r\tand a tab"),
        ("\x9b2J", r"\x9b2J"),  # CSI in one character
        ("caf\udce9", r"caf\udce9"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u2067a\u2069", r"\u2067a\u2069"),
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
        ("\ufeffcat\u200b\x7f", r"\ufeffcat\u200b\x7f"),
    ],
)
def test_what_is_no_text_is_shown_as_an_escape(name, text):
    assert shown(name) == text


def test_every_character_comes_out_encodable_and_without_control():
    everything = shown("".join(map(chr, range(0x110000))))
    everything.encode()
    assert not [c for c in everything if ord(c) < 32 or 127 <= ord(c) < 160]


def test_lines_of_a_message_are_kept_where_they_are_wanted():
    assert shown("one\n\x1btwo", keep="\n") == "one\n\\x1btwo"


def test_a_long_name_loses_its_middle():
    assert shown("a" * 50 + "b" * 50, most=13) == "aaaaa...bbbbb"
    assert shown("short", most=13) == "short"


@pytest.mark.parametrize("name", ["cat", "Tinca tinca", "v1.2+x-y_z", "猫", "हिन्दी"])
def test_a_name_that_files_can_have_is_theirs(name):
    assert file_name(name) == name


@pytest.mark.parametrize(
    "name, expected",
    [
        ("", "_"), (".", "_"), ("..", "__"), (".hidden", "_hidden"), ("a/b\\c", "a_b_c"), ("on/off [/]", "on_off [__"),
        ("end.", "end_"), ("end ", "end_"), ("CON", "_CON"), ("nul.txt", "_nul.txt"), ("a\x1bb\0c", "a_b_c"),
        ("caf\udce9", "caf_"), ("a:b*c?\"<>|", "a_b_c_____"),
    ],
)  # fmt: skip
def test_what_no_file_may_be_called_is_replaced(name, expected):
    assert file_name(name) == expected.replace("[", "_")


@pytest.mark.parametrize("name", ["dog" * 100, "猫" * 100, "🐕" * 100, "x" + "é" * 200])
def test_long_names_are_shortened_between_letters(tmp_path, name):
    short = file_name(name)
    assert NAME_BYTES - 4 < len(short.encode()) <= NAME_BYTES
    (tmp_path / short).mkdir()


def test_names_that_come_out_alike_get_files_of_their_own(tmp_path):
    names = ["a/b", "a:b", "A_B", "cafe\u0301", "caf\u00e9", "dog" * 100, "dog" * 101, "a_b_0", "", "grid.png", "one"]
    chosen = file_names(names, taken=["grid.png"])
    assert len({name.casefold() for name in chosen}) == len(names)
    assert chosen[-1] == "one" and "grid.png" not in chosen
    for name in chosen:
        assert len(name.encode()) <= NAME_BYTES
        (tmp_path / name).mkdir()


def test_names_that_are_shown_alike_are_told_apart():
    assert shown_names(["a\x1b", "a\\x1b", "b"]) == ["a\\x1b (0)", "a\\x1b (1)", "b"]
    first, second = shown_names(["x" * 500 + "1" + "y" * 500, "x" * 500 + "2" + "y" * 500])
    assert first != second and len(first) < 120


def test_names_of_files_follow_from_the_names_alone():
    assert file_names(["a", "b/c", "b:c"]) == ["a", "b_c_1", "b_c_2"] == file_names(["a", "b/c", "b:c"])
