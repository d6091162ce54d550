"""Everything this package prints goes through here: lines, tables, documents and errors.

Names and paths come from policies, folders and sandboxes, so whatever could steer a terminal is escaped. On a
terminal tables have colours and fit the width; in a pipe they have neither, and a path is never wrapped or cut.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, RenderableType
    from rich.table import Table

    from pyopenshell.errors import OpenShellError

STYLES = {
    "enforced": "green",
    "ok": "green",
    "yes": "green",
    "running": "green",
    "allowed": "green",
    "covered": "dim",
    "skipped": "yellow",
    "warn": "yellow",
    "Medium": "yellow",
    "blocked": "red",
    "fail": "red",
    "no": "red",
    "denied": "red",
    "error": "red",
    "warning": "yellow",
    "looser": "red",
    "tighter": "green",
    "High": "bold red",
    "Critical": "bold red",
}
"""Colours of the words that say how something turned out; nothing else is coloured."""

PIPE_WIDTH = 1 << 20
"""Columns a pipe has: more than any line needs."""
FOLDED = 24
"""Columns below which the last column of a table is not folded any more."""


def escape(text: str) -> str:
    r"""Return ``text`` with everything unprintable spelled out (``\x1b``, ``\u202e``), as is otherwise.

    Bytes that are no UTF-8, which Python keeps as lone surrogates, become ``\xNN`` too.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _spell(ord(character)) for character in text)


def _spell(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def line(text: str = "") -> None:
    """Print one line, escaped."""
    print(escape(text))


def error(problem: OpenShellError, *, as_json: bool = False, verbose: bool = False) -> None:
    """Print an error on stderr: ``openshell: …`` and its hints, or the documented JSON object."""
    if sys.stderr is None:  # closed by the caller, and print() would then write to standard output
        return
    if as_json:
        print(json_text(problem.as_dict()), file=sys.stderr)
        return
    first, *rest = problem.lines()
    code = f" [{problem.code}]" if verbose else ""
    for text in (f"openshell: {first}{code}", *rest):
        print(escape(text), file=sys.stderr)
    if verbose and problem.__cause__ is not None:
        print(escape(f"cause: {problem.__cause__!r}"), file=sys.stderr)


def wants_json(argv: Sequence[str]) -> bool:
    """Tell whether ``-o json``, in any of its spellings, stands in ``argv`` before ``--``."""
    from itertools import pairwise

    words = list(argv)
    words = words[: words.index("--")] if "--" in words else words
    if any(word in ("-ojson", "-o=json", "--output=json") for word in words):
        return True
    return any(flag in ("-o", "--output") and value == "json" for flag, value in pairwise(words))


def json_text(value: object) -> str:
    """Return ``value`` as indented JSON in ASCII, so that no string in it can reach a terminal raw."""
    import json

    return json.dumps(value, indent=2)


def document(value: object, form: str) -> None:
    """Print ``value`` as ``json`` or ``yaml``, keys in their order."""
    if form == "json":
        print(json_text(value))
        return
    import yaml

    print(yaml.safe_dump(value, sort_keys=False, width=PIPE_WIDTH), end="")


def title(text: str, *, first: bool = False) -> None:
    """Print the heading of a section, after an empty line where it is not the ``first``."""
    from rich.text import Text

    if not first:
        print()
    _print(_console(), Text(escape(text), style="bold", overflow="fold"))


def paragraph(text: str, *, indent: int = 0, mark: str = "") -> None:
    """Print one sentence or more, folded on a terminal, on one line in a pipe; ``mark`` is a coloured first word."""
    from rich.padding import Padding
    from rich.text import Text

    body = Text(overflow="fold").append(f"{mark} " if mark else "", style=STYLES.get(mark, "")).append(escape(text))
    _print(_console(), Padding(body, (0, 0, 0, indent), expand=False))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, indent: int = 0) -> None:
    """Print rows under their columns. On a terminal the last column is folded where that leaves it room enough.

    Where it does not, its cells go beneath their rows; where not even the other columns fit, each row becomes a short
    paragraph. In no case is anything cut.
    """
    from rich.padding import Padding

    console = _console()
    widths = [max(len(escape(cell)) for cell in column) for column in zip(columns, *rows, strict=True)]
    others = indent + sum(widths[:-1]) + 2 * (len(widths) - 2)
    if others + 2 + min(widths[-1], FOLDED) <= console.width:
        _print(console, Padding(_grid(columns, rows), (0, 0, 0, indent), expand=False))
    elif others <= console.width:
        grid = Padding(_grid(columns[:-1], [row[:-1] for row in rows], last=False), (0, 0, 0, indent), expand=False)
        head, *lines = _rendered(console, grid)
        print(head)
        for text, row in zip(lines, rows, strict=True):
            print(text)
            paragraph(row[-1], indent=indent + 4)
    else:
        _paragraphs(console, columns, rows, indent)


def _grid(columns: Sequence[str], rows: Sequence[Sequence[str]], *, last: bool = True) -> Table:
    """Return a table; with ``last`` its last column may be folded."""
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        grid.add_column(column.upper(), no_wrap=not last or column != columns[-1], overflow="fold")
    for row in rows:
        grid.add_row(*(Text(escape(cell), style=STYLES.get(cell, "")) for cell in row))
    return grid


def _paragraphs(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]], indent: int) -> None:
    """Print the first cell on a line of its own, the others named and joined beneath it."""
    from rich.padding import Padding
    from rich.text import Text

    for head, *cells in rows:
        _print(console, Padding(Text(escape(head), overflow="fold"), (0, 0, 0, indent), expand=False))
        cells_below = Text(" · ").join(
            Text(f"{column}: ").append(escape(cell), style=STYLES.get(cell, ""))
            for column, cell in zip(columns[1:], cells, strict=True)
            if cell
        )
        if cells_below:
            below = Text(overflow="fold").append_text(cells_below)
            _print(console, Padding(below, (0, 0, 0, indent + 4), expand=False))


def _print(console: Console, what: RenderableType) -> None:
    for text in _rendered(console, what):
        print(text)


def _rendered(console: Console, what: RenderableType) -> list[str]:
    """Return lines without the spaces rich fills them with. Rich itself never writes: it exits on a broken pipe."""
    from io import StringIO

    console.file = rendered = StringIO()
    console.print(what)
    return [text.rstrip() for text in rendered.getvalue().splitlines()]


def _console() -> Console:
    """Return a console on standard output: its width and colours on a terminal, neither in a pipe."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    return Console(
        width=None if terminal else PIPE_WIDTH,
        force_terminal=terminal,
        legacy_windows=False,
        markup=False,
        emoji=False,
        highlight=False,
    )


def prepare_streams() -> None:
    """Make standard output one that can always be written: never None, never failing on a character.

    What the caller closed gets something that can be neither read nor written, as before: else a file or a connection
    would get its number.
    """
    while (fd := os.open("/", os.O_PATH | os.O_CLOEXEC)) <= 2:
        pass
    os.close(fd)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - it stays until the end
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
