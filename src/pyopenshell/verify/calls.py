"""One harmless call for every row of the syscall filter.

Without the filter the kernel has another answer to each, before it has done anything: most lead nowhere. So the
filter's own error tells.
"""

from __future__ import annotations

import errno

from pyopenshell.verify.attempt import ALLOWED, DENIED, SYSTEM_CALLS, Attempt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BAD = 0xDEAD000
"""An address that nothing is mapped at."""
NOBODY = 2**31 - 1
"""A process that there is not."""
CWD = -100
CLONE_NEWUSER, CLONE_FS, SIGCHLD = 0x10000000, 0x200, 17
SET_FILTER, NEW_LISTENER, WRONG = 1, 8, 0x8000
AT_EMPTY_PATH, TIOCSTI = 0x1000, 0x5412
AF_UNIX, AF_INET, AF_NETLINK, AF_PACKET, SOCK_RAW = 1, 2, 16, 17, 3
NO_TYPE = 15
"""A type of socket that there is not: EINVAL, before a family is looked at."""
O_TRUNC, O_MODE_3, F_SETLEASE = 0o1000, 3, 1024

ALWAYS: dict[str, tuple[int | bytes, ...]] = {
    "ptrace": (0x4206, NOBODY, 0, 0),
    "process_vm_readv": (NOBODY, 0, 0, 0, 0, 0),
    "process_vm_writev": (NOBODY, 0, 0, 0, 0, 0),
    "pidfd_getfd": (-1, 0, 0),
    "kcmp": (NOBODY, NOBODY, 0, 0, 0),
    "process_madvise": (-1, 0, 0, 0, 0),
    "clone3": (BAD, 1),
    "setns": (-1, 0),
    "mount": (BAD, BAD, BAD, 0, BAD),
    "umount2": (BAD, 0xFFFF),
    "pivot_root": (BAD, BAD),
    "chroot": (BAD,),
    "fchroot": (-1, 0),
    "fsopen": (BAD, 0),
    "fsconfig": (-1, 99, 0, 0, 0),
    "fsmount": (-1, 0, 0),
    "fspick": (CWD, BAD, 0),
    "open_tree": (CWD, BAD, 0),
    "open_tree_attr": (CWD, BAD, 0, 0, 0),
    "move_mount": (-1, BAD, -1, BAD, 0),
    "mount_setattr": (-1, BAD, 0, 0, 0),
    "io_uring_setup": (0, BAD),
    "io_uring_enter": (-1, 0, 0, 0, 0, 0),
    "io_uring_register": (-1, 0, 0, 0),
    "keyctl": (-1, 0, 0, 0, 0),
    "add_key": (BAD, BAD, 0, 0, 0),
    "request_key": (BAD, BAD, 0, 0),
    "bpf": (0, BAD, 72),
    "perf_event_open": (BAD, 0, -1, -1, 0),
    "userfaultfd": (WRONG | 1,),
    "init_module": (BAD, 1, BAD),
    "finit_module": (-1, BAD, 0),
    "delete_module": (BAD, 0),
    "kexec_load": (0, 9999, BAD, 0),
    "kexec_file_load": (-1, -1, 0, 0, 0xFFFF),
    "swapon": (BAD, 0),
    "swapoff": (BAD,),
    "reboot": (0, 0, 0, 0),
    "acct": (BAD,),
    "quotactl": (-1, 0, 0, 0),
    "quotactl_fd": (-1, -1, 0, 0),
    "syslog": (10, 0, 0),
    "file_setattr": (-1, BAD, BAD, 24, 0),
    "open_by_handle_at": (-1, BAD, 0),
    "truncate": (BAD, 0),
    "openat2": (CWD, BAD, BAD, 24),
    "memfd_create": (b"openshell-verify", 1),
}
"""By system call, for rows that hold always."""
WHEN: dict[tuple[str, str], tuple[int | bytes, ...]] = {
    ("unshare", "the flags have CLONE_NEWUSER"): (CLONE_NEWUSER | 1,),
    ("clone", "the flags have CLONE_NEWUSER"): (CLONE_NEWUSER | CLONE_FS | SIGCHLD,),
    (
        "seccomp",
        "the operation is SECCOMP_SET_MODE_FILTER and the flags have SECCOMP_FILTER_FLAG_NEW_LISTENER",
    ): (SET_FILTER, NEW_LISTENER | WRONG, BAD),
    ("execveat", "the flags have AT_EMPTY_PATH"): (-1, BAD, 0, 0, AT_EMPTY_PATH),
    ("prlimit64", "the process is not the caller itself (pid 0)"): (NOBODY, 7, 0, 0),
    ("socket", "the family is none of AF_UNIX, AF_INET, AF_INET6, AF_NETLINK"): (AF_PACKET, NO_TYPE, 0),
    ("socket", "the family is AF_NETLINK and the protocol is not NETLINK_ROUTE"): (AF_NETLINK, NO_TYPE, 9),
    ("socket", "the family is AF_INET or AF_INET6 and the type is SOCK_RAW or SOCK_PACKET"): (AF_INET, SOCK_RAW, -1),
    ("socket", "the family is not AF_UNIX"): (AF_INET, NO_TYPE, 0),
    ("socketpair", "the family is not AF_UNIX"): (AF_INET, NO_TYPE, 0, BAD),
    ("ioctl", "the request is TIOCSTI or TIOCLINUX"): (-1, TIOCSTI, BAD),
    ("open", "the flags have O_TRUNC and the access mode is O_RDONLY"): (BAD, O_TRUNC),
    ("openat", "the flags have O_TRUNC and the access mode is O_RDONLY"): (CWD, BAD, O_TRUNC),
    ("open", "the access mode is 3"): (BAD, O_MODE_3),
    ("openat", "the access mode is 3"): (CWD, BAD, O_MODE_3),
    ("fcntl", "the command is F_SETLEASE"): (-1, F_SETLEASE, 0),
}
"""By system call and condition, as the report words it."""
REFUSALS = (errno.EPERM, errno.EACCES, errno.ENOSYS)


def attempts(rows: tuple[Mapping[str, str], ...]) -> Iterator[Attempt]:
    """Try every row of the report. ``notify`` is tried with the thread names."""
    for row in rows:
        name, when = row["syscall"], row["when"]
        if row["action"] == "notify":
            continue
        arguments = ALWAYS.get(name) if when == "always" else WHEN.get((name, when))
        if arguments is None:
            continue  # a row of another version: what cannot be tried is not counted as tried
        subject = name if when == "always" else f"{name}: {when}"
        call = ("call", None, name, *arguments)
        if row["action"] == "allow":
            yield Attempt(SYSTEM_CALLS, subject, name, "call", ALLOWED, call, refusals=REFUSALS)
        else:
            exact = getattr(errno, row["action"].removeprefix("errno:"))
            yield Attempt(SYSTEM_CALLS, subject, name, "call", DENIED, call, exact=exact)
