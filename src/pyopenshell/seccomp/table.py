"""What the syscall filter refuses, and why: one table, a row for each (syscall, condition, action, reason).

The filter closes what Landlock and namespaces leave open, and parts of the kernel that no sandbox needs: every row is
listed in docs/syscall-filter.md, and what no row names is allowed. Here are the rows that depend on the sandbox or on
the kernel; ``rows_kernel`` holds those of every sandbox. Constants are the same on x86_64 and aarch64.
"""

from __future__ import annotations

from pyopenshell.seccomp.row import Condition, Row
from pyopenshell.seccomp.rows_kernel import CODE, KERNEL, NAMESPACES, PROCESSES

AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
SOCK_RAW, SOCK_PACKET = 3, 10
SOCK_TYPE_MASK = 0xF  # the type shares its argument with SOCK_CLOEXEC and SOCK_NONBLOCK (linux/net.h)
NETLINK_ROUTE = 0
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
F_SETLEASE = 1024
O_ACCMODE, O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_TRUNC = 0o3, 0o0, 0o1, 0o2, 0o100, 0o1000

FAMILY, TYPE, PROTOCOL = 0, 1, 2
"""Arguments of socket(2)."""
OPEN_FLAGS = (("open", 1), ("openat", 2))
"""The syscalls that take open flags in an argument, and which one."""


def rows(*, net_namespace: bool, landlock_abi: int, broker: bool = False) -> tuple[Row, ...]:
    """Return the rows for a sandbox with or without a network namespace, on a kernel with this Landlock ABI.

    ``broker``: with those that let the broker answer; a filter with them needs a listener.
    """
    sockets = _SOCKETS_IN_NAMESPACE if net_namespace else _UNIX_SOCKETS_ONLY
    result = sockets + _SOCKETPAIR + _TERMINAL + _ACCESS_MODE_3 + _LEASES + PROCESSES + NAMESPACES + KERNEL + CODE
    if landlock_abi < 3:
        result += _TRUNCATION
    if landlock_abi < 5:
        result += _OPENAT2
    return result + THREAD_NAMES if broker else result


_SOCKETS_IN_NAMESPACE = (
    Row(
        "socket",
        "errno:EAFNOSUPPORT",
        "Only these are kept apart by the namespace or by Landlock: AF_VSOCK, for one, reaches the hypervisor from any "
        "namespace, and rarer families load kernel modules nobody needs here.",
        "the family is none of AF_UNIX, AF_INET, AF_INET6, AF_NETLINK",
        (Condition(FAMILY, (AF_UNIX, AF_INET, AF_INET6, AF_NETLINK), negated=True),),
        "Packet capture, Bluetooth, CAN buses and AF_ALG cryptography do not work.",
    ),
    Row(
        "socket",
        "errno:EPROTONOSUPPORT",
        "getaddrinfo and getifaddrs ask NETLINK_ROUTE for addresses; the other protocols configure the kernel (audit, "
        "netfilter, crypto). The answer is that of a kernel built without them, which programs expect.",
        "the family is AF_NETLINK and the protocol is not NETLINK_ROUTE",
        (Condition(FAMILY, (AF_NETLINK,)), Condition(PROTOCOL, (NETLINK_ROUTE,), negated=True)),
        "Tools that configure the host (iptables, nft, auditctl, udevadm monitor) fail.",
    ),
    Row(
        "socket",
        "errno:EPERM",
        "Raw and packet sockets forge packets and read those of others. EPERM is the kernel's own answer to a program "
        "without CAP_NET_RAW.",
        "the family is AF_INET or AF_INET6 and the type is SOCK_RAW or SOCK_PACKET",
        (
            Condition(FAMILY, (AF_INET, AF_INET6)),
            Condition(TYPE, (SOCK_RAW, SOCK_PACKET), mask=SOCK_TYPE_MASK),
        ),
        "ping fails where it needs a raw socket.",
    ),
)

_UNIX_SOCKETS_ONLY = (
    Row(
        "socket",
        "errno:EAFNOSUPPORT",
        "Without a network namespace this row alone means no network: there is no loopback then either. Resolvers and "
        "runtimes take the answer for a host without this protocol and go on.",
        "the family is not AF_UNIX",
        (Condition(FAMILY, (AF_UNIX,), negated=True),),
        "There is no loopback. Name lookups fail as on a host that is offline; a server cannot listen on 127.0.0.1, so "
        "torch.distributed over TCP and test suites with servers fail. getifaddrs (Node's os.networkInterfaces) fails "
        "too.",
    ),
)

_SOCKETPAIR = (
    Row(
        "socketpair",
        "errno:EAFNOSUPPORT",
        "Pairs of other families (TIPC) are of no use to programs, and a way around the rows for socket.",
        "the family is not AF_UNIX",
        (Condition(FAMILY, (AF_UNIX,), negated=True),),
    ),
)

_TERMINAL = (
    Row(
        "ioctl",
        "errno:EPERM",
        "TIOCSTI types into the terminal the sandbox shares with the operator's shell; TIOCLINUX pastes into a "
        "console.",
        "the request is TIOCSTI or TIOCLINUX",
        (Condition(1, (TIOCSTI, TIOCLINUX)),),
    ),
)

_TRUNCATION = (
    Row(
        "truncate",
        "errno:EACCES",
        "Landlock below ABI 3 does not see it: it would empty files granted read-only.",
        cost="It is denied also where writing is granted; ftruncate works.",
        instead_of="truncate",
    ),
    *(
        Row(
            name,
            "errno:EACCES",
            "It empties the file although it opens it for reading only, and below ABI 3 Landlock checks just the "
            "reading.",
            "the flags have O_TRUNC and the access mode is O_RDONLY",
            (Condition(argument, (O_TRUNC | O_RDONLY,), mask=O_TRUNC | O_ACCMODE),),
            "It is denied also where writing is granted.",
            "truncate",
        )
        for name, argument in OPEN_FLAGS
    ),
)

_ACCESS_MODE_3 = tuple(
    Row(
        name,
        "errno:EACCES",
        "Mode 3 opens a file for neither reading nor writing, but for ioctl (and O_TRUNC). Landlock checks no right "
        "for it: whatever file modes allow could be held and locked, and below ABI 5 any device would answer.",
        "the access mode is 3",
        (Condition(argument, (3,), mask=O_ACCMODE),),
    )
    for name, argument in OPEN_FLAGS
)

_LEASES = (
    Row(
        "fcntl",
        "errno:EACCES",
        "Who opens a leased file waits for the holder to let go, 45 seconds or more. A lease asks for no right to read "
        "or write. EACCES is the kernel's answer to whoever does not own the file.",
        "the command is F_SETLEASE",
        (Condition(1, (F_SETLEASE,)),),
        "File servers (Samba) work without leases.",
    ),
)

_OPENAT2 = (
    Row(
        "openat2",
        "errno:ENOSYS",
        "Its flags are in memory, where a filter cannot look; programs fall back to openat, where the rows for open "
        "flags apply.",
        cost="It is not there, as before Linux 5.6.",
        instead_of="ioctl_dev",
    ),
)

THREAD_NAMES = tuple(
    Row(
        name,
        "notify",
        "CUDA names its threads by opening their comm files this way. The broker opens the caller's own for it; of "
        "everything else it says that the kernel shall go on, so Landlock decides.",
        "the access mode is O_WRONLY or O_RDWR, without O_CREAT",
        (Condition(argument, (O_WRONLY, O_RDWR), mask=O_ACCMODE | O_CREAT),),
    )
    for name, argument in OPEN_FLAGS
)
