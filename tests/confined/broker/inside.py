"""What workloads do in the sandbox: try opens, name threads, and answer in plain words."""

from __future__ import annotations

import errno
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyopenshell.kernel.syscalls import call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CWD = -100


def attempt(operation: Callable[..., object], *arguments: object) -> str:
    """Return the name of the errno that an operation fails with, else ``ok``; a descriptor it returns is closed."""
    try:
        value = operation(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    if isinstance(value, int) and value > 2:
        os.close(value)
    return "ok"


def by_open(path: str | bytes | int, flags: int = os.O_RDWR) -> int:
    """open(2), where the architecture has it; ``path`` may be an address."""
    return call("open", os.fsencode(path) if isinstance(path, str) else path, flags, 0)


def by_openat(folder: int, path: str | bytes | int, flags: int = os.O_RDWR) -> int:
    """openat(2) as it is, not as the interpreter would call it; ``path`` may be an address."""
    return call("openat", folder, os.fsencode(path) if isinstance(path, str) else path, flags, 0)


@contextmanager
def thread() -> Iterator[int]:
    """Another thread of this process, which only waits; its number."""
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    try:
        yield other.native_id or 0
    finally:
        done.set()
        other.join()


def name(path: str | bytes, *, folder: int = CWD, flags: int = os.O_RDWR, text: bytes = b"named") -> str:
    """Open a thread's name as given and write it; return the errno's name where either fails, else ``ok``."""
    try:
        fd = by_openat(folder, path, flags)
        try:
            os.write(fd, text)
        finally:
            os.close(fd)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "ok"


def called(tid: int) -> str:
    """Return the name of an own thread, which may be that of another by now."""
    with open(f"/proc/self/task/{tid}/comm") as file:
        return file.read().rstrip("\n")
