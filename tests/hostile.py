"""Names that classes may have all the same: each means something to a terminal, a table, a file system or a parser."""

NAMES = (
    "on/off [/]",
    "[red]x[/red]",
    ":cat:",
    "\x1b]0;owned\x07\x1b[2Jdog",
    "two\nlines\r",
    "\u202egnp.exe",
    "$x_{$",
    "_hidden",
    "a|b *c* <b> `d` [e](f) & ~g~",
    "\\input{x} 50% #1",
    "猫",
    "dog" * 100,
    "..",
    "NUL",
    "grid.png",
    "caf\udce9",
)


def sends_no_commands(text):
    """Whether text that was printed without a terminal is free of control characters, but for ends of lines."""
    return not [c for c in text if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160 or c in "\u202e\u2028\u2029"]
