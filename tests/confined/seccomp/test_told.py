"""What the command says about the filter is what a sandbox started here gets."""

import json

import pytest

from pyopenshell.kernel.syscalls import ARCHITECTURE
from pyopenshell.seccomp import bpf, table


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ptrace", ("denied ptrace (EPERM)", "strace, gdb", "detect_leaks=0")),
        ("unshare", ("when the flags have CLONE_NEWUSER (EPERM)", "bubblewrap", "Chromium", "--no-sandbox")),
        ("clone3", ("denied clone3 (ENOSYS)", "fall back to clone")),
    ],
)
def test_why_says_what_does_not_work(openshell, name, words):
    """The question a person has whose debugger, browser or sandbox does not start."""
    done = openshell("why", "--syscall", name)
    assert (1, "") == (done.returncode, done.stderr)
    assert all(word in done.stdout for word in words)


def test_why_answers_under_a_policy(openshell, workdir):
    """A policy that cannot be used is an error here as well, not a guess."""
    policy = workdir / "p.yaml"
    policy.write_text("version: 1\n")
    policy.chmod(0o644)
    assert 0 == openshell("why", "--syscall", "read", "--policy", policy).returncode
    policy.write_text("version: 2\n")
    assert 1 == openshell("why", "--syscall", "read", "--policy", policy).returncode


def test_the_effective_policy_lists_every_row(openshell):
    """Before a run and after it: the rows listed are those of the program whose digest stands beside them."""
    done = openshell("run", "--name", "listed", "--", "true")
    assert 0 == done.returncode, done.stderr
    explained = json.loads(openshell("run", "--explain", "-o", "json", "--", "true").stdout)["effective"]["seccomp"]
    stored = json.loads(openshell("policy", "get", "listed", "--full", "-o", "json").stdout)["seccomp"]
    inspected = json.loads(openshell("sandbox", "inspect", "listed", "-o", "json").stdout)
    assert explained == stored == inspected["effective"]["seccomp"]
    assert stored["sha256"] == inspected["receipt"]["seccomp"]["sha256"]
    programs = {}
    for net in (True, False):
        for abi in range(6):
            rows = table.rows(net_namespace=net, landlock_abi=abi)
            programs[bpf.report(bpf.build(rows, ARCHITECTURE))] = bpf.listing(rows, ARCHITECTURE)
    assert programs[stored["sha256"], stored["count"]] == tuple(stored["rows"])
