"""Descriptors and signals of ``kernel.process``: openat2, faccessat2, close_range, signalfd."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from typing import TYPE_CHECKING

import pytest

from pyopenshell.kernel import process
from tests.confined.landlock import harness
from tests.confined.landlock.field import field
from tests.unit.kernel.test_process import become_user, status

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path):
    """A folder's descriptor; in it a file, a link to it, and a link out of it."""
    (tmp_path / "file").write_text("words")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "out").symlink_to("/etc")
    fd = os.open(tmp_path, os.O_PATH)
    yield fd
    os.close(fd)


@pytest.mark.parametrize(
    ("path", "resolve", "expected"),
    [
        ("file", process.RESOLVE_NO_SYMLINKS | process.RESOLVE_BENEATH, 0),
        ("link", 0, 0),
        ("link", process.RESOLVE_NO_SYMLINKS, errno.ELOOP),
        ("out/passwd", 0, 0),
        ("out/passwd", process.RESOLVE_BENEATH, errno.EXDEV),
        ("../x", process.RESOLVE_BENEATH, errno.EXDEV),
        (b"out/passwd", process.RESOLVE_IN_ROOT, errno.ENOENT),
        ("nothing", 0, errno.ENOENT),
    ],
)
def test_openat2(folder: int, path: str | bytes, resolve: int, expected: int):
    """Each restriction stops what it is for."""

    def attempt() -> None:
        fd = process.openat2(folder, path, os.O_RDONLY | os.O_CLOEXEC, resolve=resolve)
        assert not os.get_inheritable(fd)
        os.close(fd)

    assert expected == harness.errno_of(attempt)


def test_openat2_mode(folder: int):
    """A file that is created gets the mode, less the umask."""
    fd = process.openat2(folder, "new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    assert os.fstat(fd).st_mode & 0o777 == 0o600
    os.close(fd)


def test_access_errno():
    """0 or the errno of file modes, for the identity that asks; a question that makes no sense is raised."""
    here = process.AT_FDCWD
    with field(harness.identity("user")) as root:
        os.chmod(f"{root}/file", 0o200)

        def child() -> list[int]:
            become_user()
            fd = os.open(f"{root}/file", os.O_PATH)
            return [
                process.access_errno(here, f"{root}/script", os.R_OK | os.X_OK, process.AT_EACCESS),
                process.access_errno(here, os.fsencode(f"{root}/file"), os.R_OK, process.AT_EACCESS),
                process.access_errno(here, f"{root}/nothing", os.R_OK, 0),
                process.access_errno(fd, "", os.R_OK, process.AT_EMPTY_PATH | process.AT_EACCESS),
                process.access_errno(fd, "", os.W_OK, process.AT_EMPTY_PATH),
                harness.errno_of(lambda: process.access_errno(999_999, "x", os.R_OK, 0)),
                harness.errno_of(lambda: process.access_errno(here, "/", os.R_OK, 1 << 30)),
            ]

        expected = [0, errno.EACCES, errno.ENOENT, errno.EACCES, 0, errno.EBADF, errno.EINVAL]
        assert expected == harness.in_child(child)


def test_access_errno_before_linux_5_8():
    """ENOSYS is no answer about the file."""

    def child() -> int:
        harness.pretend("faccessat2", errno.ENOSYS)
        return harness.errno_of(lambda: process.access_errno(process.AT_FDCWD, "/", os.R_OK, 0))

    assert errno.ENOSYS == harness.in_child(child)


@pytest.mark.parametrize("fallback", [False, True], ids=["close_range", "fallback"])
def test_close_fds(fallback: bool):
    """Only what is kept is open afterwards, with close_range and, before Linux 5.9, without."""

    def child() -> bytes:
        reader, writer = os.pipe()
        if os.fork() == 0:
            high = fcntl.fcntl(writer, fcntl.F_DUPFD, 900)
            probe = os.open("/proc/self", os.O_PATH | os.O_DIRECTORY)
            if fallback:
                harness.pretend("close_range", errno.ENOSYS)
            process.close_fds(fd for fd in (high, probe, 2, high))
            listing = os.open("fd", os.O_RDONLY | os.O_DIRECTORY, dir_fd=probe)
            seen = {int(name) for name in os.listdir(listing)} - {listing, listing + 1}
            os.write(high, b"as asked" if seen == {2, probe, high} else repr(seen).encode())
            os._exit(0)
        return os.read(reader, 1000)

    assert harness.in_child(child) == b"as asked"


def test_reset_signals():
    """Whatever was ignored, handled or blocked is not any more: /proc shows three empty masks."""

    def child() -> list[int]:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, lambda *_: None)
        signal.signal(signal.SIGRTMIN, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGRTMAX])
        before = [bool(int(status(field), 16)) for field in ("SigIgn", "SigCgt", "SigBlk")]
        process.reset_signals()
        return [*before, *(int(status(field), 16) for field in ("SigIgn", "SigCgt", "SigBlk"))]

    answer = harness.in_child(child)
    # 32 and 33 are the C library's own: it lets nobody set them, and what started the tests may have ignored them.
    ours = ~(0b11 << 31)
    assert [True, True, True, 0, 0, 0] == [*answer[:3], *(mask & ours for mask in answer[3:])]


def test_signal_fd():
    """Signals wait in the descriptor, in any number of kinds, each with its sender; then there is none."""

    def child() -> list[object]:
        fd = process.signal_fd([signal.SIGTERM, signal.SIGCHLD, signal.SIGRTMAX])
        empty = process.read_signal(fd)
        os.kill(os.getpid(), signal.SIGRTMAX)
        os.kill(os.getpid(), signal.SIGTERM)
        told = [process.read_signal(fd) for _ in range(2)]
        return [empty, sorted(told) == [(15, os.getpid()), (64, os.getpid())], process.read_signal(fd)]  # type: ignore[type-var]

    assert [None, True, None] == harness.in_child(child)


def test_signal_fd_flags():
    """The descriptor does not block and is not inherited."""

    def child() -> list[bool]:
        fd = process.signal_fd([signal.SIGTERM])
        return [os.get_blocking(fd), os.get_inheritable(fd)]

    assert [False, False] == harness.in_child(child)
