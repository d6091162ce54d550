"""A fork whose child is born in namespaces."""

import errno
import os

import pytest

from pyopenshell.kernel import clone, namespaces
from tests.confined.landlock import harness

APART = namespaces.CLONE_NEWPID | (0 if os.geteuid() == 0 else namespaces.CLONE_NEWUSER)


def forked(flags, action):
    """Fork in a child of our own, which has a single thread, and return what the action returns in that fork."""

    def child():
        read, write = os.pipe()
        pid = clone.fork(flags)
        if pid == 0:
            try:
                os.write(write, repr(action()).encode())
            finally:
                os._exit(7)
        os.close(write)
        with open(read, "rb") as told:
            answer = told.read().decode()
        return pid, answer, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    return harness.in_child(child)


def needs_namespaces():
    """Skip where this host gives none."""
    if harness.in_child(lambda: harness.errno_of(lambda: namespaces.unshare(APART))):
        pytest.skip("needs: namespaces")


def test_without_flags_it_is_a_fork():
    """Both sides know their numbers, and the parent waits for its child as for any other."""
    pid, told, code = forked(0, lambda: (os.getpid(), os.getppid() > 0))
    assert (repr((pid, True)), 7) == (told, code)


def test_the_child_is_the_first_of_its_namespace():
    """It is process 1 without a parent there, and nobody stands between it and who forked it."""
    needs_namespaces()
    pid, told, code = forked(APART, lambda: (os.getpid(), os.getppid()))
    assert ("(1, 0)", 7) == (told, code)
    assert pid > 1


def test_the_child_has_what_its_parent_had():
    """Descriptors, memory, and an interpreter that works: it forks and waits itself."""
    needs_namespaces()
    kept = os.open("/dev/null", os.O_RDONLY)

    def action():
        pid = os.fork()
        if pid == 0:
            os._exit(5)
        return os.fstat(kept).st_rdev, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), len([*range(9999)])

    try:
        assert repr((os.fstat(kept).st_rdev, 5, 9999)) == forked(APART, action)[1]
    finally:
        os.close(kept)


def test_what_is_registered_for_a_fork_runs():
    """As around os.fork()."""

    def child():
        told = []
        os.register_at_fork(
            before=lambda: told.append("before"),
            after_in_parent=lambda: told.append("parent"),
            after_in_child=lambda: told.append("child"),
        )
        read, write = os.pipe()
        pid = clone.fork(0)
        if pid == 0:
            os.write(write, repr(told).encode())
            os._exit(0)
        os.waitpid(pid, 0)
        return told, os.read(read, 999).decode()

    ours, theirs = harness.in_child(child)
    assert (["before", "parent"], "['before', 'child']") == ([*ours], theirs)


def test_what_is_not_allowed_is_an_error():
    """A user's pid namespace without a user namespace; and flags that do not go together. The parent goes on."""
    wrong = namespaces.CLONE_NEWUSER | 0x200  # CLONE_FS: clone(2), EINVAL
    assert errno.EINVAL == harness.in_child(lambda: harness.errno_of(lambda: clone.fork(wrong)))
    if os.geteuid() != 0:
        refused = harness.in_child(lambda: harness.errno_of(lambda: clone.fork(namespaces.CLONE_NEWPID)))
        assert errno.EPERM == refused
    pid, _, code = forked(0, lambda: 0)
    assert (True, 7) == (pid > 0, code)
