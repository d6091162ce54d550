"""Every filesystem right on the real kernel: what is denied without it and allowed with it, at every ABI."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import termios
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pyopenshell.kernel import landlock, process
from pyopenshell.landlock.abi import MAX_ABI, RIGHTS
from pyopenshell.landlock.downgrade import allowed, handled, mask
from tests.confined.landlock import harness
from tests.confined.landlock.field import field

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = harness.needs_landlock

CAP_MKNOD = 27
PLACES = {"net": 4, "scope": 6}
"""The ABI that gave landlock_ruleset_attr a member for the rights of a kind."""
FS_RIGHTS = {right.name: right for right in RIGHTS if right.kind == "fs"}


def open_with(flags: int) -> Callable[[str], object]:
    return lambda root: os.close(os.open(f"{root}/file", flags))


def make_node(kind: int, device: int = 0) -> Callable[[str], object]:
    return lambda root: os.mknod(f"{root}/new", kind | 0o600, device)


def bind(root: str) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{root}/new")


def connect(root: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{root}/service")


def device_ioctl(_root: str) -> None:
    fd = os.open("/dev/null", os.O_RDWR)
    fcntl.ioctl(fd, termios.TCGETS, bytes(64))


class Row(NamedTuple):
    """One right: the operation, the kernel's answer without it and with it, and which rights it takes besides.

    ``privileged``: without CAP_MKNOD the answer with the right is EPERM.
    """

    right: str
    operation: Callable[[str], object]
    denied: int = errno.EACCES
    granted: int = 0
    needs: tuple[str, ...] = ()
    privileged: bool = False
    path: str | None = None


ROWS = (
    # The kernel opens what it executes, so that takes read_file too. ENOEXEC: permitted, and then not a program.
    Row(
        "execute",
        lambda root: os.execv(f"{root}/script", ["script"]),
        granted=errno.ENOEXEC,
        needs=("read_file",),
    ),
    Row("write_file", open_with(os.O_WRONLY)),
    Row("read_file", open_with(os.O_RDONLY)),
    Row("read_dir", lambda root: os.listdir(f"{root}/folder")),
    Row("remove_dir", lambda root: os.rmdir(f"{root}/folder")),
    Row("remove_file", lambda root: os.unlink(f"{root}/file")),
    Row("make_char", make_node(stat.S_IFCHR, os.makedev(1, 3)), privileged=True),
    Row("make_dir", lambda root: os.mkdir(f"{root}/new")),
    Row("make_reg", make_node(stat.S_IFREG)),
    Row("make_sock", bind),
    Row("make_fifo", lambda root: os.mkfifo(f"{root}/new")),
    Row("make_block", make_node(stat.S_IFBLK, os.makedev(7, 0)), privileged=True),
    Row("make_sym", lambda root: os.symlink("file", f"{root}/new")),
    Row(
        "refer",
        lambda root: os.rename(f"{root}/source/one", f"{root}/target/one"),
        denied=errno.EXDEV,
        needs=("remove_file", "make_reg"),
    ),
    Row("truncate", lambda root: os.truncate(f"{root}/file", 0)),
    # ENOTTY: the driver was asked.
    Row("ioctl_dev", device_ioctl, granted=errno.ENOTTY, needs=("read_file", "write_file"), path="/dev/null"),
    Row("resolve_unix", connect),
)


def answer_when_allowed(row: Row, who: str) -> int:
    can_make = who == "root" and process.has_capability(CAP_MKNOD)
    return errno.EPERM if row.privileged and not can_make else row.granted


def answer_when_unknown(row: Row, who: str) -> int:
    """What an ABI answers that does not have the right: it lets all pass, except that it always denies refer."""
    return errno.EXDEV if row.right == "refer" else answer_when_allowed(row, who)


def test_every_right_of_the_table_has_a_row():
    """No right can be added without saying, here, what it denies."""
    assert list(FS_RIGHTS) == [row.right for row in ROWS]


@pytest.mark.parametrize("who", harness.WHO)
@pytest.mark.parametrize("abi", harness.EACH_ABI)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.right)
def test_without_the_right(row: Row, abi: int, who: str):
    """All other rights do not replace the one that is missing; below its ABI nothing restricts the operation."""
    uid = harness.identity(who)
    handles = handled(abi, tcp=False)
    others = tuple(name for name in handles.fs if name != row.right)
    known = abi >= FS_RIGHTS[row.right].abi
    expected = row.denied if known else answer_when_unknown(row, who)
    with field(uid) as root:
        rules = [(root, others)] + ([(row.path, others)] if row.path else [])
        assert expected == harness.confined(lambda: row.operation(root), handles, rules, uid=uid)


@pytest.mark.parametrize("who", harness.WHO)
@pytest.mark.parametrize("abi", harness.EACH_ABI)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.right)
def test_with_just_the_right(row: Row, abi: int, who: str):
    """The right, with the few it takes besides, is enough: nothing needs more than its row says."""
    uid = harness.identity(who)
    handles = handled(abi, tcp=False)
    known = abi >= FS_RIGHTS[row.right].abi
    expected = answer_when_allowed(row, who) if known else answer_when_unknown(row, who)
    with field(uid) as root:
        rules = [(row.path or root, allowed((row.right, *row.needs), handles))]
        assert expected == harness.confined(lambda: row.operation(root), handles, rules, uid=uid)


@pytest.mark.parametrize("who", harness.WHO)
@pytest.mark.parametrize("abi", harness.ABIS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.right)
def test_with_the_right_elsewhere(row: Row, abi: int, who: str):
    """A grant on another folder gives nothing here."""
    uid = harness.identity(who)
    handles = handled(abi, tcp=False)
    known = abi >= FS_RIGHTS[row.right].abi
    needed = allowed((row.right, *row.needs), handles) if known else ()
    with field(uid) as root, field(uid) as elsewhere:
        answer = harness.confined(lambda: row.operation(root), handles, [(elsewhere, needed)], uid=uid)
    if known:
        assert answer == errno.EACCES
    else:
        # what the operation needs besides is missing too, where it needs anything
        assert answer == (errno.EACCES if row.needs else answer_when_unknown(row, who))


@pytest.mark.parametrize(
    ("flags", "access", "expected"),
    [
        (os.O_RDWR, ("read_file", "write_file"), 0),
        (os.O_RDWR, ("write_file",), errno.EACCES),
        (os.O_WRONLY | os.O_APPEND, ("write_file",), 0),
        (os.O_WRONLY | os.O_CREAT, ("write_file",), 0),
        (os.O_WRONLY | os.O_TRUNC, ("write_file",), errno.EACCES),
        (os.O_WRONLY | os.O_TRUNC, ("write_file", "truncate"), 0),
        (os.O_RDONLY | os.O_TRUNC, ("read_file",), errno.EACCES),
        (os.O_PATH, (), 0),
    ],
)
def test_open_modes(flags: int, access: tuple[str, ...], expected: int):
    """What each way to open a file takes: write_file alone does not truncate, and O_PATH takes nothing."""
    if harness.ABI < 3:
        pytest.skip("needs: Landlock ABI 3")
    with field() as root:
        handles = handled(3, tcp=False)
        assert expected == harness.confined(lambda: open_with(flags)(root), handles, [(f"{root}/file", access)])


@pytest.mark.kernels
@pytest.mark.parametrize("abi", range(1, MAX_ABI + 1))
def test_the_kernel_takes_the_rights_of_its_abi_and_no_newer(abi: int):
    """The table's ABI column is the kernel's: the rights up to its ABI make a ruleset, a newer one is EINVAL.

    Or E2BIG, where the structure has no place for its kind yet: the network's came with ABI 4, scopes with 6.
    """
    handles = handled(abi, tcp=True, udp=True)
    newer = [right for right in RIGHTS if harness.KERNEL_ABI < right.abi <= abi]

    def create() -> None:
        os.close(landlock.create_ruleset(mask(handles.fs), mask(handles.net), mask(handles.scoped)))

    longer = any(right.kind == kind for right in newer for kind, since in PLACES.items() if harness.KERNEL_ABI < since)
    assert (errno.E2BIG if longer else errno.EINVAL if newer else 0) == harness.errno_of(create)
