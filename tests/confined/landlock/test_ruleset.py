"""Rules and their outcomes on the real kernel: inode types, requested beside actual, one bad rule among good ones."""

from __future__ import annotations

import errno
import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from pyopenshell.kernel import landlock, process
from pyopenshell.landlock import ruleset
from pyopenshell.landlock.downgrade import for_inode, handled, mask, names
from pyopenshell.policy.access import READ_ONLY, READ_WRITE
from tests.confined.landlock import harness
from tests.confined.landlock.field import field

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = harness.needs_landlock

ALL_FS = mask(handled(harness.ABI, tcp=False).fs)
ON_FILES = {"execute", "write_file", "read_file", "truncate", "ioctl_dev", "resolve_unix"}


def regular(path: str) -> None:
    os.mknod(path)


def sock(path: str) -> None:
    socket.socket(socket.AF_UNIX).bind(path)


def link(path: str) -> None:
    os.symlink("nowhere", path)


def folder(path: str) -> None:
    os.mkdir(path)


def answer(call: Callable[..., object], *args: object) -> int:
    return harness.errno_of(lambda: call(*args))


INODES = (regular, os.mkfifo, sock, link, folder)


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("make", INODES, ids=lambda make: make.__name__)
def test_the_kernel_takes_what_is_left_for_an_inode(make: Callable[[str], None]):
    """Whatever a path is, every right that ``for_inode`` leaves is accepted, and every one it takes away is EINVAL."""
    with field() as root:
        make(f"{root}/inode")
        fd = os.open(f"{root}/inode", os.O_PATH | os.O_NOFOLLOW)
        kept = for_inode(ALL_FS, os.fstat(fd).st_mode)
        rules = landlock.create_ruleset(ALL_FS, 0, 0)
        answers = {name: answer(landlock.add_path, rules, mask((name,)), fd) for name in names(ALL_FS)}
        os.close(fd)
        os.close(rules)
    assert {name: 0 if name in names(kept) else errno.EINVAL for name in names(ALL_FS)} == answers


@pytest.mark.parametrize("path", ["/dev/null", "/dev/loop0"])
def test_devices_are_files(path: str):
    """A device takes the rights of files, and no others."""
    if not os.path.exists(path):
        pytest.skip(f"needs: {path}")
    fd = os.open(path, os.O_PATH)
    rules, (outcome,) = ruleset.build(ALL_FS, 0, 0, [("device", fd, ALL_FS)])
    os.close(fd)
    os.close(rules)
    assert outcome["errno"] == 0
    assert set(names(ALL_FS)) & ON_FILES == set(outcome["actual"])  # type: ignore[call-overload]


@pytest.mark.parametrize("abi", harness.ABIS)
def test_outcome(abi: int):
    """An outcome names the inode and stands requested beside actual: what is handled, and fits the inode."""
    handles = handled(abi, tcp=False)
    with field() as root:
        paths = {"file": f"{root}/file", "folder": f"{root}/folder"}
        requests = [(name, os.open(path, os.O_PATH), mask(READ_WRITE)) for name, path in paths.items()]
        rules, outcomes = ruleset.build(mask(handles.fs), 0, 0, requests)
        inodes = {name: os.stat(path) for name, path in paths.items()}
        for fd in (rules, *(fd for _, fd, _ in requests)):
            os.close(fd)
    wanted = [name for name in handles.fs if name in READ_WRITE]
    requested = list(names(mask(READ_WRITE)))
    fits = {"file": [name for name in wanted if name in ON_FILES], "folder": wanted}
    assert [
        {
            "grant": name,
            "dev": inode.st_dev,
            "ino": inode.st_ino,
            "requested": requested,
            "actual": fits[name],
            "errno": 0,
        }
        for name, inode in inodes.items()
    ] == outcomes


def test_nothing_left_is_no_rule():
    """A request of which nothing fits is reported as empty; the kernel, which would say ENOMSG, is not asked."""
    with field() as root:
        fd = os.open(f"{root}/file", os.O_PATH)
        rules, (outcome,) = ruleset.build(ALL_FS, 0, 0, [("id", fd, mask(("read_dir", "make_dir")))])
        os.close(fd)
        os.close(rules)
    assert (True, [], 0, ["read_dir", "make_dir"]) == tuple(
        outcome[key] for key in ("empty", "actual", "errno", "requested")
    )


