"""What reaches a terminal or a pipe: escaped, never cut, coloured only where someone looks at it."""

from __future__ import annotations

import io
import json
import os
import pty
import re
from contextlib import redirect_stdout

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pyopenshell.cli import output
from pyopenshell.errors import OpenShellError, PolicyError, Problem

HOSTILE = "a\x1b[31mb\x07\u202ec\x9b\udcff\nd\u2028"
ROWS = [
    ("/usr/lib/x86_64-linux-gnu", "read_only", "enforced", "the libraries that every program needs"),
    (HOSTILE, "", "High", "x"),
]
COLUMNS = ("path", "requested", "status", "reason")


@given(st.text(alphabet=st.characters(), max_size=40))
def test_escape_leaves_nothing_unprintable(text):
    """Whatever a name holds, what is printed cannot move the cursor, and printable text stays as it is."""
    assert output.escape(text).isprintable()
    assert text.isprintable() == (output.escape(text) == text)


def test_escape_spells_what_it_hides():
    """Control characters, direction overrides and bytes that are no UTF-8 stay readable."""
    assert "a\\x1b[31mb\\x07\\u202ec\\x9b\\xff\\x0ad\\u2028" == output.escape(HOSTILE)


def test_pipe_has_one_line_a_row(capsys):
    """In a pipe: no colours, no folding, no trailing spaces, one line a row however long it is."""
    long = "/" + "x" * 3000
    output.table(COLUMNS, [*ROWS, (long, "a", "b", "c" * 500)], indent=2)
    lines = capsys.readouterr().out.splitlines()
    assert 4 == len(lines)
    assert long in lines[3]
    assert "\x1b" not in "".join(lines)
    assert [] == [line for line in lines if line != line.rstrip()]


class Screen(io.StringIO):
    """Standard output that says it is a terminal."""

    def isatty(self):
        return True


def on_screen(show, width, **environment):
    """Return what ``show`` prints on a terminal of this width."""
    shown = Screen()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(shown):
        patch.delenv("NO_COLOR", raising=False)
        for name, value in {"TERM": "xterm", "COLUMNS": str(width), **environment}.items():
            patch.setenv(name, value)
        show()
    return shown.getvalue()


@pytest.mark.parametrize("width", [10, 20, 40, 79, 80, 100, 120, 200])
def test_narrow_terminals_lose_nothing(width):
    """At any width each line fits, and every letter of every cell is still there."""

    def show():
        output.table(COLUMNS, ROWS, indent=2)
        output.paragraph("the sentence " * 20, indent=6, mark="High")

    shown = re.sub(r"\x1b\[[0-9;]*m", "", on_screen(show, width))
    assert [] == [line for line in shown.splitlines() if len(line.rstrip()) > width]
    squeezed = "".join(shown.split())
    cells = [output.escape(cell) for row in ROWS for cell in row]
    assert [] == [cell for cell in cells if "".join(cell.split()) not in squeezed]


def test_colours_only_where_wanted():
    """A terminal gets colours; NO_COLOR takes them away."""

    def show():
        output.table(COLUMNS, ROWS)

    assert "\x1b[32menforced" in on_screen(show, 120)
    assert "\x1b[32m" not in on_screen(show, 120, NO_COLOR="1")


@pytest.mark.parametrize(("form", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_documents_keep_every_value(capsys, form, load):
    """JSON and YAML come back as they were, are ASCII, and hold no control character but the newline."""
    value = {"b": [1, None, True, {"path": "/srv/ü\x1b[2J\u202e"}], "a": "no", "long": "x " * 300}
    output.document(value, form)
    text = capsys.readouterr().out
    assert value == load(text)
    assert text.isascii()
    assert "" == "".join(character for character in text if ord(character) < 32 and character != "\n")


def test_error_is_one_line_and_a_hint(capsys):
    """A message says where and what, a hint what to do; both are escaped and go to standard error."""
    output.error(OpenShellError("no \x1b[2J", hint="try this", file="p.yaml", line=3, column=5))
    shown = capsys.readouterr()
    assert "" == shown.out
    assert "openshell: p.yaml:3:5: no \\x1b[2J\nhint: try this\n" == shown.err


def test_error_names_every_mistake_of_a_policy(capsys):
    """All problems are printed, each with its place."""
    output.error(PolicyError([Problem("first", 1, 2, hint="mend"), Problem("second", 4)], file="p.yaml"))
    assert "openshell: p.yaml:1:2: first\n  hint: mend\np.yaml:4: second\n" == capsys.readouterr().err


def test_error_as_json(capsys):
    """The documented object, with null for what is not known."""
    output.error(OpenShellError("no", code="x.y"), as_json=True)
    expected = {"code": "x.y", "message": "no", "hint": None, "file": None, "line": None, "column": None}
    assert {"error": expected} == json.loads(capsys.readouterr().err)


def test_verbose_error_has_code_and_cause(capsys):
    """``-v`` adds the stable code and what the system said."""
    problem = OpenShellError("no", code="x.y")
    problem.__cause__ = OSError(2, "No such file")
    output.error(problem, verbose=True)
    assert "openshell: no [x.y]\ncause: FileNotFoundError(2, 'No such file')\n" == capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["list", "-o", "json"], True),
        (["list", "-ojson"], True),
        (["list", "--output=json"], True),
        (["list", "--output", "json"], True),
        (["list", "-o", "yaml"], False),
        (["list", "--", "-o", "json"], False),
        (["list", "-o"], False),
    ],
)
def test_json_is_asked_for(argv, expected):
    """Every spelling of ``-o json`` before ``--`` counts."""
    assert expected == output.wants_json(argv)


def test_a_real_terminal_gets_its_own_width():
    """On a pseudo-terminal of 50 columns no line is longer, whatever the environment says."""
    pid, fd = pty.fork()
    if pid == 0:
        import fcntl
        import struct
        import termios

        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 50, 0, 0))
        os.environ.pop("COLUMNS", None)
        import sys

        sys.stdout = os.fdopen(1, "w", closefd=False)
        output.table(COLUMNS, ROWS)
        sys.stdout.flush()
        os._exit(0)
    data = b""
    try:
        while piece := os.read(fd, 4096):
            data += piece
    except OSError:  # EIO: the other side is closed
        pass
    os.waitpid(pid, 0)
    os.close(fd)
    shown = data.decode().replace("\x1b[1;31m", "").replace("\x1b[32m", "").replace("\x1b[0m", "")
    assert "x86_64" in shown
    assert [] == [line for line in shown.splitlines() if len(line.rstrip()) > 50]
