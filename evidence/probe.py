"""Try, inside a sandbox, which regular files of /proc open for writing. Not one byte is ever written to any.

Runs alone (``python3 -I -S -c``): imports nothing of the project. Its argument is JSON: ``filter``, the program of a
seccomp filter (hex) that makes the promise above one that the kernel keeps (``evidence.filter``); ``threads``, how
many it shall have; ``bystander``, a process that counts beside its own, or 0; ``root``, where to look. It answers
with JSON on standard output.
"""

import ctypes
import errno
import json
import os
import signal
import stat
import sys
import threading
from collections import Counter
from typing import Any, NoReturn

FLAGS = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY | os.O_NOFOLLOW
"""Neither O_CREAT nor O_TRUNC, so an open changes nothing; O_NONBLOCK for files that would wait."""
SECONDS = 5.0
"""How long one open may take before it is given up and listed."""
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
KINDS = ((stat.S_ISLNK, "symbolic links"), (stat.S_ISFIFO, "pipes"), (stat.S_ISSOCK, "sockets"))


class Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def promise(program: bytes) -> None:
    """Install the filter: from here on this process cannot write but to its standard output."""
    libc = ctypes.CDLL(None, use_errno=True)
    call = ctypes.byref(Program(len(program) // 8, program))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, call, 0, 0):
        sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}")


def late(_signal: int, _frame: object) -> NoReturn:
    """Give up on an open that waits."""
    raise TimeoutError(errno.ETIMEDOUT, "the open did not return")


class Search:
    """One walk through procfs. Symbolic links are not followed: what they lead to is met where it is."""

    def __init__(self, root: str, bystander: int) -> None:
        self.root = root
        self.own = (str(os.getpid()), str(bystander))
        self.device = os.lstat(root).st_dev
        self.opened: list[str] = []
        self.refused: Counter[str] = Counter()
        self.passed: Counter[str] = Counter()
        self.left: list[str] = []

    def walk(self, folder: str) -> None:
        """Try every regular file in a folder and beneath it."""
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            self.note(folder, error)
            return
        for name in names:
            path = f"{folder}/{name}"
            if folder == self.root and name.isdigit() and name not in self.own:
                self.passed["other processes"] += 1
                continue
            try:
                found = os.lstat(path)
            except OSError as error:
                self.note(path, error)
                continue
            self.meet(path, found)

    def meet(self, path: str, found: os.stat_result) -> None:
        """Do with a file what its kind asks for."""
        if found.st_dev != self.device:  # a folder with autofs would even be mounted by being entered
            self.left.append(f"{path}: another file system")
        elif stat.S_ISDIR(found.st_mode):
            self.walk(path)
        elif stat.S_ISREG(found.st_mode):
            self.attempt(path)
        else:
            kind = next((name for is_it, name in KINDS if is_it(found.st_mode)), "devices")
            self.passed[kind] += 1

    def attempt(self, path: str) -> None:
        """Open and close a file."""
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            os.close(os.open(path, FLAGS))
            self.opened.append(path)
        except OSError as error:
            if error.errno == errno.ETIMEDOUT:
                self.left.append(f"{path}: the open did not return within {SECONDS:g} s")
            self.refused[errno.errorcode.get(error.errno or 0, "?")] += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def note(self, path: str, error: OSError) -> None:
        """Remember what could not even be looked at; a descriptor that was there to list a folder is gone after it."""
        if error.errno in (errno.ENOENT, errno.ESRCH):
            self.passed["gone before they were tried"] += 1
        else:
            self.left.append(f"{path}: {errno.errorcode.get(error.errno or 0, '?')}")


def main(given: dict[str, Any]) -> None:
    """Look, and answer."""
    held = threading.Event()
    for _ in range(given["threads"] - 1):
        threading.Thread(target=held.wait, daemon=True).start()
    signal.signal(signal.SIGALRM, late)
    promise(bytes.fromhex(given["filter"]))
    search = Search(given["root"], given["bystander"])
    search.walk(search.root)
    answer = {"pid": os.getpid(), "tids": sorted(map(int, os.listdir("/proc/self/task"))), "opened": search.opened}
    answer |= {"refused": search.refused, "passed": search.passed, "left": search.left}
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
