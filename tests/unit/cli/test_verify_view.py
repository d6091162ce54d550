"""A verification as text: the verdict, then each drift, then a row for each thing that was tried."""

import errno

from pyopenshell.cli import verify_view
from pyopenshell.verify.attempt import ALLOWED, DENIED, GRANTS, GROUPS, IDENTITY, SYSTEM_CALLS, Attempt
from pyopenshell.verify.judge import Verification, judge


def attempt(what, expected, group=GRANTS, subject="/data", **more):
    """Return an attempt on a file of a grant."""
    return Attempt(group, subject, f"{subject}/file", what, expected, ("open",), **more)


TRIED = (
    attempt("list", ALLOWED),
    attempt("read", ALLOWED),
    attempt("make a file", DENIED),
    attempt("make a pipe", DENIED),
    attempt("list", ALLOWED, subject="/usr"),
    attempt("call", DENIED, SYSTEM_CALLS, "ptrace", exact=errno.EPERM),
    attempt("call", DENIED, SYSTEM_CALLS, "bpf", exact=errno.EPERM),
    attempt("is", ALLOWED, IDENTITY, "uid", words="1000", refusals=(errno.ESTALE,)),
)


def shown(capsys, *answers):
    """Return the lines that are printed for these answers."""
    verify_view.show(Verification("demo", "01", judge(TRIED, answers)))
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_as_reported(capsys):
    """A row for each grant, one for all system calls with the same answer; nothing about drift."""
    lines = shown(capsys, 0, 0, 13, -13, 0, 1, 1, 0)
    assert "Sandbox demo: as reported" == lines[0]
    assert "  8 attempts, 4 allowed as granted, 3 denied as they must be, 1 not telling" == lines[1]
    assert "  /data  ok      list, read; not make  not telling: make; 3 of 4 same" in lines
    assert "  /usr   ok      list                  same" in lines
    assert "  rows that answer EPERM  ok      not call  same" in lines
    assert "  uid   ok      1000      same" in lines
    assert not any("rift" in line for line in lines)


def test_drift_comes_first(capsys):
    """In words, and in its row."""
    lines = shown(capsys, 0, 13, 13, 13, 0, 1, 0, 116)
    assert "Sandbox demo: drift" == lines[0]
    assert "Drift: otherwise than reported" == lines[3]
    assert lines[4].startswith(
        "  High grants: read /data/file (/data): the report says allowed, the kernel says EACCES"
    )
    assert "  /data  drift   list, read; not make  DRIFT: read; 3 of 4 same" in lines
    assert "  rows that answer EPERM  drift   not call  DRIFT: call; 1 of 2 same" in lines


def test_every_group_has_a_heading():
    """Or its attempts would not be shown."""
    assert set(GROUPS) == set(verify_view.HEADS)