def test_one_bad_rule_harms_no_other():
    """A closed descriptor and a pipe each fail on their own; the rules around them stand, and nothing else does."""
    read = mask(("read_file",))
    with field() as root:

        def child() -> list[int]:
            reader, _ = os.pipe()
            closed = os.open(root, os.O_PATH)
            os.close(closed)
            good = [os.open(f"{root}/{name}", os.O_PATH) for name in ("file", "script")]
            process.set_no_new_privs()
            requests = [("a", good[0], read), ("b", 999_999, read), ("c", reader, read), ("d", good[1], read)]
            rules, outcomes = ruleset.build(ALL_FS, 0, 0, requests)
            ruleset.enforce(rules)
            opened = [answer(os.open, f"{root}/{name}", os.O_RDONLY) for name in ("file", "script", "source/one")]
            return [*(int(str(outcome["errno"])) for outcome in outcomes), *opened]

        assert [0, errno.EBADF, errno.EBADFD, 0, 0, 0, errno.EACCES] == harness.in_child(child)


def test_a_declared_file_in_read_write_is_writable():
    """A policy may name a file where a folder was meant: it gets the rights that files have."""
    with field() as root:
        rules = [(f"{root}/file", READ_WRITE)]
        handles = handled(harness.ABI, tcp=False)
        assert harness.confined(lambda: os.open(f"{root}/file", os.O_RDWR), handles, rules) == 0
        assert harness.confined(lambda: os.open(f"{root}/script", os.O_RDWR), handles, rules) == errno.EACCES


def test_without_no_new_privs():
    """The kernel refuses an ordinary user's ruleset while exec could still gain privileges."""
    uid = harness.identity("user")

    def child() -> int:
        if uid is not None:
            process.set_ids(uid, uid, ())
        rules, _ = ruleset.build(ALL_FS, 0, 0, [])
        return harness.errno_of(lambda: ruleset.enforce(rules))

    assert errno.EPERM == harness.in_child(child)


def test_the_ruleset_is_closed_on_exec_and_after_enforcement():
    """No descriptor of the ruleset is left for the program."""

    def child() -> list[bool]:
        process.set_no_new_privs()
        rules, _ = ruleset.build(ALL_FS, 0, 0, [])
        inheritable = os.get_inheritable(rules)
        ruleset.enforce(rules)
        return [inheritable, harness.errno_of(lambda: os.fstat(rules)) == errno.EBADF]

    assert [False, True] == harness.in_child(child)


def test_sixteen_domains():
    """A sandbox can be put into sandboxes sixteen deep; then the kernel says E2BIG."""

    def child() -> list[int]:
        process.set_no_new_privs()
        return [harness.errno_of(lambda: ruleset.enforce(ruleset.build(ALL_FS, 0, 0, [])[0])) for _ in range(17)]

    assert [0] * 16 + [errno.E2BIG] == harness.in_child(child)


def test_an_inner_sandbox_cannot_widen():
    """What an outer sandbox denies, an inner one that allows it does not open."""
    handles = handled(harness.ABI, tcp=False)
    with field() as root:

        def child() -> int:
            harness.enforce(handles, [(root, READ_ONLY)])
            harness.enforce(handles, [(root, READ_WRITE)])
            return harness.errno_of(lambda: os.open(f"{root}/file", os.O_WRONLY))

        assert errno.EACCES == harness.in_child(child)


def test_open_descriptors_stay_open():
    """Landlock judges opening: what was open before enforcement is still readable, so none may be inherited."""
    with field() as root, open(f"{root}/file", "rb") as file:

        def child() -> bytes:
            harness.enforce(handled(harness.ABI, tcp=False))
            assert answer(os.open, f"{root}/file", os.O_RDONLY) == errno.EACCES
            return file.read()

        assert harness.in_child(child) == b"some words\n"


def test_file_types_are_what_the_inode_says():
    """The type is the opened inode's, so a path that becomes something else afterwards changes nothing."""
    with field() as root:
        fd = os.open(f"{root}/folder", os.O_PATH)
        os.rmdir(f"{root}/folder")
        os.mknod(f"{root}/folder")
        rules, (outcome,) = ruleset.build(ALL_FS, 0, 0, [("id", fd, mask(READ_ONLY))])
        assert stat.S_ISREG(os.stat(f"{root}/folder").st_mode)
        os.close(fd)
        os.close(rules)
    assert (list(READ_ONLY), 0) == (outcome["actual"], outcome["errno"])
