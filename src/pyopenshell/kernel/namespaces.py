"""Namespaces and mounts: unshare(2), setns(2), mount(2), umount2(2), open_tree(2), move_mount(2), and the loopback.

Constants are those of linux/sched.h, linux/mount.h and linux/fcntl.h, under their own names.
"""

from __future__ import annotations

import _socket
import ctypes
import fcntl

from pyopenshell.kernel import syscalls
from pyopenshell.kernel.syscalls import call, encode

AT_FDCWD = syscalls.AT_FDCWD
AT_EMPTY_PATH = syscalls.AT_EMPTY_PATH
AT_RECURSIVE = 0x8000

CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_NOSYMFOLLOW = 256
MS_BIND = 4096
MS_MOVE = 8192
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20

MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = 0o2000000

MOUNT_ATTR_RDONLY = 0x01
MOUNT_ATTR_NODEV = 0x04
MOUNT_ATTR_NOEXEC = 0x08

MOVE_MOUNT_F_SYMLINKS = 0x01
MOVE_MOUNT_F_AUTOMOUNTS = 0x02
MOVE_MOUNT_F_EMPTY_PATH = 0x04
MOVE_MOUNT_T_SYMLINKS = 0x10
MOVE_MOUNT_T_AUTOMOUNTS = 0x20
MOVE_MOUNT_T_EMPTY_PATH = 0x40
MOVE_MOUNT_BENEATH = 0x200

SIOCSIFFLAGS = 0x8914
IFF_UP = 1


def unshare(flags: int) -> None:
    """Move the calling thread into new namespaces; a new pid namespace is entered by its next child (unshare(2))."""
    call("unshare", flags)


def setns(fd: int, nstype: int = 0) -> None:
    """Join the namespace ``fd`` refers to; ``nstype`` (CLONE_NEW*) says which kind it must be, 0 any (setns(2))."""
    call("setns", fd, nstype)


def mount(
    source: str | bytes | None, target: str | bytes, fstype: str | None, flags: int, data: str | bytes | None = None
) -> None:
    """Mount something, or change a mount; None is a null pointer (mount(2))."""
    call("mount", _optional(source), encode(target), _optional(fstype), flags, _optional(data))


def umount(target: str | bytes, flags: int = 0) -> None:
    """Call umount2(2) with MNT_* or UMOUNT_* flags."""
    call("umount2", encode(target), flags)


def open_tree(dirfd: int, path: str | bytes, flags: int) -> int:
    """Return an fd for a mount tree, a detached copy with OPEN_TREE_CLONE (open_tree(2), Linux 5.2)."""
    return call("open_tree", dirfd, encode(path), flags)


def move_mount(from_fd: int, from_path: str | bytes, to_fd: int, to_path: str | bytes, flags: int) -> None:
    """Attach a mount tree somewhere (move_mount(2), Linux 5.2)."""
    call("move_mount", from_fd, encode(from_path), to_fd, encode(to_path), flags)


def mount_set_read_only(fd: int, *, recursive: bool = True) -> None:
    """Make a mount read-only, as a rule with what is mounted beneath it (mount_setattr(2), Linux 5.12)."""
    mount_set(fd, MOUNT_ATTR_RDONLY, recursive=recursive)


def mount_set(fd: int, attributes: int, *, recursive: bool = True) -> None:
    """Set attributes (MOUNT_ATTR_*) of a mount, as a rule with what is mounted beneath it (mount_setattr(2))."""
    packed = (ctypes.c_uint64 * 4)(attributes)  # struct mount_attr: set, clear, propagation, userns_fd
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    call("mount_setattr", fd, b"", flags, ctypes.byref(packed), ctypes.sizeof(packed))


def bring_up_loopback() -> None:
    """Set the loopback interface of this network namespace up; it starts down (netdevice(7)). Needs CAP_NET_ADMIN."""
    control = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
    try:
        request = bytearray(40)  # struct ifreq: the name in 16 bytes, then a union that starts with the flags
        request[:2] = b"lo"
        request[16] = IFF_UP  # the flags are a short in host order; both architectures are little-endian
        fcntl.ioctl(control.fileno(), SIOCSIFFLAGS, request)
    finally:
        control.close()


def _optional(value: str | bytes | None) -> bytes | int:
    return 0 if value is None else encode(value)
