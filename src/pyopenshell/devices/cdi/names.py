"""Names of the Container Device Interface: ``vendor/class=device`` (the CDI specification, "Kind" and "CDI Devices").

The grammar is what engines enforce (version 1.1 of the reference implementation): ASCII letters, digits, ``_ - .`` and,
in device names, ``:``. Vendor and class begin with a letter, all three end with a letter or a digit.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
DIGITS = frozenset("0123456789")
_ENDS = LETTERS | DIGITS
_WITHIN = _ENDS | frozenset("_-.")
_PLAIN = _WITHIN | frozenset("/:+,@%")
PERMISSIONS = frozenset("rwm")
"""The letters of a device's permissions: read, write, mknod."""
SHOWN = 60
"""Characters of a name that are repeated in a message."""


def qualified(kind: str, device: str) -> str:
    """Return the qualified name of a device."""
    return f"{kind}={device}"


def split(name: str) -> tuple[str, str]:
    """Return kind and device of a qualified name; the kind is empty where there is no ``=``."""
    kind, found, device = name.partition("=")
    return (kind, device) if found else ("", name)


def wrong_kind(kind: str) -> str | None:
    """Return what is wrong with ``vendor/class``, in words, or None."""
    vendor, slash, klass = kind.partition("/")
    if not slash:
        return "there is no '/' between vendor and class"
    return _wrong_part(vendor, "the vendor") or _wrong_part(klass, "the class")


def wrong_device(name: str) -> str | None:
    """Return what is wrong with the name of a device, in words, or None."""
    if not name:
        return "it is empty"
    for character in name:
        if character not in _WITHIN and character != ":":
            return f"it holds {show(character)}"
    if name[0] not in _ENDS:
        return "it does not begin with a letter or a digit"
    if name[-1] not in _ENDS:
        return "it does not end with a letter or a digit"
    return None


def _wrong_part(part: str, what: str) -> str | None:
    if not part:
        return f"{what} is empty"
    for character in part:
        if character not in _WITHIN:
            return f"{what} holds {show(character)}"
    if part[0] not in LETTERS:
        return f"{what} does not begin with a letter"
    if part[-1] not in _ENDS:
        return f"{what} does not end with a letter or a digit"
    return None


def without_permissions(name: str) -> str | None:
    """Return ``name`` without the ``:rw`` or ``:ro`` at its end, or None where it has none.

    Engines take such letters with the path of a device, never with its CDI name.
    """
    head, colon, letters = name.rpartition(":")
    if colon and head and letters and (PERMISSIONS.issuperset(letters.lower()) or letters.lower() == "ro"):
        return head
    return None


def show(name: str) -> str:
    """Return a name quoted for a message, cut to a readable length, what cannot be printed spelled out."""
    cut = name if len(name) <= SHOWN else name[: SHOWN - 1] + "…"
    return f"'{spelled(cut)}'"


def spelled(text: str) -> str:
    r"""Return ``text`` with what cannot be printed spelled out as the command does: ``\x0a``, ``\u202e``, ``\xff``."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _spell(ord(character)) for character in text)


def _spell(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8, as Python keeps it
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def listed(names: Iterable[str], shown: int = 8) -> str:
    """Return names as a list that a person reads: the first few, and how many more there are."""
    every = list(names)
    text = ", ".join(name if len(name) <= SHOWN else name[: SHOWN - 1] + "…" for name in every[:shown])
    return text if len(every) <= shown else f"{text} and {len(every) - shown:,} more"


def quoted(path: str) -> str:
    """Return a path as a shell takes it: mends are typed, and whoever makes a file chooses its name.

    What cannot be printed is spelled byte by byte in ``$'…'`` (POSIX.1-2024, Shell Command Language, 2.2.4).
    """
    if path and _PLAIN.issuperset(path):
        return path
    if path.isprintable():
        return "'" + path.replace("'", "'\\''") + "'"
    return "$'" + "".join(map(_in_dollar_quotes, path)) + "'"


def _in_dollar_quotes(character: str) -> str:
    if character.isprintable():
        return f"\\{character}" if character in "\\'" else character
    kept = "surrogateescape" if "\udc80" <= character <= "\udcff" else "surrogatepass"
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", kept))


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key that sorts numbers in names by value: ``gpu=2`` before ``gpu=10``, then ``gpu=all``."""
    parts: list[tuple[int, int, str]] = []
    text, digits = "", ""
    for character in name + "\0":
        if character in DIGITS:
            if text:
                parts.append((1, 0, text))
                text = ""
            digits += character
        else:
            if digits:
                # Compared by length, then digit by digit: int() of a name's thousands of digits would be refused.
                number = digits.lstrip("0")
                parts.append((0, len(number), number))
                digits = ""
            text += character
    parts.append((1, 0, text))
    return tuple(parts)
