"""Rows for a process that is to read and to answer, and nothing else: a contributor while it is asked.

They stand before the rows of a sandbox without a network, and close what Landlock's rights do not cover: a domain that
only reads still changes modes, owners, times and attributes, and connects to sockets that have a path. Errors are
those of a host where all of that belongs to somebody else.
"""

from __future__ import annotations

from pyopenshell.seccomp.row import Condition, Row, each
from pyopenshell.seccomp.table import O_ACCMODE, O_CREAT, O_RDWR, O_TRUNC, O_WRONLY, OPEN_FLAGS, SOCK_TYPE_MASK

SOCK_STREAM = 1
F_SETOWN, F_SETSIG, F_SETOWN_EX = 8, 10, 15
TCGETS, TIOCGPGRP, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX, TCGETS2 = (
    *(0x5401, 0x540F, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451),
    0x802C542A,
)


def rows(landlock_abi: int) -> tuple[Row, ...]:
    """Return the rows for a kernel with this Landlock ABI, 0 for none."""
    result = _FILES + _PROCESSES
    if landlock_abi < 6:
        result += _SIGNALS
    return result if landlock_abi else result + _OPENING


_FILES = (
    *each(
        "chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes futimesat utimensat setxattr "
        "lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr removexattrat",
        "errno:EACCES",
        "Modes, owners, times and attributes are no matter of Landlock's: whoever owns a file changes them.",
    ),
    *each(
        "link linkat symlink symlinkat rename renameat renameat2 unlink unlinkat mkdir mkdirat rmdir mknod mknodat "
        "creat truncate",
        "errno:EACCES",
        "They make, move, remove and empty files. Landlock says so too, in part from later ABIs on.",
    ),
    Row(
        "ioctl",
        "errno:ENOTTY",
        "On a file that is open for reading, its owner changes flags and projects, makes subvolumes, and opens what a "
        "driver gives. What asks about terminals and pipes is left.",
        "the request is none of TCGETS, TCGETS2, TIOCGPGRP, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX",
        (
            Condition(
                1,
                (TCGETS, TCGETS2, TIOCGPGRP, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX),
                negated=True,
            ),
        ),
    ),
)

_PROCESSES = (
    *each(
        "socket",
        "errno:EAFNOSUPPORT",
        "Behind a socket with a path there are programs outside that do as they are asked. Landlock keeps them apart "
        "from ABI 9 on, abstract ones from ABI 6 on.",
        "Users and hosts that only a service knows (nscd, sssd, systemd) are not found; nothing reaches syslog.",
    ),
    *each("connect bind", "errno:EACCES", "Sockets that are there, the pairs, get no other end and no name."),
    Row(
        "socketpair",
        "errno:EAFNOSUPPORT",
        "A pair for datagrams also sends to the address of any other socket. A pair of streams has its other end only.",
        "the type is not SOCK_STREAM",
        (Condition(1, (SOCK_STREAM,), mask=SOCK_TYPE_MASK, negated=True),),
    ),
    *each(
        "shmget shmat shmctl semget semop semtimedop semctl msgget msgsnd msgrcv msgctl mq_open mq_unlink",
        "errno:EACCES",
        "System V's and POSIX's shared memory, semaphores and queues have no path that Landlock sees; those of other "
        "programs of the same user could be changed.",
    ),
    *each(
        "setpriority ioprio_set migrate_pages move_pages",
        "errno:EPERM",
        "They slow down and move other programs of the same user.",
    ),
    *(
        Row(
            name,
            "errno:EPERM",
            "It slows down other programs of the same user.",
            "the process is not the caller itself (pid 0)",
            (Condition(0, (0,), negated=True),),
        )
        for name in ("sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler")
    ),
)

_SIGNALS = (
    *(
        row.replace(instead_of="signal")
        for row in each(
            "kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal",
            "errno:EPERM",
            "Below ABI 6 Landlock keeps no signals apart: what is to end this process, and is of the same user, could "
            "be killed. A filter does not know which numbers are the caller's own.",
            "A program that was started cannot be ended before its time is up.",
        )
    ),
    Row(
        "fcntl",
        "errno:EPERM",
        "A descriptor can send any signal to any process of the same user when there is something to read.",
        "the command is F_SETOWN, F_SETOWN_EX or F_SETSIG",
        (Condition(1, (F_SETOWN, F_SETOWN_EX, F_SETSIG)),),
        instead_of="signal",
    ),
)

_OPENING = tuple(
    Row(name, "errno:EACCES", "Without Landlock nothing else denies it: /dev/null too is only read.", when, conditions)
    for name, argument in OPEN_FLAGS
    for when, conditions in (
        ("the access mode is O_WRONLY or O_RDWR", (Condition(argument, (O_WRONLY, O_RDWR), mask=O_ACCMODE),)),
        (
            "the flags have O_CREAT or O_TRUNC",
            (Condition(argument, (O_CREAT, O_TRUNC, O_CREAT | O_TRUNC), mask=O_CREAT | O_TRUNC),),
        ),
    )
)
"""openat2 is refused as in every sandbox below ABI 5."""
