"""What a process does to itself, each in a forked child, looked up afterwards where the kernel shows it."""

from __future__ import annotations

import ctypes
import errno
import os
import signal

import pytest

from pyopenshell.kernel import process
from pyopenshell.kernel.syscalls import call
from tests.confined.landlock import harness

PR_GET_PDEATHSIG = 2
PR_GET_DUMPABLE = 3
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="needs: root")


def status(field: str) -> str:
    with open("/proc/self/status") as lines:
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith(f"{field}:"))


def capability_sets() -> list[int]:
    return [int(status(f"Cap{kind}"), 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")]


def become_user() -> None:
    """Be an ordinary user, with whatever root started this."""
    if os.getuid() == 0:
        process.set_ids(harness.NOBODY, harness.NOBODY, ())


def test_no_new_privs():
    """/proc says so afterwards."""

    def child() -> list[str]:
        before = status("NoNewPrivs")
        process.set_no_new_privs()
        return [before, status("NoNewPrivs")]

    assert ["0", "1"] == harness.in_child(child)


@pytest.mark.parametrize("on", [False, True])
def test_dumpable(on: bool):
    """The flag is as it was set."""

    def child() -> int:
        process.set_dumpable(on)
        return call("prctl", PR_GET_DUMPABLE)

    assert int(on) == harness.in_child(child)


def test_parent_death_signal():
    """The kernel keeps the signal that was asked for."""

    def child() -> int:
        process.set_parent_death_signal(signal.SIGKILL)
        kept = ctypes.c_int()
        call("prctl", PR_GET_PDEATHSIG, ctypes.byref(kept))
        return kept.value

    assert signal.SIGKILL == harness.in_child(child)


@pytest.mark.parametrize("subreaper", [False, True])
def test_child_subreaper(subreaper: bool):
    """An orphan becomes a child of the subreaper, of somebody else without one."""

    def child() -> bool:
        if subreaper:
            process.set_child_subreaper()
        reader, writer = os.pipe()
        middle = os.fork()
        if middle == 0:
            parent = os.getpid()
            if os.fork() == 0:
                while os.getppid() == parent:
                    os.sched_yield()
                os.write(writer, str(os.getppid()).encode())
            os._exit(0)
        os.waitpid(middle, 0)
        return int(os.read(reader, 20)) == os.getpid()

    assert subreaper == harness.in_child(child)


@needs_root
def test_drop_capabilities():
    """Root's five sets are all empty afterwards, an ambient capability too, and what they allowed is denied."""
    ambient, raise_one, chown = 47, 2, 0

    def child() -> tuple[bool, list[int], int]:
        both = 1 << chown | 1 << process.CAP_SETPCAP
        some = (process.CapData * 2)(process.CapData(both, both, 1 << chown))
        call("capset", ctypes.byref(process.CapHeader(process.CAPABILITY_VERSION_3, 0)), some)
        call("prctl", ambient, raise_one, chown)
        before = all(capability_sets())
        process.drop_capabilities()
        return before, capability_sets(), harness.errno_of(lambda: os.chroot("/"))

    assert (True, [0] * 5, errno.EPERM) == harness.in_child(child)


@needs_root
def test_drop_bounding_set_before_the_uid_changes():
    """Bounding set, ids, the rest: in this order nothing is left and the ids could still be changed."""

    def child() -> tuple[list[int], int]:
        process.drop_bounding_set()
        process.set_ids(harness.NOBODY, harness.NOBODY, ())
        process.drop_capabilities()
        return capability_sets(), os.getuid()

    assert ([0] * 5, harness.NOBODY) == harness.in_child(child)


def test_drop_capabilities_of_a_user():
    """Without CAP_SETPCAP the bounding set stays, which is no error."""

    def child() -> list[bool]:
        become_user()
        bounding = capability_sets()[3]
        process.drop_capabilities()
        return [value == expected for value, expected in zip(capability_sets(), [0, 0, 0, bounding, 0], strict=True)]

    assert [True] * 5 == harness.in_child(child)


def test_drop_bounding_set_of_a_user():
    """Asked for on its own it is refused."""

    def child() -> int:
        become_user()
        return harness.errno_of(process.drop_bounding_set)

    assert errno.EPERM == harness.in_child(child)


def test_has_capability():
    """Every capability is as /proc shows it, those above 31 too."""
    effective = int(status("CapEff"), 16)
    assert [bool(effective >> number & 1) for number in range(41)] == [
        process.has_capability(number) for number in range(41)
    ]


@needs_root
def test_set_ids():
    """All three uids and gids and the groups are as asked, and there is no way back."""

    def child() -> tuple[object, ...]:
        process.set_ids(65533, 65532, [65531, 65530])
        back = harness.errno_of(lambda: os.setresuid(0, 0, 0))
        return os.getresuid(), os.getresgid(), sorted(os.getgroups()), back

    assert ((65533,) * 3, (65532,) * 3, [65530, 65531], errno.EPERM) == harness.in_child(child)


def test_set_ids_of_a_user():
    """An ordinary user may keep what it is, and is refused to become another."""

    def child() -> list[int]:
        become_user()
        uid, gid, groups = os.getuid(), os.getgid(), os.getgroups()
        return [
            harness.errno_of(lambda: process.set_ids(uid, gid, groups)),
            harness.errno_of(lambda: process.set_ids(uid + 1, gid, groups)),
            harness.errno_of(lambda: process.set_ids(uid, gid + 1, groups)),
            harness.errno_of(lambda: process.set_ids(uid, gid, [*groups, 1])),
        ]

    assert [0, errno.EPERM, errno.EPERM, errno.EPERM] == harness.in_child(child)


@needs_root
@pytest.mark.parametrize("name", ["setresuid", "setresgid", "setgroups"])
def test_set_ids_does_not_believe(name: str):
    """A filter that swallows a call and says success is found out."""

    def child() -> int:
        harness.pretend(name, 0)
        return harness.errno_of(lambda: process.set_ids(65533, 65532, [65531]))

    assert errno.EPERM == harness.in_child(child)
