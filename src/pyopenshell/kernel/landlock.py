"""The three Landlock system calls (landlock(7), linux/landlock.h), without any knowledge of what the rights mean."""

from __future__ import annotations

import ctypes
import errno

from pyopenshell.kernel.syscalls import call

CREATE_RULESET_VERSION = 1
CREATE_RULESET_ERRATA = 2
RULE_PATH_BENEATH = 1
RULE_NET_PORT = 2

ADD_RULE_QUIET = 1
"""Since ABI 10."""

RESTRICT_SELF_LOG_SAME_EXEC_OFF = 1
RESTRICT_SELF_LOG_NEW_EXEC_ON = 2
RESTRICT_SELF_LOG_SUBDOMAINS_OFF = 4
"""The three ``RESTRICT_SELF_LOG`` flags came with ABI 7; older kernels answer EINVAL to any flag."""


class RulesetAttr(ctypes.Structure):
    """``struct landlock_ruleset_attr`` up to ``quiet_access_fs``, which ABI 10 brought with two more members.

    The kernel takes any leading part of it: 8 bytes, from ABI 4 on 16, from 6 on 24, from 10 on up to 48.
    """

    _fields_ = (
        ("fs", ctypes.c_uint64),
        ("net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
        ("quiet_fs", ctypes.c_uint64),
    )


class PathBeneathAttr(ctypes.Structure):
    """``struct landlock_path_beneath_attr``, packed: 12 bytes."""

    _pack_ = 1
    _layout_ = "ms"  # the only layout ctypes packs; from Python 3.14 on it wants to hear so
    _fields_ = (("access", ctypes.c_uint64), ("fd", ctypes.c_int32))


class NetPortAttr(ctypes.Structure):
    """``struct landlock_net_port_attr``: the port is in host byte order."""

    _fields_ = (("access", ctypes.c_uint64), ("port", ctypes.c_uint64))


def abi() -> int:
    """Return the newest ABI the kernel speaks. OSError: ENOSYS (not built in), EOPNOTSUPP (disabled at boot), EPERM."""
    return call("landlock_create_ruleset", 0, 0, CREATE_RULESET_VERSION)


def errata() -> int:
    """Return the bitmask of issues this kernel says are fixed, 0 where it cannot say (before Linux 6.15)."""
    try:
        return call("landlock_create_ruleset", 0, 0, CREATE_RULESET_ERRATA)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return 0
        raise


def create_ruleset(fs: int, net: int, scoped: int, quiet_fs: int = 0) -> int:
    """Return the fd (close-on-exec) of a new ruleset that handles these rights.

    ``quiet_fs`` are those among ``fs`` whose denials are not logged where ``add_quiet`` says so.

    The kernel gets the smallest structure that carries what is not zero, so that an old one accepts it.
    OSError: EINVAL for rights the kernel does not know, E2BIG for a structure it does not know, ENOMSG for no right.
    """
    size = 32 if quiet_fs else 24 if scoped else 16 if net else 8
    return call("landlock_create_ruleset", ctypes.byref(RulesetAttr(fs, net, scoped, quiet_fs)), size, 0)


def add_path(ruleset: int, access: int, fd: int) -> None:
    """Allow the rights beneath the inode that ``fd`` (O_PATH will do) refers to.

    OSError: EINVAL for rights not handled or, on a file, meant for directories; ENOMSG for none; EBADFD for an fd
    without a place in a file hierarchy.
    """
    call("landlock_add_rule", ruleset, RULE_PATH_BENEATH, ctypes.byref(PathBeneathAttr(access, fd)), 0)


def add_quiet(ruleset: int, fd: int) -> None:
    """Keep denials at or beneath what ``fd`` refers to out of the kernel's log. This allows nothing."""
    call("landlock_add_rule", ruleset, RULE_PATH_BENEATH, ctypes.byref(PathBeneathAttr(0, fd)), ADD_RULE_QUIET)


def add_port(ruleset: int, access: int, port: int) -> None:
    """Allow the network rights on one port."""
    call("landlock_add_rule", ruleset, RULE_NET_PORT, ctypes.byref(NetPortAttr(access, port)), 0)


def restrict_self(ruleset: int, flags: int = 0) -> None:
    """Put the calling thread under the ruleset, for good. EPERM without no_new_privs; E2BIG at the 17th domain."""
    call("landlock_restrict_self", ruleset, flags)
