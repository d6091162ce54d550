"""Constants and structure layouts against the kernel's headers."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import pytest

from pyopenshell.kernel import landlock, namespaces, process
from tests.unit.kernel import headers

if TYPE_CHECKING:
    from types import ModuleType

PREFIX = {landlock: "LANDLOCK_"}
INCLUDES = {
    landlock: ["linux/landlock.h"],
    namespaces: ["linux/fcntl.h", "linux/if.h", "linux/mount.h", "linux/sched.h", "linux/sockios.h"],
    process: [
        "linux/prctl.h",
        "linux/capability.h",
        "linux/openat2.h",
        "linux/fcntl.h",
        "sys/signalfd.h",
    ],
}
# Constants that are enumerators, not macros.
ENUMERATORS = {
    "LANDLOCK_RULE_PATH_BENEATH": "LANDLOCK_RULE_PATH_BENEATH",
    "SFD_NONBLOCK": "SFD_NONBLOCK",
    "SFD_CLOEXEC": "SFD_CLOEXEC",
}
# What the kernel's headers of Linux 6.1 lack, what stands in libc's, and names that are ours.
NEWER = {
    "LANDLOCK_RULE_NET_PORT": 2,
    "LANDLOCK_RESTRICT_SELF_LOG_SAME_EXEC_OFF": 1,
    "LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON": 2,
    "LANDLOCK_RESTRICT_SELF_LOG_SUBDOMAINS_OFF": 4,
    "LANDLOCK_CREATE_RULESET_ERRATA": 2,
    "LANDLOCK_ADD_RULE_QUIET": 1,
    "MOVE_MOUNT_BENEATH": 0x200,
    "CAPABILITY_VERSION_3": 0x20080522,
    "SIGNALFD_SIGINFO_SIZE": 128,
    "CLOSE_RANGE_LAST": 0xFFFFFFFF,
    "UMOUNT_NOFOLLOW": 8,
    "MNT_DETACH": 2,
    "AT_EXECVE_CHECK": 0x10000,
}


@pytest.mark.parametrize("module", INCLUDES, ids=lambda module: module.__name__.rsplit(".")[-1])
def test_constants(module: ModuleType):
    """Every constant has the value of the header, or of the list of newer ones where the header lacks it."""
    prefix = PREFIX.get(module, "")
    ours = {prefix + name: value for name, value in vars(module).items() if name.isupper() and isinstance(value, int)}
    ours.pop("TYPE_CHECKING", None)
    enumerators = {name: text for name, text in ENUMERATORS.items() if name in ours}
    told = headers.constants(INCLUDES[module], ours) | headers.expressions(INCLUDES[module], enumerators)
    assert ours
    assert {name: told.get(name, NEWER.get(name)) for name in ours} == ours


STRUCTURES = {
    landlock.PathBeneathAttr: ("landlock_path_beneath_attr", {"access": "allowed_access", "fd": "parent_fd"}),
    process.CapHeader: ("__user_cap_header_struct", {"version": "version", "pid": "pid"}),
    process.CapData: ("__user_cap_data_struct", {name: name for name in ("effective", "permitted", "inheritable")}),
    process.OpenHow: ("open_how", {name: name for name in ("flags", "mode", "resolve")}),
}


@pytest.mark.parametrize("ours", STRUCTURES, ids=lambda ours: ours.__name__)
def test_structure(ours: type[ctypes.Structure]):
    """A structure has the size and the offsets the compiler gives the kernel's."""
    name, fields = STRUCTURES[ours]
    wanted = {"size": f"sizeof(struct {name})"}
    wanted |= {field: f"offsetof(struct {name}, {theirs})" for field, theirs in fields.items()}
    told = headers.expressions(["linux/landlock.h", "linux/capability.h", "linux/openat2.h"], wanted)
    assert told == {"size": ctypes.sizeof(ours)} | {field: getattr(ours, field).offset for field in fields}


RULESET_ATTR = {
    "fs": "handled_access_fs",
    "net": "handled_access_net",
    "scoped": "scoped",
    "quiet_fs": "quiet_access_fs",
}


def test_ruleset_attr():
    """Eight bytes a member, in the order of the ABIs that added them; the installed header may know fewer."""
    attr = landlock.RulesetAttr
    assert dict(zip(RULESET_ATTR, (0, 8, 16, 24), strict=True)) == {
        ours: getattr(attr, ours).offset for ours in RULESET_ATTR
    }
    assert ctypes.sizeof(attr) == 32
    size = headers.expressions(["linux/landlock.h"], {"size": "sizeof(struct landlock_ruleset_attr)"})["size"]
    assert size % 8 == 0
    known = dict(list(RULESET_ATTR.items())[: size // 8])
    wanted = {ours: f"offsetof(struct landlock_ruleset_attr, {theirs})" for ours, theirs in known.items()}
    assert headers.expressions(["linux/landlock.h"], wanted) == {ours: getattr(attr, ours).offset for ours in known}
    assert known


def test_net_port_attr():
    """Two members of eight bytes: linux/landlock.h of Linux 6.7."""
    port = landlock.NetPortAttr
    assert [0, 8, 16] == [port.access.offset, port.port.offset, ctypes.sizeof(port)]


def test_signalfd_siginfo():
    """The offsets ``read_signal`` reads at."""
    told = headers.expressions(
        ["sys/signalfd.h"],
        {
            "size": "sizeof(struct signalfd_siginfo)",
            "number": "offsetof(struct signalfd_siginfo, ssi_signo)",
            "pid": "offsetof(struct signalfd_siginfo, ssi_pid)",
        },
    )
    assert {"size": process.SIGNALFD_SIGINFO_SIZE, "number": 0, "pid": 12} == told


def test_ifreq():
    """The layout ``bring_up_loopback`` writes into."""
    told = headers.expressions(
        ["linux/if.h"],
        {"size": "sizeof(struct ifreq)", "flags": "offsetof(struct ifreq, ifr_flags)"},
    )
    assert {"size": 40, "flags": 16} == told


def test_mount_attr():
    """Four members of eight bytes, what is to be set first: what ``mount_set_read_only`` passes."""
    told = headers.expressions(
        ["linux/mount.h"],
        {"size": "sizeof(struct mount_attr)", "set": "offsetof(struct mount_attr, attr_set)"},
    )
    assert {"size": 32, "set": 0} == told
