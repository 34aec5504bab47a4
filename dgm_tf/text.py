"""Names and messages from outside as safe text: for terminals, Markdown, LaTeX and file systems."""

import collections
import re
import unicodedata

NAME_BYTES = 100  # of a file's name; file systems take 143 or 255, and a suffix or a temporary's ending comes on top
# Unseen and harmless: they join or part letters, without them Persian and many emojis are written wrong.
_JOINERS = "\u200c\u200d"
# What sends a terminal commands, breaks a line, turns the direction of text or stands for no character.
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # no file may be called so on Windows


def shown(text, keep="", most=None):
    """`text` with control characters, surrogates and marks of direction as escapes such as `\\x1b`.

    What comes out can be encoded as UTF-8 and sends a terminal no commands. It may still hold what a markup language
    takes for its own: print it with `markup=False`, or escape it for that language.

    Args:
      text: str, or what `str` makes one of.
      keep: characters left as they are, such as a newline in a message of several lines.
      most: characters, of which the middle is left out beyond so many; None: no limit.
    """
    text = str(text)
    if most is not None and len(text) > most:
        half = (most - 3) // 2
        text = f"{text[:half]}...{text[len(text) - half :]}"
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in keep or _is_seen(c) else _escape(c) for c in text)


def _is_seen(character):
    return character in _JOINERS or unicodedata.category(character) not in _UNSEEN


def _escape(character):
    return character.encode("unicode_escape").decode("ascii")


def is_text(name):
    """Whether a value is a string that UTF-8 can encode, without surrogates."""
    return isinstance(name, str) and not any("\ud800" <= c <= "\udfff" for c in name)


def listed(texts, most, separator=", "):
    """The first of the texts in a row, and how many others there are: "a, b and 3 more"."""
    others = len(texts) - most
    return separator.join(texts[:most]) + (f" and {others} more" if others > 0 else "")


def shown_names(names):
    """Returns each name as `shown`, made unique by its position where needed."""
    plain = [shown(name, most=NAME_BYTES) for name in names]
    counts = collections.Counter(plain)
    return [name if counts[name] == 1 else f"{name} ({position})" for position, name in enumerate(plain)]


def markdown(text):
    """Escapes `text` for a paragraph of Markdown. In a table, escape "|" as well."""
    text = re.sub(r"[\\`*\[\]<>~$&]|(?<!\w)_|_(?!\w)", r"\\\g<0>", shown(text))
    return re.sub(r"^([#+-]|\d+(?=[.)]))", lambda m: f"{m[0]}\\" if m[0].isdigit() else f"\\{m[0]}", text)


def latex(text):
    """`text` for a paragraph of LaTeX that shows it as it is; what letters there are is the document's affair."""
    special = {c: f"\\{c}" for c in "&%$#_{}"} | {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\^{}"}
    special |= {"<": "\\textless{}", ">": "\\textgreater{}", "±": "$\\pm$"}
    return "".join(special.get(c, c) for c in shown(text))


def file_name(name, most=NAME_BYTES):
    """Makes a file or folder name from `name` that every file system accepts.

    Letters, digits and marks of all scripts stay. Two names may come out alike: see `file_names`.

    Args:
      name: str, such as the name of a class.
      most: bytes of UTF-8.
    """
    kept = "".join(c if c in " ._+-" or unicodedata.category(c)[0] in "LMN" else "_" for c in str(name))
    kept = kept.encode()[:most].decode(errors="ignore")
    kept = re.sub(r"^[. ]|[. ]$", "_", kept) or "_"
    return f"_{kept}"[:most] if _DEVICES.fullmatch(kept) else kept


def file_names(names, taken=()):
    """Makes unique file names, also for file systems that ignore case. Equal names get their position.

    Args:
      names: list of str.
      taken: names of files that stand in the same folder.
    """
    plain = [file_name(name) for name in names]
    keys = [_key(name) for name in plain]
    used = {_key(name) for name in taken}
    alone = {key for key, count in collections.Counter(keys).items() if count == 1} - used
    used |= alone
    chosen = []
    for position, (name, key) in enumerate(zip(plain, keys, strict=True)):
        if key not in alone:
            name = _numbered(name, position, used)
        chosen.append(name)
    return chosen


def _numbered(name, position, used):
    """Returns the name with its position, made unique among `used`."""
    ending = f"_{position}"
    while True:
        candidate = file_name(name, NAME_BYTES - len(ending)) + ending
        if _key(candidate) not in used:
            used.add(_key(candidate))
            return candidate
        ending += "_"


def _key(name):
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
