"""Records as plain data and back, for the way from one of our processes to another: ``marshal`` knows no classes."""

from __future__ import annotations

import sys

from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_RECORD, _SET, _DICT, _LIST, _TUPLE = "record", "set", "dict", "list", "tuple"


def pack(value: Any) -> Any:
    """Return a value made of records, tuples, lists, dicts, frozen sets and scalars as tuples and scalars only."""
    if isinstance(value, Record):
        kind = type(value)
        return _RECORD, kind.__module__, kind.__qualname__, tuple(pack(getattr(value, name)) for name in kind._fields)
    if isinstance(value, frozenset):
        return _SET, tuple(value)
    if isinstance(value, dict):
        return _DICT, tuple((key, pack(item)) for key, item in value.items())
    if isinstance(value, (tuple, list)):
        return _TUPLE if isinstance(value, tuple) else _LIST, tuple(pack(item) for item in value)
    return value


def unpack(value: Any) -> Any:
    """Return what was packed. The classes' modules are imported where they are not yet."""
    if not isinstance(value, tuple):
        return value
    kind, *rest = value
    if kind == _RECORD:
        module, name, fields = rest
        if module not in sys.modules:
            __import__(module)
        return getattr(sys.modules[module], name)(*[unpack(item) for item in fields])
    if kind == _SET:
        return frozenset(rest[0])
    if kind == _DICT:
        return {key: unpack(item) for key, item in rest[0]}
    return (tuple if kind == _TUPLE else list)(unpack(item) for item in rest[0])
