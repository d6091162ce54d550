"""The rows for a process that only reads: every spelling of what changes files or reaches other processes."""

import errno
import os
import re

import pytest

from pyopenshell.kernel import numbers, seccomp
from pyopenshell.kernel.syscalls import AUDIT_ARCH, number
from pyopenshell.seccomp import rows_reading, table
from pyopenshell.seccomp.bpf import build

ALLOWED = seccomp.RET_ALLOW
CHANGES = ("chmod", "chown", "utime", "futimes", "xattr", "rename", "link", "mkdir", "rmdir", "mknod", "truncate")
SIGNALS = ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal")


@pytest.fixture(params=sorted(AUDIT_ARCH))
def answer(request, interpret):
    """Return the errno with which a syscall is answered, 0 where it is allowed, None where there is no such call."""

    def ask(abi, name, *arguments):
        rows = rows_reading.rows(abi) + table.rows(net_namespace=False, landlock_abi=abi)
        nr = number(name, request.param)
        if nr is None:
            return None
        action = interpret(build(rows, request.param), request.param, nr, arguments)
        return 0 if action == ALLOWED else action & 0xFFFF

    return ask


@pytest.mark.parametrize("abi", [0, 5, 6, 9])
def test_every_spelling_of_a_change(answer, abi):
    """Whatever has such a name, later ones too; but for asking, and for what takes a file that is open for writing."""
    names = {name for architecture in AUDIT_ARCH for name in numbers.table(architecture) or ()}
    asking = re.compile("readlink|ftruncate|l?f?(get|list)xattr")
    changing = [name for name in names if any(part in name for part in CHANGES) and not asking.match(name)]
    assert {"fchmodat2", "setxattrat", "removexattrat", "renameat2", "utimensat", "fchownat"} <= set(changing)
    assert {errno.EACCES, None} >= {answer(abi, name) for name in changing}


@pytest.mark.parametrize("name", SIGNALS)
def test_signals_are_denied_where_landlock_does_not_scope_them(answer, name):
    """Below ABI 6, and without Landlock."""
    assert [errno.EPERM, errno.EPERM, 0] == [answer(abi, name, 4242, 9) for abi in (0, 5, 6)]
    assert [errno.EPERM, 0, 0] == [answer(5, "fcntl", 3, command) for command in (8, 1030, 4)]


def test_sockets(answer):
    """None but a pair of streams, which has no address; it is neither connected nor named."""
    assert {errno.EAFNOSUPPORT} == {answer(9, "socket", family, kind) for family in (1, 2, 10, 16) for kind in (1, 2)}
    assert [0, 0, errno.EAFNOSUPPORT, errno.EAFNOSUPPORT] == [
        answer(9, "socketpair", family, kind) for family, kind in ((1, 1), (1, 1 | os.O_CLOEXEC), (1, 2), (2, 1))
    ]
    assert [errno.EACCES] * 2 == [answer(9, "connect"), answer(9, "bind")]


def test_ioctl(answer):
    """What asks about a terminal or a pipe; nothing that sets attributes, owners of signals, or a driver's."""
    assert [0, 0, 0] == [answer(9, "ioctl", 0, one) for one in (0x5401, 0x541B, 0x5451)]
    denied = (0x40086602, 0x8901, 0x8902, 0xC0DE, 0x5412)
    assert {errno.ENOTTY} == {answer(9, "ioctl", 0, one) for one in denied}


def test_without_landlock_files_are_opened_for_reading_only(answer):
    """Where there is a domain it decides, so that /dev/null can be written."""
    flags = {os.O_RDONLY: 0, os.O_WRONLY: 13, os.O_RDWR: 13, os.O_CREAT: 13, os.O_TRUNC: 13, os.O_DIRECTORY: 0}
    assert list(flags.values()) == [answer(0, "openat", 0, 0, one) for one in flags]
    assert [0, 0] == [answer(9, "openat", 0, 0, one) for one in (os.O_RDWR, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)]
    assert errno.ENOSYS == answer(0, "openat2")


def test_every_row_says_why():
    """The reason is a sentence, and no row gives anything."""
    for row in rows_reading.rows(0):
        assert row.reason.endswith("."), row
        assert row.action.startswith("errno:"), row
