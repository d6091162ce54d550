"""Every row of the filter on the real kernel: its errno behind the filter, and something else without it."""

import errno
import os
import signal

import pytest

from pyopenshell.kernel.syscalls import call
from pyopenshell.seccomp import table
from pyopenshell.verify import calls
from pyopenshell.verify.calls import BAD, NOBODY

USER, FS, EMPTY_PATH, SET_FILTER, LISTENER = 0x10000000, 0x200, 0x1000, 1, 8
WRONG = 0x8000
"""A flag that means nothing to seccomp(2)."""
ELSEWHERE = {"socket", "socketpair", "ioctl", "truncate", "open", "openat", "openat2"}
"""What test_syscall_filter.py tries."""
ALLOWED = {"memfd_create"}
"""What has a row to be told about, and works."""
ALWAYS = {name: arguments for name, arguments in calls.ALWAYS.items() if name not in ELSEWHERE | ALLOWED}
"""What a verification tries: the kernel has an answer of its own to each, and most lead nowhere."""
# The same for rows with a condition: refused arguments, then some that differ in what the condition looks at.
CONDITIONAL = {
    "unshare": ((USER | 1,), (0,)),
    "clone": ((USER | FS | signal.SIGCHLD,), (signal.SIGCHLD,)),
    "seccomp": ((SET_FILTER, LISTENER | WRONG, BAD), (SET_FILTER, WRONG, BAD)),
    "execveat": ((-1, BAD, 0, 0, EMPTY_PATH), (-1, BAD, 0, 0, 0)),
    "prlimit64": ((NOBODY, 7, 0, 0), (0, 7, 0, 0)),
    "fcntl": ((-1, table.F_SETLEASE, 0), (-1, table.F_SETLEASE + 1, 0)),
}
PRIVILEGED = {
    "pivot_root",
    "fsopen",
    "fsmount",
    "fspick",
    "move_mount",
    "swapon",
    "swapoff",
    "reboot",
    "acct",
    "syslog",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "bpf",
    "open_by_handle_at",
}
"""What some kernel itself answers with EPERM, whatever the arguments, to whoever lacks a capability."""

ROWS = table.rows(net_namespace=True, landlock_abi=1)
EXPECTED = {row.syscall: int(getattr(errno, row.action[6:])) for row in ROWS if row.action.startswith("errno:")}


def attempt(name, args):
    """Return the errno of a call, or 0."""

    def made():
        if call(name, *args) == 0 and name == "clone":
            os._exit(0)  # the clone itself
        return 0

    return made


def unfiltered(action):
    """Return what ``action()`` returns or raises as an errno, in a child without a filter."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(action())
        except OSError as error:
            os._exit(error.errno or errno.EIO)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_every_row_is_tried():
    """A new row in the table needs a line in this file, or a test of its own."""
    assert set(EXPECTED) == ALWAYS.keys() | CONDITIONAL.keys() | ELSEWHERE


@pytest.mark.kernels
@pytest.mark.parametrize("name", [*ALWAYS, *CONDITIONAL])
def test_a_row_decides(behind_filter, name):
    """The filter's errno with it, another answer without: so it was the row, and not the kernel, that refused."""
    refused = ALWAYS.get(name) or CONDITIONAL[name][0]
    assert EXPECTED[name] == behind_filter(attempt(name, refused), net_namespace=True)
    alone = unfiltered(attempt(name, refused))
    # A kernel without the syscall says ENOSYS, and to ordinary users it says EPERM to some before it looks any further.
    same = alone == errno.ENOSYS or (name in PRIVILEGED and os.geteuid() != 0)
    assert same or EXPECTED[name] != alone


@pytest.mark.parametrize("name", CONDITIONAL)
def test_other_arguments_go_through(behind_filter, name):
    """What the condition does not mean gets the kernel's own answer."""
    allowed = attempt(name, CONDITIONAL[name][1])
    assert unfiltered(allowed) == behind_filter(allowed, net_namespace=True)


@pytest.mark.parametrize("upper", [0, 0xDEAD << 32])
@pytest.mark.parametrize("name", ["unshare", "clone"])
def test_no_user_namespace_however_it_is_asked_for(behind_filter, name, upper):
    """As bubblewrap and Chromium ask: alone, with other namespaces, with rubbish that clone does not look at."""
    for flags in (USER, USER | 0x20000, USER | 0x7E020000):
        signals = signal.SIGCHLD if name == "clone" else 0
        assert errno.EPERM == behind_filter(attempt(name, (flags | signals | upper,)))
