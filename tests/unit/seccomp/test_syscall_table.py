"""The table: which calls it refuses and which it lets through, in each of its variants."""

import errno
import os
import shutil
import subprocess

import pytest

from pyopenshell.kernel import seccomp
from pyopenshell.kernel.syscalls import AUDIT_ARCH, number
from pyopenshell.landlock.abi import RIGHTS
from pyopenshell.seccomp import bpf, rows_kernel, table
from pyopenshell.seccomp.bpf import build

NEWEST = 11
INET, INET6, UNIX, NETLINK, PACKET, VSOCK = 2, 10, 1, 16, 17, 40
STREAM, DGRAM, RAW, OLD_PACKET = 1, 2, 3, 10
CLOEXEC_NONBLOCK = os.O_CLOEXEC | os.O_NONBLOCK
UPPER = 0xDEAD << 32
RDONLY, WRONLY, RDWR, MODE_3 = 0, 1, 2, 3
TRUNC, CREAT = os.O_TRUNC, os.O_CREAT
USER, NET, EMPTY = 0x10000000, 0x40000000, 0x1000
THREAD, SPAWN, FORK = 0x3D0F00, 0x4111, 0x1200011
"""clone's flags as glibc gives them for a thread, posix_spawn and fork."""

# (net namespace, ABI, syscall, arguments, expected errno or 0 for allowed)
CASES = [
    *[(True, NEWEST, "socket", (family, STREAM | CLOEXEC_NONBLOCK, 0), 0) for family in (UNIX, INET, INET6)],
    (True, NEWEST, "socket", (INET, DGRAM, 17), 0),
    (True, NEWEST, "socket", (INET6, DGRAM | CLOEXEC_NONBLOCK, 58), 0),
    (True, NEWEST, "socket", (NETLINK, RAW | CLOEXEC_NONBLOCK, 0), 0),
    (True, NEWEST, "socket", (NETLINK, RAW, 9), errno.EPROTONOSUPPORT),
    (True, NEWEST, "socket", (NETLINK, DGRAM, 15 | UPPER), errno.EPROTONOSUPPORT),
    *[(True, NEWEST, "socket", (family, RAW, 6), errno.EPERM) for family in (INET, INET6)],
    (True, NEWEST, "socket", (INET | UPPER, RAW | CLOEXEC_NONBLOCK | UPPER, 255), errno.EPERM),
    (True, NEWEST, "socket", (INET, OLD_PACKET, 3), errno.EPERM),
    (True, NEWEST, "socket", (UNIX, RAW, 0), 0),
    *[
        (True, NEWEST, "socket", (family, STREAM, 0), errno.EAFNOSUPPORT)
        for family in (0, PACKET, VSOCK, 38, UNIX | 64)
    ],
    *[(False, NEWEST, "socket", (UNIX, kind | CLOEXEC_NONBLOCK, 0), 0) for kind in (STREAM, DGRAM, 5)],
    *[(False, NEWEST, "socket", (family, STREAM, 0), errno.EAFNOSUPPORT) for family in (INET, INET6, NETLINK, VSOCK)],
    *[(net, NEWEST, "socketpair", (UNIX, STREAM, 0), 0) for net in (True, False)],
    *[(net, NEWEST, "socketpair", (30, STREAM, 0), errno.EAFNOSUPPORT) for net in (True, False)],
    *[(False, NEWEST, "ioctl", (0, request), errno.EPERM) for request in (0x5412, 0x541C, 0x5412 | UPPER)],
    *[(False, NEWEST, "ioctl", (0, request), 0) for request in (0x5401, 0x5413, 0x541B)],
    *[(True, NEWEST, "prlimit64", (pid, 7), errno.EPERM) for pid in (1, 4242, -1, 1 | UPPER)],
    *[(True, NEWEST, "prlimit64", (pid, 7), 0) for pid in (0, UPPER)],
    *[(True, NEWEST, name, (USER,), errno.EPERM) for name in ("unshare", "clone")],
    *[(True, NEWEST, name, (USER | NET | UPPER,), errno.EPERM) for name in ("unshare", "clone")],
    *[(True, NEWEST, name, (NET | UPPER,), 0) for name in ("unshare", "clone")],
    *[(True, NEWEST, "clone", (flags,), 0) for flags in (THREAD, SPAWN, FORK)],
    (True, NEWEST, "unshare", (0x600,), 0),
    (True, NEWEST, "seccomp", (1, 8), errno.EPERM),
    (True, NEWEST, "seccomp", (1 | UPPER, 8 | 32 | UPPER), errno.EPERM),
    *[(True, NEWEST, "seccomp", (1, flags), 0) for flags in (0, 1, 2, 4, 16, 32)],
    *[(True, NEWEST, "seccomp", (operation, 8), 0) for operation in (0, 2, 3)],
    *[(True, NEWEST, "execveat", (3, 0, 0, 0, flags), errno.ENOSYS) for flags in (EMPTY, EMPTY | 0x100 | UPPER)],
    *[(True, NEWEST, "execveat", (EMPTY, EMPTY, EMPTY, EMPTY, flags), 0) for flags in (0, 0x100)],
    (True, 2, "truncate", (), errno.EACCES),
    (True, 3, "truncate", (), 0),
    (True, 2, "ftruncate", (), 0),
    (True, 2, "openat", (0, 0, RDONLY | TRUNC), errno.EACCES),
    (True, 2, "openat", (0, 0, RDONLY | TRUNC | CREAT | os.O_CLOEXEC | UPPER), errno.EACCES),
    (True, 2, "openat", (0, 0, WRONLY | TRUNC | CREAT), 0),
    (True, 2, "openat", (0, 0, RDWR | TRUNC), 0),
    (True, 2, "openat", (0, 0, RDONLY | os.O_CLOEXEC), 0),
    (True, 3, "openat", (0, 0, RDONLY | TRUNC), 0),
    (True, 4, "openat", (0, 0, MODE_3), errno.EACCES),
    (True, 2, "openat", (0, 0, MODE_3 | TRUNC), errno.EACCES),
    (True, NEWEST, "openat", (0, 0, MODE_3), errno.EACCES),
    (True, NEWEST, "fcntl", (0, 1024, 1), errno.EACCES),
    (True, NEWEST, "fcntl", (0, 1024 | UPPER, 1), errno.EACCES),
    (True, NEWEST, "fcntl", (0, 1025, 0), 0),
    (True, 2, "open", (0, RDONLY | TRUNC), errno.EACCES),
    (True, 2, "open", (0, RDWR | TRUNC), 0),
    (True, 4, "open", (0, MODE_3), errno.EACCES),
    (True, 4, "openat2", (), errno.ENOSYS),
    (True, 5, "openat2", (), 0),
]


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
@pytest.mark.parametrize(("net_namespace", "abi", "name", "args", "expected"), CASES)
def test_verdict(interpret, architecture, net_namespace, abi, name, args, expected):
    """Each call gets the errno meant for it, or goes through."""
    nr = number(name, architecture)
    if nr is None:
        assert ("aarch64", "open") == (architecture, name)
        return
    program = build(table.rows(net_namespace=net_namespace, landlock_abi=abi), architecture)
    action = seccomp.RET_ERRNO | expected if expected else seccomp.RET_ALLOW
    assert action == interpret(program, architecture, nr, args)


