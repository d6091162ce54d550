"""``openshell policy diff A B``: what a sandbox under one effective policy may do that it may not under another."""

from __future__ import annotations

import json
import os
from errno import errorcode
from typing import TYPE_CHECKING

from pyopenshell.cli import output
from pyopenshell.cli.effective_view import fields, words
from pyopenshell.effective import saved
from pyopenshell.effective.diff import ORDER, compare
from pyopenshell.errors import NoSuchSandbox, StateError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence
    from typing import Any

    from pyopenshell.effective.difference import Difference
    from pyopenshell.effective.model import Effective

SCHEMA = "pyopenshell.diff/1"
DIFFERENT = 1
MAX_SIZE = 16 << 20
"""Bytes of a file that are read at most; an effective policy has some ten thousand."""
STDIN = "-"
PLAIN = ("origin", "status", "state", "mechanism", "mode", "source", "severity", "compatibility")
"""Keys whose values speak for themselves."""
OWN_LINES = ("rows", "message")
"""Keys whose values stand beneath."""


def diff(arguments: argparse.Namespace) -> int:
    """Print the differences. Returns 0 where there are none, else 1."""
    sources = (arguments.a, arguments.b)
    if sources == (STDIN, STDIN):
        raise UsageError("policy diff: standard input can be only one of the two", hint=arguments.parser.short_usage())
    a, b = (_read(source) for source in sources)
    found = compare(a, b)
    counts = {word: sum(one.direction == word for one in found) for word in ORDER}
    if arguments.output == "table":
        _show(sources, (a, b), found, counts)
    else:
        shape = {
            "schema": SCHEMA,
            "a": _about(sources[0], a),
            "b": _about(sources[1], b),
            "same": not found,
            "counts": counts,
            "differences": [one.as_dict() for one in found],
        }
        output.document(shape, arguments.output)
    return DIFFERENT if found else 0


def _read(source: str) -> Effective:
    """Return the effective policy of a file, of standard input or of a run.

    What can be no file of ours to name, having neither a dot nor a slash, is a run if there is one.
    """
    if source != STDIN and "." not in source and "/" not in source:
        from pyopenshell import runs

        try:
            view = runs.find(source)
        except NoSuchSandbox:
            if not os.path.exists(source) or os.path.isdir(source):
                raise
        else:
            shape = view.effective()
            if shape is None:
                why = "it has no effective policy: its launch did not get that far"
                raise saved.unusable(f"sandbox {view.name}", why)
            return saved.load(shape, f"sandbox {view.name}")
    return saved.parse(_content(source), "standard input" if source == STDIN else source)


def _content(source: str) -> bytes:
    try:
        with open(0 if source == STDIN else source, "rb", closefd=source != STDIN) as file:
            data = file.read(MAX_SIZE + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise StateError(f"cannot read {source}: {why}", hint=saved.NEEDED, code="effective.unreadable") from error
    if len(data) > MAX_SIZE:
        raise saved.unusable(source, f"it has more than {MAX_SIZE >> 20} MiB")
    return data


def _about(source: str, effective: Effective) -> dict[str, Any]:
    return {
        "from": source,
        "name": effective.name,
        "run_id": effective.run_id,
        "digest": effective.digest,
        "landlock_abi": effective.landlock.abi,
    }


def _show(
    sources: Sequence[str], sides: Sequence[Effective], found: Sequence[Difference], counts: dict[str, int]
) -> None:
    fields(*((label, _side(*side)) for label, side in zip("AB", zip(sources, sides, strict=True), strict=True)))
    if not found:
        output.line("the same")
        return
    output.line()
    for one in found:
        _print(one)
    output.line()
    output.line(f"B is {', '.join(f'{word}: {counts[word]}' for word in ORDER)}")


def _print(one: Difference) -> None:
    """Print a difference: what it is on one line, what there is to know beneath it."""
    a, b = _values(one, one.a), _values(one, one.b)
    if one.change == "changed":
        values = f": {a or '-'} -> {b or '-'}" if a or b else ""
    else:
        values = f": only in {'A' if one.b is None else 'B'}{', ' if a or b else ''}{a or b}"
    output.paragraph(f"{one.kind} {one.subject}{values}", mark=one.direction)
    for text in _beneath(one):
        output.paragraph(text, indent=4)


def _side(source: str, effective: Effective) -> str:
    name = "standard input" if source == STDIN else source
    return f"{name}: sandbox {effective.name}, run {effective.run_id}, Landlock ABI {effective.landlock.abi}"


def _values(one: Difference, side: dict[str, Any] | None) -> str:
    """Return the values of one side in short."""
    if side is None or one.kind == "declared":
        return ""
    shown = dict(side)
    if one.kind == "grant" and one.change != "changed":  # then all of it is there, and most is as always
        usual = {"mechanism": "landlock", "resolved": one.subject, "status": "enforced", "access": side["access"]}
        shown = {key: value for key, value in side.items() if value != usual.get(key)}
    return ", ".join(text for key, value in shown.items() if value is not None and (text := _value(key, value)))


def _value(key: str, value: Any) -> str:
    """Return one value in the fewest words that still say what it is; nothing where it gets a line of its own."""
    if key in ("access", "gives"):
        return f"{'asks for' if key == 'access' else 'gives'} {words(value) if value else 'nothing'}"
    if key == "detail":
        return f"given by {value['covered_by']}" if "covered_by" in value else ""
    if key in OWN_LINES:
        return ""
    if key == "abi":
        return f"ABI {value}" if value else "none"
    if key == "by":
        return f"by {value}"
    if key == "resolved":
        return f"leads to {value}"
    if key in PLAIN:
        return str(value)
    return f"{key} {_json(value)}"


def _beneath(one: Difference) -> Iterator[str]:
    """Yield what stands beneath a difference: keys, rows, messages, and the note."""
    a, b = one.a or {}, one.b or {}
    if one.kind == "declared":
        for key in {**a, **b}:
            yield f"{key}: {_json(a.get(key))} -> {_json(b.get(key))}"
        return
    for sign, side in (("-", a), ("+", b)):
        yield from (f"{sign} {row}" for row in side.get("rows") or ())
    for label, side in (("A", a), ("B", b)):
        message = side.get("message") or _detail(side.get("detail") or {})
        if message:
            yield f"{label}: {message}"
    if one.note:
        yield one.note


def _json(value: Any) -> str:
    return "-" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _detail(detail: dict[str, Any]) -> str:
    """Return what there is to know about a status, where no other grant gives the access."""
    if "covered_by" in detail:
        return ""
    message, number = detail.get("message"), int(detail.get("errno") or 0)
    # A file may hold any number.
    told = not number or (number in errorcode and message == os.strerror(number))
    return "; ".join(part for part in (message, None if told else errorcode.get(number, str(number))) if part)


VERBS = {"diff": diff}
