"""Namespaces and mounts, made in forked children: as root, or inside a user namespace of their own."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from typing import TYPE_CHECKING, Any

import pytest

from pyopenshell.kernel import namespaces
from tests.confined.landlock import harness

if TYPE_CHECKING:
    from collections.abc import Callable

SIOCGIFFLAGS = 0x8913
KINDS = ("mnt", "uts", "ipc", "net", "cgroup", "pid", "time")


def enter(kinds: int) -> None:
    namespaces.unshare(kinds if os.getuid() == 0 else kinds | namespaces.CLONE_NEWUSER)
    if kinds & namespaces.CLONE_NEWNS:
        namespaces.mount(None, "/", None, namespaces.MS_REC | namespaces.MS_PRIVATE)


def inside(kinds: int, action: Callable[[], Any]) -> Any:
    """Run in new namespaces; skip where this host gives none."""
    if harness.in_child(lambda: harness.errno_of(lambda: enter(kinds))):
        pytest.skip("needs: namespaces")

    def child() -> Any:
        enter(kinds)
        return action()

    return harness.in_child(child)


def kind_of(name: str) -> int:
    return os.stat(f"/proc/self/ns/{name}").st_ino


def kinds_of_self() -> dict[str, int]:
    return {name: kind_of(name) for name in KINDS}


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("mnt", namespaces.CLONE_NEWNS),
        ("uts", namespaces.CLONE_NEWUTS),
        ("ipc", namespaces.CLONE_NEWIPC),
        ("net", namespaces.CLONE_NEWNET),
        ("cgroup", namespaces.CLONE_NEWCGROUP),
        ("pid", namespaces.CLONE_NEWPID),
        ("time", namespaces.CLONE_NEWTIME),
    ],
)
def test_unshare(name: str, flag: int):
    """Each flag makes a new namespace of its kind, and of no other; a child is the first in it at the latest."""
    before = kinds_of_self()
    after = inside(flag, lambda: harness.in_child(kinds_of_self))
    assert [name] == [kind for kind in KINDS if before[kind] != after[kind]]


def test_setns():
    """A namespace that was left can be joined again, if it is of the kind that was named."""

    def action() -> list[int]:
        fd = os.open("/proc/self/ns/net", os.O_RDONLY)
        first = kind_of("net")
        namespaces.unshare(namespaces.CLONE_NEWNET)
        second = kind_of("net")
        wrong = harness.errno_of(lambda: namespaces.setns(fd, namespaces.CLONE_NEWNS))
        namespaces.setns(fd, namespaces.CLONE_NEWNET)
        return [wrong, int(first != second), int(first == kind_of("net"))]

    assert [errno.EINVAL, 1, 1] == inside(namespaces.CLONE_NEWNET, action)


def test_loopback():
    """Loopback starts down and is up afterwards, its other flags as they were."""

    def flags() -> int:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            answer = fcntl.ioctl(control, SIOCGIFFLAGS, struct.pack("16sH22x", b"lo", 0))
        return int(struct.unpack_from("H", answer, 16)[0])

    def action() -> list[int]:
        before = flags()
        namespaces.bring_up_loopback()
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
            return [before & namespaces.IFF_UP, before | namespaces.IFF_UP, flags()]

    down, expected, seen = inside(namespaces.CLONE_NEWNET, action)
    assert down == 0
    assert expected == seen & ~0x40  # IFF_RUNNING follows on its own


def test_mount_and_umount(tmp_path: Any):
    """A file system appears with its flags and data, and goes again."""
    path = str(tmp_path)

    def action() -> list[object]:
        namespaces.mount("tmpfs", path, "tmpfs", namespaces.MS_NOSUID | namespaces.MS_NODEV, "size=64k,mode=0711")
        with open("/proc/self/mounts") as mounts:
            (options,) = (line.split()[3] for line in mounts if line.split()[1] == path)
        mode = os.stat(path).st_mode & 0o777
        namespaces.umount(path, namespaces.MNT_DETACH)
        return [
            {"nosuid", "nodev", "size=64k"} <= set(options.split(",")),
            mode,
            harness.errno_of(lambda: namespaces.umount(path)),
        ]

    assert [True, 0o711, errno.EINVAL] == inside(namespaces.CLONE_NEWNS, action)


def test_open_tree_and_move_mount(tmp_path: Any):
    """A copy of a folder is held by descriptor and attached elsewhere."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_text("words")
    (tmp_path / "target").mkdir()

    def action() -> list[object]:
        tree = namespaces.open_tree(
            namespaces.AT_FDCWD,
            f"{tmp_path}/source",
            namespaces.OPEN_TREE_CLONE | namespaces.OPEN_TREE_CLOEXEC | namespaces.AT_RECURSIVE,
        )
        inheritable = os.get_inheritable(tree)
        namespaces.move_mount(tree, "", namespaces.AT_FDCWD, f"{tmp_path}/target", namespaces.MOVE_MOUNT_F_EMPTY_PATH)
        return [inheritable, os.listdir(f"{tmp_path}/target")]

    assert [False, ["file"]] == inside(namespaces.CLONE_NEWNS, action)


def test_mount_set_read_only(tmp_path: Any):
    """A held tree becomes read-only with what is mounted beneath it; the folder it was copied from does not."""
    (tmp_path / "source" / "beneath").mkdir(parents=True)
    (tmp_path / "target").mkdir()

    def action() -> list[int]:
        namespaces.mount("tmpfs", f"{tmp_path}/source/beneath", "tmpfs", 0)
        flags = namespaces.OPEN_TREE_CLONE | namespaces.OPEN_TREE_CLOEXEC | namespaces.AT_RECURSIVE
        tree = namespaces.open_tree(namespaces.AT_FDCWD, f"{tmp_path}/source", flags)
        namespaces.mount_set_read_only(tree)
        namespaces.move_mount(tree, "", namespaces.AT_FDCWD, f"{tmp_path}/target", namespaces.MOVE_MOUNT_F_EMPTY_PATH)
        names = ("target", "target/beneath", "source")
        return [harness.errno_of(lambda name=name: os.mkdir(f"{tmp_path}/{name}/new")) for name in names]  # type: ignore[misc]

    assert [errno.EROFS, errno.EROFS, 0] == inside(namespaces.CLONE_NEWNS, action)


def test_paths_are_whole():
    """A NUL in any argument of mount(2) is refused before the kernel sees it."""
    for arguments in (("a\0", "/", "x", 0, "y"), ("a", "/\0", "x", 0, "y"), ("a", "/", "x", 0, b"y\0z")):
        with pytest.raises(ValueError, match="NUL"):
            namespaces.mount(*arguments)
