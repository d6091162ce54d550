"""``why --syscall``: the verdict, its reason and its cost, and what cannot be asked."""

from __future__ import annotations

import errno
import json

import pytest
from tests.unit.cli import cases
from tests.unit.cli.cases import make_state, transcript

from pyopenshell.cli import app, effective_view, why_syscall
from pyopenshell.effective.model import SeccompReport
from pyopenshell.errors import StateError, UsageError
from pyopenshell.kernel.syscalls import ARCHITECTURE
from pyopenshell.seccomp import bpf, table

ROWS = bpf.listing(table.rows(net_namespace=True, landlock_abi=7, broker=True), ARCHITECTURE)


@pytest.mark.parametrize(
    ("name", "verdict", "errors"),
    [
        ("ptrace", "denied", [errno.EPERM]),
        ("clone3", "denied", [errno.ENOSYS]),
        ("clone", "conditional", [errno.EPERM]),
        ("socket", "conditional", [errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EPERM]),
        ("memfd_create", "allowed", [0]),
        ("openat", "conditional", [errno.EACCES, 0]),
        ("read", "allowed", []),
    ],
)
def test_verdicts(name, verdict, errors):
    """Denied always, under conditions or not at all, with an errno for each row that is about it."""
    answer = why_syscall.decide(name, ROWS)
    assert (verdict, errors) == (answer.verdict, [decision.errno for decision in answer.decisions])


def test_the_broker_and_what_is_left_open_are_named():
    """A row that refuses nothing is told all the same."""
    assert ["denied", "broker"] == [decision.answer for decision in why_syscall.decide("openat", ROWS).decisions]
    (decision,) = why_syscall.decide("memfd_create", ROWS).decisions
    assert "allowed" == decision.answer
    assert "can hold code" in decision.reason


@pytest.mark.parametrize(
    ("name", "cost"), [("ptrace", "strace, gdb"), ("unshare", "bubblewrap"), ("clone", "Chromium"), ("clone3", None)]
)
def test_costs_are_told(name, cost):
    """Why strace and gdb cannot attach, and other programs' own sandboxes cannot start."""
    (decision,) = why_syscall.decide(name, ROWS).decisions
    assert cost is decision.cost or cost in (decision.cost or "")


def test_every_cost_of_the_table_is_found():
    """Rows are matched with the present table by what the effective policy keeps of them."""
    for net, abi in ((True, 1), (False, 1)):
        rows = table.rows(net_namespace=net, landlock_abi=abi, broker=True)
        listed = bpf.listing(rows, "x86_64")
        costs = why_syscall._costs()
        assert [row.cost for row in rows if row.action != "notify"] == [
            costs[why_syscall._key(row)] for row in listed if row["action"] != "notify"
        ]


def test_a_syscall_of_another_architecture(monkeypatch):
    """The kernel has no such call here, and says so to programs as well."""
    monkeypatch.setattr(why_syscall, "number", lambda name: None)
    answer = why_syscall.decide("open", ROWS)
    assert ("denied", errno.ENOSYS) == (answer.verdict, answer.decisions[0].errno)


@pytest.mark.parametrize(("name", "code"), [("ptrace", 1), ("socket", 1), ("openat", 0), ("memfd_create", 0)])
def test_a_sandbox_that_ran_is_answered_from_its_record(tmp_path, name, code):
    """The rows are the stored ones, though today's table has others; the exit code is the answer."""
    make_state(tmp_path)
    shown = transcript(["why", "--syscall", name, "--name", "demo", "-o", "json"], tmp_path)
    text, given = shown.split("\n", 1)[1].rsplit("--- exit code ", 1)
    answer = json.loads(text)
    assert (code, code == 0) == (int(given), answer["allowed"])
    stored = [row for row in cases.SYSCALLS if row["syscall"] == name]
    assert [(row["when"], row["reason"]) for row in stored] == [
        (decision["when"], decision["reason"]) for decision in answer["decisions"]
    ]


def test_text(tmp_path):
    """The table form: each row with its errno and reason, then what holds otherwise."""
    make_state(tmp_path)
    shown = transcript(["why", "--syscall", "socket", "--name", "demo"], tmp_path)
    assert [
        "denied socket when the family is AF_VSOCK (EAFNOSUPPORT)",
        "  It leads out.",
        "denied socket when the type is SOCK_RAW (EPERM)",
        "  It forges packets.",
        "  The first condition that holds decides.",
        "  With other arguments the filter lets it through.",
        "--- exit code 1",
    ] == shown.splitlines()[1:]


def test_an_older_record_is_not_guessed_about(tmp_path):
    """Without rows there is no answer, only what to do."""
    arguments = app_arguments("--syscall", "ptrace")
    with pytest.raises(StateError) as caught:
        why_syscall.why(arguments, SeccompReport("1" * 64, 40))
    assert "older version" in caught.value.message


def test_an_older_record_is_shown(capsys):
    """What it holds of the filter is shown as ever."""
    effective_view.syscalls(SeccompReport("1" * 64, 40).as_dict())
    assert ["", "Syscall filter", "  instructions  40", f"  sha256        {'1' * 64}"] == (
        capsys.readouterr().out.splitlines()
    )


def app_arguments(*words):
    """Return the parsed arguments of ``why``."""
    from pyopenshell.cli.parser import build

    return build().parse_args(["why", *words])


@pytest.mark.parametrize(
    ("argv", "message", "hint"),
    [
        (["--syscall", "ptraec"], "no system call ptraec", "did you mean ptrace?"),
        (["--syscall", "umount"], "no system call umount", "did you mean umount2?"),
        (["--syscall", "Frobnicate"], "no system call Frobnicate", "as strace prints them"),
        (["--syscall", ""], "no system call", "as strace prints them"),
        (["--syscall", "ptrace", "/etc"], "--syscall does not go with PATH", "one or the other"),
        (["--syscall", "ptrace", "--write"], "--syscall does not go with --write", "one or the other"),
        ([], "a PATH or --syscall NAME is needed", "usage: openshell why"),
    ],
)
def test_what_cannot_be_asked(argv, message, hint):
    """Each is a UsageError (exit code 2) that names what was meant."""
    with pytest.raises(UsageError) as caught:
        app.main(["why", *argv])
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")
