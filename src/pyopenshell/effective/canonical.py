"""JSON as this package writes it: canonical (RFC 8785) for digests, one object per line for files.

The standard ``json`` module imports ``re``, which costs half an interpreter start, so the cold path writes JSON
with that module's own C encoder directly. Tests hold the result against the ``rfc8785`` package.
"""

from __future__ import annotations

from _json import encode_basestring, make_encoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

LAST_BEFORE_SURROGATES = "\ud7ff"
"""Up to here, code points sort as UTF-16 code units do."""


def canonical(value: object) -> str:
    """Return the RFC 8785 form of ``value``: strings, integers within 2**53, booleans, None, lists, tuples and dicts.

    The text may hold lone surrogates (Python's form of file names that are not UTF-8): see ``canonical_bytes``.
    Raises TypeError for other types but floats, which are written as Python does and do not occur here.
    """
    text = "".join(_ENCODE(value, 0))
    if text.isascii() or max(text) <= LAST_BEFORE_SURROGATES:
        return text
    return "".join(_UNSORTED(_by_code_units(value), 0))


def _refuse(value: object) -> NoReturn:
    raise TypeError(f"{type(value).__name__} has no canonical JSON form here")


# The arguments are those of json.encoder.c_make_encoder: markers, default, encoder, indent, separators, sort_keys,
# skipkeys, allow_nan.
_ENCODE = make_encoder(None, _refuse, encode_basestring, None, ":", ",", True, False, False)
_UNSORTED = make_encoder(None, _refuse, encode_basestring, None, ":", ",", False, False, False)


def _by_code_units(value: object) -> object:
    """Sort keys by their UTF-16 code units, as RFC 8785 does: beyond U+FFFF Python's order is another."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return {key: _by_code_units(value[key]) for key in keys}
    return [_by_code_units(item) for item in value] if isinstance(value, (list, tuple)) else value


def canonical_bytes(value: object) -> bytes:
    r"""Return the RFC 8785 form of ``value`` in UTF-8, whatever text it holds. Raises only what ``canonical`` raises.

    RFC 8785 has no form for lone surrogates, which Python uses for file names that are not UTF-8. They are escaped
    (``\udcff``), as ECMAScript's well-formed JSON.stringify does, and every JSON parser of Python reads them back.
    """
    return canonical(value).encode("utf-8", "backslashreplace")
