"""Ways to try an access for oneself, as CUDA would make it. Each returns normally, or raises the kernel's answer.

Nothing stays: what is made is removed, a device gets one request that no driver knows, the thread named is our own.
"""

from __future__ import annotations

import _socket
import errno
import fcntl
import os
import stat
import termios
import threading

from pyopenshell.kernel import process

THREAD_NAME = b"openshell-probe"
NODEV = 4
"""ST_NODEV of statvfs(3): the mount opens no devices."""
TERMIOS_BYTES = 64
"""More than any ``struct termios`` takes."""

LANDLOCK = "Landlock, or another security module"
MODES = "file modes"
MOUNT = "the mount's nodev option"
CGROUP = "the device cgroup"
FILTER = "a syscall filter"


def device(path: str) -> None:
    """Open a device for reading and writing, and send it an ioctl that only terminals know."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        fcntl.ioctl(fd, termios.TCGETS, bytes(TERMIOS_BYTES))
    except OSError as error:
        if error.errno == errno.EACCES:  # any other answer is the driver's own: Landlock let the request through
            raise OSError(errno.EACCES, "its ioctls are denied", path) from error
    finally:
        os.close(fd)


def capability(path: str) -> None:
    """Open the capability node of a MIG instance: for reading, which is all that its mode gives and CUDA asks for."""
    os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY))


def thread_name(_path: str) -> None:
    """Name another thread of this process, as glibc's pthread_setname_np does."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        fd = os.open(f"/proc/self/task/{thread.native_id}/comm", os.O_RDWR | os.O_CLOEXEC)
        try:
            os.write(fd, THREAD_NAME)
        finally:
            os.close(fd)
    finally:
        done.set()
        thread.join()


def memory(_path: str) -> None:
    """Make a file in memory."""
    os.close(os.memfd_create("openshell-probe"))


def read(path: str) -> None:
    """Read the first byte of a file; a folder is listed."""
    if os.path.isdir(path):
        os.listdir(path)
        return
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.read(fd, 1)
    finally:
        os.close(fd)


def connect(path: str) -> None:
    """Connect to a socket, and leave."""
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        sock.settimeout(5)
        sock.connect(path)
    finally:
        sock.close()


def write(path: str) -> None:
    """Make a file in a folder and remove it; where the folder is missing, a folder in the nearest one above it."""
    name = f".openshell-probe-{os.getpid()}"
    if os.path.isdir(path):
        os.close(os.open(f"{path}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        os.unlink(f"{path}/{name}")
        return
    folder = _above(path)
    os.mkdir(f"{folder}/{name}", 0o700)
    os.rmdir(f"{folder}/{name}")


def _above(path: str) -> str:
    """Return the folder that a missing path would be made in: the nearest that is there."""
    while path and not os.path.isdir(path):
        path = path.rpartition("/")[0]
    return path or "/"


WAYS = {
    "device": device,
    "capability": capability,
    "thread name": thread_name,
    "memory": memory,
    "read": read,
    "connect": connect,
    "write": write,
}
"""By the word that a need has for it."""
NODES = ("device", "capability")
"""Those that open device nodes."""


def denier(way: str, path: str, code: int) -> str:
    """Say who denied an access with EACCES or EPERM, from what can be seen beside it."""
    if way == "memory":
        return FILTER
    if code == errno.EPERM:
        return CGROUP if way in NODES else FILTER
    path = _above(path) if way == "write" else path
    try:
        if way in NODES and os.statvfs(path).f_flag & NODEV:
            return MOUNT
        wanted = (
            os.R_OK
            if way in ("read", "capability")
            else os.W_OK
            if way in ("connect", "thread name")
            else os.R_OK | os.W_OK
        )
        if process.access_errno(process.AT_FDCWD, path, wanted, process.AT_EACCESS) == 0:
            return LANDLOCK
        seen = os.stat(path)
    except OSError:
        return MODES
    return f"{MODES}: {stat.filemode(seen.st_mode)}, of {seen.st_uid}:{seen.st_gid}"
