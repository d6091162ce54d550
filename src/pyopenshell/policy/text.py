"""From the bytes of a policy file to text that a person sees as the parser does."""

from __future__ import annotations

from pyopenshell.policy.problems import Problems

_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_LAYOUT = str.maketrans("\t\n\r", "   ")


def decode(data: bytes, problems: Problems) -> str | None:
    """Return the text, or None after noting what makes the bytes unreadable. A leading byte order mark is dropped."""
    data = data.removeprefix(_BOM)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        _not_utf8(data, error.start, problems)
        return None
    # Nearly every file passes here: isprintable() is one fast scan, with layout characters taken out.
    if text.translate(_LAYOUT).isprintable():
        return text
    return None if _note_unreadable(text, problems) else text


def place(before: str) -> tuple[int, int]:
    """Return line and column, from 1, of the character that follows ``before``. Lines end as YAML's do."""
    before = before.replace("\r\n", "\n").replace("\r", "\n")
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def describe(character: str) -> str:
    """Return the words for a character that policies do not contain."""
    code = f"U+{ord(character):04X}"
    if character == "\0":
        return f"NUL character ({code})"
    if character in _HIDING:
        return f"invisible character {code}, which can make text look different from what it is,"
    return f"control character {code}"


def refused(character: str) -> bool:
    """Return whether policies may not contain ``character``.

    Refused are control characters, line separators that editors do not count as lines, surrogates and
    noncharacters, and the marks that reorder text on screen (Unicode TR 36, "bidirectional text spoofing").
    """
    return character < " " or "\x7f" <= character <= "\x9f" or character in _HIDING or "\ud800" <= character <= "\udfff"


_HIDING = frozenset("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\ufffe\uffff")


def _note_unreadable(text: str, problems: Problems) -> bool:
    """Note the refused characters of ``text``, layout excepted; return whether there are any."""
    found = False
    for index, character in enumerate(text):
        if character not in "\t\n\r" and refused(character):
            found = True
            problems.add(f"{describe(character)} in the file", *place(text[:index]), hint="remove it")
            if problems.full:
                break
    return found


def _not_utf8(data: bytes, offset: int, problems: Problems) -> None:
    """Note the first byte that is not UTF-8, with its place."""
    hint = "save the file as UTF-8"
    if data.startswith(_UTF16):
        hint = "the file looks like UTF-16: save it as UTF-8"
    line, column = place(data[:offset].decode("utf-8"))
    problems.add(f"not UTF-8: byte 0x{data[offset]:02x} at offset {offset}", line, column, hint=hint)