# What is refused whatever the arguments, in every sandbox.
ALWAYS = {
    errno.EPERM: (
        "ptrace process_vm_readv process_vm_writev kcmp process_madvise setns "
        "mount umount2 pivot_root chroot fchroot fsopen fsconfig fsmount fspick open_tree open_tree_attr "
        "move_mount mount_setattr bpf userfaultfd init_module finit_module delete_module kexec_load kexec_file_load "
        "swapon swapoff reboot acct quotactl quotactl_fd syslog open_by_handle_at"
    ),
    errno.EACCES: "perf_event_open",
    errno.ENOSYS: "clone3 pidfd_getfd keyctl add_key request_key io_uring_setup io_uring_enter io_uring_register "
    "file_setattr",
}


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
@pytest.mark.parametrize("net_namespace", [True, False])
@pytest.mark.parametrize("broker", [True, False])
def test_what_is_always_refused(interpret, architecture, net_namespace, broker):
    """Each of these, and no other without a condition, gets its errno."""
    rows = table.rows(net_namespace=net_namespace, landlock_abi=NEWEST, broker=broker)
    program = build(rows, architecture)
    for code, names in ALWAYS.items():
        for name in names.split():
            for args in ((0,) * 6, (UPPER | 1,) * 6, (-1,) * 6):
                answer = interpret(program, architecture, number(name, architecture), args)
                assert seccomp.RET_ERRNO | code == answer, name
    unconditional = {row.syscall for row in rows if not row.conditions and row.action != "allow"}
    assert {name for names in ALWAYS.values() for name in names.split()} == unconditional


def test_every_condition_is_tried_both_ways():
    """A row with conditions has a case above that it refuses and one that it lets through."""
    rows = table.rows(net_namespace=True, landlock_abi=1) + table.rows(net_namespace=False, landlock_abi=1)
    conditional = {row.syscall for row in rows if row.conditions}
    assert conditional == {name for _, _, name, _, code in CASES if code and name in conditional}
    assert conditional == {name for _, _, name, _, code in CASES if not code and name in conditional}


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_memory_files_are_allowed_and_listed(interpret, architecture):
    """CUDA needs memfd_create; that such a file can hold code is said in every effective policy."""
    rows = table.rows(net_namespace=True, landlock_abi=NEWEST)
    answer = interpret(build(rows, architecture), architecture, number("memfd_create", architecture), ())
    assert seccomp.RET_ALLOW == answer
    (shown,) = [row for row in bpf.listing(rows, architecture) if row["action"] == "allow"]
    assert "memfd_create" == shown["syscall"]
    assert "can hold code" in shown["reason"]


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_the_listing_is_what_the_program_has(architecture):
    """Every row of the table, in its order, less those for syscalls that the architecture does not have."""
    rows = table.rows(net_namespace=True, landlock_abi=1, broker=True)
    shown = bpf.listing(rows, architecture)
    there = [row for row in rows if architecture == "x86_64" or row.syscall != "open"]
    always = ("syscall", "when", "action", "reason")
    assert [(row.syscall, row.when, row.action, row.reason, row.instead_of) for row in there] == [
        (*(row[key] for key in always), row.get("instead_of", "")) for row in shown
    ]
    assert {always, (*always, "instead_of")} == {tuple(row) for row in shown}


@pytest.mark.parametrize("right", ["truncate", "ioctl_dev"])
def test_rows_instead_of_a_right(right):
    """They are there just below the ABI that brought the right, and say so; from it on they are not."""
    (since,) = [known.abi for known in RIGHTS if known.name == right]
    told = [
        {row.syscall for row in table.rows(net_namespace=True, landlock_abi=abi) if row.instead_of == right}
        for abi in (since - 1, since)
    ]
    assert ({"truncate": {"truncate", "open", "openat"}, "ioctl_dev": {"openat2"}}[right], set()) == tuple(told)


@pytest.mark.parametrize("net_namespace", [True, False])
def test_only_what_the_table_names_is_refused(interpret, net_namespace):
    """Every other number is allowed, whatever its arguments."""
    rows = table.rows(net_namespace=net_namespace, landlock_abi=1)
    named = {number(row.syscall) for row in rows}
    program = build(rows, "x86_64")
    others = [nr for nr in range(600) if nr not in named]
    assert {seccomp.RET_ALLOW} == {interpret(program, "x86_64", nr, (3,) * 6) for nr in others}


def test_every_row_says_why():
    """Reason and cost are sentences for people, and a row with conditions says them in words."""
    for row in table.rows(net_namespace=True, landlock_abi=1) + table.rows(net_namespace=False, landlock_abi=1):
        assert row.reason.endswith(".")
        assert row.cost.endswith(".") or not row.cost
        assert (row.when == "always") == (not row.conditions)


HEADERS = (
    "linux/sched.h linux/fcntl.h linux/audit.h linux/filter.h linux/netlink.h linux/seccomp.h "
    "asm/ioctls.h asm-generic/fcntl.h sys/socket.h"
)
CONSTANTS = {
    "SECCOMP_SET_MODE_FILTER": seccomp.SET_MODE_FILTER,
    "SECCOMP_GET_ACTION_AVAIL": seccomp.GET_ACTION_AVAIL,
    "SECCOMP_RET_KILL_PROCESS": seccomp.RET_KILL_PROCESS,
    "SECCOMP_RET_ERRNO": seccomp.RET_ERRNO,
    "SECCOMP_RET_ALLOW": seccomp.RET_ALLOW,
    "BPF_MAXINSNS": seccomp.MAX_INSTRUCTIONS,
    "sizeof(struct sock_filter)": seccomp.INSTRUCTION_SIZE,
    "offsetof(struct seccomp_data, nr)": bpf.NUMBER_AT,
    "offsetof(struct seccomp_data, arch)": bpf.ARCHITECTURE_AT,
    "offsetof(struct seccomp_data, args)": bpf.ARGUMENTS_AT,
    "BPF_LD|BPF_W|BPF_ABS": bpf.LOAD,
    "BPF_ALU|BPF_AND|BPF_K": bpf.AND,
    "BPF_JMP|BPF_JEQ|BPF_K": bpf.JUMP_EQUAL,
    "BPF_JMP|BPF_JGE|BPF_K": bpf.JUMP_GREATER_OR_EQUAL,
    "BPF_RET|BPF_K": bpf.RETURN,
    "AUDIT_ARCH_X86_64": AUDIT_ARCH["x86_64"],
    "AUDIT_ARCH_AARCH64": AUDIT_ARCH["aarch64"],
    "AF_UNIX": table.AF_UNIX,
    "AF_INET": table.AF_INET,
    "AF_INET6": table.AF_INET6,
    "AF_NETLINK": table.AF_NETLINK,
    "SOCK_RAW": table.SOCK_RAW,
    "SOCK_PACKET": table.SOCK_PACKET,
    "~(SOCK_CLOEXEC|SOCK_NONBLOCK) & table": table.SOCK_TYPE_MASK,
    "NETLINK_ROUTE": table.NETLINK_ROUTE,
    "CLONE_NEWUSER": rows_kernel.CLONE_NEWUSER,
    "SECCOMP_FILTER_FLAG_NEW_LISTENER": rows_kernel.SECCOMP_FILTER_FLAG_NEW_LISTENER,
    "AT_EMPTY_PATH": rows_kernel.AT_EMPTY_PATH,
    "TIOCSTI": table.TIOCSTI,
    "TIOCLINUX": table.TIOCLINUX,
    "O_ACCMODE": table.O_ACCMODE,
    "O_RDONLY": table.O_RDONLY,
    "O_TRUNC": table.O_TRUNC,
}


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc and the kernel's headers")
def test_constants_are_those_of_the_kernels_headers(tmp_path):
    """Numbers are written down by hand only here; the compiler has the last word."""
    includes = "".join(f"#include <{name}>\n" for name in ("stddef.h", "stdio.h", *HEADERS.split()))
    expressions = [name.replace("table", str(table.SOCK_TYPE_MASK)) for name in CONSTANTS]
    prints = "".join(f'printf("%u\\n", (unsigned)({expression}));\n' for expression in expressions)
    (tmp_path / "c.c").write_text(f"{includes}int main(void) {{\n{prints}return 0; }}\n")
    subprocess.run(["gcc", "-w", "-o", tmp_path / "c", tmp_path / "c.c"], check=True)
    printed = subprocess.run([tmp_path / "c"], check=True, capture_output=True, text=True).stdout.split()
    assert dict(zip(CONSTANTS, map(int, printed), strict=True)) == CONSTANTS
